"""Decoders with a first layer for each value of a categorical parent."""

from __future__ import annotations

import pytest
import torch

from wyner import Categorical, Real
from wyner.errors import ShapeError
from wyner.networks import MLP, MLPs, PerValue


def test_each_value_has_weights_of_its_own():
    net = PerValue([(1, 3), (2,)], (4,), (5,)).double()
    z = torch.eye(3, dtype=torch.float64)[:, None]
    v = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    out = net(z, v)
    first, last = net.layers
    for k in range(3):
        kron = torch.zeros(9, dtype=torch.float64)
        kron[3 * k], kron[3 * k + 1 : 3 * k + 3] = 1, v[k]
        want = last(torch.relu(first(kron)))
        assert torch.allclose(out[k], want)
    (grad,) = torch.autograd.grad(out[0].sum(), first.weight)
    used = grad.abs().sum(0) > 0
    assert set(used.nonzero().flatten().tolist()) <= {0, 1, 2}


def test_values_that_are_summed_over_broadcast_against_draws():
    net = PerValue([(1, 3), (2,)], (4,), (5,))
    z, v = torch.eye(3)[:, None, None].expand(3, 1, 1, 3), torch.randn(7, 2)
    assert net(z, v).shape == (3, 7, 4)
    assert torch.allclose(net(z, v)[1, 4], net(z[1, 0][None], v[4:5])[0], atol=1e-6)


def test_several_categorical_parents_make_one():
    net = PerValue([(1, 2), (3,), (1, 2)], (4,))
    a, b = torch.eye(2)[[1]][:, None], torch.eye(2)[[0]][:, None]
    assert net(a, torch.zeros(1, 3), b).shape == (1, 4)
    assert net.layers[0].in_features == 4 * (1 + 3)


def test_only_decoders_with_a_categorical_parent_have_them():
    made = MLPs(hidden=(5,), per_value=True)
    assert isinstance(made.factor(Real(4), [(1, 3), (2,)], (4,), True), PerValue)
    assert type(made.factor(Real(4), [(3,), (2,)], (4,), True)) is MLP
    assert type(made.factor(Categorical(1, 3), [(1, 3), (2,)], (3,), False)) is MLP
    with pytest.raises(ShapeError, match="expected a categorical parent"):
        PerValue([(3,)], (4,))


def test_decoders_can_have_widths_of_their_own():
    made = MLPs(hidden=[8], decoders=[5, 6], per_value=True)
    decoder = made.factor(Real(4), [(1, 3), (2,)], (4,), True)
    encoder = made.factor(Real(2), [(4,)], (2, 2), False)
    assert isinstance(decoder, PerValue)
    assert [layer.out_features for layer in decoder.layers] == [5, 6, 4]
    assert [layer.out_features for layer in encoder.layers] == [8, 4]
