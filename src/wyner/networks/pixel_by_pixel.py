"""Drawing pictures from a PixelCNN, with caches in place of a full pass for every pixel.

A causal convolution at pixel (i, j) is the part of the rows above, which is computed for a whole
row at once when row i begins, plus the part of row i up to the pixel. So a pixel costs a few small
products a layer. Batch normalisations are those of evaluation, folded into the convolutions beside
them.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyner.networks.pixelcnn import Block, Causal, First, Maps, PixelCNN, Plane

PIXELS = 2**18
"""Plane of all pictures that are drawn at a time, so that the caches stay small."""


@torch.no_grad()
def draw(network: PixelCNN, maps: Maps, uniform: Plane) -> Plane:
    """Pictures of zeros and ones pixel by pixel: x_t = 1 where u_t < p(x_t = 1 | x_{<t}, z).

    Args:
        network: in any mode; running statistics are used.
        maps: of z.
        uniform: u, numbers in [0, 1).
    """
    rows = max(1, PIXELS // (uniform.shape[-2] * uniform.shape[-1]))
    parts = zip(maps.split(rows), uniform.split(rows), strict=True)
    return torch.cat([_Canvas(network, m).paint(u) for m, u in parts])


def _folded(conv: nn.Conv2d | Causal, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution followed by a batch normalisation, in evaluation."""
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    scale, bias = norm.weight * torch.rsqrt(variance + norm.eps), conv.get_parameter("bias")
    weight = conv.weight * conv.mask if isinstance(conv, Causal) else conv.weight[:, :, 0, 0]
    return weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), (bias - mean) * scale + norm.bias


class _Sweep:
    """A causal convolution that is given its input pixel by pixel.

    Args:
        conv, norm: the layer and the normalisation after it.
        like: maps, for the number of pictures, their size, type and device.
    """

    def __init__(self, conv: Causal, norm: nn.BatchNorm2d, like: Tensor) -> None:
        weight, bias = _folded(conv, norm)
        r, (n, _, _, width) = conv.radius, like.shape
        self.radius, self.own, inputs = r, conv.own, weight.shape[1]
        taps = r + int(conv.own)
        self.above, self.bias = weight[:, :, :r], bias
        # (taps * inputs, outputs)
        self.beside = weight[:, :, r, :taps].permute(2, 1, 0).reshape(taps * inputs, -1)
        self.rows = like.new_zeros(n, inputs, r, width + 2 * r)
        self.row = like.new_zeros(n, width + 2 * r, inputs)
        self.sums = like.new_zeros(width, n, len(bias))

    def begin(self) -> None:
        """Computes what the rows above add to every pixel of the next row."""
        if self.radius:
            found = F.conv2d(self.rows, self.above, self.bias)[:, :, 0]
            self.sums = found.permute(2, 0, 1).contiguous()
        else:
            self.sums[:] = self.bias

    def put(self, j: int, value: Tensor) -> None:
        """Gives pixel j of the row, `(N, inputs)`."""
        self.row[:, j + self.radius] = value

    def at(self, j: int) -> Tensor:
        """The output at pixel j, `(N, outputs)`, from what was given so far."""
        near = self.row[:, j : j + self.radius + int(self.own)].flatten(1)
        return torch.addmm(self.sums[j], near, self.beside)

    def end(self) -> None:
        """Moves the finished row to those above."""
        if self.radius:
            self.rows = torch.cat([self.rows[:, :, 1:], self.row.permute(0, 2, 1)[:, :, None]], 2)
        self.row.zero_()


class _Stroke:
    """A residual block, pixel by pixel."""

    def __init__(self, block: Block, like: Tensor, maps: Tensor | None) -> None:
        narrow, bias = _folded(block.narrow, block.norm_1)
        channels = block.widen.out_channels
        self.narrow, self.bias = narrow[:, :channels].T, bias
        self.given: Tensor | None = None
        if maps is not None:
            mapped = F.conv2d(maps, narrow[:, channels:, None, None], bias)
            self.given = mapped.permute(2, 3, 0, 1)
        self.sweep = _Sweep(block.conv, block.norm_2, like)
        widen, self.shift = _folded(block.widen, block.norm_3)
        self.widen = widen.T

    def at(self, i: int, j: int, h: Tensor) -> Tensor:
        """The output at a pixel, `(N, channels)`."""
        given = self.bias if self.given is None else self.given[i, j]
        a = F.elu(torch.addmm(given, h, self.narrow), inplace=True)
        self.sweep.put(j, a)
        a = F.elu(self.sweep.at(j), inplace=True)
        return F.elu(torch.addmm(self.shift, a, self.widen).add_(h), inplace=True)


class _Canvas:
    """Everything that is kept while some pictures are drawn."""

    def __init__(self, network: PixelCNN, maps: Tensor) -> None:
        first = cast(First, network.lower.layers[0])
        self.size = maps.shape[-2:]
        self.first = _Sweep(first.conv, first.norm, maps)
        self.steps: list[tuple[_Stroke | None, _Stroke]] = []
        for half, given in ((network.lower, None), (network.upper, maps)):
            for i, layer in enumerate(half.layers, half.first):
                if not isinstance(layer, Block):
                    continue
                skip = half.skips[str(i)] if str(i) in half.skips else None
                stroke = _Stroke(skip, maps, None) if isinstance(skip, Block) else None
                self.steps.append((stroke, _Stroke(layer, maps, given)))
        self.skip = _Stroke(network.skip, maps, None)
        widen, self.shift = _folded(network.widen, network.norm)
        self.widen, self.last = widen.T, network.last.weight[:, :, 0, 0].T
        self.offset = network.last.get_parameter("bias")
        strokes = [s for pair in self.steps for s in pair if s is not None]
        self.sweeps = [self.first, *(s.sweep for s in strokes), self.skip.sweep]

    def logit(self, i: int, j: int) -> Tensor:
        """The logit of a pixel, `(N, 1)`."""
        recent = [F.elu(self.first.at(j), inplace=True)]
        for skip, layer in self.steps:
            h = recent[-1]
            if skip is not None:
                h = h + skip.at(i, j, recent[0])
            recent = [*recent[-2:], layer.at(i, j, h)]
        h = recent[-1] + self.skip.at(i, j, recent[0])
        h = F.elu(torch.addmm(self.shift, h, self.widen), inplace=True)
        return torch.addmm(self.offset, h, self.last)

    def paint(self, uniform: Tensor) -> Tensor:
        """The pictures, `(N, 1, H, W)`."""
        x = torch.zeros_like(uniform)
        height, width = self.size
        for i in range(height):
            for sweep in self.sweeps:
                sweep.begin()
            for j in range(width):
                bit = (uniform[:, :, i, j] < torch.sigmoid(self.logit(i, j))).to(x)
                x[:, :, i, j] = bit
                self.first.put(j, bit)
            for sweep in self.sweeps:
                sweep.end()
        return x
