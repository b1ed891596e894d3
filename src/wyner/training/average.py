"""Exponential averages of weights: what an adversarial model is judged and kept by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class Average:
    """a <- decay a + (1 - decay) w after every step, for parameters and running statistics; starts
    at the first weights.

    Args:
        tensors: parameters and floating-point buffers by name; they are averaged in place of being
            copied.
        decay: 0.999 remembers about a thousand steps.
    """

    def __init__(self, tensors: Mapping[str, Tensor], decay: float) -> None:
        self.live, self.decay = dict(tensors), decay
        self.mean = {k: t.detach().clone() for k, t in self.live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """After a step."""
        torch._foreach_lerp_(
            list(self.mean.values()), [t.detach() for t in self.live.values()], 1 - self.decay
        )

    @torch.no_grad()
    def exchange(self) -> None:
        """Swaps the model's weights with their averages; a second call swaps them back."""
        for k, t in self.live.items():
            kept = t.detach().clone()
            t.copy_(self.mean[k])
            self.mean[k].copy_(kept)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The model has the averaged weights meanwhile."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    @torch.no_grad()
    def settle(self) -> None:
        """Leaves the averages in the model."""
        for k, t in self.live.items():
            t.copy_(self.mean[k])

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """The averages of a checkpoint."""
        for k, t in self.mean.items():
            t.copy_(tensors[k])
