"""Draws: what noise does to them exactly, and their frequencies by z-score."""

from __future__ import annotations

import math

import pytest
import torch

from oracle.statistics import assert_mean, assert_moments
from wyner.errors import LawError
from wyner.families.distributions import Bernoulli, Categorical, Delta, Normal, draw_noise

N = 100_000


def test_normal_draw_is_location_plus_scale_times_noise():
    loc, log_scale, noise = (
        torch.randn(5, 3, 2, 2),
        torch.randn(3, 1, 1),
        torch.randn(4, 5, 3, 2, 2),
    )
    d = Normal(loc, log_scale, (3, 2, 2))
    torch.testing.assert_close(d.rsample(noise), loc + log_scale.exp() * noise)
    assert torch.equal(d.exact(noise), d.rsample(noise))


def test_normal_draw_passes_gradients():
    loc, log_scale = torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    noise = torch.tensor([0.5, -2.0])
    Normal(loc, log_scale, (2,)).rsample(noise).sum().backward()
    assert loc.grad is not None
    assert log_scale.grad is not None
    assert loc.grad.tolist() == [1.0, 1.0]
    assert log_scale.grad.tolist() == [0.5, -2.0]  # d(exp(s) e)/ds at s = 0


def test_normal_sample_moments():
    loc, log_scale = torch.tensor([[1.0, -3.0], [0.0, 10.0]]), torch.tensor([0.4, -1.0])
    draws = Normal(loc, log_scale, (2,)).sample(N)
    assert draws.shape == (N, 2, 2)
    for row in range(2):
        assert_moments(draws[:, row], loc[row], torch.diag(torch.exp(2 * log_scale)))


def test_bernoulli_sample_frequencies():
    logits = torch.tensor([[-3.0, 0.0, 2.0], [0.5, -0.5, 8.0]])
    draws = Bernoulli(logits, (3,)).sample(N)
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    assert_mean(draws, torch.sigmoid(logits))


def test_bernoulli_has_no_gradient_draw():
    with pytest.raises(LawError, match="Categorical"):
        Bernoulli(torch.zeros(2), (2,)).rsample(torch.zeros(2))


@pytest.mark.parametrize("temperature", [0.1, 0.5, 5.0])
def test_categorical_frequencies(temperature):
    logits = torch.tensor([[[0.0, 1.0, -1.0], [2.0, 0.0, 0.0]]])
    d, p = Categorical(logits, temperature, (2, 3)), torch.softmax(logits, -1)
    noise = draw_noise("gumbel", (N, 1, 2, 3), logits, torch.Generator().manual_seed(3))
    hard, soft = d.exact(noise), d.rsample(noise)
    assert_mean(hard, p, "exact draws")
    assert torch.equal(hard.sum(-1), torch.ones(N, 1, 2))
    torch.testing.assert_close(soft.sum(-1), torch.ones(N, 1, 2))
    assert torch.equal(
        soft.argmax(-1), hard.argmax(-1)
    )  # relaxed and exact draws of the same noise name the same class
    assert_mean(torch.nn.functional.one_hot(soft.argmax(-1), 3).float(), p, "relaxed draws")
    assert_mean(d.sample(N)[:, 0], p[0], "sample()")


def test_relaxed_draw_by_hand_and_in_the_limit():
    logits, noise = (
        torch.tensor([[0.3, -0.2, 0.9]]).double(),
        torch.tensor([[0.1, 1.5, -0.4]]).double(),
    )
    a = (torch.log_softmax(logits, -1) + noise) / 0.7
    torch.testing.assert_close(
        Categorical(logits, 0.7, (1, 3)).rsample(noise), a.exp() / a.exp().sum()
    )
    torch.testing.assert_close(
        Categorical(logits, 1e-3, (1, 3)).rsample(noise), torch.tensor([[0.0, 1.0, 0.0]]).double()
    )


def test_relaxed_draw_passes_gradients():
    logits = torch.zeros(1, 3, requires_grad=True)
    (
        Categorical(logits, 0.5, (1, 3)).rsample(torch.tensor([[0.2, 0.0, -0.1]]))
        * torch.tensor([1.0, 2.0, 3.0])
    ).sum().backward()
    assert logits.grad is not None
    assert bool((logits.grad != 0).all())


def test_samples_carry_no_gradient():
    d = Normal(torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True), (2,))
    assert not d.sample(3).requires_grad


def test_point_mass():
    value = torch.randn(4, 3)
    d = Delta(value, (3,))
    assert torch.equal(d.rsample(None), value)
    assert torch.equal(d.mean, value)
    assert torch.equal(d.sample(5), value.expand(5, 4, 3))


MOMENTS = {  # mean and variance of each kind of noise
    "normal": (0.0, 1.0),
    "uniform": (0.5, 1 / 12),
    "gumbel": (0.5772156649015329, math.pi**2 / 6),
}


@pytest.mark.parametrize("kind", MOMENTS)
def test_noise_moments(kind):
    mean, variance = MOMENTS[kind]
    e = draw_noise(kind, (N,), torch.zeros(()).double(), torch.Generator().manual_seed(1))
    assert_mean(e, mean)
    assert_mean((e - mean).square(), variance)


@pytest.mark.parametrize("kind", MOMENTS)
def test_noise_takes_type_and_generator(kind):
    before = torch.random.get_rng_state()
    a, b = (
        draw_noise(kind, (3, 2), torch.zeros(()).double(), torch.Generator().manual_seed(5))
        for _ in range(2)
    )
    assert a.dtype == torch.float64
    assert torch.equal(a, b)
    assert torch.equal(before, torch.random.get_rng_state())  # the global stream is left alone
    assert not torch.equal(
        a, draw_noise(kind, (3, 2), torch.zeros(()).double(), torch.Generator().manual_seed(6))
    )
    assert bool(torch.isfinite(draw_noise(kind, (10**6,), torch.zeros(()))).all())


def test_no_noise_for_a_point_mass():
    assert draw_noise(None, (3,), torch.zeros(())) is None
