"""A lower bound of J that noise in a table moves little: the Lagrangian at a price. Nats.

    L_lam / lam = min_Z [ I(X,Y;Z) + I(X;Y|Z) / lam ]  <=  J

since the Z of J has I(X;Y|Z) = 0. Exact where a common function carries everything (then L_lam =
lam H(W)); for a Gaussian pair of correlation r > lam short of J by artanh(lam) + log(1 - lam^2) /
(2 lam), about lam/2. J itself demands that every cell be fitted exactly, chance included, and a
large empirical table has a J far above that of its source.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

PRICE, STARTS, STEPS, LEVELS = 0.1, 6, 400, 16


def bound(p: np.ndarray, price: float = PRICE, seed: int = 0) -> float:
    """L_lam / lam of a table of probabilities, at least I(X;Y), in nats.

    The fixed point of section 6.2 of the specification (common information),
    p(z|x,y) proportional to [ p(z)^(1-g) p(z|x)^g p(z|y)^g ]^(1/(1+g)), g = 1/lam, from random
    starts; the best of them.

    Args:
        p: `(kx, ky)`, sum 1.
        price: lam in (0, 1).
        seed: of the starts.
    """
    p = p[p.sum(1) > 0][:, p.sum(0) > 0]
    if min(p.shape) < 2:
        return 0.0
    table = torch.from_numpy(p)
    g = 1 / price
    levels = min(LEVELS, p.size)
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(STARTS, levels, *p.shape, generator=generator, dtype=torch.float64)
    q = logits.softmax(1)
    for _ in range(STEPS):
        z, zx, zy = _marginals(q, table)
        new = (
            (1 - g) * z.log()[:, :, None, None] + g * zx.log()[..., None] + g * zy.log()[:, :, None]
        ) / (1 + g)
        new = new.softmax(1)
        done = float((new - q).abs().max()) < 1e-7
        q = new
        if done:
            break
    z, zx, zy = _marginals(q, table)
    joint = q * table
    rate = (joint * (q.clamp_min(1e-300).log() - z.log()[:, :, None, None])).sum((1, 2, 3))
    x = (p.sum(1)[None, None] * zx.numpy(), zx, z)
    y = (p.sum(0)[None, None] * zy.numpy(), zy, z)
    known = [
        (torch.from_numpy(weight) * (given.log() - prior.log()[..., None])).sum((1, 2))
        for weight, given, prior in (x, y)
    ]
    mutual = float((p[p > 0] * np.log((p / np.outer(p.sum(1), p.sum(0)))[p > 0])).sum())
    left = mutual + rate - known[0] - known[1]  # I(X;Y|Z) = I(X;Y) - I(X;Z) - I(Y;Z) + I(X,Y;Z)
    return max(mutual, float((rate + g * left.clamp_min(0)).min()))


def _marginals(q: Tensor, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """p(z), p(z|x), p(z|y) of p(z|x,y), kept above 0."""
    joint = q * p
    return (
        joint.sum((2, 3)).clamp_min(1e-30),
        (joint.sum(3) / p.sum(1)).clamp_min(1e-30),
        (joint.sum(2) / p.sum(0)).clamp_min(1e-30),
    )
