"""Two solvers from the literature for J: alternating minimisation and ADMM of the Lagrangian, its
price of dependence raised step by step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wyner.information.discrete.rectangles import Rectangle
from wyner.information.discrete.relaxed import TINY, Compression, decoder_of
from wyner.information.discrete.search import Effort, Solved

PATH = (2.0, 5.0, 20.0, 100.0, 500.0)
"""Prices g = 1/lam of a nat of TC(X|Z), in nats of I(X;Z)."""


def alternating(
    p: np.ndarray,
    rectangles: Sequence[Rectangle],
    effort: Effort,
    rng: np.random.Generator,
    steps: int = 1500,
) -> Solved:
    """Fixed point of section 6.2 for n variables, from hard random encoders, g along `PATH`.

        p(z|x)^(1+g) proportional to p(z)^(1 - (n-1) g) prod_i p(z|x_i)^g

    is the stationarity of I(X;Z) + g TC(X|Z) = (1 - (n-1) g) H(Z) - (1+g) H(Z|X) + g sum_i H(Z|X_i)
    + const. Descent is not guaranteed once the first weight is negative; the best start is kept.
    """
    e, table = _start(p, effort, rng)
    n, marginals = p.ndim, _marginals(table)
    for g in PATH:
        for _ in range(steps):
            log_z, given = _logs(e, table, marginals)
            logits = ((1 - (n - 1) * g) * log_z + g * sum(given)) / (1 + g)
            moved = logits.softmax(1)
            change = float((moved - e).abs().max())
            e = moved
            if change < 1e-10:
                break
    return _cheapest(p, e, PATH[-1])


def admm(
    p: np.ndarray,
    rectangles: Sequence[Rectangle],
    effort: Effort,
    rng: np.random.Generator,
    steps: int = 4000,
) -> Solved:
    """Section 6.3: gradient steps on the encoder, on copies of p(z), p(z|x_i), and on the
    multipliers that hold them together.

    After Huang and El Gamal (arXiv 2303.15866), in the logarithm: copies live on the simplex as
        softmax, steps are in the
    geometry of the entropy (exponentiated gradient), which keeps every entry in (0, 1) without a
    search for the step.
    """
    e, table = _start(p, effort, rng)
    marginals = _marginals(table)
    first, given = _logs(e, table, marginals)
    copies = [first.exp(), *(x.exp() for x in given)]
    duals = [torch.zeros_like(c) for c in copies]
    for g in PATH:
        shares = [
            1 - (p.ndim - 1) * g,
            *[g] * p.ndim,
        ]  # what H(Z) and each H(Z|X_i) weigh; -(1+g) H(Z|X) is the convex rest
        rho = 2 * g
        lr = 0.5 / (1 + g + rho)
        for _ in range(steps // len(PATH)):
            pull = sum(
                d + rho * (a - c)
                for a, c, d in zip(_sums(e, table, marginals), copies, duals, strict=True)
            )
            e = _step(e, (1 + g) * e.clamp_min(TINY).log() + pull, lr)
            actual = _sums(e, table, marginals)
            for k, (a, share) in enumerate(zip(actual, shares, strict=True)):
                slope = -share * copies[k].clamp_min(TINY).log() - duals[k] - rho * (a - copies[k])
                copies[k] = _step(copies[k], slope, lr)
                duals[k] = duals[k] + 0.1 * rho * (a - copies[k])
    return _cheapest(p, e, PATH[-1])


def _step(q: Tensor, slope: Tensor, lr: float) -> Tensor:
    """Exponentiated gradient on distributions over axis 1."""
    return (q.clamp_min(TINY).log() - lr * slope).softmax(1)


def _marginals(table: Tensor) -> list[Tensor]:
    """p(x_i) with the encoder's axes of the variables."""
    axes = range(table.ndim)
    return [table.sum([j for j in axes if j != k], keepdim=True) for k in axes]


def _start(p: np.ndarray, effort: Effort, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    nz = effort.components or min(p.size, 2 * (p.size // max(p.shape)))
    logits = torch.from_numpy(rng.normal(size=(2 * effort.starts, nz, *p.shape)) * 3.0).to(
        effort.device
    )
    return logits.softmax(1), torch.as_tensor(p, dtype=torch.float64, device=effort.device)


def _sums(e: Tensor, table: Tensor, marginals: list[Tensor]) -> list[Tensor]:
    """p(z) and p(z|x_i), each with the encoder's axes."""
    joint, axes = e * table, list(range(2, e.ndim))
    sums = [
        joint.sum([j for j in axes if j != k], keepdim=True) / m.clamp_min(TINY)
        for k, m in zip(axes, marginals, strict=True)
    ]
    return [joint.sum(axes, keepdim=True), *sums]


def _logs(e: Tensor, table: Tensor, marginals: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    first, *rest = (s.clamp_min(TINY).log() for s in _sums(e, table, marginals))
    return first, rest


def _cheapest(p: np.ndarray, e: Tensor, g: float) -> Solved:
    """The start with the lowest I(X;Z) + g TC(X|Z), as a decoder without prices."""
    residual, rate, *_ = Compression(p, e.shape[1], np.ones(len(e)), str(e.device)).measures(e)
    k = int((rate + g * residual).nan_to_num(float("inf")).argmin())
    return Solved(decoder_of(p, e[k].cpu().numpy()), None)
