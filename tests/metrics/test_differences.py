"""Differences, spreads and values to drop, by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy import stats

from wyner.metrics.checks import share_error
from wyner.metrics.differences import difference, difference_of
from wyner.metrics.pruning import hopeless
from wyner.metrics.spread import spread, spreads


@dataclass
class Cell:
    seed: int
    metrics: dict
    rows: dict = field(default_factory=dict)


def test_seeds_are_paired_as_in_a_paired_t_test():
    rng = np.random.default_rng(0)
    luck = rng.normal(size=6)
    a, b = luck + rng.normal(size=6) * 0.1, luck + 0.3 + rng.normal(size=6) * 0.1
    left, right = ([Cell(k, {"nll": v}) for k, v in enumerate(side)] for side in (a, b))
    found = difference(left, right, "nll")
    assert found.value == pytest.approx((a - b).mean(), rel=1e-12)
    assert found.error == pytest.approx(stats.sem(a - b), rel=1e-12)
    assert found.value / found.error == pytest.approx(stats.ttest_rel(a, b).statistic, rel=1e-9)
    assert found.by == "seeds"


def test_one_seed_is_paired_by_rows_and_else_by_errors():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 40)).astype(np.float32)
    cell = lambda rows: Cell(3, {"nll": float(rows.mean()), "nll_se": 0.3}, {"nll_rows": rows})
    found = difference([cell(a)], [cell(b)], "nll")
    assert found.error == pytest.approx(stats.sem(a.astype(float) - b.astype(float)), rel=1e-9)
    bare = [Cell(3, {"nll": 1.0, "nll_se": 0.3})], [Cell(3, {"nll": 2.0, "nll_se": 0.4})]
    assert difference(*bare, "nll").error == pytest.approx(0.5, rel=1e-12)
    assert difference(*bare, "nll").value == pytest.approx(-1.0, rel=1e-12)
    assert difference(bare[0], [Cell(4, {"nll": 2.0})], "nll") is None


def test_a_difference_of_json_has_nan_for_null():
    plain = dict(right="b", left_mean=1.0, right_mean=0.5, error=None, seeds=1, by="errors")
    found = difference_of(plain)
    assert found.value == pytest.approx(0.5)
    assert math.isnan(found.error)


def test_spreads_are_those_of_scipy():
    values = [1.0, 4.0, 2.5, -3.0]
    found = spread(values)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-12)
    assert found.std == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    assert found.error == pytest.approx(stats.sem(values), rel=1e-12)
    some = spreads([{"a": v, "a_se": 9.0, "a_ess": 1.0} for v in values])
    assert list(some) == ["a"]
    assert some["a"].error == pytest.approx(found.error, rel=1e-12)


def test_what_is_hopeless_is_beyond_twice_the_error_of_the_difference():
    error = math.hypot(0.1, 0.2)
    far, near = 2.0 + 2 * error + 1e-6, 2.0 + 2 * error - 1e-6
    now = {"best": [(2.0, 0.1)], "far": [(far, 0.2)], "near": [(near, 0.2)]}
    assert list(hopeless(now, {})) == ["far"]
    assert f"{far:.3f} against 2.000, standard error {error:.3f}" in hopeless(now, {})["far"]


@pytest.mark.parametrize(("share", "rows"), [(0.3, 50), (0.5, 7), (0.02, 4000)])
def test_the_error_of_a_share_is_that_of_a_binomial(share, rows):
    assert share_error(share, rows) == pytest.approx(
        stats.binom(rows, share).std() / rows, rel=1e-9
    )
