"""Networks for pictures in the variational Wyner model: convolutions 5x5 of stride 2.

Specification, section 4:

    trunk    Conv 5x5 stride 2: w, 2w, 4w, 8w channels, each BatchNorm, LeakyReLU(0.2); 32 -> 2
             pixels; one for each observed picture
    encoder  Linear, on the trunks and latents that it sees
    decoder  Linear(n -> 16w x 4 x 4), BatchNorm, LeakyReLU; two transposed convolutions to 8w, 4w
             channels with BatchNorm and LeakyReLU; one to the picture's channels, then a sigmoid

The public code has a third trunk of both pictures at once for q(z|x,y); here that encoder reads the
two trunks side by side (our choice: features are shared by all encoders of a variable). Its
pictures are in [-1, 1] with a tanh; ours in [0, 1] with a sigmoid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import nn

from wyner.codec import stored
from wyner.errors import OptionError
from wyner.networks.builders import Builder, Shapes, is_image
from wyner.networks.layers import Body, LatentBody, dense, shrunk, xavier
from wyner.networks.mlp import LEAKY_SLOPE, MLP
from wyner.variables import Shape, Space


@stored("strided")
@dataclass(frozen=True)
class Strided(Builder):
    """Shared trunks of pictures, linear encoders, transposed convolutions as decoders.

    Args:
        width: channels after the first convolution, 32 in the paper; 8 or 16 for CPUs.
        spectral: spectral normalisation of the decoders' linear layer, as in the public code.
    """

    width: int = 32
    spectral: bool = False

    def __post_init__(self) -> None:
        if self.width < 1:
            raise OptionError(f"Strided: expected a positive width, got {self.width}")

    def features(self, space: Space) -> Any:
        return StridedEncoder(space.event_shape, self.width) if is_image(space) else None

    def factor(self, of: Space, parents: Shapes, output: Shape, observed: bool) -> nn.Module:
        if not (observed and is_image(of) and parents):
            return MLP(parents, output)
        return StridedDecoder(parents, output, self.width, output == of.event_shape, self.spectral)


def _normed(layer: nn.Module, channels: int) -> list[nn.Module]:
    return [xavier(layer), nn.BatchNorm2d(channels), nn.LeakyReLU(LEAKY_SLOPE)]


class StridedEncoder(Body):
    """Pictures `(N, C, H, W)` to features `(N, 8w * H/16 * W/16)`; 1024 for width 32 and 32x32."""

    def __init__(self, shape: Shape, width: int = 32) -> None:
        c, h, w = shrunk(shape, 4)
        layers: list[nn.Module] = []
        for k in range(4):
            layers += _normed(nn.Conv2d(c, width << k, 5, 2, 2), width << k)
            c = width << k
        super().__init__(*layers, nn.Flatten())
        self.output = (c * h * w,)


class StridedDecoder(LatentBody):
    """Latents to a picture `(N, C, H, W)`, in [0, 1] if `sigmoid`."""

    def __init__(
        self,
        parents: Shapes,
        shape: Shape,
        width: int = 32,
        sigmoid: bool = True,
        spectral: bool = False,
    ) -> None:
        c, h, w = shrunk(shape, 4)
        size, start = sum(math.prod(e) for e in parents), (16 * width, 2 * h, 2 * w)
        up = lambda i, o: nn.ConvTranspose2d(i, o, 5, 2, 2, output_padding=1)
        super().__init__(
            dense(size, math.prod(start), spectral),
            nn.Unflatten(1, start),
            nn.BatchNorm2d(16 * width),
            nn.LeakyReLU(LEAKY_SLOPE),
            *_normed(up(16 * width, 8 * width), 8 * width),
            *_normed(up(8 * width, 4 * width), 4 * width),
            xavier(up(4 * width, c)),
            *([nn.Sigmoid()] if sigmoid else []),
        )
