"""One call, one answer: what runs, what is said of pairs with known answers, what is refused."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
import torch

from wyner import information
from wyner.errors import OptionError
from wyner.estimation.answer import answer
from wyner.estimation.estimate import fitting
from wyner.estimation.rows import interval_text
from wyner.estimation.samples import read
from wyner.information import Estimate, tasks


def cheap(x, y, **options):
    return information.estimate(x, y, estimators="cheap", **options)


def ordered(found):
    i, j, c = (found.best(q) for q in ("I", "J", "C_GK"))
    ends = zip(c.interval, i.interval, j.interval, strict=True)
    return c.value <= i.value <= j.value and all(a <= b <= d for a, b, d in ends)


def test_a_binary_source():
    task = tasks.task("dsbs-0.25")
    found = information.estimate(*task.sample(4000, 0))
    assert found.kind == "discrete"
    assert {r.estimator for r in found.rows} == {"plug-in"}
    for quantity, truth in task.truth.items():
        assert found.best(quantity).holds(truth), quantity
    low, high = found.best("J").interval
    assert high - low < 0.15
    text = str(found)
    assert text.startswith("4000 discrete pairs")
    assert "test of independence, rows shuffled: p = 0.005" in text
    assert "J = 0.4" in text
    assert "if the rows are independent draws" in text
    assert len(json.dumps(found.as_rows())) > 100


def test_every_estimator_runs_on_independent_pairs_and_none_is_believed():
    x, y = tasks.task("independent").sample(1000, 0)
    found = information.estimate(x, y)
    assert {r.estimator for r in found.rows} >= {
        "copula",
        "held-out",
        "gaussian-bound",
        "infonce",
        "dv",
        "nwj",
        "learned-codes",
        "learned-gaussian",
        "wyner-vae",
    }
    assert found.p > 0.005
    assert all(r.interval[0] == 0 for r in found.rows)
    for quantity in ("I", "J", "C_GK"):
        assert found.best(quantity).value == 0
        assert found.best(quantity).holds(0.0)
    shuffled = {r.estimator: r.null for r in found.rows if r.quantity == "I"}
    assert all(shuffled[k] is not None for k in ("copula", "held-out", "infonce"))


def test_bent_columns_of_a_gaussian_pair():
    task = tasks.task("gaussian-tails")
    found = cheap(*task.sample(4000, 0))
    assert found.best("J").estimator == "copula"
    assert found.best("J").value == pytest.approx(task.wyner, rel=0.1)
    assert found.best("I").value == pytest.approx(task.mutual, rel=0.1)
    assert found.best("C_GK").value == 0
    assert found.best("J").holds(task.wyner)
    assert "shuffled: p = " in found.best("J").tested
    bound = information.estimate(*task.sample(2000, 0), estimators="gaussian-bound").of("J")[0]
    assert bound.kind == "lower"
    assert bound.interval[1] == math.inf
    assert bound.holds(task.wyner)


def test_a_label_in_blobs_is_found_without_networks():
    x, y = tasks.label_task("three", 3, 3).sample(1200, 0)
    found = cheap(x, y)
    for quantity in ("I", "J"):
        best = found.best(quantity)
        assert (best.estimator, best.kind) == ("blobs", "estimate")
        assert best.holds(math.log(3))
        assert best.value == pytest.approx(math.log(3), abs=0.02)
    assert cheap(x, y).best("J").value == found.best("J").value


def test_what_is_refused_is_a_lower_bound_only():
    """Blobs with a Gaussian pair inside: neither description holds, and the printed line says so.

    The old answer took the largest number, 3.5 nats by a copula for a truth of 1.6.
    """
    task = tasks.task("label-and-gaussian")
    found = cheap(*task.sample(1000, 0))
    assert {r.kind for r in found.rows if r.estimator == "copula"} == {"refused"}
    for quantity in ("I", "J"):
        best = found.best(quantity)
        assert best.kind == "lower"
        assert best.interval[1] == math.inf
        assert best.holds(task.truth[quantity])
    assert "I >= " in str(found)


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("gaussian-bent", 500),
        ("mog", 200),
        ("blocks", 400),
        ("erasure-0.7", 100),
        ("labels-10", 60),
    ],
)
def test_the_three_are_in_order_and_hold_the_truth(name, n):
    task = tasks.task(name)
    found = cheap(*task.sample(n, 3))
    assert ordered(found)
    assert found.best("I").holds(task.mutual)
    assert found.best("J").holds(task.wyner)


def row(estimator, quantity, value, low=None, high=math.inf, kind="lower"):
    return Estimate(estimator, quantity, value, (value - 0.01 if low is None else low, high), kind)


def test_descriptions_that_are_not_refused_are_joined():
    found = answer(
        [
            row("blobs", "I", 0.5, 0.45, 0.55, "estimate"),
            row("copula", "I", 0.8, 0.7, 0.9, "estimate"),
            row("copula", "J", 1.2, 1.1, 1.3, "estimate"),
            row("held-out", "I", 0.4),
        ],
        0.001,
        math.inf,
    )
    assert (found["I"].value, found["I"].interval) == (0.5, (0.45, 0.9))
    assert (found["J"].value, found["J"].interval) == (1.2, (1.1, 1.3))
    assert found["C_GK"].interval == (0.0, 0.9)


def test_without_a_description_bounds_stand_and_order_is_kept():
    rows = [row("held-out", "I", 1.5, 1.4), row("learned-codes", "J", 1.1, 1.0)]
    found = answer(rows, 0.001, math.inf)
    assert (found["I"].value, found["I"].interval) == (1.5, (1.4, math.inf))
    assert (found["J"].value, found["J"].interval) == (1.5, (1.4, math.inf))
    assert answer(rows, 0.001, 1.45)["J"].interval == (1.4, 1.45)
    assert answer(rows, 0.5, math.inf)["J"].interval == (0.0, math.inf)
    assert answer(rows, 0.5, math.inf)["J"].value == 0
    refused = answer([row("copula", "J", 9.0, 8.0, 10.0, "refused")], 0.001, math.inf)
    assert refused["J"].interval == (0.0, math.inf)
    endless = answer(rows, 0.001, math.inf, "copies")
    assert endless["I"].value == endless["J"].value == math.inf
    assert endless["I"].interval == (1.4, math.inf)


def test_how_values_are_printed():
    assert row("x", "I", 1.2, 1.1).text == ">= 1.100 nats (shown: 1.200)"
    assert row("x", "I", 1.2, 1.1, 2.0).text == ">= 1.100, <= 2.000 nats (shown: 1.200)"
    assert row("x", "I", 1.2, 1.1, 1.3, "estimate").text == "1.200 nats [1.100, 1.300]"
    assert row("x", "I", 0.0, 0.0, 0.3).text == "0 nats: nothing beyond chance, at most 0.300"
    assert row("x", "I", 0.0, 0.0).text == "0 nats: nothing beyond chance, no upper end"
    assert row("x", "I", math.inf, 2.0).text == "inf nats (>= 2.000)"
    assert interval_text((0.1, math.inf)) == "[0.100, inf)"


def test_what_fits_and_what_is_refused():
    rng = np.random.default_rng(1)
    wide, narrow = rng.standard_normal((100, 20)), rng.standard_normal((100, 2))
    assert "gaussian-bound" not in fitting(read(wide, narrow))
    assert "copula" not in fitting(read(rng.standard_normal((100, 30)), narrow))
    assert fitting(read(rng.integers(0, 3, 100), narrow)) == ["blobs", "held-out"]
    many = read(rng.integers(0, 3, 1000), rng.standard_normal((1000, 2)))
    assert fitting(many) == ["blobs", "held-out", "critic", "learned-codes", "wyner-vae"]
    with pytest.raises(
        OptionError, match="copula does not fit these discrete pairs; those that do: plug-in"
    ):
        information.estimate(
            rng.integers(0, 3, 100), rng.integers(0, 3, 100), estimators=["copula"]
        )
    with pytest.raises(OptionError, match="did you mean 'copula'"):
        information.estimate(narrow, narrow, estimators=["coppula"])
    with pytest.raises(OptionError, match="unknown quantity"):
        cheap(narrow, narrow[::-1].copy()).best("K")


def test_tiny_tensors_run_on_one_thread_and_the_number_comes_back(monkeypatch):
    module = sys.modules["wyner.estimation.estimate"]
    seen, before = [], torch.get_num_threads()
    monkeypatch.setattr(module, "check", lambda *_: seen.append(torch.get_num_threads()) or 1 / 0)
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            cheap(np.arange(30.0), np.arange(30.0))
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)
