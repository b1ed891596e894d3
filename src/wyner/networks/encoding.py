"""What networks read of a variable: logarithms of counts, one-hot categories."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wyner.networks.builders import Builder
from wyner.variables import Real, Space


def encoding(space: Space, networks: Builder) -> Any:
    """The features that all encoders of an observed variable share, or None."""
    if type(space).encode is Space.encode:
        return networks.features(space)
    return Encoding(space, networks.features(Real(*space.encoded)))


class Encoding(nn.Module):
    """A space's own encoding, its logarithms standardised, then a builder's features if any.

    Mean and deviation are those of the training rows (`fit`), 0 and 1 before.
    """

    mean: Tensor
    deviation: Tensor
    fitted: Tensor

    def __init__(self, space: Space, features: Any = None) -> None:
        super().__init__()
        self.space, self.features = space, features
        self.output = space.encoded if features is None else tuple(features.output)
        self.register_buffer("mean", torch.zeros(space.encoded))
        self.register_buffer("deviation", torch.ones(space.encoded))
        self.register_buffer("fitted", torch.tensor(False))

    def fit(self, rows: Tensor) -> None:
        """Standardises logarithms by training rows, once; columns that never change are centred."""
        if bool(self.fitted):
            return
        code = self.space.encode(rows)
        logs = torch.tensor(self.space.logarithms, device=rows.device).reshape(self.mean.shape)
        deviation = code.std(0)
        self.mean.copy_(torch.where(logs, code.mean(0), 0.0))
        self.deviation.copy_(torch.where(logs & (deviation > 1e-6), deviation, 1.0))
        self.fitted.fill_(True)

    def forward(self, value: Tensor) -> Tensor:
        code = (self.space.encode(value) - self.mean) / self.deviation
        return code if self.features is None else self.features(code)
