"""Networks for pictures in the variational Wyner model: convolutions 5x5 of stride 2.
Specification, section 4.

trunk    Conv 5x5 stride 2: w, 2w, 4w, 8w channels, each BatchNorm, LeakyReLU(0.2); 32 -> 2 pixels
         one for each observed picture
encoder  Linear                                                                         on the
         trunks and latents that it sees
decoder  Linear(n -> 16w x 4 x 4), BatchNorm, LeakyReLU; two transposed convolutions to 8w, 4w
channels with BatchNorm and
         LeakyReLU; one to the picture's channels, then a sigmoid

The public code has a third trunk of both pictures at once for q(z|x,y); here that encoder reads the
two trunks side by side (our choice: features are shared by all encoders of a variable). Its
pictures are in [-1, 1] with a tanh; ours in [0, 1] with a sigmoid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wyner.errors import OptionError, ShapeError
from wyner.networks.builders import Builder, is_image
from wyner.networks.mlp import LEAKY_SLOPE, MLP
from wyner.networks.start import dense, xavier
from wyner.variables import Space


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

    def features(self, space: Space) -> nn.Module | None:
        return StridedEncoder(space.event_shape, self.width) if is_image(space) else None

    def factor(
        self, of: Space, parents: Sequence[tuple[int, ...]], output: tuple[int, ...], observed: bool
    ) -> nn.Module:
        if observed and is_image(of) and parents:
            return StridedDecoder(
                parents, output, self.width, output == of.event_shape, self.spectral
            )
        return MLP(parents, output)


def _checked(shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) != 3 or shape[1] % 16 or shape[2] % 16:
        raise ShapeError(
            "Strided networks halve pictures four times: expected (channels, height, width) with"
            f" height and width multiples of 16, got {tuple(shape)}; pad or resize the pictures (28"
            " to 32), or use networks.MLPs()"
        )
    return shape[0], shape[1], shape[2]


def _normed(layer: nn.Module, channels: int) -> list[nn.Module]:
    return [xavier(layer), nn.BatchNorm2d(channels), nn.LeakyReLU(LEAKY_SLOPE)]


class StridedEncoder(nn.Module):
    """Pictures `(N, C, H, W)` to features `(N, 8 width * H/16 * W/16)`; 1024 for width 32 and
    32x32.
    """

    any_leading = False

    def __init__(self, shape: tuple[int, ...], width: int = 32) -> None:
        super().__init__()
        c, h, w = _checked(shape)
        layers: list[nn.Module] = []
        for k in range(4):
            layers += _normed(nn.Conv2d(c, width << k, 5, 2, 2), width << k)
            c = width << k
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.output = (c * (h // 16) * (w // 16),)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class StridedDecoder(nn.Module):
    """Latents `(N, n_1)`, `(N, n_2)`, ... to a picture `(N, C, H, W)`, in [0, 1] if `sigmoid`."""

    any_leading = False

    def __init__(
        self,
        parents: Sequence[tuple[int, ...]],
        shape: tuple[int, ...],
        width: int = 32,
        sigmoid: bool = True,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        c, h, w = _checked(shape)
        size, start = sum(torch.Size(e).numel() for e in parents), (16 * width, h // 8, w // 8)
        up = lambda i, o: nn.ConvTranspose2d(i, o, 5, 2, 2, output_padding=1)
        self.body = nn.Sequential(
            dense(size, torch.Size(start).numel(), spectral),
            nn.Unflatten(1, start),
            nn.BatchNorm2d(16 * width),
            nn.LeakyReLU(LEAKY_SLOPE),
            *_normed(up(16 * width, 8 * width), 8 * width),
            *_normed(up(8 * width, 4 * width), 4 * width),
            xavier(up(4 * width, c)),
            *([nn.Sigmoid()] if sigmoid else []),
        )

    def forward(self, *latents: Tensor) -> Tensor:
        return self.body(torch.cat([v.flatten(1) for v in latents], 1))
