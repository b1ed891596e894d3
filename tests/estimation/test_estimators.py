"""The parts of the estimators against closed forms, brute force and other implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from wyner.errors import DataError, OptionError
from wyner.estimation import (
    categories,
    clusters,
    critic,
    crossfit,
    density,
    gaussian_fit,
    relaxed,
    table,
)
from wyner.estimation.independence import normal_scores
from wyner.estimation.neural import Learned, sides
from wyner.estimation.rows import Estimate, around
from wyner.estimation.samples import read
from wyner.estimation.tasks import erasure_pair, erasures, flips, symmetric_binary
from wyner.information.discrete.table import gacs_korner, total_correlation

BITS = math.log(2)


def draws(p: np.ndarray, n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).multinomial(n, p.ravel()).reshape(p.shape).astype(float)


@pytest.mark.parametrize(("statistic", "freedom"), [(3.84, 1), (10.0, 4), (150.0, 121), (0.0, 3)])
def test_tail_of_chi_squared(statistic, freedom):
    assert table.tail(statistic, freedom) == pytest.approx(
        stats.chi2.sf(statistic, freedom), rel=1e-8
    )  # torch: 1.4e-9


def test_miller_and_madow_by_hand():
    counts = np.array([[30.0, 10.0], [10.0, 50.0]])
    p = counts / 100
    plain = float((p * np.log(p / np.outer(p.sum(1), p.sum(0)))).sum())
    value, error = table.information_with_error(counts)
    assert value == pytest.approx(plain - 1 / 200, rel=1e-12)
    assert error == pytest.approx(
        math.sqrt(
            float((p * np.log(p / np.outer(p.sum(1), p.sum(0))) ** 2).sum() - plain**2) / 100
        ),
        rel=1e-9,
    )


def test_the_error_of_information_is_the_deviation_over_samples():
    p = flips(0.2)
    found = [table.information_with_error(draws(p, 2000, s)) for s in range(300)]
    values = np.array([v for v, _ in found])
    assert np.mean([e for _, e in found]) == pytest.approx(values.std(ddof=1), rel=0.15)
    assert abs(values.mean() - total_correlation(p)) < 4 * values.std() / math.sqrt(300)


def test_equal_rows_are_merged_and_different_ones_kept():
    p = np.kron(flips(0.1), np.array([[0.3, 0.2], [0.3, 0.2]]))
    small, rows, columns = table.merge(draws(p, 20_000, 0))
    assert small.shape == (2, 2)
    assert rows.tolist() == [0, 0, 1, 1]
    assert columns.tolist() == [0, 0, 1, 1]
    assert table.merge(np.diag([100.0] * 10))[0].shape == (10, 10)


def test_chance_is_merged_away():
    ones = sum(table.merge(draws(np.full((8, 8), 1 / 64), 5000, s))[0].size == 1 for s in range(60))
    assert ones >= 56  # 2 tests at 0.01 each fail in about one of 60 tables


def test_denoising_keeps_the_rank_of_the_source():
    p = denoised(np.kron(flips(0.1), np.full((3, 3), 1 / 9)), 0)
    assert np.linalg.matrix_rank(p, 1e-9) == 2
    p = denoised(np.full((6, 6), 1 / 36), 1)
    assert np.linalg.matrix_rank(p, 1e-9) == 1
    assert total_correlation(p) == pytest.approx(0, abs=1e-12)


def denoised(p, seed):
    found = table.denoise(draws(p, 10_000, seed))
    assert found.sum() == pytest.approx(1)
    assert found.min() >= 0
    return found


def test_components():
    blocks = np.array([[5.0, 5, 0, 0], [5, 5, 0, 0], [0, 0, 20, 0], [0, 0, 0, 60]])
    assert gacs_korner(blocks) == pytest.approx(
        -(0.2 * math.log(0.2) * 2 + 0.6 * math.log(0.6)), rel=1e-12
    )
    chain = np.array([[1.0, 1, 0], [0, 1, 1], [0, 0, 1]])
    assert gacs_korner(chain) == 0
    noisy = np.array([[499.0, 1], [1, 499]])
    assert gacs_korner(noisy) == 0
    assert gacs_korner(noisy, 0.01) == pytest.approx(math.log(2), rel=1e-9)


@pytest.mark.parametrize(
    ("lam", "rate", "left"), [(0.5, 0.671205, 0.064191), (0.2, 0.828919, 0.004885)]
)
def test_lagrangian_of_the_binary_source(lam, rate, left):
    assert relaxed.bound(flips(0.1), lam) / BITS == pytest.approx(rate + left / lam, abs=2e-5)


def test_lagrangian_of_a_label_is_its_entropy_and_never_above_j():
    assert relaxed.bound(np.eye(7) / 7) == pytest.approx(math.log(7), rel=1e-6)
    assert relaxed.bound(flips(0.1)) < 0.872761 * BITS
    assert relaxed.bound(np.full((4, 4), 1 / 16)) == pytest.approx(0, abs=1e-9)
    assert relaxed.bound(np.array([[0.4, 0.6]])) == 0


@pytest.mark.parametrize(
    ("p", "truth"),
    [
        (flips(0.1), symmetric_binary(0.1)[1]),
        (flips(0.4), symmetric_binary(0.4)[1]),
        (erasures(0.3), erasure_pair(0.3)[1]),
        (erasures(0.7), erasure_pair(0.7)[1]),
        (np.eye(9) / 9, math.log(9)),
    ],
)
def test_j_of_small_tables_by_extrapolation(p, truth):
    found = relaxed.solve(p)
    assert found.exact
    assert found.value == pytest.approx(truth, abs=1e-3)
    assert abs(found.value - truth) <= found.unsure + 1e-6


def test_the_error_of_j_is_its_deviation_over_samples():
    p, n = flips(0.2), 4000
    found = [relaxed.solve(draws(p, n, s) / n) for s in range(20)]
    spread = np.std([f.value for f in found], ddof=1)
    assert found[0].error(n) == pytest.approx(spread, rel=0.45)  # a deviation of 20: 16 percent


def test_intervals_of_a_table_hold_its_source():
    p, n = flips(0.25), 300
    mutual, wyner = symmetric_binary(0.25)
    found = [categories.describe(draws(p, n, s), s) for s in range(10)]
    assert sum(low <= mutual <= high for low, high in (f.mutual.interval for f in found)) >= 9
    assert sum(low <= wyner <= high for low, high in (f.wyner.interval for f in found)) >= 9
    assert all(f.common.value == 0 for f in found)
    sparse = categories.describe(draws(np.full((20, 20), 1 / 400), 200, 0), 0, excess=0.01)
    assert not sparse.dense
    assert sparse.mutual.lower
    assert sparse.mutual.interval[1] >= math.log(20)


def test_the_ceiling_of_an_entropy():
    counts = np.random.default_rng(0).multinomial(400, np.full(25, 1 / 25)).astype(float)
    assert math.log(25) <= categories.entropy_ceiling(counts) < math.log(25) + 0.15
    assert math.isinf(categories.entropy_ceiling(np.ones(100)))


def test_a_large_table_is_lumped_and_merged_in_bounded_time():
    counts = draws(np.full((300, 300), 1 / 90_000), 20_000, 0)
    small = table.lump(counts)
    assert small.shape == (table.MERGED, table.MERGED)
    assert small.sum() == 20_000
    assert table.merge(small)[0].size == 1


def test_normal_scores_forget_increasing_maps():
    x = np.random.default_rng(0).standard_normal((500, 2))
    scores = normal_scores(x)
    assert normal_scores(np.exp(3 * x)) == pytest.approx(scores)
    assert scores.std(0) == pytest.approx([1, 1])
    tied = normal_scores(np.array([[1.0], [1.0], [2.0], [2.0]]))
    assert tied[:, 0] == pytest.approx([-1, -1, 1, 1])


def test_only_correlations_beyond_chance_are_kept():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((4000, 6)), rng.standard_normal((4000, 5))
    assert len(gaussian_fit.canonical(x, y).r) == 0
    y[:, 0] = 0.8 * x[:, 2] + 0.6 * y[:, 0]
    found = gaussian_fit.canonical(x @ rng.standard_normal((6, 6)), y)
    assert len(found.r) == 1
    assert abs(found.wyner - math.atanh(0.8)) < 4 * found.wyner_error
    assert abs(found.mutual + 0.5 * math.log(0.36)) < 4 * found.mutual_error


def test_errors_of_canonical_correlations_are_their_deviations_over_samples():
    """J = sum artanh r_i of two correlations: variance 2/n; I: sum r_i^2 / n."""
    r, n, rng = np.array([0.8, 0.5]), 1000, np.random.default_rng(11)
    found = []
    for _ in range(200):
        x, noise = rng.standard_normal((2, n, 2))
        y = r * x + np.sqrt(1 - r * r) * noise
        found.append(gaussian_fit.canonical(x - x.mean(0), y - y.mean(0)))
    assert {len(f.r) for f in found} == {2}
    for name in ("wyner", "mutual"):
        spread = np.std([getattr(f, name) for f in found], ddof=1)
        stated = np.mean([getattr(f, f"{name}_error") for f in found])
        assert stated == pytest.approx(spread, rel=0.2)  # a deviation of 200: 5 percent
    one = gaussian_fit.Canonical(r, np.eye(2), np.eye(2), 50)
    assert one.wyner_error == pytest.approx(math.sqrt(2 / 50), rel=1e-12)
    assert one.mutual_error == pytest.approx(math.sqrt((0.64 + 0.25) / 50), rel=1e-12)


def test_both_sides_of_what_z_knows():
    """Equal posteriors know nothing; posteriors far apart know which of the n rows it is."""
    same = [float(s.mean()) for s in sides(torch.zeros(7, 7, dtype=torch.float64))]
    assert same == pytest.approx([0, 0], abs=1e-12)
    apart = torch.full((7, 7), -50.0, dtype=torch.float64).fill_diagonal_(0.0)
    low, high = sides(apart)
    assert low.tolist() == pytest.approx([math.log(7)] * 7, rel=1e-12)
    assert high.tolist() == pytest.approx([50.0] * 7, rel=1e-12)
    two = torch.tensor([[0.0, -1.0], [-2.0, 0.0]], dtype=torch.float64)
    by_hand = [-math.log((1 + math.exp(-1)) / 2), -math.log((1 + math.exp(-2)) / 2)]
    assert sides(two)[0].tolist() == pytest.approx(by_hand, rel=1e-12)
    assert sides(two)[1].tolist() == pytest.approx([1.0, 2.0], rel=1e-12)


def test_scores_of_a_gaussian_are_its_log_density_ratio():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((800, 2))
    y = x @ np.array([[0.9, 0.1], [0.0, 0.5]]) + 0.6 * rng.standard_normal((800, 2))
    x, y = x - x.mean(0), y - y.mean(0)
    model = gaussian_fit.canonical(x, y)
    joint = np.cov(np.hstack([x, y]).T, bias=True)
    law = stats.multivariate_normal
    want = [
        [
            law.logpdf(np.r_[a, b], cov=joint)
            - law.logpdf(a, cov=joint[:2, :2])
            - law.logpdf(b, cov=joint[2:, 2:])
            for b in y[:3]
        ]
        for a in x[:3]
    ]
    assert model.scores(x[:3], y[:3]) == pytest.approx(np.array(want), abs=1e-8)


def test_bounds_of_the_true_ratio_reach_information_and_wrong_ones_do_not():
    r, n = 0.7, 2000
    rng = np.random.default_rng(3)
    x = rng.standard_normal((n, 1))
    y = r * x + math.sqrt(1 - r * r) * rng.standard_normal((n, 1))
    model = gaussian_fit.Canonical(np.array([r]), np.eye(1), np.eye(1), n)
    true = -0.5 * math.log(1 - r * r)
    for name, bound in critic.bounds(model.scores(x, y)).items():
        assert abs(bound.value - true) < 5 * bound.error, name
        assert bound.cap == math.log(n)
    wrong = gaussian_fit.Canonical(np.array([-r]), np.eye(1), np.eye(1), n)
    assert all(b.value < 0 for b in critic.bounds(wrong.scores(x, y)).values())
    flat = critic.bounds(np.zeros((50, 50)))
    assert [round(b.value, 12) for b in flat.values()] == [0, 0, 0]
    sure = critic.bounds(np.where(np.eye(50) > 0, 300.0, -300.0))
    assert sure["InfoNCE"].value == pytest.approx(math.log(50), rel=1e-6)


def test_the_error_of_a_bound_is_the_deviation_over_samples():
    r, n, rng = 0.6, 300, np.random.default_rng(4)
    model = gaussian_fit.Canonical(np.array([r]), np.eye(1), np.eye(1), n)
    found = []
    for _ in range(120):
        x = rng.standard_normal((n, 1))
        found.append(critic.bounds(model.scores(x, r * x + 0.8 * rng.standard_normal((n, 1)))))
    for name in ("InfoNCE", "DV", "NWJ"):
        assert np.mean([f[name].error for f in found]) == pytest.approx(
            np.std([f[name].value for f in found]), rel=0.25
        )


def test_directions_of_the_critic_keep_the_critic():
    rng = np.random.default_rng(5)
    f, g = (
        rng.standard_normal((100, 4)) @ rng.standard_normal((4, 4)),
        rng.standard_normal((100, 4)) * [3, 1, 0.5, 0.1],
    )
    a, b = crossfit._directions(f, g)
    assert (f @ a) @ (g @ b).T == pytest.approx(f @ g.T, abs=1e-8)
    strength = np.var((f - f.mean(0)) @ a, axis=0, ddof=1)
    assert np.cov((f @ a).T) == pytest.approx(np.diag(strength), abs=1e-8)
    assert (np.diff(strength) <= 1e-12).all()


def test_a_critic_of_independent_rows_says_nothing():
    rng = np.random.default_rng(6)
    x, y = (rng.standard_normal((600, 3)).astype(np.float32) for _ in range(2))
    before = torch.get_rng_state()
    made = critic.train(x, y, 0, epochs=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert made.towers is None
    assert not made.scores(x[:5], y[:5]).any()


def test_negentropy_of_a_cube_and_of_a_gaussian():
    rng = np.random.default_rng(7)
    value, error = density.negentropy(rng.random((3000, 2)), 0)
    assert abs(value - 2 * 0.5 * math.log(2 * math.pi * math.e / 12)) < 5 * error
    value, error = density.negentropy(
        rng.standard_normal((3000, 3)) @ rng.standard_normal((3, 3)), 0
    )
    assert value < 4 * error


def test_clusters_are_found():
    rng = np.random.default_rng(8)
    label = rng.integers(0, 5, 1000)
    values = 10 * np.stack([label, label % 2], 1) + rng.standard_normal((1000, 2))
    chosen = clusters.centres(values, 5, 0)
    code = clusters.nearest(values, chosen)
    assert len({(a, b) for a, b in zip(code, label, strict=True)}) == 5
    assert np.bincount(clusters.quantiles(rng.standard_normal(1000), 4)).tolist() == [250] * 4


def test_remainder_of_a_gaussian():
    learned = Learned(np.zeros(1), np.zeros(1), np.zeros(1), 0.0, critic.Bound(0, 0, 0), (0, 0), 3)
    assert learned.remainder(-1.5 * math.log(1 - 0.2**2)) == pytest.approx(
        3 * math.atanh(0.2), rel=1e-9
    )
    assert learned.remainder(-1.0) == 0


def test_sides_are_read_as_what_they_are():
    n = 60
    rng = np.random.default_rng(9)
    words = np.array(["a", "b", "c"])[rng.integers(0, 3, n)]
    found = read(words, torch.from_numpy(rng.standard_normal((n, 2, 2))))
    assert (found.kind, found.x.levels, found.y.values.shape) == ("mixed", 3, (n, 4))
    assert found.x.numbers.sum(1).tolist() == [1.0] * n
    assert read(rng.integers(0, 2, (n, 3)), rng.random(n) < 0.5).x.levels == 8
    assert (
        read(rng.integers(0, 2, n), rng.integers(0, 2, n), ("continuous", "continuous")).kind
        == "continuous"
    )
    constant = np.stack([rng.standard_normal(n), np.ones(n)], 1)
    assert read(constant, constant).x.values.shape == (n, 1)


@pytest.mark.parametrize(
    ("x", "y", "error", "says"),
    [
        (np.zeros(60), np.zeros(61), DataError, "got 60 and 61"),
        (np.zeros(9), np.zeros(9), DataError, "at least 20 pairs, got 9"),
        (np.full(60, np.nan), np.arange(60.0), DataError, "finite"),
        (np.full(60, 0.5), np.arange(60) + 0.5, DataError, "constant"),
        (np.array([None, 1.0] * 30), np.arange(60.0), DataError, "missing"),
    ],
)
def test_what_cannot_be_read_is_refused(x, y, error, says):
    with pytest.raises(error, match=says):
        read(x, y)
    with pytest.raises(OptionError, match="unknown kind"):
        read(np.arange(60.0), np.arange(60.0), ("number", "auto"))


def test_intervals():
    assert around(1.0, 0.1) == (0.8, 1.2)
    assert around(0.1, 0.1, "lower") == (0.0, math.inf)
    row = Estimate("x", "J", 1.0, (0.8, 1.2), "estimate")
    assert row.holds(1.2)
    assert not row.holds(1.21)
