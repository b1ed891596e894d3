"""A lower bound of J that noise in a table moves little: the Lagrangian at a price. Nats.

    L_lam / lam = min_Z [ I(X,Y;Z) + I(X;Y|Z) / lam ]  <=  J

since the Z of J has I(X;Y|Z) = 0. Exact where a common function carries everything (then L_lam =
lam H(W)); for a Gaussian pair of correlation r > lam short of J by artanh(lam) + log(1 - lam^2) /
(2 lam), about lam/2. J itself demands that every cell be fitted exactly, chance included, and a
large empirical table has a J far above that of its source.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wyner.information.discrete.alternating import fixed_point
from wyner.information.discrete.decomposition import softmax
from wyner.information.discrete.relaxed import TINY, Compression
from wyner.information.discrete.table import entropy, gacs_korner, total_correlation

PRICE, STARTS, STEPS, LEVELS, EXACT = 0.1, 6, 400, 16, 6


def bound(p: np.ndarray, price: float = PRICE, seed: int = 0) -> float:
    """L_lam / lam of a table of probabilities `(kx, ky)`, at least I(X;Y), in nats.

    By the fixed point of section 6.2 of the specification at g = 1/lam, the best of some random
    starts.

    Args:
        p: sum 1.
        price: lam in (0, 1).
        seed: of the starts.
    """
    p = p[p.sum(1) > 0][:, p.sum(0) > 0]
    return max(total_correlation(p), _along(p, [price], seed)[0][0]) if min(p.shape) > 1 else 0.0


def _along(p: np.ndarray, prices: Sequence[float], seed: int) -> tuple[list[float], np.ndarray]:
    """L_lam / lam at falling prices, each from where the last ended, and the last encoder."""
    levels = min(LEVELS, p.size)
    logits = 2 * np.random.default_rng(seed).normal(size=(STARTS, levels, *p.shape))
    e, found, program = softmax(logits, 1)[0], [], Compression(p, levels, np.ones(STARTS))
    for price in prices:
        e = fixed_point(e, p, 1 / price, STEPS, 1e-7)
        left, rate, *_ = program.measures(e)
        cost = rate + left.clip(0) / price
        found.append(float(cost.min()))
    return found, e[int(cost.argmin())]


@dataclass(frozen=True)
class Solved:
    """J of a table, and how it moves with the table.

    Attributes:
        value: J in nats.
        p: the table.
        influence: the derivative of J in each cell, up to a constant.
        exact: whether the value is J, and not a lower bound, where the table is large.
        unsure: by how much the extrapolation moved with the last price.
    """

    value: float
    p: np.ndarray
    influence: np.ndarray
    exact: bool
    unsure: float = 0.0

    def error(self, n: int) -> float:
        """Standard error from n rows (delta method)."""
        centred = self.influence - float((self.p * self.influence).sum())
        return math.sqrt(float((self.p * centred**2).sum()) / n)


def solve(p: np.ndarray) -> Solved:
    """J of a small table, from the relaxed problem at three prices of a nat of I(X;Y|Z).

    F(lam) = min I(X,Y;Z) + I(X;Y|Z) / lam falls short of J by a multiple of lam to first order, so
    J = 2 F(lam / 2) - F(lam) to second; by the fixed point of section 6.2 of the specification,
    each from where the one before ended.

    Args:
        p: sum 1, no empty rows or columns.
    """
    if min(p.shape) < 2:
        return Solved(0.0, p, np.zeros_like(p), True)
    total = total_correlation(p)
    if gacs_korner(p) > total - 1e-9:  # a label that both sides show: J = I = C_GK
        ratio = p / np.outer(p.sum(1), p.sum(0))
        return Solved(total, p, np.log(np.where(p > 0, ratio, 1.0)), True)
    found, e = _along(p, (PRICE, PRICE / 2, PRICE / 4), 0)
    rough, fine = (2 * b - a for a, b in zip(found, found[1:]))
    top = min(entropy(p.sum(1)), entropy(p.sum(0)))
    value = min(max(fine, found[-1], total), top)
    influence = _influence(e, p, 4 / PRICE)
    unsure = abs(fine - rough)
    return Solved(max(value, total), p, influence, min(p.shape) <= EXACT, unsure)


def _influence(e: np.ndarray, table: np.ndarray, g: float) -> np.ndarray:
    """Derivative of F in p(x,y) at a fixed encoder, which is best there (envelope theorem).

    sum_z e(z|x,y) [ (1+g) log e + (g-1) log q(z) - g log q(z|x) - g log q(z|y) ] + g log
    p(x,y) / (p(x) p(y))
    """
    joint = e * table
    log = lambda t: np.log(np.maximum(t, TINY))
    qz = joint.sum((1, 2), keepdims=True)
    qx = joint.sum(2, keepdims=True) / table.sum(1, keepdims=True)
    qy = joint.sum(1, keepdims=True) / table.sum(0, keepdims=True)
    price = (1 + g) * log(e) + (g - 1) * log(qz) - g * (log(qx) + log(qy))
    alone = table.sum(1, keepdims=True) * table.sum(0, keepdims=True)
    return (e * price).sum(0) + g * log(table / alone)
