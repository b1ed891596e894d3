"""Importance-sampled likelihoods of every model against exact Gaussian densities."""

from __future__ import annotations

import math

import pytest
import torch

from oracle.cases import CASES, DENSE, build, questions, set_posteriors
from oracle.gaussian import joints_of
from oracle.statistics import LIMIT, assert_mean, z_of_mean
from wyner import Real
from wyner.models import WynerVAE
from wyner.networks import MLPs

pytestmark = pytest.mark.usefixtures("float64")


def ask(model, law, rows, samples, seed=3):
    targets, given = questions(model)[law]
    return model.log_likelihood(
        **{k: rows[k] for k in targets},
        given={k: rows[k] for k in given},
        samples=samples,
        seed=seed,
    )


def exact(model, law, data, rows):
    targets, given = questions(model)[law]
    t, g = ({k: rows[k] for k in names} for names in (targets, given))
    each = [joint.log_conditional(t, g) for joint in joints_of(model, model.laws[law][1], data)]
    return torch.logsumexp(torch.stack(each), 0) - math.log(len(each))


@pytest.mark.parametrize("name", DENSE)
def test_with_exact_posteriors_every_weight_is_the_density(name):
    reached = []
    for law in questions(build(name, 1)[0]):
        model, data = build(name, 1)
        if set_posteriors(model, law, data):
            reached.append(law)
            rows = data.sample(6)
            for samples in (1, 7):
                found = ask(model, law, rows, samples)
                torch.testing.assert_close(
                    found.value, exact(model, law, data, rows), rtol=1e-9, atol=1e-9
                )
                torch.testing.assert_close(
                    found.ess, torch.full((6,), float(samples)), rtol=1e-9, atol=0
                )
    assert tuple(reached) == CASES[name].exact


@pytest.mark.parametrize("name", DENSE)
def test_the_mean_weight_is_the_density_and_the_estimate_a_lower_bound(name):
    for law in questions(build(name, 2)[0]):
        model, data = build(name, 2)
        set_posteriors(model, law, data, widen=2.0)
        rows = {k: v.repeat_interleave(3000, 0) for k, v in data.sample(2).items()}
        truth = exact(model, law, data, rows)
        bounds = []
        for samples in (1, 10):
            found = ask(model, law, rows, samples)
            gap = (found.value - truth).reshape(2, 3000).T
            assert_mean(gap.exp(), torch.ones(2), f"{law}: mean weight over density, S = {samples}")
            assert bool((z_of_mean(gap, 0.0) < LIMIT).all())
            bounds.append(gap.mean(0))
            assert bool((found.ess >= 1 - 1e-9).all())
            assert bool((found.ess <= samples + 1e-9).all())
        if len(model.laws[law][0].terms) == 1:  # no latent: no bound, the density itself
            assert bool((bounds[0].abs() < 1e-9).all())
            continue
        assert bool((bounds[0] < bounds[1]).all())  # rises with the samples
        assert bool((bounds[0] < -1e-3).all())  # and is a strict bound at one sample


@pytest.mark.parametrize(
    ("law", "samples", "repeats"),
    [("joint", 4000, 60), ("x2x", 4000, 60), ("x2y", 4000, 60), ("joint", 40_000, 40)],
)
def test_error_and_effective_samples_have_their_theoretical_size(law, samples, repeats):
    """Proposals c times too wide: E w^2 / (E w)^2 = (c / sqrt(2c - 1))^latents, so ess/S and the
    variance of log p follow.

    With 40 000 samples the estimate is put together from several blocks.
    """
    c = 1.5
    model, data = build("WynerVAE", 1)
    assert set_posteriors(model, law, data, widen=c)
    latents = (
        sum(
            t.name not in {s.name for s in model.laws[law][1].terms}
            for t in model.laws[law][0].terms
        )
        - 1
    )
    second = (c / math.sqrt(2 * c - 1)) ** latents
    rows = {k: v.repeat_interleave(repeats, 0) for k, v in data.sample(1).items()}
    found = ask(model, law, rows, samples)
    assert_mean(found.ess / samples, 1 / second, "ess / S")
    error = found.value - exact(model, law, data, rows)
    assert_mean(error.square() * samples / (second - 1), 1.0, "S var(log p) / (E w^2 - 1)")


def spec_model() -> WynerVAE:
    """Section 7 of the specification: x = z + u/2 + noise of variance 1/2, y likewise, with the
    exact posteriors by hand."""
    model = WynerVAE(x=Real(1), y=Real(1), z=1, u=1, v=1, networks=MLPs(hidden=()))
    var_z = 1 / (1 + 2 / 0.75)  # x = z + e with var e = 1/4 + 1/2
    var_u = 1 / (1 + 0.25 / 0.5)
    slope_z, slope_u = var_z / 0.75, var_u * 0.5 / 0.5
    marginal = 1 / (1 + 1 / 0.75)  # of z given x alone
    weights = {
        "p(x|z,u)": ([[1.0, 0.5]], [0.0]),
        "p(y|z,v)": ([[1.0, 0.5]], [0.0]),
        "q(z|x,y)": ([[slope_z, slope_z], [0, 0]], [0.0, 0.5 * math.log(var_z)]),
        "q(u|z,x)": ([[-slope_u, slope_u], [0, 0]], [0.0, 0.5 * math.log(var_u)]),
        "q(v|z,y)": ([[-slope_u, slope_u], [0, 0]], [0.0, 0.5 * math.log(var_u)]),
        "q(z|x)": ([[marginal / 0.75], [0]], [0.0, 0.5 * math.log(marginal)]),
        "q(z|y)": ([[marginal / 0.75], [0]], [0.0, 0.5 * math.log(marginal)]),
    }
    with torch.no_grad():
        for name, (w, b) in weights.items():
            (layer,) = model.factors[name].network.layers
            layer.weight.copy_(torch.tensor(w))
            layer.bias.copy_(torch.tensor(b))
    return model


def test_section_7_of_the_specification():
    model, x, y = spec_model(), torch.tensor([[1.0]]), torch.tensor([[-0.5]])
    found = model.log_likelihood(x=x, y=y, samples=50, seed=0)
    cov = torch.tensor([[1.75, 1.0], [1.0, 1.75]])
    truth = torch.distributions.MultivariateNormal(torch.zeros(2), cov).log_prob(
        torch.tensor([1.0, -0.5])
    )
    assert f"{float(found.value):.5f}" == "-2.97256"
    assert float(found.value) == pytest.approx(float(truth), rel=1e-9)
    assert float(found.ess) == pytest.approx(50, rel=1e-9)
    assert found.nll == pytest.approx(2.97256, abs=5e-6)


def test_joint_is_marginal_plus_conditional_where_the_model_is_consistent():
    """q(z|x) is the model's own posterior, so log r(y|x) + log p(x) = log p(x,y); all three to nine
    digits."""
    model, x, y = spec_model(), torch.tensor([[1.0], [0.3]]), torch.tensor([[-0.5], [2.0]])
    joint, marginal = (
        model.log_likelihood(**k, samples=5, seed=0).value for k in ({"x": x, "y": y}, {"x": x})
    )
    conditional = model.log_likelihood(y=y, given={"x": x}, samples=5, seed=0)
    torch.testing.assert_close(conditional.value, joint - marginal, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(conditional.ess, torch.full((2,), 5.0), rtol=1e-9, atol=0)
