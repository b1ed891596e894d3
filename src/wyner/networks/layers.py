"""Layers and how they start: Xavier-uniform weights and zero biases, or spectral normalisation.

The start is our choice; docs/decisions.md compares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from wyner.errors import ShapeError
from wyner.variables import Shape

Layer = TypeVar("Layer", bound=nn.Module)


def xavier(layer: Layer) -> Layer:
    """The same layer with Xavier-uniform weights and zero biases."""
    nn.init.xavier_uniform_(layer.get_parameter("weight"))
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer


def dense(inputs: int, outputs: int, spectral: bool = False) -> nn.Module:
    """A linear layer: Xavier-uniform with zero bias, or normalised from PyTorch's start."""
    layer = nn.Linear(inputs, outputs)
    return spectral_norm(layer) if spectral else xavier(layer)


def connected(
    widths: Sequence[int], act: Callable[[], nn.Module], spectral: bool = False
) -> nn.Sequential:
    """Linear layers with an activation after each."""
    layers = [m for i, o in pairwise(widths) for m in (dense(i, o, spectral), act())]
    return nn.Sequential(*layers)


class Body(nn.Module):
    """One stack of layers over one array `(N, ...)`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class LatentBody(Body):
    """One stack of layers over latents `(N, n_1)`, `(N, n_2)`, ... side by side."""

    def forward(self, *latents: Tensor) -> Tensor:
        return super().forward(beside(latents))


def beside(values: Sequence[Tensor]) -> Tensor:
    """Values `(N, ...)` as one array, `(N, sum of their sizes)`."""
    return torch.cat([v.flatten(1) for v in values], 1)


def shrunk(shape: Shape, times: int) -> tuple[int, int, int]:
    """Channels, height and width of a picture that is halved so many times.

    Raises:
        ShapeError: not a picture, or one that cannot be halved so often.
    """
    whole = 2**times
    if len(shape) != 3 or shape[1] % whole or shape[2] % whole:
        raise ShapeError(
            f"these networks halve pictures {times} times: expected (channels, height, width) with"
            f" height and width multiples of {whole}, got {tuple(shape)}; pad the images (28 to"
            " 32) or use networks.MLPs()"
        )
    return shape[0], shape[1] // whole, shape[2] // whole
