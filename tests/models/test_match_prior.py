"""WynerVAE with a price on what draws from the encoders and draws from the priors differ in."""

from __future__ import annotations

import pytest
import torch

import wyner
from wyner import Real
from wyner.errors import OptionError
from wyner.models import WynerVAE
from wyner.networks import Critics, MLPs


def make(weight: float) -> WynerVAE:
    torch.manual_seed(0)
    sizes = dict(x=Real(3), y=Real(3), z=1, u=1, v=1)
    parts = dict(networks=MLPs(hidden=()), critics=Critics(width=32, noise=0.0))
    return WynerVAE(**sizes, **parts, match_prior=weight, alpha=1.0)


def pairs(n: int) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    z, u, v = (torch.randn(n, 1, generator=g) for _ in range(3))
    noise = lambda: 0.3 * torch.randn(n, 3, generator=g)
    return {
        "x": z + u * torch.tensor([1.0, -1.0, 0.5]) + noise(),
        "y": z + v * torch.tensor([0.5, 1.0, -1.0]) + noise(),
    }


@torch.no_grad()
def divergence(model: WynerVAE, data: dict[str, torch.Tensor]) -> float:
    """KL(q(z,u) || N(0,I)) in nats from draws; all maps are affine, so that q(z,u) is Gaussian up
    to the data's."""
    g = torch.Generator().manual_seed(1)
    draw = lambda q: q.mean + q.log_scale.exp() * torch.randn(q.mean.shape, generator=g)
    z = draw(model.factors["q(z|x,y)"](data["x"], data["y"]))
    rows = torch.cat([z, draw(model.factors["q(u|z,x)"](z, data["x"]))], 1)
    mean, cov = rows.mean(0), torch.cov(rows.T)
    return float(0.5 * (cov.trace() + mean @ mean - len(mean) - torch.logdet(cov)))


def test_the_terms_stand_in_the_objective_with_their_critics():
    text = str(make(2.0).objective)
    assert "2 * KL(zu) = KL( q(x,y) q(z|x,y) q(u|z,x) || p(z) p(u) )   by T(z,u)" in text
    assert "2 * KL(zv) = KL( q(x,y) q(z|x,y) q(v|z,y) || p(z) p(v) )   by T(z,v)" in text
    assert "KL(zu)" not in str(make(0.0).objective)


def test_a_price_brings_the_aggregate_to_the_prior():
    data = pairs(2000)
    found = {}
    for weight in (0.0, 30.0):
        model = make(weight)
        wyner.fit(
            model, data, epochs=15, batch_size=100, lr=5e-3, schedule="one-cycle", progress=False
        )
        found[weight] = divergence(model, data)
    assert found[30.0] < 0.5 * found[0.0]


def test_critics_of_latents_can_have_more_layers():
    torch.manual_seed(0)
    model = WynerVAE(
        x=Real(3),
        y=Real(3),
        z=1,
        u=1,
        v=1,
        match_prior=1.0,
        networks=MLPs(hidden=()),
        critics=Critics(width=8, noise=0.0, layers=3),
    )
    for name in ("KL(zu)", "KL(zv)"):
        head = model.critics.heads[name]
        linear = [m for m in head.modules() if isinstance(m, torch.nn.Linear)]
        assert sorted((m.in_features, m.out_features) for m in linear) == [
            (2, 8),
            (8, 1),
            (8, 8),
            (8, 8),
        ]
        rows = torch.randn(5, 2)
        h = torch.nn.functional.leaky_relu(rows @ head.branch.weight.T + head.branch.bias, 0.2)
        for layer in head.more:
            h = torch.nn.functional.leaky_relu(layer(h), 0.2)
        torch.testing.assert_close(head(None, rows[:, :1], rows[:, 1:]), head.last(h)[:, 0])
    with pytest.raises(OptionError, match="at least one hidden layer"):
        Critics(layers=0)
