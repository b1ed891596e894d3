"""Densities, entropies and KLs in float64 against torch.distributions and against the formulas
written out."""

from __future__ import annotations

import math

import pytest
import torch
import torch.distributions as T
from torch import Tensor

from wyner.errors import LawError
from wyner.families.distributions import Bernoulli, Categorical, Delta, Normal, kl

pytestmark = pytest.mark.usefixtures("float64")

LEADS = [(), (6,), (2, 6)]
EVENTS = [(3,), (4, 3), (3, 2, 2)]


def same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def scale_shapes(lead: tuple[int, ...], event: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Every way of sharing a log scale: one number, one per channel, one per coordinate, each with
    and without leading axes."""
    channel = (event[0], *(1,) * (len(event) - 1))
    ones = (1,) * len(event)
    return list(
        dict.fromkeys(
            [(), (1,), channel, event, (*lead, *ones), (*lead, *channel), (*lead, *event)]
        )
    )


NORMALS = [
    (lead, event, s) for lead in LEADS for event in EVENTS for s in scale_shapes(lead, event)
]


def normal_reference(loc: Tensor, log_scale: Tensor, event: tuple[int, ...]) -> T.Distribution:
    loc, log_scale = torch.broadcast_tensors(loc, log_scale)
    return T.Independent(T.Normal(loc, log_scale.exp()), len(event))


@pytest.mark.parametrize(("lead", "event", "shape"), NORMALS)
def test_normal_density_and_entropy(lead, event, shape):
    loc, log_scale = torch.randn(*lead, *event), torch.randn(shape)
    d, reference = Normal(loc, log_scale, event), normal_reference(loc, log_scale, event)
    for more in [(), (5,)] + (
        [(1,)] if lead else []
    ):  # more leading axes on the value: (K, B, *event) with parameters (B, *event)
        value = torch.randn(*more, *lead, *event)
        same(d.log_prob(value), reference.log_prob(value))
    same(d.entropy(), reference.entropy())
    same(d.mean, loc)
    same(d.variance, log_scale.mul(2).exp().expand(loc.shape))
    assert d.leading == lead


def test_normal_by_hand():
    loc, log_scale = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, -0.25]])
    d, a = Normal(loc, log_scale, (2,)), torch.tensor([[0.0, 3.0]])
    v1, v2 = math.exp(1.0), math.exp(-0.5)
    density = -0.5 * (math.log(2 * math.pi * v1) + 1 / v1 + math.log(2 * math.pi * v2) + 25 / v2)
    same(d.log_prob(a), torch.tensor([density]))
    same(
        d.entropy(),
        torch.tensor(
            [0.5 * math.log(2 * math.pi * math.e * v1) + 0.5 * math.log(2 * math.pi * math.e * v2)]
        ),
    )
    p = Normal(torch.tensor([0.5, 0.0]), torch.tensor(0.1), (2,))
    s = math.exp(0.2)
    by_hand = 0.5 * (math.log(s / v1) + (v1 + 0.25) / s - 1) + 0.5 * (
        math.log(s / v2) + (v2 + 4.0) / s - 1
    )
    same(kl(d, p), torch.tensor([by_hand]))


def test_the_papers_decoder_is_the_squared_error_plus_a_constant():
    x, mean = torch.randn(8, 10), torch.randn(8, 10)
    nll = -Normal(mean, torch.tensor(0.5 * math.log(0.5)), (10,)).log_prob(x)
    same(nll, (x - mean).square().sum(1) + 5 * math.log(math.pi))


@pytest.mark.parametrize(("lead", "event", "shape"), NORMALS)
@pytest.mark.parametrize("prior", ["scalar", "channel", "full", "leading"])
def test_normal_kl(lead, event, shape, prior):
    loc, log_scale = torch.randn(*lead, *event), torch.randn(shape)
    target = {
        "scalar": (),
        "channel": (event[0], *(1,) * (len(event) - 1)),
        "full": event,
        "leading": (*lead, *event),
    }[prior]
    other = torch.randn(*lead, *event) if prior == "leading" else torch.randn(event)
    scale = torch.randn(target)
    q, p = Normal(loc, log_scale, event), Normal(other, scale, event)
    rq, rp = normal_reference(loc, log_scale, event), normal_reference(other, scale, event)
    same(kl(q, p), T.kl_divergence(rq, rp).expand(lead))
    if prior == "leading":
        same(kl(p, q), T.kl_divergence(rp, rq).expand(lead))


def test_normal_kl_against_the_integral():
    q, p = (
        Normal(torch.tensor([0.7]), torch.tensor([-0.3]), (1,)),
        Normal(torch.tensor([-0.4]), torch.tensor([0.2]), (1,)),
    )
    grid = torch.linspace(-14, 14, 200_001)[:, None]
    each = q.log_prob(grid).exp() * (q.log_prob(grid) - p.log_prob(grid))
    same(kl(q, p), torch.trapezoid(each, grid[:, 0])[None][0])
    same(torch.trapezoid(q.log_prob(grid).exp(), grid[:, 0]), torch.ones(()))


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("lead", LEADS)
def test_bernoulli(lead, event):
    logits, other = 3 * torch.randn(*lead, *event), torch.randn(*lead, *event)
    d, reference = Bernoulli(logits, event), T.Independent(T.Bernoulli(logits=logits), len(event))
    for more in [(), (5,)]:
        value = torch.bernoulli(torch.full((*more, *lead, *event), 0.5))
        same(d.log_prob(value), reference.log_prob(value))
    same(d.entropy(), reference.entropy())
    same(d.mean, reference.mean)
    p = Bernoulli(other, event)
    a, b = d.mean, p.mean
    by_hand = a * (a / b).log() + (1 - a) * ((1 - a) / (1 - b)).log()
    same(kl(d, p), by_hand.sum(tuple(range(-len(event), 0))))
    same(kl(d, p), T.kl_divergence(reference, T.Independent(T.Bernoulli(logits=other), len(event))))
    shared = torch.randn(event)
    target = T.Independent(T.Bernoulli(logits=shared.expand_as(logits)), len(event))
    same(kl(d, Bernoulli(shared, event)), T.kl_divergence(reference, target))


def test_bernoulli_of_a_probability_is_a_cross_entropy():
    logits, value = torch.tensor([[0.3, -1.2]]), torch.tensor([[0.25, 0.9]])
    p = 1 / (1 + (-logits).exp())
    same(
        Bernoulli(logits, (2,)).log_prob(value),
        (value * p.log() + (1 - value) * (1 - p).log()).sum(1),
    )


def test_bernoulli_far_out_is_finite():
    d = Bernoulli(torch.tensor([800.0, -800.0]), (2,))
    same(d.log_prob(torch.tensor([1.0, 0.0])), torch.tensor(0.0))
    same(d.log_prob(torch.tensor([0.0, 0.0])), torch.tensor(-800.0))
    same(kl(d, Bernoulli(torch.tensor([0.0, 0.0]), (2,))), torch.tensor(2 * math.log(2)))
    same(d.entropy(), torch.tensor(0.0))


@pytest.mark.parametrize("event", [(1, 2), (1, 5), (3, 4)])
@pytest.mark.parametrize("lead", LEADS)
def test_categorical(lead, event):
    logits, other = 2 * torch.randn(*lead, *event), torch.randn(*lead, *event)
    d, reference = (
        Categorical(logits, 0.3, event),
        T.Independent(T.OneHotCategorical(logits=logits), 1),
    )
    for more in [(), (5,)]:
        value = T.OneHotCategorical(logits=torch.zeros(*more, *lead, *event)).sample()
        same(d.log_prob(value), reference.log_prob(value))
    same(d.entropy(), reference.entropy())
    same(d.mean, reference.mean)
    p, q = torch.softmax(logits, -1), torch.softmax(other, -1)
    same(kl(d, Categorical(other, 2.0, event)), (p * (p / q).log()).sum((-2, -1)))
    uniform = Categorical(torch.zeros(event), 1.0, event)
    same(kl(d, uniform), event[0] * math.log(event[1]) - d.entropy())


def test_categorical_of_two_values_is_bernoulli():
    logits = torch.randn(6, 4)
    two = Categorical(torch.stack([torch.zeros_like(logits), logits], -1), 1.0, (4, 2))
    one = Bernoulli(logits, (4,))
    same(two.entropy(), one.entropy())
    value = torch.bernoulli(torch.full((6, 4), 0.5))
    same(two.log_prob(torch.stack([1 - value, value], -1)), one.log_prob(value))


@pytest.mark.parametrize("which", ["normal", "bernoulli", "categorical"])
def test_kl_to_itself_is_zero_and_to_another_positive(which):
    make = {
        "normal": lambda: Normal(torch.randn(50, 3), torch.randn(50, 3), (3,)),
        "bernoulli": lambda: Bernoulli(torch.randn(50, 3), (3,)),
        "categorical": lambda: Categorical(torch.randn(50, 3, 4), 0.5, (3, 4)),
    }[which]
    q, p = make(), make()
    torch.testing.assert_close(kl(q, q), torch.zeros(50), rtol=0, atol=1e-12)
    assert bool((kl(q, p) > 0).all())


def test_no_closed_form_between_families():
    with pytest.raises(LawError, match="no closed-form KL from Normal to Bernoulli"):
        kl(Normal(torch.zeros(2), torch.zeros(2), (2,)), Bernoulli(torch.zeros(2), (2,)))


def test_a_point_mass_has_no_density():
    with pytest.raises(LawError, match="deterministic"):
        Delta(torch.zeros(2), (2,)).log_prob(torch.zeros(2))


def every_value(dtype=torch.double):
    g = torch.Generator().manual_seed(0)
    loc = torch.randn(7, 1, 3, 4, generator=g, dtype=dtype, requires_grad=True)
    return loc, torch.randn(5, 3, 4, generator=g, dtype=dtype), torch.tensor(0.3, dtype=dtype)


def test_every_value_against_every_place_is_the_same_by_a_product():
    loc, value, scale = every_value()
    found = Normal(loc, scale, (3, 4)).log_prob(value)
    each = T.Normal(loc, scale.exp()).log_prob(value).sum((-1, -2))
    assert found.shape == (7, 5)
    torch.testing.assert_close(found, each, rtol=0, atol=1e-12)
    a, b = (torch.autograd.grad(t.square().sum(), loc)[0] for t in (found, each))
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_short_floats_do_not_reach_the_product():
    loc, value, scale = every_value(torch.float)
    exact = Normal(loc, scale, (3, 4)).log_prob(value)
    with torch.autocast("cpu", torch.bfloat16):
        found = Normal(loc, scale, (3, 4)).log_prob(value)
    torch.testing.assert_close(found, exact, rtol=1e-5, atol=1e-5)
