"""PixelCNN in two halves: the lower one reads the picture and ends in s, the upper one also z.

[CMI] section 5.1 and appendix B, after the large network of He et al. 2019; specification of the
sequence models, section 3.2.

    h_1 = ELU BN conv_A(x),   h_i = R_i( h_{i-1} + S_i(h_{i-3}) )
    logits = head( h_n + S_end(h_{n-2}) )

conv_A sees earlier pixels only, in raster order; every other layer also sees the pixel itself, so
that h_i at pixel t is a function of x_{<t}. R_i and S_i are residual blocks, S_i ("long skip") from
layer 4 on; R_i with i > split reads the maps of z beside its input.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wyner.errors import OptionError

KERNELS = (7, 7, 7, 7, 7, 5, 5, 5, 5, 3, 3, 3, 3)
"""Sizes of the masked kernels of the paper's 13 layers."""
Plane = Float[Tensor, "N 1 H W"]
Maps = Float[Tensor, "N _ H W"]

REACH = 3
"""Outputs of a half that the next layer may read: its input and what the long skips bring."""


class Causal(nn.Module):
    """A masked k x k convolution, stored as the rows that it may see: (k - 1)/2 above and its own.

    The rows below, which a mask would set to zero, are not computed: half the work.

    Args:
        inputs, outputs: channels.
        kernel: k, odd.
        own: whether it sees the pixel itself (type B) or only those before it (type A).
    """

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, own: bool) -> None:
        super().__init__()
        self.radius, self.own = kernel // 2, own
        like = nn.Conv2d(inputs, outputs, (self.radius + 1, kernel))
        self.weight, self.bias = like.weight, like.bias
        mask = torch.ones(self.radius + 1, kernel)
        mask[-1, self.radius + int(own) :] = 0
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        r = self.radius
        return F.conv2d(F.pad(x, (r, r, r, 0)), self.weight * self.mask, self.bias)


class First(nn.Module):
    """Layer 1: ELU BN conv_A, of the picture."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv, self.norm = Causal(1, channels, kernel, own=False), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(self.norm(self.conv(x)))


class Block(nn.Module):
    """R(h) = ELU( h + BN conv_1x1 ELU BN conv_B ELU BN conv_1x1 [h, maps] ), half as wide inside.

    Args:
        channels: of h.
        kernel: of conv_B.
        maps: channels that are read beside h.
    """

    def __init__(self, channels: int, kernel: int, maps: int = 0) -> None:
        super().__init__()
        inner = channels // 2
        self.narrow, self.norm_1 = nn.Conv2d(channels + maps, inner, 1), nn.BatchNorm2d(inner)
        self.conv, self.norm_2 = Causal(inner, inner, kernel, own=True), nn.BatchNorm2d(inner)
        self.widen, self.norm_3 = nn.Conv2d(inner, channels, 1), nn.BatchNorm2d(channels)

    def forward(self, h: Tensor, maps: Tensor | None = None) -> Tensor:
        a = h if maps is None else torch.cat([h, maps], 1)
        a = F.elu(self.norm_1(self.narrow(a)))
        a = F.elu(self.norm_2(self.conv(a)))
        return F.elu(h + self.norm_3(self.widen(a)))


class Half(nn.Module):
    """Layers `first` to `last`, from 1, with the long skips into them.

    Args:
        channels: of every layer.
        kernels: of all layers.
        first, last: which are made.
        maps: channels of the maps that every layer reads beside its input.
    """

    def __init__(
        self, channels: int, kernels: Sequence[int], first: int, last: int, maps: int = 0
    ) -> None:
        super().__init__()
        layer = lambda i: (
            First(channels, kernels[0]) if i == 1 else Block(channels, kernels[i - 1], maps)
        )
        self.layers = nn.ModuleList(layer(i) for i in range(first, last + 1))
        self.first = first
        self.skips = nn.ModuleDict(
            {str(i): Block(channels, kernels[i - 3]) for i in range(max(4, first), last + 1)}
        )

    def forward(self, recent: tuple[Tensor, ...], maps: Tensor | None = None) -> tuple[Tensor, ...]:
        """The last three layers' outputs, `(N, channels, H, W)` each, from those before or x."""
        for i, layer in enumerate(self.layers, self.first):
            h = recent[-1]
            if str(i) in self.skips:
                h = h + self.skips[str(i)](recent[0])
            h = layer(h) if maps is None else layer(h, maps)
            recent = (h,) if i == 1 else (*recent, h)[-REACH:]
        return recent


class PixelCNN(nn.Module):
    """Logits `(N, 1, H, W)` of every pixel given those before it and the maps of z.

    Args:
        channels: of every layer, 64 in the paper; even.
        kernels: sizes of the masked kernels, one a layer.
        split: the layer whose output is s; layers after it read the maps.
        maps: channels of the maps, 4 in the paper.

    Raises:
        OptionError: channels that are odd, kernels that are even, or a split outside the layers.
    """

    def __init__(
        self, channels: int = 64, kernels: Sequence[int] = KERNELS, split: int = 6, maps: int = 4
    ) -> None:
        super().__init__()
        depth = len(kernels)
        if channels < 2 or channels % 2:
            raise OptionError(
                f"PixelCNN: expected a positive even number of channels, got {channels}"
            )
        if any(k < 1 or k % 2 == 0 for k in kernels) or (kernels and kernels[0] < 3):
            raise OptionError(
                f"PixelCNN: expected odd kernels, the first at least 3, got {tuple(kernels)}"
            )
        if not 3 <= split < depth:
            raise OptionError(
                f"PixelCNN: expected a split from 3 to {depth - 1} for {depth} layers, got {split}"
            )
        if maps < 1:
            raise OptionError(f"PixelCNN: expected at least one map of z, got {maps}")
        self.channels, self.kernels, self.split, self.maps = channels, tuple(kernels), split, maps
        self.lower = Half(channels, kernels, 1, split)
        self.upper = Half(channels, kernels, split + 1, depth, maps)
        self.skip = Block(channels, kernels[-2])
        self.widen, self.norm = nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels)
        self.last = nn.Conv2d(channels, 1, 1)

    def features(self, x: Plane) -> tuple[Maps, ...]:
        """Outputs of layers split - 2, split - 1 and split; the last one is s."""
        return self.lower((x,))

    def logits(self, features: tuple[Maps, ...], maps: Maps) -> Plane:
        """Logits from the features of the picture and the maps of z."""
        recent = self.upper(features, maps)
        h = recent[-1] + self.skip(recent[0])
        return self.last(F.elu(self.norm(self.widen(h))))

    def forward(self, x: Plane, maps: Maps) -> Plane:
        return self.logits(self.features(x), maps)
