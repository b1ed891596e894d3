"""Fully connected networks against matrix products written out."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from wyner.errors import OptionError
from wyner.networks import MLP, MLPs
from wyner.networks.mlp import ACTIVATIONS, activation
from wyner.variables import Real

pytestmark = pytest.mark.usefixtures("float64")


def test_affine_network_is_one_matrix_product():
    net = MLP([(2,), (3,)], (4,))
    a, b = torch.randn(5, 2), torch.randn(5, 3)
    w, c = net.layers[0].weight, net.layers[0].bias
    torch.testing.assert_close(net(a, b), torch.cat([a, b], 1) @ w.T + c)


def test_a_linear_path_is_0_at_first_and_can_be_any_affine_function():
    torch.manual_seed(3)
    plain = MLP([(2,), (3,)], (2, 2), (7,))
    torch.manual_seed(3)
    net = MLP([(2,), (3,)], (2, 2), (7,), linear=True)
    a, b = torch.randn(5, 2), torch.randn(6, 5, 3)
    torch.testing.assert_close(net(a, b), plain(a, b))
    matrix, bias = torch.randn(4, 5), torch.randn(4)
    net.become(matrix, bias)
    both = torch.cat([a.expand(6, 5, 2), b], -1)
    torch.testing.assert_close(net(a, b), (both @ matrix.T + bias).reshape(6, 5, 2, 2))
    net(a, b).sum().backward()
    assert net.last.weight.grad.abs().sum() > 0  # the layers can learn from there
    with pytest.raises(OptionError, match="linear=True"):
        plain.become(matrix, bias)
    affine = MLPs((), linear=True).factor(Real(4), [(5,)], (4,), True)
    affine.become(matrix, bias)
    torch.testing.assert_close(affine(both), both @ matrix.T + bias)


def test_two_hidden_layers_by_hand():
    net = MLP([(2,)], (3,), (7, 6), "tanh")
    a = torch.randn(5, 2)
    h = a
    for i, layer in enumerate(net.layers):
        h = h @ layer.weight.T + layer.bias
        h = h.tanh() if i < 2 else h
    torch.testing.assert_close(net(a), h)
    assert [tuple(layer.weight.shape) for layer in net.layers] == [(7, 2), (6, 7), (3, 6)]


def test_events_of_higher_rank_are_read_and_written_in_row_order():
    net = MLP([(2, 3), (1,)], (2, 2))
    a, b = torch.randn(4, 5, 2, 3), torch.randn(4, 5, 1)
    flat = torch.cat([a.reshape(4, 5, 6), b], -1)
    expected = (flat @ net.layers[0].weight.T + net.layers[0].bias).reshape(4, 5, 2, 2)
    torch.testing.assert_close(net(a, b), expected)


@pytest.mark.parametrize("hidden", [(), (8,)])
@pytest.mark.parametrize(
    "leads", [((6, 5), (5,)), ((5,), (6, 5)), ((6, 1), (5,)), ((6, 5), ()), ((4, 1, 5), (6, 1))]
)
def test_parents_of_different_leading_shapes_broadcast(hidden, leads):
    net = MLP([(2,), (3,)], (4,), hidden)
    a, b = torch.randn(*leads[0], 2), torch.randn(*leads[1], 3)
    lead = torch.broadcast_shapes(*leads)
    torch.testing.assert_close(net(a, b), net(a.expand(*lead, 2), b.expand(*lead, 3)))


def test_any_leading_shape_is_the_flattened_call():
    net = MLP([(2,), (3,)], (4,), (8,))
    a, b = torch.randn(3, 5, 2), torch.randn(3, 5, 3)
    torch.testing.assert_close(net(a, b), net(a.reshape(15, 2), b.reshape(15, 3)).reshape(3, 5, 4))


def test_without_parents_a_network_is_a_trained_constant():
    net = MLP([], (3,), (5,))
    out = net()
    assert out.shape == (3,)
    bias, (last, c) = net.layers[0].bias, net.layers[1].parameters()
    torch.testing.assert_close(out, F.relu(bias) @ last.T + c)
    torch.testing.assert_close(MLP([], (2, 3))().shape, torch.Size([2, 3]))


FUNCTIONS = {
    "relu": lambda t: max(t, 0.0),
    "elu": lambda t: t if t > 0 else math.expm1(t),
    "leaky_relu": lambda t: t if t > 0 else 0.2 * t,
    "gelu": lambda t: t * 0.5 * (1 + math.erf(t / math.sqrt(2))),
    "silu": lambda t: t / (1 + math.exp(-t)),
    "tanh": math.tanh,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    points = [-2.0, -0.3, 0.0, 0.7, 3.0]
    torch.testing.assert_close(
        activation(name)(torch.tensor(points)), torch.tensor([FUNCTIONS[name](t) for t in points])
    )


def test_unknown_activation_names_the_nearest():
    with pytest.raises(OptionError, match="unknown activation 'rellu': did you mean 'relu'"):
        MLP([(2,)], (3,), (4,), "rellu")


def test_builder_passes_widths_and_activation():
    net = MLPs(hidden=[5, 6], activation="elu").factor(Real(2), [(3,)], (4,), observed=False)
    assert [tuple(layer.weight.shape) for layer in net.layers] == [(5, 3), (6, 5), (4, 6)]
    assert isinstance(net.act, torch.nn.ELU)
    assert MLPs().features(Real(2)) is None
