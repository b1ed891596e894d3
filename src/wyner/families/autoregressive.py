"""Binary pictures whose pixels are drawn one after another.

    p(x|z) = prod_t p(x_t | x_{<t}, z),   t in raster order, Bernoulli logits from a PixelCNN

[CMI] section 5.1; specification of the sequence models, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from wyner.codec import stored
from wyner.errors import LawError, OptionError
from wyner.families import distributions as D
from wyner.families.heads import Deterministic, Family, Head
from wyner.math import broadcast_shapes
from wyner.networks.pixel_by_pixel import draw
from wyner.networks.pixelcnn import KERNELS, PixelCNN
from wyner.variables import Binary, Shape, Space, as_tuples

PIXELS = 2**18
"""Pixels scored at a time where a picture is scored for several draws of z."""

Pictures = Float[Tensor, "*lead 1 H W"]
Features = tuple[Tensor, ...]


class Pixels(D.Distribution):
    """Pictures of zeros and ones, scored in one pass, drawn with one uniform number a pixel.

    Args:
        network: the PixelCNN.
        maps: what it reads of z, `(*leading, maps, H, W)`.
        event: `(1, H, W)`.
    """

    noise, differentiable, averaged, parameter = "uniform", False, False, "maps"
    refusal = "pictures of bits have no draw that gradients pass through"

    def __init__(self, network: PixelCNN, maps: Tensor, event: Shape) -> None:
        self.network, self.maps, self.event = network, maps, event

    @property
    def mean(self) -> Tensor:
        raise LawError(
            "pictures that are drawn pixel by pixel have no mean in closed form; draw them with"
            " sample=True"
        )

    def logits(
        self, value: Pictures, inner: Features | None = None
    ) -> Float[Tensor, "*both 1 H W"]:
        """Logit of every pixel given those before it.

        Args:
            value: the pictures.
            inner: what `Head.inner` makes of them, if it is known.
        """
        inner = inner or inner_of(self.network, value)
        own = value.shape[:-3]
        lead = broadcast_shapes(own, self.leading)
        maps = self.maps.expand(*lead, *self.maps.shape[-3:]).reshape(-1, *self.maps.shape[-3:])
        flat = tuple(f.reshape(-1, *f.shape[-3:]) for f in inner)
        if lead == own:
            return self.network.logits(flat, maps).reshape(*lead, *self.event)
        # several draws of z for a picture: its features are not copied for all of them at once
        rows = torch.arange(own.numel(), device=value.device).reshape(own).expand(lead).flatten()
        size = len(rows) if torch.is_grad_enabled() else max(1, PIXELS // math.prod(self.event))
        parts = zip(rows.split(size), maps.split(size), strict=True)
        found = torch.cat([self.network.logits(tuple(f[i] for f in flat), m) for i, m in parts])
        return found.reshape(*lead, *self.event)

    def log_prob(self, value: Pictures, inner: Features | None = None) -> Float[Tensor, "*both"]:
        logits = self.logits(value, inner)
        return D.Bernoulli(logits.to(self.maps.dtype), self.event).log_prob(value)

    def exact(self, noise: D.Noise) -> Tensor:
        lead = noise.shape[:-3]
        event = self.maps.shape[-3:]
        maps = self.maps.expand(*lead, *event).reshape(-1, *event)
        return draw(self.network, maps, noise.reshape(-1, *self.event)).reshape(*lead, *self.event)

    def sample(self, *shape: int) -> Tensor:
        """Draws `(*shape, *leading, 1, H, W)` from the global random state, without gradient."""
        full = (*shape, *self.leading, *self.event)
        return self.exact(D.draw_noise(self.noise, full, self.maps))


def inner_of(network: PixelCNN, value: Pictures) -> Features:
    """Features of pictures, each `(*leading, channels, H, W)`; the last one is s."""
    lead = value.shape[:-3]
    found = network.features(value.reshape(-1, *value.shape[-3:]))
    return tuple(f.reshape(*lead, *f.shape[1:]) for f in found)


@stored("autoregressive")
@dataclass(frozen=True)
class Autoregressive(Family):
    """Binary pictures by a PixelCNN, whose upper layers read `maps` pictures made of z.

    Args:
        channels: of every layer, 64 in the paper.
        kernels: sizes of the masked kernels, one a layer; 13 of them in the paper.
        split: the layer whose output is s (`FeatureOf`); z enters after it.
        maps: pictures that z is mapped to, 4 in the paper.
    """

    channels: int = 64
    kernels: Sequence[int] = KERNELS
    split: int = 6
    maps: int = 4
    distribution: ClassVar[type[D.Distribution]] = Pixels

    def __post_init__(self) -> None:
        as_tuples(self, "kernels")

    def head(self, space: Space) -> Head:
        if not isinstance(space, Binary) or len(space.shape) != 3 or space.shape[0] != 1:
            raise OptionError(
                "the Autoregressive family draws pictures of one bit a pixel: expected Binary(1,"
                f" height, width), got {space!r}"
            )
        return _Pixels(space, PixelCNN(self.channels, self.kernels, self.split, self.maps))


class _Pixels(Head):
    distribution = Pixels

    def __init__(self, space: Space, network: PixelCNN) -> None:
        super().__init__(space)
        self.network = network
        self.inner_shape = (network.channels, *self.event[1:])  # of s

    @property
    def raw_shape(self) -> Shape:
        return (self.network.maps, *self.event[1:])

    def inner(self, value: Pictures) -> Features:
        """What a density computes of a picture before it reads z; the last one is s."""
        return inner_of(self.network, value)

    def forward(self, raw: Tensor) -> Pixels:
        return Pixels(self.network, raw, self.event)


@stored("feature-of")
@dataclass(frozen=True)
class FeatureOf(Deterministic):
    """A function that another factor computes before it reads its own parents: s inside p(x|z).

    A factor `q(s|x)` of this family has no weights, and in a step s is computed once for both.

    Args:
        factor: whose, such as `"p(x|z)"`; of an `Autoregressive` family.
    """

    factor: str = "p(x|z)"
