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
        self.live, self.decay = dict(tensors), decay
        self.mean = {k: t.detach().clone() for k, t in self.live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the weights after a step."""
        live = [t.detach() for t in self.live.values()]
        torch._foreach_lerp_(list(self.mean.values()), live, 1 - self.decay)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Gives the model the averaged weights meanwhile."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for k, t in self.live.items():
            kept = t.detach().clone()
            t.copy_(self.mean[k])
            self.mean[k].copy_(kept)

    @torch.no_grad()
    def apply_average(self) -> None:
        """Leaves the averages in the model."""
        for k, t in self.live.items():
            t.copy_(self.mean[k])

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes the averages of a checkpoint."""
        for k, t in self.mean.items():
            t.copy_(tensors[k])
