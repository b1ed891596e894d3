"""Numbers of a probe over a training: the lowest, the chosen one, curves over seeds."""

from __future__ import annotations

import numpy as np
import pytest

from wyner.training.probe import best_of, curve, selection


def look(epoch: float, **terms: float) -> dict:
    return {"split": "probe", "epoch": epoch, "terms": terms}


LOG = [
    {"split": "train", "epoch": 1, "terms": {"nll": -9.0}},
    look(1, nll=3.0, map=0.123456),
    look(2, nll=2.5, map=0.5, nll_y=7.0),
    look(3, nll=2.75, map=0.25, nll_y=8.0),
]


def test_the_lowest_nlls_of_the_probe():
    assert best_of(LOG) == pytest.approx({"nll_best": 2.5, "nll_y_best": 7.0})
    assert best_of(LOG[:1]) == {}


def test_what_the_probe_chose():
    highest, lowest = selection(LOG, "map"), selection(LOG, "-nll")
    assert (highest["validation"], highest["best_epoch"]) == pytest.approx((0.5, 2))
    assert highest["curve"] == pytest.approx([0.12346, 0.5, 0.25], abs=1e-12)
    assert (lowest["validation"], lowest["best_epoch"]) == pytest.approx((2.5, 2))
    assert selection(LOG, "nll")["best_epoch"] == 1


def test_a_curve_over_seeds_has_the_epochs_that_all_have():
    other = [look(1, nll=5.0), look(2, nll=3.5)]
    at, mean, std = curve([LOG, other], "nll")
    np.testing.assert_allclose(at, [1.0, 2.0])
    np.testing.assert_allclose(mean, [4.0, 3.0])
    np.testing.assert_allclose(std, [2**0.5, 0.5**0.5])
    np.testing.assert_allclose(curve([other], "nll")[2], 0.0)
    assert [len(v) for v in curve([LOG], "I41")] == [0, 0, 0]
