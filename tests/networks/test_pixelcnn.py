"""The PixelCNN: which pixels a logit depends on, the masked convolution it stands for, and drawing
with caches against drawing without."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from reference.pixels import draw_slowly
from wyner.errors import OptionError
from wyner.networks import PixelCNN
from wyner.networks.pixel_by_pixel import draw
from wyner.networks.pixelcnn import KERNELS, Causal

SHAPES = [
    {"channels": 4, "kernels": (3, 3, 3, 3), "split": 3, "maps": 1},
    {"channels": 6, "kernels": (5, 3, 1, 3, 5, 3), "split": 4, "maps": 2},
    {"channels": 2, "kernels": KERNELS, "split": 6, "maps": 3},
]
HEIGHT, WIDTH = 5, 4


@pytest.fixture(autouse=True)
def _double(float64):
    """Everything here is exact, or nearly."""


def net(seed: int = 0, **shape) -> PixelCNN:
    """With running statistics that are not those of the start."""
    torch.manual_seed(seed)
    made = PixelCNN(**shape)
    for _ in range(3):
        made(
            (torch.rand(16, 1, HEIGHT, WIDTH) < 0.4).double(),
            torch.randn(16, made.maps, HEIGHT, WIDTH),
        )
    for p in made.parameters():  # also scales and offsets of the normalisations
        p.data += 0.3 * torch.randn(p.shape)
    made.eval()
    logits = made(
        (torch.rand(64, 1, HEIGHT, WIDTH) < 0.5).double(), torch.randn(64, made.maps, HEIGHT, WIDTH)
    )
    made.last.bias.data -= logits.mean()  # pictures with as many ones as zeros
    return made


def jacobian(function, x):
    """d function(x) / dx, `(pixels out, pixels in)`, summed over channels by absolute value."""
    found = torch.autograd.functional.jacobian(function, x)
    return found.abs().sum((0, 1, 4, 5)).reshape(HEIGHT * WIDTH, HEIGHT * WIDTH)


def neighbours(kernel, own):
    """Which pixels (columns) a causal convolution reads for which (rows), by their distances."""
    r, pixels = kernel // 2, [divmod(t, WIDTH) for t in range(HEIGHT * WIDTH)]
    reads = lambda i, j, a, b: (
        abs(j - b) <= r and (0 < i - a <= r or (a == i and (b < j or (own and b == j))))
    )
    return torch.tensor([[reads(i, j, a, b) for a, b in pixels] for i, j in pixels]).double()


def reached(kernels):
    """Which pixels the output of each layer depends on, and the logits, layer by layer from the
    definition."""
    found = [neighbours(kernels[0], False)]
    for i, k in enumerate(kernels[1:], 2):
        skip = neighbours(kernels[i - 3], True) @ found[i - 4] if i >= 4 else 0
        found.append(neighbours(k, True) @ (found[-1] + skip))
    return [f > 0 for f in [*found, found[-1] + neighbours(kernels[-2], True) @ found[-3]]]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_logit_depends_on_all_that_it_may_and_on_nothing_else(shape):
    made = net(**shape)
    x, maps = torch.rand(1, 1, HEIGHT, WIDTH), torch.randn(1, made.maps, HEIGHT, WIDTH)
    found = jacobian(lambda v: made(v, maps), x)
    assert torch.equal(found > 0, reached(made.kernels)[-1])
    assert float(found.triu().abs().max()) == 0.0
    seen = jacobian(lambda m: made(x, m), maps)
    assert bool((seen.diagonal() > 0).all())
    assert float(seen.triu(1).abs().max()) == 0.0


def test_the_paper_s_network_sees_all_earlier_pixels():
    assert torch.equal(
        reached(KERNELS)[-1], torch.ones(HEIGHT * WIDTH, HEIGHT * WIDTH).tril(-1) > 0
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_the_features_at_a_pixel_are_functions_of_those_before_it(shape):
    made = net(**shape)
    x = torch.rand(1, 1, HEIGHT, WIDTH)
    layers = reached(made.kernels)
    for i in range(3):
        found = jacobian(lambda v, i=i: made.features(v)[i], x)
        assert torch.equal(found > 0, layers[made.split - 3 + i])
        assert float(found.triu().abs().max()) == 0.0
    assert len(made.features(x)) == 3
    assert made.features(x)[-1].shape == (1, shape["channels"], HEIGHT, WIDTH)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_a_causal_convolution_is_a_masked_one(kernel, own):
    if kernel == 1 and not own:
        return  # it would see nothing
    conv, x = Causal(3, 2, kernel, own), torch.randn(2, 3, 6, 5)
    r = kernel // 2
    full = torch.randn(2, 3, kernel, kernel)
    full[:, :, : r + 1] = conv.weight.detach()
    mask = torch.zeros(kernel, kernel)
    mask[:r] = 1
    mask[r, : r + int(own)] = 1
    torch.testing.assert_close(
        conv(x), F.conv2d(x, full * mask, conv.bias, padding=r), rtol=1e-10, atol=1e-10
    )


def test_the_long_skips_are_those_of_the_paper():
    """Layer i from 4 on reads the output of layer i - 3 through a block with the kernel of layer i
    - 2; one more at the end."""
    made = PixelCNN(2)
    found = {**made.lower.skips, **made.upper.skips}
    assert list(found) == [str(i) for i in range(4, 14)]
    assert [2 * b.conv.radius + 1 for b in found.values()] == list(KERNELS[1:11])
    assert 2 * made.skip.conv.radius + 1 == KERNELS[11]
    assert [len(made.lower.layers), len(made.upper.layers)] == [6, 7]
    assert [b.narrow.in_channels for b in made.upper.layers] == [2 + 4] * 7
    assert made.upper.skips["7"].narrow.in_channels == 2


def test_skips_are_wired_as_they_are_written():
    """The forward pass again, layer by layer, from a list of all outputs."""
    made = net(**SHAPES[1])
    x, maps = (torch.rand(3, 1, HEIGHT, WIDTH) < 0.5).double(), torch.randn(3, 2, HEIGHT, WIDTH)
    h = {1: made.lower.layers[0](x)}
    for i in range(2, 7):
        half, given = (made.lower, ()) if i <= 4 else (made.upper, (maps,))
        skip = half.skips[str(i)](h[i - 3]) if i >= 4 else 0
        h[i] = half.layers[i - half.first](h[i - 1] + skip, *given)
    last = F.elu(made.norm(made.widen(h[6] + made.skip(h[4]))))
    torch.testing.assert_close(made(x, maps), made.last(last), rtol=1e-12, atol=1e-12)
    for a, b in zip(made.features(x), (h[2], h[3], h[4]), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("shape", SHAPES)
def test_drawing_with_caches_gives_the_pictures_of_full_passes(shape):
    made = net(3, **shape)
    maps, uniform = torch.randn(6, made.maps, HEIGHT, WIDTH), torch.rand(6, 1, HEIGHT, WIDTH)
    fast, slow = draw(made, maps, uniform), draw_slowly(made, maps, uniform)
    assert torch.equal(fast, slow)
    assert 0.2 < float(fast.mean()) < 0.8
    assert not torch.equal(fast, draw(made, -3 * maps, uniform))


def test_the_caches_compute_the_logits_of_a_full_pass(monkeypatch):
    """Not only on which side of u a probability falls: with logits in place of pixels, every logit
    agrees."""
    from wyner.networks import pixel_by_pixel

    made = net(4, **SHAPES[1])
    maps, uniform = torch.randn(3, 2, HEIGHT, WIDTH), torch.rand(3, 1, HEIGHT, WIDTH)
    seen = []
    exact = pixel_by_pixel._Canvas.logit
    monkeypatch.setattr(
        pixel_by_pixel._Canvas,
        "logit",
        lambda self, i, j: seen.append(exact(self, i, j)) or seen[-1],
    )
    x = draw(made, maps, uniform)
    found = torch.stack(seen, -1).reshape(3, 1, HEIGHT, WIDTH)
    torch.testing.assert_close(found, made(x, maps), rtol=1e-10, atol=1e-10)


def test_drawing_uses_running_statistics_and_leaves_the_mode_alone():
    made = net(**SHAPES[0])
    maps, uniform = torch.randn(4, 1, HEIGHT, WIDTH), torch.rand(4, 1, HEIGHT, WIDTH)
    before = {k: v.clone() for k, v in made.state_dict().items()}
    want = draw(made, maps, uniform)
    made.train()
    assert torch.equal(draw(made, maps, uniform), want)
    assert torch.equal(draw_slowly(made, maps, uniform), want)
    assert all(m.training for m in made.modules())
    assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items())


def test_pictures_are_drawn_in_parts(monkeypatch):
    from wyner.networks import pixel_by_pixel

    made = net(**SHAPES[0])
    maps, uniform = torch.randn(7, 1, HEIGHT, WIDTH), torch.rand(7, 1, HEIGHT, WIDTH)
    want = draw(made, maps, uniform)
    monkeypatch.setattr(pixel_by_pixel, "PIXELS", 3 * HEIGHT * WIDTH)
    assert torch.equal(draw(made, maps, uniform), want)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"channels": 5}, "even number of channels, got 5"),
        ({"kernels": (3, 4, 3, 3)}, "odd kernels"),
        ({"kernels": (1, 3, 3, 3)}, "the first at least 3"),
        ({"kernels": (3, 3, 3)}, "a split from 3 to 2 for 3 layers, got 6"),
        ({"split": 2}, "a split from 3 to 12"),
        ({"maps": 0}, "at least one map of z"),
    ],
)
def test_impossible_networks_are_refused(shape, said):
    with pytest.raises(OptionError, match=said):
        PixelCNN(**shape)
