"""Networks for vectors of features, as the variational Wyner paper has them for Sketchy.

Specification, section 4:

    trunk    Linear(d -> width), BatchNorm, LeakyReLU(0.2)           for each observed vector
    encoder  Linear                                                  on trunks and latents
    decoder  Linear(n -> n), BatchNorm, ReLU, Linear(n -> d)         n the size of its latents
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import nn

from wyner.codec import stored
from wyner.errors import OptionError
from wyner.networks.builders import Builder, Shapes
from wyner.networks.layers import Body, LatentBody, dense
from wyner.networks.mlp import LEAKY_SLOPE, MLP
from wyner.variables import Shape, Space


@stored("trunks")
@dataclass(frozen=True)
class Trunks(Builder):
    """Shared trunks, linear encoders, decoders with one hidden layer.

    Args:
        width: of the trunks.
        dropout: share of the values that a trunk does not see in training (our choice; none in the
            paper).
        spectral: spectral normalisation of the first linear layers, as in the public code.
    """

    width: int = 512
    dropout: float = 0.0
    spectral: bool = False

    def __post_init__(self) -> None:
        if self.width < 1 or not 0 <= self.dropout < 1:
            raise OptionError(
                f"Trunks: expected a positive width and a dropout in [0, 1), got {self.width},"
                f" {self.dropout}"
            )

    def features(self, space: Space) -> Any:
        return Trunk(space, self)

    def factor(self, of: Space, parents: Shapes, output: Shape, observed: bool) -> nn.Module:
        return Decoder(parents, output, self) if observed and parents else MLP(parents, output)


class Trunk(Body):
    """Values `(N, *event)` to features `(N, width)`."""

    def __init__(self, space: Space, made: Trunks) -> None:
        super().__init__(
            nn.Flatten(),
            *([nn.Dropout(made.dropout)] if made.dropout else []),
            dense(space.size, made.width, made.spectral),
            nn.BatchNorm1d(made.width),
            nn.LeakyReLU(LEAKY_SLOPE),
        )
        self.output = (made.width,)


class Decoder(LatentBody):
    """Latents to parameters `(N, *output)`."""

    def __init__(self, parents: Shapes, output: Shape, made: Trunks) -> None:
        n = sum(math.prod(e) for e in parents)
        super().__init__(
            dense(n, n, made.spectral),
            nn.BatchNorm1d(n),
            nn.ReLU(),
            dense(n, math.prod(output)),
            nn.Unflatten(1, output),
        )
