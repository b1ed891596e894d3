"""The paper's convolutional stacks: sizes, and that leading axes are only bookkeeping."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wyner.errors import ShapeError
from wyner.networks import Chain, Convolutional, OuterDecoder, OuterEncoder, flattened
from wyner.networks.conv import Residual
from wyner.variables import Binary, Image, Real

SMALL = Convolutional(hidden=(16,), width=4, blocks=1)


def sizes(net: nn.Module, kinds: tuple[type[nn.Module], ...], x: torch.Tensor) -> list[tuple[int, ...]]:
    """Output shape of every module of these kinds, in the order of the computation."""
    seen: list[tuple[int, ...]] = []
    hooks = [
        m.register_forward_hook(lambda m, i, o: seen.append(tuple(o.shape[1:])))
        for m in net.modules()
        if isinstance(m, kinds)
    ]
    net.eval()(x)
    for h in hooks:
        h.remove()
    return seen


def test_encoder_of_the_paper_goes_32_16_8_4_to_4096_features():
    net = OuterEncoder((1, 32, 32))
    trunk = [(32, 32, 32), (64, 16, 16), (128, 8, 8), *[(128, 8, 8)] * 8, (256, 4, 4)]
    assert sizes(net, (nn.Conv2d,), torch.rand(2, 1, 32, 32)) == trunk
    assert net(torch.rand(2, 1, 32, 32)).shape == (2, 4096)
    assert net.output == (4096,)


def test_decoder_of_the_paper_goes_4_8_16_32():
    net = OuterDecoder((3, 32, 32))
    trunk = [(128, 8, 8), *[(128, 8, 8)] * 8, (64, 16, 16), (32, 32, 32), (3, 32, 32)]
    assert net.input == (4096,)
    assert sizes(net, (nn.Conv2d, nn.ConvTranspose2d), torch.rand(2, 4096)) == trunk


def test_kernels_strides_and_activations_are_table_8():
    net = OuterEncoder((1, 32, 32))
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.kernel_size[0], c.stride[0]) for c in convs] == [(5, 1), (3, 2), (3, 2), *[(3, 1)] * 8, (3, 2)]
    slopes = {m.negative_slope for m in net.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2}
    assert (
        sum(isinstance(m, nn.LeakyReLU) for m in net.modules()) == 3 + 4
    )  # no activation after the last and after c3s1-k in res-k
    assert isinstance(net.body[-2][-1], nn.BatchNorm2d)


def test_celeba_size():
    assert OuterEncoder((3, 64, 64)).output == (16384,)
    assert OuterDecoder((3, 64, 64)).input == (16384,)


def test_residual_block_is_its_input_plus_its_body():
    block = Residual(4).eval()
    x = torch.randn(2, 4, 6, 6)
    a, b = (m[:2] for m in block.body)
    torch.testing.assert_close(block(x), x + b(nn.functional.leaky_relu(a(x), 0.2)))


def test_sigmoid_only_where_asked():
    h = 50 * torch.randn(3, 256)
    torch.manual_seed(1)
    plain = OuterDecoder((1, 16, 16), width=8, blocks=0, sigmoid=False).eval()
    torch.manual_seed(1)
    squashed = OuterDecoder((1, 16, 16), width=8, blocks=0, sigmoid=True).eval()
    torch.testing.assert_close(squashed(h), torch.sigmoid(plain(h)))
    assert bool((plain(h) > 1).any())


def test_which_decoders_have_the_sigmoid():
    last = lambda space, raw: SMALL.factor(space, [(2,)], raw, observed=True).outer.body[-1]
    assert isinstance(last(Image(1, 16, 16), (1, 16, 16)), nn.Sigmoid)  # means of a Gaussian, in [0, 1]
    assert isinstance(last(Image(1, 16, 16), (2, 16, 16)), nn.Conv2d)  # means and log scales
    assert isinstance(last(Binary(1, 16, 16), (1, 16, 16)), nn.Conv2d)  # logits


@pytest.mark.parametrize("training", [False, True])
def test_any_leading_shape_is_the_flattened_call(training):
    net = SMALL.factor(Image(1, 16, 16), [(3,), (2,)], (1, 16, 16), observed=True)
    assert isinstance(net, Chain)
    net.train(training)
    a, b = torch.randn(4, 5, 3), torch.randn(5, 2)
    flat = net(a.reshape(20, 3), b.expand(4, 5, 2).reshape(20, 2))
    torch.testing.assert_close(net(a, b), flat.reshape(4, 5, 1, 16, 16), rtol=1e-4, atol=1e-5)


def test_flattened_calls_a_network_that_knows_one_batch_axis():
    class Strict(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            assert a.ndim == 3
            assert b.ndim == 2
            return a.sum(1) * b

    a, b = torch.randn(6, 1, 4, 2), torch.randn(5, 2)
    torch.testing.assert_close(flattened(Strict(), (a, b), (2, 1)), a.sum(2) * b)
    one = torch.randn(5, 4, 2)
    torch.testing.assert_close(flattened(Strict(), (one, b), (2, 1)), one.sum(1) * b)


def test_images_get_features_and_vectors_do_not():
    assert SMALL.features(Image(1, 16, 16)).output == (8 * 4 * 4,)
    assert SMALL.features(Binary(1, 16, 16)).output == (8 * 4 * 4,)
    assert SMALL.features(Real(3)) is None
    assert SMALL.features(Binary(16)) is None


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 30), (32, 32)])
def test_sizes_that_cannot_be_halved_three_times_are_refused(shape):
    with pytest.raises(ShapeError, match=r"multiples of 8, got .*pad the images"):
        OuterEncoder(shape)
    with pytest.raises(ShapeError, match=r"multiples of 8, got .*pad the images"):
        OuterDecoder(shape)
