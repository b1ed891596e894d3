"""I(z;s) of two latents by a critic of their own, after training. [CMI], equations (15), (16)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wyner.errors import ShapeError
from wyner.objectives.ratio import js

BLOCK = 4096


@dataclass(frozen=True)
class Shared:
    """E T over new rows, its standard error, and E T over the rows learned from, in nats."""

    value: float
    error: float
    fitted: float


def shared_information(
    critic: nn.Module,
    z: Tensor,
    s: Tensor,
    test_z: Tensor,
    test_s: Tensor,
    steps: int = 400,
    batch: int = 256,
    lr: float = 2e-3,
    seed: int = 0,
) -> Shared:
    """I(z;s) = E_{q(z,s)} T, T = log q(z,s) / q(z) q(s), in nats, by a critic of draws.

    T maximises E_{q(z,s)} log sigmoid(T) + E_{q(z)q(s)} log sigmoid(-T); draws of the product move
    z one row on within a batch. The estimate is biased downwards by what the critic cannot say, and
    can be below 0.

    Args:
        critic: module of (z, s), `(N,)` out; its parameters change.
        z, s: draws of q for rows to learn from, `(N, *event)`.
        test_z, test_s: for rows to estimate with.
        steps, batch, lr: of Adam.
        seed: of the order of the rows.

    Raises:
        ShapeError: different numbers of rows, or fewer than two.
    """
    if len(z) != len(s) or len(test_z) != len(test_s) or min(len(z), len(test_z)) < 2:
        raise ShapeError(
            f"expected as many draws of z as of s, two at least, got {len(z)} and {len(s)},"
            f" {len(test_z)} and {len(test_s)}"
        )
    generator = torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam(critic.parameters(), lr=lr)
    critic.train()
    for _ in range(steps):
        rows = torch.randperm(len(z), generator=generator)[:batch].to(z.device)
        a, b = z[rows], s[rows]
        first, second = critic(torch.cat([a, a.roll(1, 0)]), torch.cat([b, b])).chunk(2)
        loss = -js(first, second)
        adam.zero_grad()
        loss.backward()
        adam.step()
    critic.eval()
    with torch.no_grad():
        found, fitted = (
            torch.cat([critic(x, y) for x, y in zip(a.split(BLOCK), b.split(BLOCK), strict=True)])
            for a, b in ((test_z, test_s), (z, s))
        )
    return Shared(float(found.mean()), float(found.std()) / len(found) ** 0.5, float(fitted.mean()))
