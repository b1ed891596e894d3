"""The convolutional stacks of the Wyner VAE paper (Tables 8 and 10): outer networks of images.

`c5s1-k` a 5x5 convolution of stride 1 with k channels, `d3s2-k` 3x3 of stride 2, `u3s2-k` its
transpose, each with BatchNorm and LeakyReLU(0.2); `res-k` = x + c3s1-k(c3s1-k-LReLU(x)). Padding is
"same", so 32 -> 16 -> 8 -> 4.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from wyner.networks.layers import Body, shrunk
from wyner.networks.mlp import LEAKY_SLOPE
from wyner.variables import Shape


def _block(conv: nn.Module, channels: int, act: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [conv, nn.BatchNorm2d(channels)]
    return nn.Sequential(*layers, nn.LeakyReLU(LEAKY_SLOPE)) if act else nn.Sequential(*layers)


def _down(i: int, o: int, act: bool = True) -> nn.Sequential:
    return _block(nn.Conv2d(i, o, 3, 2, 1), o, act)


def _up(i: int, o: int) -> nn.Sequential:
    return _block(nn.ConvTranspose2d(i, o, 3, 2, 1, output_padding=1), o)


class Residual(nn.Module):
    """x + c3s1-k( c3s1-k-LReLU(x) ), the second convolution without activation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        conv = lambda: nn.Conv2d(channels, channels, 3, 1, 1)
        self.body = nn.Sequential(_block(conv(), channels), _block(conv(), channels, False))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class UpsampledDecoder(Body):
    """Features `(N, 4 width * H/4 * W/4)` to an image `(N, C, H, W)`, in [0, 1] if `sigmoid`.

    BatchNorm-LReLU, u4s2-2w-LReLU, u4s2-w-LReLU, c3s1-C.
    """

    def __init__(self, shape: Shape, width: int = 12, sigmoid: bool = True) -> None:
        c, h, w = shrunk(shape, 2)
        up = lambda i, o: _block(nn.ConvTranspose2d(i, o, 4, 2, 1), o)
        super().__init__(
            nn.Unflatten(1, (4 * width, h, w)),
            nn.BatchNorm2d(4 * width),
            nn.LeakyReLU(LEAKY_SLOPE),
            up(4 * width, 2 * width),
            up(2 * width, width),
            nn.Conv2d(width, c, 3, 1, 1),
            *([nn.Sigmoid()] if sigmoid else []),
        )
        self.input = (4 * width * h * w,)


class OuterEncoder(Body):
    """Image `(N, C, H, W)` to features `(N, 8 width * H/8 * W/8)`; 4096 for width 32 and 32x32.

    c5s1-w-LReLU, d3s2-2w-LReLU, d3s2-4w-LReLU, blocks x res-4w, d3s2-8w without activation.
    """

    def __init__(self, shape: Shape, width: int = 32, blocks: int = 4) -> None:
        c, h, w = shrunk(shape, 3)
        super().__init__(
            _block(nn.Conv2d(c, width, 5, 1, 2), width),
            _down(width, 2 * width),
            _down(2 * width, 4 * width),
            *(Residual(4 * width) for _ in range(blocks)),
            _down(4 * width, 8 * width, act=False),
            nn.Flatten(),
        )
        self.output = (8 * width * h * w,)


class OuterDecoder(Body):
    """Features `(N, 8 width * H/8 * W/8)` to an image `(N, C, H, W)`, in [0, 1] if `sigmoid`.

    u3s2-4w-LReLU, blocks x res-4w, u3s2-2w-LReLU, u3s2-w-LReLU, c5s1-C. The sigmoid belongs to
    Gaussian means; a Bernoulli decoder takes the logits as they are.

    Read to the letter, the tables have a BatchNorm before the sigmoid too (`norm`). By default
    there is none (our choice): it would tie the brightness of one picture to those beside it.
    """

    def __init__(
        self,
        shape: Shape,
        width: int = 32,
        blocks: int = 4,
        sigmoid: bool = True,
        norm: bool = False,
    ) -> None:
        c, h, w = shrunk(shape, 3)
        start = (8 * width, h, w)
        body: list[nn.Module] = [
            nn.Unflatten(1, start),
            _up(8 * width, 4 * width),
            *(Residual(4 * width) for _ in range(blocks)),
            _up(4 * width, 2 * width),
            _up(2 * width, width),
        ]
        last = nn.Conv2d(width, c, 5, 1, 2)
        body.append(_block(last, c, act=False) if norm else last)
        super().__init__(*body, *([nn.Sigmoid()] if sigmoid else []))
        self.input = (math.prod(start),)
