"""Schedules at points where their value is known."""

from __future__ import annotations

import math

import pytest

from wyner.errors import OptionError
from wyner.schedules import (
    LEARNING_RATES,
    Constant,
    Cosine,
    Decay,
    Exponential,
    Linear,
    OneCycle,
    Path,
    Warmup,
    at,
    learning_rate,
)


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (Constant(0.3), {0.0: 0.3, 0.4: 0.3, 1.0: 0.3}),
        (Linear(), {0.0: 0.0, 0.25: 0.25, 1.0: 1.0}),
        (Linear(2.0, 1.0, until=0.5), {0.0: 2.0, 0.25: 1.5, 0.5: 1.0, 0.9: 1.0}),
        (Linear(0.0, 3.0, until=0.0), {0.0: 3.0, 0.5: 3.0}),
        (
            Exponential(1.0, 2.0, 0.2),
            {0.0: 1.0, 0.5: math.exp(-1.0), 0.8: math.exp(-1.6), 0.9: 0.2, 1.0: 0.2},
        ),
        (Decay(), {0.0: 1.0, 0.2: math.exp(-1.0), 1.0: math.exp(-5.0)}),
        (
            Decay(-1.5, -1.0, 2.0),
            {0.0: -1.5, 0.5: -1 - 0.5 * math.exp(-1.0), 1.0: -1 - 0.5 * math.exp(-2.0)},
        ),
        (Decay(0.3, 0.3, 7.0), {0.0: 0.3, 0.4: 0.3}),
        (
            Path(((0.0, 1.0), (0.5, 3.0), (1.0, 2.0))),
            {0.0: 1.0, 0.25: 2.0, 0.5: 3.0, 0.75: 2.5, 1.0: 2.0},
        ),
        (
            Path(((0.2, 1.0), (0.6, 0.0))),
            {0.0: 1.0, 0.2: 1.0, 0.3: 0.75, 0.6: 0.0, 0.9: 0.0, 1.0: 0.0},
        ),
        (Path(((0.5, 2.0),)), {0.0: 2.0, 0.5: 2.0, 1.0: 2.0}),
        (Cosine(), {0.0: 1.0, 1 / 3: 0.75, 0.5: 0.5, 1.0: 0.0}),
        (Cosine(3.0, 1.0), {0.0: 3.0, 0.25: 2 + math.sqrt(0.5), 0.5: 2.0, 1.0: 1.0, 2.0: 1.0}),
        (OneCycle(0.3, 25.0, 1e4), {0.0: 0.04, 0.15: 0.52, 0.3: 1.0, 0.65: 0.50005, 1.0: 1e-4}),
        (Warmup(0.2), {0.0: 0.0, 0.1: 0.5, 0.2: 1.0, 1.0: 1.0}),
        (Warmup(0.0), {0.0: 1.0}),
    ],
)
def test_values(schedule, values):
    assert {t: schedule(t) for t in values} == pytest.approx(values, rel=1e-12, abs=1e-15)


def test_the_named_learning_rates_start_and_end_where_they_should():
    ends = {name: (s(0.0), s(1.0)) for name, s in LEARNING_RATES.items()}
    expected = {
        "constant": (1.0, 1.0),
        "one-cycle": (0.04, 1e-4),
        "cosine": (1.0, 0.0),
        "linear": (1.0, 0.0),
    }
    assert ends == {k: pytest.approx(v, abs=1e-15) for k, v in expected.items()}


def test_at_takes_numbers_and_schedules():
    assert at(0.25, 0.9) == 0.25
    assert at(Linear(0.0, 2.0), 0.25) == 0.5


def test_learning_rate_by_name():
    assert learning_rate("cosine") == Cosine()
    assert learning_rate(own := Warmup()) is own
    with pytest.raises(
        OptionError, match="unknown learning-rate schedule 'cosin': did you mean 'cosine'"
    ):
        learning_rate("cosin")


@pytest.mark.parametrize(
    "knots",
    [
        (),
        ((0.5, 1.0), (0.2, 2.0)),
        ((0.2, 1.0), (0.2, 2.0)),
        ((-0.1, 1.0),),
        ((0.5, 1.0), (1.5, 2.0)),
    ],
)
def test_a_path_needs_rising_shares_between_0_and_1(knots):
    with pytest.raises(OptionError, match="rising shares"):
        Path(knots)


def test_a_path_from_lists_is_the_same():
    assert Path([[0, 1], [1, 0]]) == Path(((0.0, 1.0), (1.0, 0.0)))
