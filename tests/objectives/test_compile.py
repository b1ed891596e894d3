"""One compiled graph, the same values: steps under torch.compile against eager ones with the same
noise."""

from __future__ import annotations

import pytest
import torch

import wyner
from wyner import KL, Categorical, Real
from wyner.models import WynerVAE
from wyner.networks import MLPs


def everything():
    """All six divergences of equation (15), with Gaussian and categorical factors."""
    model = WynerVAE(
        x=Real(3),
        y=Categorical(1, 3),
        z=2,
        u=2,
        v=Categorical(1, 4),
        lam=0.1,
        alpha=1.0,
        networks=MLPs(hidden=(8,)),
    )
    return model, {"x": torch.randn(16, 3), "y": torch.eye(3)[torch.randint(3, (16, 1))]}


def smallest():
    laws = {"elbo": ("q(x) q(z|x)", "p(z) p(x|z)"), "rate": ("q(x) q(z|x)", "q(x) p(z)")}
    model = wyner.Model(
        observed={"x": Real(2)},
        latent={"z": Real(2)},
        laws=laws,
        objective=KL("elbo") + 0.5 * KL("rate"),
        networks=MLPs(hidden=()),
    )
    return model, {"x": torch.randn(16, 2)}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("make", "backend"), [(everything, "aot_eager"), (smallest, "inductor")])
def test_a_step_is_one_graph_with_the_eager_values_and_gradients(make, backend):
    model, given = make()
    program = model.objective
    noise, weights = program.noise((16,), given["x"]), torch.rand(len(program.divergences))
    parameters = list(model.parameters())

    def step(f):
        loss, means = f(given, noise, weights)
        return loss.detach(), means.detach(), torch.autograd.grad(loss, parameters)

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = torch.compile(
        program, dynamic=False, fullgraph=True, backend=backend
    )  # fullgraph: a second graph is an error
    for _ in range(2):
        for a, b in zip(step(compiled), step(program), strict=True):
            torch.testing.assert_close(a, b, rtol=2e-5, atol=1e-6)
    assert (
        torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    )  # and nothing is compiled again
