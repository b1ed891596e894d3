"""One call, one table: what runs, what it says on pairs with known answers, how the answer is
chosen."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from wyner import information
from wyner.errors import OptionError
from wyner.estimation.estimate import fitting
from wyner.estimation.rows import interval_text
from wyner.estimation.samples import read
from wyner.information import Estimate, Estimates, tasks

QUICK = ("plug-in", "copula", "gaussian-bound")


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
    assert "J = " in text
    assert len(json.dumps(found.as_rows())) > 100


def test_independent_pairs_are_at_most_a_twentieth_of_a_nat_by_every_estimator():
    x, y = tasks.task("independent").sample(1500, 0)
    found = information.estimate(x, y)
    assert {r.estimator for r in found.rows} >= {
        "plug-in",
        "copula",
        "gaussian-bound",
        "infonce",
        "dv",
        "nwj",
        "learned-codes",
        "learned-gaussian",
        "wyner-vae",
    }
    assert max(r.value for r in found.rows) <= 0.05
    assert all(r.holds(0.0) for r in found.rows)
    codes = np.random.default_rng(0).integers(0, 12, (2, 4000))
    assert max(r.value for r in information.estimate(*codes).rows) <= 0.05


def test_bent_columns_of_a_gaussian_pair():
    task = tasks.task("gaussian-tails")
    found = information.estimate(*task.sample(4000, 0), estimators=QUICK)
    assert found.best("J").value == pytest.approx(task.wyner, rel=0.1)
    assert found.best("I").value == pytest.approx(task.mutual, rel=0.1)
    assert found.best("C_GK").value == 0
    lower = [r for r in found.of("J") if r.kind == "lower"]
    assert {r.estimator for r in lower} == {"plug-in", "gaussian-bound"}
    assert all(r.interval == (r.interval[0], math.inf) and r.holds(task.wyner) for r in lower)


def test_a_label_is_found_by_learned_codes_and_held_by_the_wyner_vae():
    x, y = tasks.label_task("three", 3, 3).sample(1200, 0)
    found = information.estimate(x, y, estimators=("critic", "learned-codes", "wyner-vae"))
    by = {(r.estimator, r.quantity): r for r in found.rows}
    assert by["learned-codes", "J"].value == pytest.approx(math.log(3), abs=0.1)
    assert by["learned-codes", "J"].holds(math.log(3))
    assert by["wyner-vae", "J"].holds(
        math.log(3)
    )  # its value is 0.3 too high from the 450 rows that it is trained on here
    assert by["infonce", "I"].value == pytest.approx(math.log(3), abs=0.1)
    assert found.best("J").estimator == "learned-codes"
    again = information.estimate(x, y, estimators=("critic", "learned-codes"))
    assert again.best("J").value == found.best("J").value


def row(estimator, quantity, value, low=None, high=math.inf, kind="lower", explains=None):
    return Estimate(
        estimator,
        quantity,
        value,
        (value - 0.01 if low is None else low, high),
        kind,
        explains=explains,
    )


def table(*rows):
    return Estimates(rows, "continuous", 1000)


def test_the_description_that_shows_all_of_i_is_chosen_whatever_its_j():
    found = table(
        row("infonce", "I", 0.5),
        row("learned-codes", "J", 0.5, explains=0.49),
        row("copula", "J", 2.0, 1.9, 2.1, "estimate", explains=0.3),
        row("wyner-vae", "J", 0.9, 0.4, 1.5, "estimate"),
    )
    best = found.best("J")
    assert (best.estimator, best.value, best.kind) == ("learned-codes", 0.5, "estimate")
    assert best.interval == pytest.approx((0.49, 0.51 + 0.01 * 0.5 / 0.49))
    assert found.shown == 0.5


def test_intervals_of_descriptions_that_show_the_same_are_joined():
    found = table(
        row("infonce", "I", 1.0),
        row("copula", "J", 1.2, 1.1, 1.3, "estimate", explains=1.0),
        row("learned-gaussian", "J", 1.25, 0.9, 1.6, "estimate", explains=0.99),
        row("learned-codes", "J", 0.4, 0.3, 9.0, "lower", explains=0.95),  # complete, but not equal
    )
    best = found.best("J")
    assert (best.estimator, best.value) == ("copula", 1.2)
    assert best.interval == pytest.approx((0.9, 1.6 + 0.01 * 1.25 / 0.99))


def test_without_a_complete_description_the_wyner_vae_stands_between_its_bounds():
    rows = (
        row("infonce", "I", 1.5, 1.4),
        row("learned-codes", "J", 1.1, 1.0, explains=1.0),
        row("wyner-vae", "J", 2.0, 1.0, 2.6, "estimate"),
    )
    best = table(*rows).best("J")
    assert (best.estimator, best.value, best.interval) == ("wyner-vae", 2.0, (1.4, 2.6))
    assert table(*rows[:2]).best("J").interval == (1.4, math.inf)
    assert table(*rows).best("I").estimator == "infonce"


def test_what_fits_and_what_is_refused():
    rng = np.random.default_rng(1)
    wide, narrow = rng.standard_normal((100, 20)), rng.standard_normal((100, 2))
    assert "gaussian-bound" not in fitting(read(wide, narrow))
    assert "copula" not in fitting(read(rng.standard_normal((100, 30)), narrow))
    assert fitting(read(rng.integers(0, 3, 100), narrow)) == [
        "plug-in",
        "critic",
        "learned-codes",
        "wyner-vae",
    ]
    with pytest.raises(
        OptionError, match="copula does not fit these discrete pairs; those that do: plug-in"
    ):
        information.estimate(
            rng.integers(0, 3, 100), rng.integers(0, 3, 100), estimators=["copula"]
        )
    with pytest.raises(OptionError, match="did you mean 'copula'"):
        information.estimate(narrow, narrow, estimators=["coppula"])
    with pytest.raises(OptionError, match="unknown quantity"):
        table(row("dv", "I", 1.0)).best("K")
    with pytest.raises(OptionError, match="none of the estimators"):
        table(row("dv", "I", 1.0)).best("C_GK")
    assert interval_text((0.1, math.inf)) == "[0.100, inf)"
