"""Two solvers from the literature for J: alternating minimisation, and ADMM of the Lagrangian.

Both raise the price of dependence step by step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wyner.information.discrete.decomposition import Decomposition
from wyner.information.discrete.rectangles import Rectangle
from wyner.information.discrete.relaxed import TINY, Compression, decoder_of
from wyner.information.discrete.search import Effort

PATH = (2.0, 5.0, 20.0, 100.0, 500.0)
"""Prices g = 1/lam of a nat of TC(X|Z), in nats of I(X;Z)."""
STEPS, ROUNDS = 1500, 800
"""Iterations at each price: of the alternating solver at most, and of ADMM."""


def alternating(
    p: np.ndarray, rectangles: Sequence[Rectangle], effort: Effort, rng: np.random.Generator
) -> tuple[Decomposition, None]:
    """Fixed point of section 6.2 for n variables, from hard random encoders, g along `PATH`."""
    e, table = _start(p, effort, rng)
    for g in PATH:
        e = fixed_point(e, table, g, STEPS, 1e-10)
    return _cheapest(p, e), None


def fixed_point(e: Tensor, table: Tensor, g: float, steps: int, tolerance: float) -> Tensor:
    """Encoders p(z|x), `(R, nz, *shape)`, that are stationary in I(X;Z) + g TC(X|Z).

        p(z|x)^(1+g) proportional to p(z)^(1 - (n-1) g) prod_i p(z|x_i)^g

    is the stationarity of I(X;Z) + g TC(X|Z) = (1 - (n-1) g) H(Z) - (1+g) H(Z|X) + g sum_i H(Z|X_i)
    + const. Descent is not guaranteed once the first weight is negative.
    """
    marginals = _marginals(table)
    for _ in range(steps):
        log_z, *given = (s.clamp_min(TINY).log() for s in _sums(e, table, marginals))
        moved = (((1 - (table.ndim - 1) * g) * log_z + g * sum(given)) / (1 + g)).softmax(1)
        change, e = float((moved - e).abs().max()), moved
        if change < tolerance:
            break
    return e


def admm(
    p: np.ndarray, rectangles: Sequence[Rectangle], effort: Effort, rng: np.random.Generator
) -> tuple[Decomposition, None]:
    """Section 6.3: gradient steps on the encoder, on copies of p(z), p(z|x_i), and on multipliers.

    After Huang and El Gamal (arXiv 2303.15866), in the logarithm: copies live on the simplex as
    softmax, steps are in the geometry of the entropy (exponentiated gradient), which keeps every
    entry in (0, 1) without a search for the step.
    """
    e, table = _start(p, effort, rng)
    marginals = _marginals(table)
    copies = [s.clamp_min(TINY).log().exp() for s in _sums(e, table, marginals)]
    duals = [torch.zeros_like(c) for c in copies]
    for g in PATH:
        # what H(Z) and each H(Z|X_i) weigh; -(1+g) H(Z|X) is the convex rest
        shares = [1 - (p.ndim - 1) * g, *[g] * p.ndim]
        rho = 2 * g
        lr = 0.5 / (1 + g + rho)
        for _ in range(ROUNDS):
            triples = zip(_sums(e, table, marginals), copies, duals, strict=True)
            pull = sum(d + rho * (a - c) for a, c, d in triples)
            e = _step(e, (1 + g) * e.clamp_min(TINY).log() + pull, lr)
            actual = _sums(e, table, marginals)
            for k, (a, share) in enumerate(zip(actual, shares, strict=True)):
                slope = -share * copies[k].clamp_min(TINY).log() - duals[k] - rho * (a - copies[k])
                copies[k] = _step(copies[k], slope, lr)
                duals[k] = duals[k] + 0.1 * rho * (a - copies[k])
    return _cheapest(p, e), None


def _step(q: Tensor, slope: Tensor, lr: float) -> Tensor:
    """Exponentiated gradient on distributions over axis 1."""
    return (q.clamp_min(TINY).log() - lr * slope).softmax(1)


def _start(p: np.ndarray, effort: Effort, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    nz = effort.components or min(p.size, 2 * (p.size // max(p.shape)))
    logits = torch.from_numpy(rng.normal(size=(2 * effort.starts, nz, *p.shape)) * 3.0)
    table = torch.as_tensor(p, dtype=torch.float64, device=effort.device)
    return logits.to(effort.device).softmax(1), table


def _marginals(table: Tensor) -> list[Tensor]:
    """p(x_i) with the encoder's axes of the variables."""
    axes = range(table.ndim)
    return [table.sum([j for j in axes if j != k], keepdim=True) for k in axes]


def _sums(e: Tensor, table: Tensor, marginals: list[Tensor]) -> list[Tensor]:
    """p(z) and p(z|x_i), each with the encoder's axes."""
    joint, axes = e * table, list(range(2, e.ndim))
    sums = [
        joint.sum([j for j in axes if j != k], keepdim=True) / m.clamp_min(TINY)
        for k, m in zip(axes, marginals, strict=True)
    ]
    return [joint.sum(axes, keepdim=True), *sums]


def _cheapest(p: np.ndarray, e: Tensor) -> Decomposition:
    """The start with the lowest I(X;Z) + g TC(X|Z) at the last price, as a decoder."""
    residual, rate, *_ = Compression(p, e.shape[1], np.ones(len(e)), str(e.device)).measures(e)
    k = int((rate + PATH[-1] * residual).nan_to_num(float("inf")).argmin())
    return decoder_of(p, e[k].cpu().numpy())
