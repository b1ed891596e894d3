"""Critics: networks that return T = log P/Q, one number per row.

Specification of the variational Wyner model, section 3. All critics that see the same observed
variables share one feature map h(x,y) of them; each has a branch for its latents and a head of its
own:

    T(x,y,z) = head[ h(x,y), LeakyReLU(A z + a) ],   head = Linear, LeakyReLU, Linear -> 1
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wyner.codec import extendable, stored
from wyner.errors import OptionError
from wyner.networks.builders import is_image
from wyner.networks.layers import beside, connected, dense, xavier
from wyner.networks.mlp import activation
from wyner.variables import Space, as_tuples

Rows = Float[Tensor, "N ..."]
Ratios = Float[Tensor, " N"]
"""T of every row, in nats."""


@extendable
@stored("critics")
@dataclass(frozen=True)
class Critics:
    """How critics are made, and the instance noise at their inputs; subclasses make other ones.

    Args:
        width: of the branches and heads.
        hidden: widths of the shared feature map of vectors; one layer of 512 in the specification.
        layers: hidden layers of critics that see latents only; one in the specification. What
            latents share is in their products, of which one layer sees little.
        conv: channels after the first convolution of the feature map of images.
        activation: of all of them.
        spectral: spectral normalisation of the feature map of vectors and of the branches, as in
            the public code.
        noise: standard deviation of the Gaussian noise that is added to every input, constant over
            training; 0 for none.
        relative: the noise of an observed variable is in units of each coordinate's standard
            deviation over the training rows.
        quiet: no noise in the model's own step, only while critics learn.
    """

    width: int = 512
    hidden: tuple[int, ...] = (512,)
    layers: int = 1
    conv: int = 64
    activation: str = "leaky_relu"
    spectral: bool = False
    noise: float = 0.25
    relative: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        as_tuples(self, "hidden")
        if not self.noise >= 0:
            raise OptionError(f"noise: expected a standard deviation from 0 up, got {self.noise!r}")
        if self.width < 1 or self.layers < 1 or not self.hidden:
            raise OptionError(
                "Critics: expected a positive width, and at least one hidden layer of latents and"
                " of the feature map"
            )

    def features(self, spaces: Sequence[Space]) -> nn.Module:
        """A feature map of observed variables: values in, `(N, size)` out, `size` an attribute."""
        return Features(spaces, self)

    def head(self, features: int, latents: Sequence[Space]) -> nn.Module:
        """A critic's own part: features `(N, features)` or None, and latents in, `(N,)` out."""
        return Head(features, latents, self)


class Features(nn.Module):
    """h(x,y): images of one size through convolutions, everything else through linear layers."""

    def __init__(self, spaces: Sequence[Space], made: Critics) -> None:
        super().__init__()
        sizes = {s.event_shape[1:] for s in spaces if is_image(s)}
        readable = len(sizes) == 1 and min(*next(iter(sizes))) >= 4
        self.pictures = [is_image(s) and readable for s in spaces]
        images, others = self._parted(spaces)
        self.others = others
        self.size, vectors = 0, sum(math.prod(s.encoded) for s in others)
        self.convolve: nn.Module | None = None
        if images:
            channels, size = sum(s.shape[0] for s in images), images[0].shape[1:]
            self.convolve = convolutions(channels, size, made)
            self.size += int(self.convolve(torch.zeros(2, channels, *size)).shape[1])
        self.connect: nn.Module | None = None
        if vectors:
            act = lambda: activation(made.activation)
            self.connect = connected([vectors, *made.hidden], act, made.spectral)
            self.size += made.hidden[-1]

    def _parted(self, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """What belongs to pictures, and what to the other variables."""
        pairs = list(zip(values, self.pictures, strict=True))
        return [v for v, p in pairs if p], [v for v, p in pairs if not p]

    def forward(self, *values: Rows) -> Float[Tensor, "N size"]:
        images, others = self._parted(values)
        parts = []
        if self.convolve is not None:
            parts.append(self.convolve(torch.cat(images, 1)))
        if self.connect is not None:
            read = [s.encode(v) for s, v in zip(self.others, others, strict=True)]
            parts.append(self.connect(beside(read)))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def convolutions(channels: int, size: Sequence[int], made: Critics) -> nn.Sequential:
    """Convolutions 5x5 of stride 2, down to 2 pixels (four of them for 32x32), then flat.

    Each has twice the channels of the one before, all but the first a BatchNorm (momentum 1e-3, eps
    1e-3).
    """
    layers: list[nn.Module] = []
    width = made.conv
    for k in range(max(1, int(math.log2(min(size))) - 1)):
        layers += [
            xavier(nn.Conv2d(channels, width, 5, 2, 2)),
            *([nn.BatchNorm2d(width, eps=1e-3, momentum=1e-3)] if k else []),
            activation(made.activation),
        ]
        channels, width = width, 2 * width
    return nn.Sequential(*layers, nn.Flatten())


class Head(nn.Module):
    """T from features and latents: a linear branch for the latents, then one hidden layer.

    From latents alone `made.layers` hidden layers.
    """

    def __init__(self, features: int, latents: Sequence[Space], made: Critics) -> None:
        super().__init__()
        size = sum(s.size for s in latents)
        self.act = activation(made.activation)
        self.branch = dense(size, made.width, made.spectral) if size else None
        width = features + (made.width if size else 0)
        self.hidden = dense(width, made.width) if features else None
        more = 0 if features else made.layers - 1
        self.more = nn.ModuleList(dense(made.width, made.width) for _ in range(more))
        self.last = dense(made.width, 1)

    def forward(self, features: Float[Tensor, "N f"] | None, *latents: Rows) -> Ratios:
        parts = [] if features is None else [features]
        if self.branch is not None:
            parts.append(self.act(self.branch(beside(latents))))
        h = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        if self.hidden is not None:
            h = self.act(self.hidden(h))
        for layer in self.more:
            h = self.act(layer(h))
        return self.last(h)[:, 0]
