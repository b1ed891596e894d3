"""What a likelihood says about itself: effective samples, tails, errors of the samples."""

from __future__ import annotations

import math

import pytest
import torch

from oracle.cases import build, set_posteriors
from oracle.gaussian import joint_of
from wyner.tasks.likelihood import Likelihood

pytestmark = pytest.mark.usefixtures("float64")


def widened(by: float):
    """A linear-Gaussian Wyner VAE whose encoder is too wide, or exact with 1."""
    model, data = build("WynerVAE", 1)
    set_posteriors(model, "joint", data, widen=by)
    return model, data


def test_an_exact_proposal_is_reliable():
    model, data = widened(1.0)
    found = model.log_likelihood(**data.sample(30), samples=100, seed=0)
    assert found.reliable
    assert found.typical_ess == pytest.approx(100, rel=1e-6)
    assert found.sampling_error == pytest.approx(0, abs=1e-6)
    assert found.diagnosis == "100.0 effective samples on average (smallest 100.0)"


def test_few_effective_samples_are_said():
    model, data = widened(30.0)
    found = model.log_likelihood(**data.sample(30), samples=30, seed=0)
    assert not found.reliable
    assert found.typical_ess < 10
    few = int((found.ess < 10).sum())
    assert f"fewer than 10 in {few} of 30 rows" in found.diagnosis
    assert "not reliable" in found.diagnosis
    assert "method='ais'" in found.diagnosis


def test_too_narrow_a_proposal_has_a_heavy_tail():
    """Weights N(0,1) / N(0,s^2) have moments below 1 / (1 - s^2) only: k = 1 - s^2."""
    narrow, data = widened(0.2)
    found = narrow.log_likelihood(**data.sample(20), samples=4000, seed=0)
    assert float(torch.as_tensor(found.pareto_k).mean()) > 0.7
    assert not found.reliable
    assert "heavy tail" in found.diagnosis
    wide, data = widened(1.5)
    found = wide.log_likelihood(**data.sample(20), samples=4000, seed=0)
    assert float(torch.as_tensor(found.pareto_k).mean()) < 0.5


def test_the_error_of_the_samples_is_that_of_repetitions():
    model, data = widened(2.0)
    rows = data.sample(20)
    exact = joint_of(model, model.laws["joint"][1], data).log_conditional(rows, {})
    found = [model.log_likelihood(**rows, samples=800, seed=s) for s in range(40)]
    nll = torch.tensor([f.nll for f in found], dtype=torch.float64)
    said = torch.tensor([f.sampling_error for f in found], dtype=torch.float64).mean()
    assert float(nll.std() / said) == pytest.approx(1, abs=5 / math.sqrt(2 * 40))
    assert abs(float(nll.mean() + exact.mean())) < 5 * float(said) / math.sqrt(40) + 1e-3


@pytest.mark.parametrize(
    ("ess", "k", "reliable"),
    [
        ([50.0] * 10, [0.1] * 10, True),
        ([50.0] * 8 + [2.0] * 2, [0.1] * 10, False),
        ([50.0] * 10, [0.1] * 8 + [0.9] * 2, False),
        ([50.0] * 10, None, True),
    ],
)
def test_what_counts_as_reliable(ess, k, reliable):
    value = torch.linspace(-3, 3, 10)
    k = None if k is None else torch.tensor(k)
    found = Likelihood(value, torch.tensor(ess), 100, "log p(x)", pareto_k=k)
    assert found.reliable is reliable
    assert ("not reliable" in found.diagnosis) is not reliable


@pytest.mark.parametrize(
    ("ess", "gap", "reliable"), [(3.5, 0.2, True), (3.5, 0.9, False), (1.5, 0.2, False)]
)
def test_few_chains_are_reliable_where_the_bounds_meet(ess, gap, reliable):
    found = Likelihood(torch.linspace(-3, 3, 10), torch.full((10,), ess), 4, "log p", "ais", gap)
    assert found.reliable is reliable
    assert f"bounds {gap:.2f} nats apart on simulated rows" in found.diagnosis
    assert ("samples or steps" in found.diagnosis) is not reliable
