"""What both sides train: sizes, data and optimiser. Nothing here knows either side."""

from __future__ import annotations

from dataclasses import dataclass

D = 10
"""Coordinates of x and of y."""


@dataclass(frozen=True)
class Workload:
    """Networks with these hidden layers, trained with Adam at this rate on batches of this size."""

    hidden: tuple[int, ...] = (256, 256, 256)
    batch: int = 100
    lr: float = 1e-4
    joint: int = 30
    """Latent of JMVAE."""
    pull: float = 0.1
    """Weight of JMVAE's encoders of one side: c here, alpha there."""
    shared: int = 10
    private: int = 10
    """Latents of DMVAE: z, and each of u and v."""
    pairs: int = 2000
    samples: int = 100
    """Of the joint likelihood."""
