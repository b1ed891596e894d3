"""Elementary functions against their definitions, float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import genpareto

from wyner.math import (
    LOG_2PI,
    broadcast_shapes,
    effective_samples,
    log_mean_exp,
    pareto_shape,
    sum_last,
    total,
)

pytestmark = pytest.mark.usefixtures("float64")


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-12, atol=0)


def test_log_2pi():
    assert math.exp(LOG_2PI) == pytest.approx(6.283185307179586, rel=1e-15)


@pytest.mark.parametrize(
    "shapes", [[], [()], [(2, 1), (3,)], [(1,), (0,)], [(5, 1, 4), (1, 3, 1), ()]]
)
def test_shapes_broadcast_as_tensors_do(shapes):
    expected = torch.broadcast_shapes(*shapes) if shapes else ()
    assert broadcast_shapes(*shapes) == tuple(expected)


def test_shapes_that_do_not_broadcast():
    with pytest.raises(RuntimeError, match="do not broadcast"):
        broadcast_shapes((2, 3), (4, 3))


def test_log_mean_exp_is_the_log_of_the_mean():
    a = torch.randn(7, 5)
    close(log_mean_exp(a), a.exp().mean(0).log())
    close(log_mean_exp(a, 1), a.exp().mean(1).log())
    close(log_mean_exp(a, -1), a.exp().mean(1).log())


@pytest.mark.parametrize("shift", [-2000.0, 0.0, 2000.0])
def test_log_mean_exp_stays_finite_where_exp_does_not(shift):
    a = torch.tensor([[0.0], [math.log(3.0)]]) + shift  # mean of 1 and 3
    close(log_mean_exp(a), torch.tensor([math.log(2.0) + shift]))


def test_log_mean_exp_of_impossible_samples():
    a = torch.tensor([0.0, -math.inf, -math.inf, -math.inf])
    close(log_mean_exp(a), torch.tensor(-math.log(4.0)))


def test_effective_samples_by_definition():
    log_w = torch.randn(11, 3)
    w = log_w.exp()
    close(effective_samples(log_w), w.sum(0) ** 2 / (w**2).sum(0))
    close(effective_samples(log_w.T, 1), w.sum(0) ** 2 / (w**2).sum(0))


def test_effective_samples_at_its_ends():
    close(effective_samples(torch.full((9, 2), -1500.0)), torch.full((2,), 9.0))
    one = torch.full((9, 1), -1e4)
    one[4] = 0.0
    close(effective_samples(one), torch.ones(1))
    two = torch.tensor([[0.0], [math.log(2.0)]])  # (1 + 2)^2 / (1 + 4)
    close(effective_samples(two), torch.tensor([9 / 5]))


@settings(max_examples=40)
@given(st.lists(st.floats(-700, 700), min_size=1, max_size=6), st.floats(-500, 500))
def test_effective_samples_do_not_depend_on_a_common_factor(values, shift):
    a = torch.tensor(values, dtype=torch.float64)
    ess = effective_samples(a)
    assert 1 - 1e-9 <= float(ess) <= len(values) * (1 + 1e-9)
    assert float(effective_samples(a + shift)) == pytest.approx(float(ess), rel=1e-9)


def test_sum_last():
    a = torch.arange(24.0).reshape(2, 3, 4)
    assert sum_last(a, 0) is a
    close(sum_last(a, 1), torch.tensor([[6.0, 22.0, 38.0], [54.0, 70.0, 86.0]]))
    close(sum_last(a, 2), torch.tensor([66.0, 210.0]))
    close(sum_last(a, 3), torch.tensor(276.0))


@pytest.mark.parametrize(
    ("shape", "event", "lead"),
    [
        ((), (5,), ()),
        ((1,), (5,), ()),
        ((5,), (5,), ()),
        ((), (3, 2, 2), ()),
        ((3, 1, 1), (3, 2, 2), ()),
        ((1, 2, 1), (3, 2, 2), ()),
        ((2, 2), (3, 2, 2), ()),
        ((3, 2, 2), (3, 2, 2), ()),
        ((7, 5), (5,), (7,)),
        ((7, 1), (5,), (7,)),
        ((4, 7, 3, 1, 1), (3, 2, 2), (4, 7)),
        ((4, 7, 3, 2, 2), (3, 2, 2), (4, 7)),
    ],
)
def test_total_is_the_sum_of_the_expanded_parameter(shape, event, lead):
    a = torch.randn(shape)
    expanded = a.expand(*lead, *event)
    assert total(a, event).shape == lead
    close(total(a, event), expanded.sum(tuple(range(-len(event), 0))))


@pytest.mark.parametrize("k", [0.2, 0.5, 1.0, 1.5])
def test_shape_of_a_pareto_tail(k):
    """Weights u^-k have a Pareto tail of shape k; the estimator's deviation is (1 + k) / sqrt(M)
    (maximum likelihood), and the prior of ten observations at 1/2 shrinks it by 10 / (M + 10)."""
    generator = torch.Generator().manual_seed(0)
    log_w = -k * torch.rand(4000, 200, generator=generator, dtype=torch.float64).log()
    tail = int(3 * 4000**0.5)
    found = pareto_shape(log_w)
    assert found.shape == (200,)
    shrunk = k + (0.5 - k) * 10 / (tail + 10)
    assert abs(float(found.mean()) - shrunk) < 0.05
    assert float(found.std()) == pytest.approx((1 + k) / tail**0.5 * tail / (tail + 10), rel=0.25)
    torch.testing.assert_close(pareto_shape(log_w + 300), found)  # no scale of the weights matters
    assert bool(pareto_shape(log_w[:20]).isnan().all())
    assert not bool(pareto_shape(1e-9 * log_w).any())  # all but equal


def test_shape_of_a_tail_against_maximum_likelihood():
    w = torch.from_numpy(np.random.default_rng(0).standard_t(2.0, (4000, 1))).abs().log()
    tail = int(3 * 4000**0.5)
    largest = w.exp().sort(0).values.flatten()[-tail - 1 :].numpy()
    fitted, *_ = genpareto.fit(largest[1:] - largest[0], floc=0)
    assert float(pareto_shape(w)) == pytest.approx((tail * fitted + 5) / (tail + 10), abs=0.05)
