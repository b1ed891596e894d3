"""Numbers of a model on held-out rows: who is asked what, how many samples, what is marked."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from wyner import Real, models
from wyner.data.dataset import Dataset
from wyner.errors import DataError
from wyner.evaluation import Number, evaluate
from wyner.networks import MLPs
from wyner.report.page import _card, _numbers

ROWS = 40


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return models.WynerVAE(x=Real(2), y=Real(1), z=2, u=1, v=1, networks=MLPs((8,)))


def data(**masks: np.ndarray) -> Dataset:
    rng = np.random.default_rng(0)
    rows = {k: rng.normal(size=(ROWS, n)).astype(np.float32) for k, n in (("x", 2), ("y", 1))}
    for k, mask in masks.items():
        rows[k] = np.where(mask[:, None] > 0, rows[k], 0)
    rows |= {f"{k}_mask": mask for k, mask in masks.items()}
    return Dataset("made", rows, rows, rows, {"x": Real(2), "y": Real(1)})


def by_name(numbers):
    return {n.name: n for n in numbers}


def test_each_question_is_asked_on_the_rows_that_can_answer_it(model):
    """Findings B11: placeholders of missing rows were scored as if they were data."""
    masks = {"x": np.arange(ROWS) % 2, "y": (np.arange(ROWS) % 5 > 0).astype(int)}
    made = data(**masks)
    found = by_name(evaluate(model, made, samples=20))
    both = (masks["x"] * masks["y"]) > 0
    rows = {k: made.test[k] for k in "xy"}
    asked = {
        "joint nll": ({k: v[both] for k, v in rows.items()}, None),
        "conditional nll of y given x": ({"y": rows["y"][both]}, {"x": rows["x"][both]}),
    }
    for name, (targets, given) in asked.items():
        want = model.log_likelihood(targets, given=given, samples=20, seed=0)
        assert found[name].value == pytest.approx(want.nll, rel=1e-6)
        assert f"{both.sum()} test rows" in found[name].how
    x = {"x": rows["x"][masks["x"] > 0]}
    marginal = next((n for k, n in found.items() if k.startswith("marginal nll of x")), None)
    if marginal is not None:
        assert marginal.value == pytest.approx(model.log_likelihood(x, samples=20, seed=0).nll)
        assert "20 test rows" in marginal.how
    want = model.common_information({k: v[both] for k, v in rows.items()})
    assert found["rate of z (I41)"].value == pytest.approx(want["I41"], rel=1e-6)
    assert found["rate of z (I41)"].error == pytest.approx(want.errors["I41"], rel=1e-6)


def test_the_first_rows_are_the_first_complete_ones(model):
    mask = (np.arange(ROWS) >= 10).astype(int)
    made = data(y=mask)
    found = by_name(evaluate(model, made, samples=5, rows=7))
    want = model.log_likelihood({k: made.test[k][10:17] for k in "xy"}, samples=5, seed=0).nll
    assert found["joint nll"].value == pytest.approx(want, rel=1e-6)


def test_no_rows_at_all_are_refused(model):
    none = np.zeros(ROWS, int)
    with pytest.raises(DataError, match="test rows that have at least one of x, y"):
        evaluate(model, data(x=none, y=none))
    assert "joint nll" not in by_name(evaluate(model, data(y=none), samples=5))


def test_more_samples_until_the_estimate_is_reliable(model, monkeypatch):
    asked = []
    real = type(model).log_likelihood

    def watched(self, *args, samples, **more):
        asked.append(samples)
        found = real(self, *args, samples=samples, **more)
        ess = torch.full((ROWS,), 3.0 if samples < 400 else 50.0)
        return dataclasses.replace(found, ess=ess, samples=samples, pareto_k=None)

    monkeypatch.setattr(type(model), "log_likelihood", watched)
    found = by_name(evaluate(model, data()))
    assert asked[:2] == [100, 400]
    assert "S = 400" in found["joint nll"].how
    assert found["joint nll"].mark == ""
    asked.clear()
    found = by_name(evaluate(model, data(), samples=30))
    assert set(asked) == {30}  # a number that is asked for is kept
    assert found["joint nll"].mark == "unreliable, ESS 3.0"
    assert "[unreliable, ESS 3.0]" in str(found["joint nll"])


def test_marks_stand_on_the_number_wherever_it_is_shown():
    n = Number("joint nll", 12.5, "nats", "S = 5", 0.25, mark="unreliable, ESS 3.0")
    for text in (_card(n), _numbers([n])):
        assert f">{n.mark}</mark>" in text
    assert "<mark" not in _card(dataclasses.replace(n, mark=""))


def test_information_at_its_cap_is_marked(model):
    with torch.no_grad():
        for p in model.factors["q(z|x,y)"].parameters():
            p.mul_(1e3)
    found = by_name(evaluate(model, data(), samples=2))
    number = found["I(X,Y;Z), aggregate estimate"]
    assert number.value > math.log(ROWS / 2)
    assert number.mark == "or more: at its cap"
