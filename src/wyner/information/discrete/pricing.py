"""The dual problem: prices of the cells bound J from below, and say which products are missing.

For any finite prices L, with phi(L) = max over products a of [ sum_i H(a_i) - <L, a> ],

    J  >=  H(P) - <L, P> - phi(L)

since every decomposition of P has sum_z w_z [ sum_i H(a_iz) - <L, a_z> ] <= phi(L). The best prices
make it an equality: J is a linear program over measures on products, and this is its dual (derived
here). Products may be restricted to the rectangles of the support, because those of a decomposition
of P lie there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wyner.information.discrete.decomposition import Decomposition, noises
from wyner.information.discrete.rectangles import Rectangle

STEPS = 300


@dataclass(frozen=True)
class Found:
    """Products that were climbed to, best first.

    Attributes:
        gains: sum_i H(a_i) - <L, a>, `(S,)`.
        factors: `(S, n_i)` for each variable.
    """

    gains: np.ndarray
    factors: tuple[np.ndarray, ...]


def best_products(
    prices: np.ndarray, masks: Sequence[np.ndarray], starts: Sequence[np.ndarray]
) -> Found:
    """Climbs sum_i H(a_i) - <L, a> factor by factor: a_i = softmax of minus its expected prices.

    Args:
        prices: L.
        masks: allowed values of each start, `(S, n_i)`.
        starts: factors to start from, `(S, n_i)`; the first is replaced at once.
    """
    factors = [np.where(m, a, 0.0) for m, a in zip(masks, starts, strict=True)]
    factors = [a / a.sum(1, keepdims=True) for a in factors]
    gains = np.full(len(masks[0]), -np.inf)
    for _ in range(STEPS):
        for axis in range(prices.ndim):
            cost = _expected(prices, factors, axis)
            factors[axis], top = _softmax(-cost, masks[axis])
        now = top + noises(factors[:-1])
        if np.all(now - gains < 1e-12):
            break
        gains = now
    order = np.argsort(-now)
    return Found(now[order], tuple(a[order] for a in factors))


def _expected(prices: np.ndarray, factors: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Mean price of each value of one variable given the others' factors, `(S, n_axis)`."""
    turned = np.moveaxis(prices, axis, -1)
    others = [a for k, a in enumerate(factors) if k != axis]
    out = np.tensordot(others[0], turned, 1)
    for a in others[1:]:
        out = (a.reshape(*a.shape, *[1] * (out.ndim - 2)) * out).sum(1)
    return out


def _softmax(logits: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Softmax over the allowed values, and the log of its sum."""
    top = np.where(mask, logits, -np.inf).max(1, keepdims=True)
    e = np.where(mask, np.exp(np.where(mask, logits - top, 0.0)), 0.0)
    total = e.sum(1, keepdims=True)
    return e / total, (top + np.log(total))[:, 0]


def random_starts(
    rectangles: Sequence[Rectangle], count: int, rng: np.random.Generator
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Masks and factors of random products inside the rectangles, peaked and flat ones."""
    picks = [rectangles[k % len(rectangles)] for k in range(count)]
    masks = [np.stack(axis) for axis in zip(*picks, strict=True)]
    sharp = rng.choice([0.1, 0.5, 2.0], size=(count, 1))
    starts = [np.where(m, rng.gamma(sharp, size=m.shape) + 1e-9, 0.0) for m in masks]
    return masks, starts


def gains(d: Decomposition, prices: np.ndarray) -> np.ndarray:
    """sum_i H(a_iz) - <L, a_z> of each value of Z; equal, and largest of all, at the optimum."""
    return d.noises - (d.atoms * prices).reshape(len(d.weights), -1).sum(1)


def dual_value(entropy: float, p: np.ndarray, prices: np.ndarray, phi: float) -> float:
    """H(P) - <L, P> - phi in nats; a lower bound of J if phi is at least that of any product."""
    return entropy - float((prices * p).sum()) - phi
