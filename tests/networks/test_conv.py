"""The paper's convolutional stacks: sizes, and that leading axes are only bookkeeping."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from wyner.errors import ShapeError
from wyner.models import WynerVAE
from wyner.networks import (
    LIGHT,
    MLP,
    TABLE_8,
    TABLE_10,
    Chain,
    Convolutional,
    OuterDecoder,
    OuterEncoder,
    PerValue,
    Sighted,
    Upsampled,
    flattened,
)
from wyner.networks.conv import Residual
from wyner.variables import Binary, Image, Real

SMALL = Convolutional(hidden=(16,), width=4, blocks=1)


def sizes(
    net: nn.Module, kinds: tuple[type[nn.Module], ...], x: torch.Tensor
) -> list[tuple[int, ...]]:
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
    assert [(c.kernel_size[0], c.stride[0]) for c in convs] == [
        (5, 1),
        (3, 2),
        (3, 2),
        *[(3, 1)] * 8,
        (3, 2),
    ]
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
    assert isinstance(
        last(Image(1, 16, 16), (1, 16, 16)), nn.Sigmoid
    )  # means of a Gaussian, in [0, 1]
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


# the published networks, number by number


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def conv(i: int, o: int, k: int, norm: bool = True) -> int:
    """Weights and biases of a convolution, and scales and shifts of its BatchNorm."""
    return i * o * k * k + o + 2 * o * norm


def linear(*sizes: int) -> int:
    return sum(i * o + o for i, o in zip(sizes[:-1], sizes[1:], strict=True))


def outer_encoder(channels: int) -> int:
    return (
        conv(channels, 32, 5)
        + conv(32, 64, 3)
        + conv(64, 128, 3)
        + 8 * conv(128, 128, 3)
        + conv(128, 256, 3)
    )


def outer_decoder(channels: int) -> int:
    return (
        conv(256, 128, 3)
        + 8 * conv(128, 128, 3)
        + conv(128, 64, 3)
        + conv(64, 32, 3)
        + conv(32, channels, 5, norm=False)
    )


def test_every_network_of_table_8_has_its_numbers():
    model = WynerVAE(x=Image(1, 32, 32), y=Image(3, 32, 32), z=128, u=128, v=128, networks=TABLE_8)
    assert {k: count(m) for k, m in model.features.items()} == {
        "x": outer_encoder(1),
        "y": outer_encoder(3),
    }
    head = 2 * 128
    assert {k: count(f) for k, f in model.factors.items()} == {
        "q(z|x,y)": linear(4096 + 4096, 512, head),
        "q(u|z,x)": linear(128 + 4096, 512, head),
        "q(v|z,y)": linear(128 + 4096, 512, head),
        "q(z|x)": linear(4096, 512, head),
        "q(z|y)": linear(4096, 512, head),
        "p(x|z,u)": (
            linear(256, 512, 4096) + outer_decoder(1) + 1
        ),  # and a variance for each channel
        "p(y|z,v)": linear(256, 512, 4096) + outer_decoder(3) + 3,
        "p(z)": 1,
        "p(u)": 1,
        "p(v)": 1,
    }


def test_every_network_of_table_10_has_its_numbers():
    model = WynerVAE(x=Binary(40), y=Image(3, 64, 64), z=128, u=0, v=128, networks=TABLE_10)
    assert {k: count(m) for k, m in model.features.items()} == {
        "x": linear(40, 512, 512),
        "y": outer_encoder(3),
    }
    core, head = (1024, 1024, 1024), 2 * 128
    assert {k: count(f) for k, f in model.factors.items()} == {
        "q(z|x,y)": linear(512 + 16384, *core, head),
        "q(v|z,y)": linear(128 + 16384, *core, head),
        "q(z|x)": linear(512, *core, head),
        "q(z|y)": linear(16384, *core, head),
        "p(x|z)": linear(128, *core, 512) + linear(512, 512, 40),
        "p(y|z,v)": linear(256, *core, 16384) + outer_decoder(3) + 3,
        "p(z)": 1,
        "p(v)": 1,
    }


def test_outer_networks_of_vectors_share_their_features_and_end_in_logits():
    small = Convolutional(hidden=(6,), width=2, blocks=0, vectors=(5, 4))
    model = WynerVAE(x=Binary(3), y=Image(1, 8, 8), z=2, u=0, v=2, networks=small).eval()
    x = torch.tensor([[0.0, 1.0, 1.0]])
    first, second = model.features["x"].layers
    by_hand = second(nn.functional.leaky_relu(first(x), 0.2))
    torch.testing.assert_close(model.features["x"](x), by_hand)
    net = model.factors["p(x|z)"].network
    z = 30 * torch.randn(50, 2)
    torch.testing.assert_close(net(z), net.outer(net.core(z)))
    assert net(z).abs().max() > 1


def test_batchnorm_before_the_sigmoid_is_an_option():
    last = OuterDecoder((3, 8, 8), width=2, blocks=0, norm=True).body[-2]
    assert [type(m) for m in last] == [nn.Conv2d, nn.BatchNorm2d]


def test_light_networks_do_a_fraction_of_the_work():
    def work(networks: Convolutional) -> int:
        space = Image(3, 32, 32)
        encoder, decoder = (
            networks.features(space),
            OuterDecoder((3, 32, 32), networks.width, networks.blocks),
        )
        with FlopCounterMode(display=False) as counter:
            encoder(torch.rand(1, 3, 32, 32).expand(2, -1, -1, -1))
            decoder(torch.rand(2, *decoder.input))
        return counter.get_total_flops()

    assert work(TABLE_8) == 2 * 2 * (by_pixels(3, 32, 4))
    assert work(LIGHT) == 2 * 2 * (by_pixels(3, 8, 1))
    assert 28 < work(TABLE_8) / work(LIGHT) < 36


def by_pixels(channels: int, w: int, blocks: int) -> int:
    """Multiplications of an encoder and a decoder of 32x32 pictures: taps times channels in and out
    times places."""
    ends = 2 * 25 * channels * w * 32**2
    encoder = 9 * (w * 2 * w * 16**2 + 2 * w * 4 * w * 8**2 + 4 * w * 8 * w * 4**2)
    decoder = 9 * (8 * w * 4 * w * 4**2 + 4 * w * 2 * w * 8**2 + 2 * w * w * 16**2)
    return ends + encoder + decoder + 2 * 2 * blocks * 9 * (4 * w) ** 2 * 8**2


def test_upsampling_decoders_read_each_value_with_weights_of_its_own():
    made = Upsampled(hidden=[16], width=3, per_value=True)
    decoder = made.factor(Image(1, 28, 28), [(1, 4), (2,)], (1, 28, 28), True).eval()
    assert isinstance(decoder.core, PerValue)
    assert [layer.out_features for layer in decoder.core.layers] == [4 * 3 * 7 * 7]
    z, v = torch.eye(4)[:, None], torch.randn(4, 2)
    out = decoder(z, v)
    assert out.shape == (4, 1, 28, 28)
    assert bool(((out >= 0) & (out <= 1)).all())
    many = decoder(z[:, None], v)  # (4, 1, 1, 4) beside (4, 2)
    assert many.shape == (4, 4, 1, 28, 28)
    torch.testing.assert_close(many[1, 1], out[1])
    encoder = made.factor(Real(2), [(1, 28, 28)], (2, 2), False)
    assert [layer.out_features for layer in encoder.layers] == [16, 4]
    bits = made.factor(Binary(1, 28, 28), [(2,)], (1, 28, 28), True)
    assert not any(isinstance(m, torch.nn.Sigmoid) for m in bits.modules())  # logits
    with pytest.raises(ShapeError, match="multiples of 4"):
        made.factor(Image(1, 30, 28), [(2,)], (1, 30, 28), True)


def test_an_encoder_of_its_own_looks_once_at_a_picture_for_all_values():
    made = Convolutional(hidden=(8,), width=2, blocks=0, shared=False)
    net = made.factor(Image(1, 8, 8), [(1, 3), (1, 8, 8)], (4,), False).eval()
    assert isinstance(net, Sighted)
    z, x = torch.randn(5, 6, 1, 3), torch.rand(6, 1, 8, 8)
    calls = []
    net.eyes[1].register_forward_hook(lambda m, a, o: calls.append(len(o)))
    out = net(z, x)
    assert calls == [6]
    assert out.shape == (5, 6, 4)
    torch.testing.assert_close(out[2], net(z[2], x), rtol=1e-5, atol=1e-5)


def test_encoders_of_their_own_share_no_features_and_pictures_can_have_flat_decoders():
    made = Convolutional(hidden=(8,), width=2, blocks=0, shared=False, decoders=(6,))
    assert made.features(Image(1, 8, 8)) is None
    flat = made.factor(Image(1, 8, 8), [(3,)], (1, 8, 8), True)
    assert isinstance(flat, MLP)
    assert [layer.out_features for layer in flat.layers] == [6, 64]
    deep = Convolutional(hidden=(8,), width=2, blocks=0, shared=False, per_value=True)
    net = deep.factor(Image(1, 8, 8), [(1, 3), (1, 8, 8), (2,)], (1, 8, 8), True)
    assert isinstance(net.core, Sighted)  # a decoder that reads a picture has eyes as well
    assert isinstance(net.core.core, PerValue)
    assert net(torch.eye(3)[:, None], torch.rand(3, 1, 8, 8), torch.rand(3, 2)).shape[1:] == (
        1,
        8,
        8,
    )
    model = WynerVAE(x=Image(1, 8, 8), y=Image(3, 8, 8), z=2, u=2, v=2, networks=made)
    assert not model.features
    one, other = model.factors["q(z|x)"].network, model.factors["q(u|z,x)"].network
    assert isinstance(one, Sighted)
    assert {id(p) for p in one.parameters()}.isdisjoint(id(p) for p in other.parameters())
    assert not one.last.weight[2:].any()  # scales start at 1, as without pictures
