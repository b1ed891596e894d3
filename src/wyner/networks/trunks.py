"""Networks for vectors of features, as the variational Wyner paper has them for Sketchy:
specification, section 4.

trunk    Linear(d -> width), BatchNorm, LeakyReLU(0.2)           one for each observed vector,
         shared by all its encoders
encoder  Linear                                                  on the trunks and latents that it
         sees
decoder  Linear(n -> n), BatchNorm, ReLU, Linear(n -> d)         n the size of its latents
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wyner.codec import stored
from wyner.errors import OptionError
from wyner.networks.builders import Builder
from wyner.networks.mlp import LEAKY_SLOPE, MLP
from wyner.networks.start import dense
from wyner.variables import Space


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

    def features(self, space: Space) -> nn.Module | None:
        return Trunk(space, self)

    def factor(
        self, of: Space, parents: Sequence[tuple[int, ...]], output: tuple[int, ...], observed: bool
    ) -> nn.Module:
        return Decoder(parents, output, self) if observed and parents else MLP(parents, output)


class Trunk(nn.Module):
    """Values `(N, *event)` to features `(N, width)`."""

    any_leading = False

    def __init__(self, space: Space, made: Trunks) -> None:
        super().__init__()
        self.output = (made.width,)
        layers: list[nn.Module] = [
            nn.Flatten(),
            *([nn.Dropout(made.dropout)] if made.dropout else []),
        ]
        layers += [
            dense(space.size, made.width, made.spectral),
            nn.BatchNorm1d(made.width),
            nn.LeakyReLU(LEAKY_SLOPE),
        ]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Decoder(nn.Module):
    """Latents `(N, n_1)`, `(N, n_2)`, ... to parameters `(N, *output)`."""

    any_leading = False

    def __init__(
        self, parents: Sequence[tuple[int, ...]], output: tuple[int, ...], made: Trunks
    ) -> None:
        super().__init__()
        n = sum(math.prod(e) for e in parents)
        first = dense(n, n, made.spectral)
        self.body = nn.Sequential(
            first,
            nn.BatchNorm1d(n),
            nn.ReLU(),
            dense(n, math.prod(output)),
            nn.Unflatten(1, output),
        )

    def forward(self, *latents: Tensor) -> Tensor:
        return self.body(torch.cat([v.flatten(1) for v in latents], 1))
