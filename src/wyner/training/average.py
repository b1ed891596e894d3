"""Exponential averages of weights: what an adversarial model is evaluated and kept by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor


@final
class Average:
    """a <- decay a + (1 - decay) w after every step, from a = the first weights.

    Args:
        tensors: parameters and running statistics by name; they are not copied.
        decay: 0.999 remembers about a thousand steps.
    """

    def __init__(self, tensors: Mapping[str, Tensor], decay: float) -> None:
        self.live = {k: t.detach() for k, t in tensors.items()}
        self.mean, self.decay = {k: t.clone() for k, t in self.live.items()}, decay

    def update(self) -> None:
        """Takes in the weights after a step."""
        mean, live = list(self.mean.values()), list(self.live.values())
        torch._foreach_lerp_(mean, live, 1 - self.decay)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Gives the model the averaged weights meanwhile."""
        kept = {k: t.clone() for k, t in self.live.items()}
        self.apply_average()
        try:
            yield
        finally:
            for k, t in self.live.items():
                t.copy_(kept[k])

    def apply_average(self) -> None:
        """Leaves the averages in the model."""
        for k, t in self.live.items():
            t.copy_(self.mean[k])

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes the averages of a checkpoint."""
        for k, t in self.mean.items():
            t.copy_(tensors[k])
