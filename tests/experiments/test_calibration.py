"""The calibration page: coverage by hand, checks that can fail, peers on known pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wyner.estimation.samples import read
from wyner.estimation.tasks import CALIBRATION, gaussian_task
from wyner.experiments import calibration, grammar, peers
from wyner.experiments.figures.coverage import coverage as figure
from wyner.experiments.results import Facts, Results
from wyner.experiments.store import Cell
from wyner.experiments.table import markdown
from wyner.experiments.trainers.estimate import measured


def results(*given):
    """A page of answers `(task, n, intervals)`, the same for I, J and C_GK, truth 1."""
    study = grammar.read("calibration")
    rows, cells = {r.slug: r for r in study.rows}, {}
    for task, n, intervals in given:
        for seed, (low, high) in enumerate(intervals):
            about = {"task": task, "n": n, "seed": seed, "truth": 1.0, "cell_seconds": 1.0}
            about |= {"estimator": "best", "value": low, "interval": [low, high]}
            about |= {"kind": "lower" if high is None else "estimate"}
            every = [about | {"quantity": q} for q in ("I", "J", "C_GK")]
            cells.setdefault(task, []).append(
                Cell(rows[task], seed, None, {}, {}, {"estimates": every})
            )
    return Results(study, cells, {"": Facts("tasks")}, command="wyner", device="here")


GOOD, BAD = (0.5, 1.5), (1.1, 1.2)


def test_there_are_enough_tasks_and_each_is_of_one_half():
    halves = [t.half for t in CALIBRATION]
    assert len(halves) >= 25
    assert set(halves) == {"development", "test"}
    assert abs(halves.count("test") - halves.count("development")) <= 1
    assert {r.slug for r in grammar.read("calibration").rows} == {t.name for t in CALIBRATION}


def test_coverage_by_hand():
    found = results(("dsbs-0.25", 100, [GOOD, GOOD, BAD, (0.9, None)]), ("dsbs-0.1", 100, [GOOD]))
    assert calibration.share(calibration.answers(found, "I", "development")) == 0.75
    assert calibration.share(calibration.answers(found, "I")) == 0.8
    assert calibration.middle(calibration.answers(found, "I", "test")) == "1.000"
    assert math.isinf(calibration.width({"interval": [0.1, None]}))
    assert "| I, development | 0.750 |" in calibration.coverage(found)
    assert "| dsbs-0.25 | development | 1.000 | 0.750 | 0.75; 1.000; >= |" in calibration.by_task(
        found, "J"
    )
    assert "0.750" in markdown(found)
    assert [name for name, _ in figure(found, None, found.rows)] == [".png", ".pdf"]


def test_checks_hold_and_fail():
    good = calibration.checks(results(("dsbs-0.25", 100, [GOOD] * 4)))
    assert "does not hold" not in good
    bad = calibration.checks(results(("dsbs-0.25", 100, [GOOD, BAD, BAD])))
    assert bad.count("does not hold") == 4  # I and J, pooled and of the task; the order holds


def test_answers_only_are_kept_where_asked_for():
    found = measured("dsbs-0.25", 200, 0, estimators="cheap", answers=True, peers=True)
    best = [r for r in found if r["estimator"] == "best"]
    assert [r["quantity"] for r in best] == ["I", "J", "C_GK"]
    assert {r["estimator"] for r in found} == {"best", "scikit-learn"}
    assert set(best[0]) == {*peers.KEPT, "task", "n", "seed", "truth", "cell_seconds"}


def test_peers_on_a_gaussian_pair():
    pair = gaussian_task("pair", [0.7])
    sample = read(*pair.sample(1000, 0))
    for name, run in peers.PEERS.items():
        found = run(sample)
        if found is not None:  # KSG needs a package
            value, error = found
            assert value == pytest.approx(pair.mutual, abs=0.12), name
            assert 0 < error < 0.1, name
    wide = read(*np.random.default_rng(0).normal(size=(2, 300, 3)))
    assert peers.by_sklearn(wide) is None
    assert peers.by_mine(wide) is None
