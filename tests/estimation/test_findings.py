"""Small inputs that were once answered wrongly, with the answers that are right."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from wyner import information
from wyner.information import tasks


def cheap(x, y, **options):
    return information.estimate(x, y, estimators="cheap", **options)


def holds_nothing(found):
    return all(found.best(q).value == 0 and found.best(q).holds(0.0) for q in ("I", "J", "C_GK"))


def integers(low, high, shape, seed):
    return np.random.default_rng(seed).integers(low, high, shape)


def test_sixty_independent_points():
    """Was I = 0.724 [0.658, 0.791]."""
    a = np.random.default_rng(0).normal(size=(2, 60))
    found = cheap(a[0], a[1])
    assert holds_nothing(found)
    assert 0.02 < found.best("I").interval[1] < 0.3  # what 60 rows cannot exclude
    assert "I = 0 nats: nothing beyond chance, at most 0." in str(found)


@pytest.mark.parametrize("seed", range(5))
def test_five_independent_columns_a_side(seed):
    """Was 0.14 to 0.25, an interval without 0 in five of five."""
    rng = np.random.default_rng(seed)
    assert holds_nothing(cheap(rng.normal(size=(150, 5)), rng.normal(size=(150, 5)), seed=seed))


@pytest.mark.parametrize("n", [500, 1000, 2000])
def test_j_of_a_weak_gaussian_pair(n):
    """Intervals missed in 4 of 12, 5 of 6, 1 of 5."""
    task = tasks.gaussian_task("half", [0.5])
    found = [cheap(*task.sample(n, s), seed=s) for s in range(4)]
    assert sum(f.best("J").holds(task.wyner) for f in found) >= 3
    assert sum(f.best("I").holds(task.mutual) for f in found) >= 3


@pytest.mark.parametrize(
    ("levels", "shape"),
    [(25, 400), (25, 1000), (32, 2000), (5, (400, 3)), (200, 5000), (5, (400, 8))],
)
def test_independent_categories(levels, shape):
    """Were 0.49 [0.44, 0.54] with J = 0 [0, 0], and 3.1 for three columns; eight columns ran for
    minutes.
    """
    start = time.process_time()
    kinds = ("discrete", "discrete")
    found = cheap(integers(0, levels, shape, 0), integers(0, levels, shape, 1), kinds=kinds)
    assert holds_nothing(found)
    assert found.best("I").interval[1] > 0
    assert time.process_time() - start < 5


def test_many_columns_that_do_depend():
    x = integers(0, 5, (600, 8), 0)
    found = cheap(x, np.where(integers(0, 2, (600, 8), 1), x, integers(0, 5, (600, 8), 2)))
    assert found.p <= 0.005
    assert found.best("J").interval[1] > 8 * 0.3
    assert found.best("I").value <= found.best("J").value


def test_repeated_rows_are_counted_once():
    """Was I = 0.32 [0.27, 0.37], J = 1.28."""
    rng = np.random.default_rng(0)
    a, b = (np.repeat(rng.normal(size=200), 2) for _ in range(2))
    found = cheap(a, b)
    assert holds_nothing(found)
    assert found.n == 200
    assert "200 of 400 rows are repeats of others; each was counted once" in str(found)


def test_series_are_thinned():
    rng = np.random.default_rng(1)
    walks = []
    for _ in range(2):
        walk = np.zeros(2000)
        for t in range(1, 2000):
            walk[t] = 0.95 * walk[t - 1] + rng.normal()
        walks.append(walk)
    found = cheap(*walks)
    assert holds_nothing(found)
    assert found.n < 300
    assert "neighbouring rows are alike" in str(found)
    assert cheap(*walks, ordered=False).n == 2000


def test_a_label_in_fifty_columns_has_two_ends():
    """Was [1.124, 1.187] for a truth of 1.335: the lower bound printed with an upper end of its
    own.
    """
    task = tasks.label_task("four", 4, 50)
    found = cheap(*task.sample(2000, 0))
    assert found.best("I").holds(task.mutual)
    assert found.best("J").holds(task.wyner)


def test_bounds_have_one_end():
    task = tasks.task("gaussian-bent")
    best = cheap(*task.sample(1000, 0)).best("I")
    assert best.kind == "lower"
    assert best.interval[1] == math.inf
    assert best.text.startswith(">= ")
    assert best.holds(task.mutual)


@pytest.mark.parametrize("kind", ["copy", "cube", "in a column", "wave"])
def test_functions_of_one_another_are_infinite(kind):
    x = np.random.default_rng(2).normal(size=(500, 2))
    y = {"copy": x, "cube": x[:, :1] ** 3, "in a column": 3 - x[:, :1], "wave": np.sin(3 * x)}[kind]
    found = cheap(x[:, :1] if kind in ("cube", "wave") else x, y)
    assert found.best("I").value == found.best("J").value == math.inf
    assert found.best("I").interval[1] == math.inf
    assert "infinite" in str(found)
    assert "inf nats" in str(found)


def test_copies_of_categories_are_their_entropy():
    code = integers(0, 4, 800, 3)
    found = cheap(code, (code + 1) % 4)
    for quantity in ("I", "J", "C_GK"):
        assert found.best(quantity).value == pytest.approx(math.log(4), abs=0.02)
        assert found.best(quantity).holds(math.log(4))


def test_twenty_rows_are_enough_to_say_something():
    x = np.random.default_rng(4).normal(size=20)
    found = cheap(x, 0.95 * x + 0.3 * np.random.default_rng(5).normal(size=20))
    assert found.p <= 0.005
    assert found.best("J").holds(math.atanh(0.95))


def test_many_rows_are_drawn_from():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(25_000, 2))
    y = 0.6 * x + 0.8 * rng.normal(size=(25_000, 2))
    found = cheap(x, y)
    assert found.n == 20_000
    assert "20000 of 25000 rows were drawn" in str(found)
    assert found.best("J").holds(2 * math.atanh(0.6))
