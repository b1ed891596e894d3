"""Two solvers from the literature for J: alternating minimisation, and ADMM of the Lagrangian.

Both raise the price of dependence step by step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wyner.information.discrete.decomposition import Decomposition, softmax
from wyner.information.discrete.rectangles import Rectangle
from wyner.information.discrete.relaxed import TINY, Compression, decoder_of, safe_log
from wyner.information.discrete.search import Effort

PATH = (2.0, 5.0, 20.0, 100.0, 500.0)
"""Prices g = 1/lam of a nat of TC(X|Z), in nats of I(X;Z)."""
STEPS, ROUNDS = 1500, 800
"""Iterations at each price: of the alternating solver at most, and of ADMM."""


def alternating(
    p: np.ndarray, rectangles: Sequence[Rectangle], effort: Effort, rng: np.random.Generator
) -> tuple[Decomposition, None]:
    """Fixed point of section 6.2 for n variables, from hard random encoders, g along `PATH`."""
    e = _start(p, effort, rng)
    for g in PATH:
        e = fixed_point(e, p, g, STEPS, 1e-10)
    return _cheapest(p, e), None


def fixed_point(
    e: np.ndarray, table: np.ndarray, g: float, steps: int, tolerance: float
) -> np.ndarray:
    """Encoders p(z|x), `(R, nz, *shape)`, that are stationary in I(X;Z) + g TC(X|Z).

        p(z|x)^(1+g) proportional to p(z)^(1 - (n-1) g) prod_i p(z|x_i)^g

    is the stationarity of I(X;Z) + g TC(X|Z) = (1 - (n-1) g) H(Z) - (1+g) H(Z|X) + g sum_i H(Z|X_i)
    + const. Descent is not guaranteed once the first weight is negative.
    """
    marginals = _marginals(table)
    for _ in range(steps):
        log_z, *given = (safe_log(s) for s in _sums(e, table, marginals))
        moved = softmax(((1 - (table.ndim - 1) * g) * log_z + g * sum(given)) / (1 + g), 1)[0]
        change, e = float(np.abs(moved - e).max()), moved
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
    e = _start(p, effort, rng)
    marginals = _marginals(p)
    copies = [np.maximum(s, TINY) for s in _sums(e, p, marginals)]
    duals = [np.zeros_like(c) for c in copies]
    for g in PATH:
        # what H(Z) and each H(Z|X_i) weigh; -(1+g) H(Z|X) is the convex rest
        shares = [1 - (p.ndim - 1) * g, *[g] * p.ndim]
        rho = 2 * g
        lr = 0.5 / (1 + g + rho)
        for _ in range(ROUNDS):
            triples = zip(_sums(e, p, marginals), copies, duals, strict=True)
            pull = sum(d + rho * (a - c) for a, c, d in triples)
            e = _step(e, (1 + g) * safe_log(e) + pull, lr)
            actual = _sums(e, p, marginals)
            for k, (a, share) in enumerate(zip(actual, shares, strict=True)):
                slope = -share * safe_log(copies[k]) - duals[k] - rho * (a - copies[k])
                copies[k] = _step(copies[k], slope, lr)
                duals[k] = duals[k] + 0.1 * rho * (a - copies[k])
    return _cheapest(p, e), None


def _step(q: np.ndarray, slope: np.ndarray, lr: float) -> np.ndarray:
    """Exponentiated gradient on distributions over axis 1."""
    return softmax(safe_log(q) - lr * slope, 1)[0]


def _start(p: np.ndarray, effort: Effort, rng: np.random.Generator) -> np.ndarray:
    """Hard random encoders, `(R, nz, *shape)`."""
    nz = effort.components or min(p.size, 2 * (p.size // max(p.shape)))
    return softmax(rng.normal(size=(2 * effort.starts, nz, *p.shape)) * 3.0, 1)[0]


def _marginals(table: np.ndarray) -> list[np.ndarray]:
    """p(x_i) with the encoder's axes of the variables."""
    axes = range(table.ndim)
    return [table.sum(tuple(j for j in axes if j != k), keepdims=True) for k in axes]


def _sums(e: np.ndarray, table: np.ndarray, marginals: list[np.ndarray]) -> list[np.ndarray]:
    """p(z) and p(z|x_i), each with the encoder's axes."""
    joint, axes = e * table, tuple(range(2, e.ndim))
    sums = [
        joint.sum(tuple(j for j in axes if j != k), keepdims=True) / np.maximum(m, TINY)
        for k, m in zip(axes, marginals, strict=True)
    ]
    return [joint.sum(axes, keepdims=True), *sums]


def _cheapest(p: np.ndarray, e: np.ndarray) -> Decomposition:
    """The start with the lowest I(X;Z) + g TC(X|Z) at the last price, as a decoder."""
    residual, rate, *_ = Compression(p, e.shape[1], np.ones(len(e))).measures(e)
    k = int(np.nan_to_num(rate + PATH[-1] * residual, nan=np.inf).argmin())
    return decoder_of(p, e[k])
