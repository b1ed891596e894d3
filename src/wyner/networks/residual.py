"""A residual encoder of pictures, and the builder that uses it.

Specification of the sequence models, section 3.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from wyner.codec import stored
from wyner.errors import ShapeError
from wyner.networks.builders import Builder, Shapes
from wyner.networks.layers import xavier
from wyner.networks.mlp import MLP
from wyner.variables import Shape, Space


class Down(nn.Module):
    """ELU( BN conv_1x1 x + BN conv_3x3 ELU BN conv_3x3 x ), the first of each path of stride 2."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, channels, 3, 2, 1),
            nn.BatchNorm2d(channels),
            nn.ELU(),
            nn.Conv2d(channels, channels, 3, 1, 1),
            nn.BatchNorm2d(channels),
        )
        self.short = nn.Sequential(nn.Conv2d(inputs, channels, 1, 2), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(self.short(x) + self.body(x))


class ResidualEncoder(nn.Module):
    """Pictures `(N, C, H, W)` to `(N, *output)`.

    Residual blocks that halve the picture (28 -> 14 -> 7 -> 4), one convolution over what is left,
    a linear layer.

    Args:
        shape: of one picture.
        output: of one result; a vector of `parts` equal parts.
        channels, blocks: of the residual blocks; 64 and 3 in the paper.
        width: outputs of the last convolution, 512 in the paper.
        parts: numbers that a family reads for one coordinate; all but the first start at 0, so that
            predicted scales start at 1.
    """

    def __init__(
        self,
        shape: Shape,
        output: Shape,
        channels: int = 64,
        blocks: int = 3,
        width: int = 512,
        parts: int = 2,
    ) -> None:
        super().__init__()
        c, h, w = shape
        downs: list[nn.Module] = []
        for k in range(blocks):
            downs.append(Down(channels if k else c, channels))
            h, w = (h + 1) // 2, (w + 1) // 2
        self.downs = nn.Sequential(*downs)
        self.flat = nn.Sequential(
            nn.Conv2d(channels, width, (h, w)), nn.BatchNorm2d(width), nn.ELU(), nn.Flatten()
        )
        self.output = tuple(output)
        self.last = xavier(nn.Linear(width, math.prod(output)))
        if parts > 1:
            nn.init.zeros_(self.last.weight[len(self.last.weight) // parts :].data)

    def forward(self, x: Tensor) -> Tensor:
        found = self.last(self.flat(self.downs(x)))
        return found if len(self.output) == 1 else found.reshape(-1, *self.output)


@stored("resnets")
@dataclass(frozen=True)
class ResNets(Builder):
    """Residual encoders of pictures, affine maps from everything else (z to a PixelCNN's maps).

    Args:
        channels, blocks, width: of the encoders, as in `ResidualEncoder`.
    """

    channels: int = 64
    blocks: int = 3
    width: int = 512

    def factor(self, of: Space, parents: Shapes, output: Shape, observed: bool) -> nn.Module:
        if observed or len(parents) != 1 or len(parents[0]) != 3:
            return MLP(parents, output)
        if min(parents[0][1:]) < 2:
            raise ShapeError(f"ResNets: expected pictures of at least 2x2 pixels, got {parents[0]}")
        parts = output[0] // of.event_shape[0]
        return ResidualEncoder(parents[0], output, self.channels, self.blocks, self.width, parts)
