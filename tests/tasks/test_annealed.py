"""Annealed importance sampling against exact densities: linear-Gaussian models, sums over codes."""

from __future__ import annotations

import math

import pytest
import torch

from oracle.cases import build, set_posteriors
from oracle.gaussian import joint_of
from wyner import KL, Categorical, Model, Real
from wyner.errors import TaskError
from wyner.families import Categorical as Codes
from wyner.networks import MLPs
from wyner.tasks.annealed import Bridge, hamiltonian, pilot, simulated_gap, temperatures

pytestmark = pytest.mark.usefixtures("float64")


def gaussian_case(widen: float):
    """A linear-Gaussian Wyner VAE whose encoder is wider than its posterior, and rows."""
    model, data = build("WynerVAE", 1)
    set_posteriors(model, "joint", data, widen=widen)
    return model, data


@pytest.mark.parametrize("widen", [2.0, 5.0])
def test_the_mean_weight_is_the_exact_density(widen):
    model, data = gaussian_case(widen)
    rows = data.sample(3)
    law = model.laws["joint"][1]
    exact = joint_of(model, law, data).log_conditional(rows, {})
    many = {k: v.repeat_interleave(400, 0) for k, v in rows.items()}
    found = model.log_likelihood(**many, method="ais", samples=1, steps=20, seed=1, simulate=0)
    weight = (found.value - exact.repeat_interleave(400)).exp().reshape(3, 400)
    z = (weight.mean(1) - 1) / (weight.std(1) / math.sqrt(400))
    assert z.abs().max() < 5
    plain = model.log_likelihood(**many, samples=1, seed=1)
    spread = (plain.value - exact.repeat_interleave(400)).reshape(3, 400).std(1)
    assert bool((weight.log().std(1) < 0.5 * spread).all())  # better than the proposal alone


def test_bounds_meet_around_the_truth():
    model, data = gaussian_case(4.0)
    rows = data.sample(40)
    exact = joint_of(model, model.laws["joint"][1], data).log_conditional(rows, {})
    gaps = []
    for steps in (3, 60):
        options = {"method": "ais", "samples": 16, "steps": steps, "simulate": 150}
        found = model.log_likelihood(**rows, **options, seed=2)
        gaps.append((found.gap, found.gap_error))
        error = found.value - exact
        assert float(error.mean()) < 3 * float(error.std()) / math.sqrt(40)
    (few, few_error), (many, many_error) = gaps
    assert few > 3 * few_error  # three temperatures are too few, and it shows
    assert abs(many) < 3 * many_error + 0.02
    assert many < few
    error = ((16 / found.ess - 1) / 16).sqrt() + 1e-3  # of the log of a mean of 16 weights
    assert float(((found.value - exact) / error).abs().max()) < 5
    assert float(found.ess.min()) > 8


def test_a_trajectory_leaves_its_law_invariant():
    """Moments of 20,000 chains that start in the target stay those of the target."""
    model, data = gaussian_case(1.5)
    rows = data.sample(1)
    bridge = Bridge(model, "joint", rows)
    q, _ = model.laws["joint"]
    h = {k: v for k, v in bridge.draw(q, (20_000, 1), rows).items() if k in bridge.real}
    step = torch.full((1,), 0.4)
    scales = {k: v.std(0) for k, v in h.items()}
    moved, accepted = hamiltonian(bridge, h, 0.0, step, scales)
    assert 0.3 < float(accepted.mean()) < 1
    for k, v in h.items():
        both = v.flatten(1), moved[k].flatten(1)
        z = (both[0].mean(0) - both[1].mean(0)) / (both[0].std(0) * math.sqrt(2 / 20_000))
        assert float(z.abs().max()) < 5
        ratio = both[1].var(0) / both[0].var(0)
        assert float((ratio - 1).abs().max()) < 5 * math.sqrt(4 / 20_000)


def test_the_pilot_finds_a_step_for_every_move():
    """Chains move at all temperatures but the first and the last."""
    model, data = gaussian_case(1.5)
    moves = pilot(Bridge(model, "joint", data.sample(3)), temperatures(6))
    assert moves.steps.shape == (7, 3)
    assert (moves.steps > 0).all(1).tolist() == [False, *[True] * 5, False]


def coded(summed: bool, free: int = 1) -> Model:
    latent = {"c": Categorical(1, 3)} | ({"u": Real(free)} if free else {})
    heads = (" q(u|c,x)", " p(u)", ",u") if free else ("", "", "")
    laws = {"elbo": (f"q(x) q(c|x){heads[0]}", f"p(c){heads[1]} p(x|c{heads[2]})")}
    family = {"c": Codes(summed=summed, trained=True)}
    return Model(
        observed={"x": Real(2)},
        latent=latent,
        laws=laws,
        objective=KL("elbo"),
        networks=MLPs(()),
        families=family,
    )


def test_codes_alone_are_summed_exactly():
    torch.manual_seed(0)
    model = coded(True, 0)
    x = torch.randn(5, 2)
    found = model.log_likelihood(x=x, method="ais", samples=2, steps=2, seed=0)
    eye = torch.eye(3)[:, None]
    with torch.no_grad():
        prior = model.factors["p(c)"]().log_prob(eye)
        each = torch.stack([model.factors["p(x|c)"](eye[k : k + 1]).log_prob(x) for k in range(3)])
        want = torch.logsumexp(each + prior.reshape(3, 1), 0)
    torch.testing.assert_close(found.value, want, rtol=1e-9, atol=1e-9)
    assert (found.gap, found.gap_error) == (0.0, 0.0)
    sampled = model.log_likelihood(x=x, samples=20_000, seed=1)
    torch.testing.assert_close(sampled.value, want, rtol=0, atol=0.05)


def test_codes_are_summed_beside_what_is_annealed():
    torch.manual_seed(1)
    model = coded(True)
    x = torch.randn(4, 2)
    found = model.log_likelihood(x=x, method="ais", samples=64, steps=40, seed=0)
    sampled = model.log_likelihood(x=x, samples=200_000, seed=1)
    error = sum((n / f.ess - 1) / n for n, f in ((64, found), (200_000, sampled))).sqrt() + 1e-3
    assert float(((found.value - sampled.value) / error).abs().max()) < 5


def test_what_is_refused():
    model, data = gaussian_case(1.0)
    rows = data.sample(2)
    with pytest.raises(TaskError, match="did you mean 'ais'"):
        model.log_likelihood(**rows, method="aiss")
    with pytest.raises(TaskError, match="steps of at least 1"):
        model.log_likelihood(**rows, method="ais", steps=0)
    with pytest.raises(TaskError, match="simulate of at least 0"):
        model.log_likelihood(**rows, method="ais", simulate=-1)
    assert temperatures(5)[0] == 0
    assert temperatures(5)[-1] == 1
    assert bool((temperatures(50).diff() > 0).all())
    assert simulated_gap(model, "joint", {}, 4, 10, 4)[0] < 1
