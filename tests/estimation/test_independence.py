"""Tests of dependence and of descriptions: their level on independent rows, and what they see."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wyner.estimation import checks, codes, gof
from wyner.estimation.evidence import Evidence
from wyner.estimation.held_out import HeldOut
from wyner.estimation.independence import independence, normal_scores, pooled, spheres
from wyner.estimation.samples import Side, read
from wyner.estimation.spectrum import Spectrum, common, correlations, mutual
from wyner.estimation.tasks import gaussian_task, label_task, shears, task


def test_pooled_p_values_by_hand():
    null = np.array([[0.0, 5.0], [1.0, 4.0], [2.0, 3.0]])
    assert pooled(np.array([9.0, 4.0]), null) == 0.25
    assert pooled(np.array([1.0, 4.0]), null) == 1.0


def test_the_pooled_test_has_its_level():
    rng = np.random.default_rng(0)
    p = []
    for s in range(120):
        x, y = rng.standard_normal((40, 2)), rng.exponential(size=(40, 1))
        sample = read(x, y, seed=s)
        p.append(independence(sample.x, sample.y, s, shuffles=39).p)
    hits = sum(v <= 0.1 for v in p)
    assert abs(hits - 12) < 4 * math.sqrt(120 * 0.1 * 0.9)
    assert np.mean(p) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("kind", ["line", "ring", "one of many", "category"])
def test_what_the_pooled_test_sees(kind):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 300, 1))
    if kind == "line":
        y = y + 0.6 * x
    if kind == "ring":
        angle = rng.random(300) * 2 * math.pi
        x, y = np.cos(angle)[:, None] + 0.1 * x, np.sin(angle)[:, None] + 0.1 * y
    if kind == "one of many":
        x, y = rng.standard_normal((2, 300, 30))
        y[:, 7] += x[:, 3]
    if kind == "category":
        x = rng.integers(0, 3, 300)
        y = y + (x == 1)[:, None]
    sample = read(x, y)
    assert Evidence(sample).dependent


def test_simulated_correlations_have_the_law_of_sample_correlations():
    """Bartlett's matrices against samples of the pair itself."""
    r, n, rng = np.array([0.7, 0.3]), 60, np.random.default_rng(2)
    found = []
    for _ in range(400):
        x, y = rng.standard_normal((n, 3)), rng.standard_normal((n, 2))
        y[:, :2] = r * x[:, :2] + np.sqrt(1 - r * r) * y[:, :2]
        found.append(correlations(x, y))
    simulated = Spectrum(r, 3, 2, n, 0).simulated(r)
    for k in (0, 1):
        ours, theirs = simulated[:, k], np.array(found)[:, k]
        error = math.hypot(ours.std() / math.sqrt(len(ours)), theirs.std() / 20)
        assert abs(ours.mean() - theirs.mean()) < 4 * error


def test_j_of_chance_is_taken_away():
    """Sample correlations of 6 + 6 independent columns add up to a J of a nat; the source has 0."""
    rng = np.random.default_rng(3)
    x, y = (normal_scores(rng.standard_normal((200, 6))) for _ in range(2))
    spectrum = Spectrum(correlations(x, y), 6, 6, 200, 0, scored=True)
    assert common(spectrum.r) > 0.7
    (low_i, high_i), (low_j, _) = spectrum.intervals()
    assert low_i == low_j == 0
    assert high_i < mutual(spectrum.r) + 0.1
    assert spectrum.mutual < 0.05


def test_intervals_of_a_spectrum_hold_the_source():
    pair, held = gaussian_task("pair", [0.8, 0.4], nuisance=1), [0, 0]
    for s in range(20):
        x, y = (normal_scores(v) for v in pair.sample(150, s))
        ends = Spectrum(correlations(x, y), 3, 3, 150, s, scored=True).intervals()
        for k, truth in enumerate((pair.mutual, pair.wyner)):
            held[k] += ends[k][0] <= truth <= ends[k][1]
    assert min(held) >= 17


