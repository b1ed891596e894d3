"""How layers start: Xavier-uniform weights and zero biases (our choice; docs/decisions.md
compares), or spectral normalisation.
"""

from __future__ import annotations

from typing import TypeVar

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

Layer = TypeVar("Layer", bound=nn.Module)


def xavier(layer: Layer) -> Layer:
    """The same layer with Xavier-uniform weights and zero biases."""
    nn.init.xavier_uniform_(layer.weight)  # type: ignore[arg-type]
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def dense(inputs: int, outputs: int, spectral: bool = False) -> nn.Module:
    """A linear layer: Xavier-uniform with zero bias, or normalised from PyTorch's start."""
    layer = nn.Linear(inputs, outputs)
    return spectral_norm(layer) if spectral else xavier(layer)