def test_a_gaussian_copula_is_told_from_what_is_none():
    p = {}
    for name, image in (("as it is", None), ("bent", shears)):
        pair = gaussian_task("pair", [0.9, 0.6], image=image)
        p[name] = [
            gof.gaussian_copula(*(normal_scores(v) for v in pair.sample(400, s)), s)
            for s in range(8)
        ]
    assert sum(v > 0.2 for v in p["as it is"]) >= 4
    assert max(p["bent"]) < 0.1


def test_remainders_are_of_the_other_half():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((200, 3)), rng.standard_normal((200, 2))
    found = gof.remainder(y, x)
    halves = np.arange(200) % 2 == 0
    slope = np.linalg.lstsq(x[halves], y[halves], rcond=None)[0]
    assert found[~halves] == pytest.approx(y[~halves] - x[~halves] @ slope)


def test_blobs_are_found_and_complete_unless_something_is_inside():
    plain, more = label_task("four", 4, 3), label_task("four", 4, 3, r=0.8)
    sample = read(*plain.sample(500, 0))
    a, b = codes.codes(sample.x, 0), codes.codes(sample.y, 1)
    assert (a.levels, b.levels) == (4, 4)
    assert codes.complete(sample.x, sample.y, a, b, 0) > 0.1
    sample = read(*more.sample(500, 0))
    a, b = codes.codes(sample.x, 0), codes.codes(sample.y, 1)
    assert codes.complete(sample.x, sample.y, a, b, 0) <= 0.05
    assert codes.codes(read(*task("gaussian-4-0.5").sample(500, 0)).x, 0) is None
    assert codes.codes(Side(np.array([0, 1, 1]), 2), 0).exact


def test_shuffles_stay_in_their_group():
    groups = np.array([0, 1, 0, 1, 2, 0])
    order = codes._shuffled(groups, np.random.default_rng(5))
    assert sorted(order) == list(range(6))
    assert (groups[order] == groups).all()


def test_held_out_bounds_stay_below_i_and_find_nothing_in_shuffled_rows():
    pair = gaussian_task("pair", [0.8])
    critics = HeldOut(read(*pair.sample(1500, 0)))
    found = critics.bounds()
    assert found["lines"].value == pytest.approx(pair.mutual, abs=0.08)
    for bound in found.values():
        assert 0.2 < bound.value < pair.mutual + 3 * bound.error
    shuffled = critics.bounds(np.random.default_rng(6).permutation(1500))
    assert max(b.value for b in shuffled.values()) < 0.03


def test_white_columns():
    x = np.random.default_rng(7).standard_normal((100, 3)) @ np.diag([1, 5, 0])
    white = spheres(x)
    assert white.T @ white / 100 == pytest.approx(np.eye(2), abs=1e-9)
    assert spheres(np.ones((10, 2))).shape == (10, 1)


def test_rows_in_time_are_thinned_and_sorted_ones_are_not_if_one_says_so():
    rng = np.random.default_rng(8)
    sample = read(np.cumsum(rng.normal(size=500)), np.cumsum(rng.normal(size=500)))
    assert len(checks.check(sample, ordered=True).sample) < 60
    assert len(checks.check(sample, ordered=False).sample) == 500
    one = read(np.cumsum(rng.normal(size=500)), rng.normal(size=500))
    assert len(checks.check(one, ordered=True).sample) == 500


def test_many_columns_of_categories_are_their_columns_and_their_rows():
    rng = np.random.default_rng(9)
    side = read(rng.integers(0, 5, (400, 8)), rng.integers(0, 2, 400)).x
    assert side.levels > 390
    assert side.columns.shape == (400, 8)
    shown = side.indicators(256)
    assert shown.shape == (400, 40)
    assert (shown.sum(1) == 8).all()
    some = side.rows(np.arange(50))
    assert (some.levels, some.columns.shape) == (50, (50, 8))
