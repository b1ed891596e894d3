"""A proof of the dual bound: the largest value of a product on simplices, by branch and bound.

For fixed other factors the best last factor gives G = sum_i H(a_i) + g, g = log sum_y exp -E L(..,
y), entropies plus a function that is convex in each factor. In a cell, a product of simplices with
vertices v_ik, g lies below its interpolation, and H(a) <= -<a, log m> for every distribution m, so

    G  <=  max over vertices of [ sum_i -<v_i, log m_i> + g(v_1, .., v_{n-1}) ]

for any m_i inside. Minimised over m the right side is the concave maximum of entropies plus
interpolation (minimax; for one factor the capacity of a channel, so m is found by the steps of
Blahut and Arimoto): only what the interpolation adds is lost, at most an eighth of the variance of
prices along an edge. Cells are halved at the edge with the largest variance, the cells with the
largest bounds first; the largest bound of all cells is a proof at any time (derived here).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wyner.information.discrete.decomposition import softmax
from wyner.information.discrete.rectangles import Rectangle

OPENED, FREE = 3000, 9
"""Cells that are halved at once; free entries of all factors but the last, at most."""
WORK = 240_000 * 36**3
"""Cells times cubed size of the table that a proof may cost by default."""
STEPS = (2.0, 4.0, 8.0, 8.0, 16.0, 16.0, 32.0, 32.0)
"""Exponents of the updates of m; the plain algorithm, 1, is slow in small cells."""


def largest_gain(
    prices: np.ndarray,
    rectangles: Sequence[Rectangle],
    known: float,
    gap: float = 1e-6,
    cells: int | None = None,
) -> float | None:
    """An upper bound of max over products of sum_i H(a_i) - <L, a>, proven.

    Args:
        prices: L, finite.
        rectangles: all maximal rectangles of the support.
        known: a value that some product reaches; cells below `known + gap` are not halved further.
        gap: nats.
        cells: that may be looked at, in all rectangles together; None for what takes about a
            second, 240,000 of a 6 x 6 table.

    Returns:
        The bound, at least `known`; None if the factors have too many values for a proof.
    """
    blocks = [prices[np.ix_(*r)] for r in rectangles]
    blocks = [np.moveaxis(b, int(np.argmax(b.shape)), -1) for b in blocks]
    if any(sum(n - 1 for n in b.shape[:-1]) > FREE for b in blocks):
        return None
    if cells is None:
        cells = int(WORK / max(prices.size, 36) ** 3)
    worst = known
    for left, block in zip(range(len(blocks), 0, -1), blocks, strict=True):
        bound, looked = _bound(block, known + gap, cells // left)
        worst, cells = max(worst, bound), cells - looked
    return worst


def _bound(prices: np.ndarray, enough: float, budget: int) -> tuple[float, int]:
    """The bound of one rectangle, whose last axis is solved in closed form; cells looked at."""
    cells = [np.eye(n)[None] for n in prices.shape[:-1]]
    bounds = _upper(prices, cells)
    looked, settled = 1, -np.inf
    if max(c.shape[1] for c in cells) == 1:  # no factor is free: the bound is the value
        return float(bounds[0]), looked
    while (open_ := bounds > enough).any() and looked < budget:
        settled = max(settled, float(bounds[~open_].max(initial=-np.inf)))
        cells, bounds = [c[open_] for c in cells], bounds[open_]
        order = np.argsort(-bounds, kind="stable")
        worst, rest = order[:OPENED], np.sort(order[OPENED:])
        halves = _halved(prices, [c[worst] for c in cells])
        fresh = np.minimum(_upper(prices, halves), np.concatenate([bounds[worst]] * 2))
        looked += len(fresh)
        cells = [np.concatenate([c[rest], h]) for c, h in zip(cells, halves, strict=True)]
        bounds = np.concatenate([bounds[rest], fresh])
    return max(settled, float(bounds.max(initial=-np.inf))), looked


def _upper(prices: np.ndarray, cells: list[np.ndarray]) -> np.ndarray:
    """Upper bounds of cells; each is a list of simplices, `(C, vertices_i, n_i)`."""
    convex = _convex(prices, cells)
    count, n = convex.shape[0], len(cells)
    weights = [np.zeros(c.shape[:2]) for c in cells]
    best = np.full(count, np.inf)
    for step in (*STEPS, None):
        total = convex
        for i, (c, w) in enumerate(zip(cells, weights, strict=True)):
            mean = (softmax(w)[0][:, None] @ c)[:, 0]
            cross = -(c @ np.log(np.maximum(mean, 1e-300))[..., None])[..., 0]
            total = total + cross.reshape(count, *(-1 if k == i else 1 for k in range(n)))
        best = np.minimum(best, total.reshape(count, -1).max(1))
        if step is None:
            return best
        for i in range(n):
            worth = total.max(tuple(k + 1 for k in range(n) if k != i)) if n > 1 else total
            moved = weights[i] + step * worth
            weights[i] = np.maximum(moved - moved.max(1, keepdims=True), -30.0)
    return best


def _convex(prices: np.ndarray, cells: list[np.ndarray]) -> np.ndarray:
    """Log sum_y exp -E L(.., y) at all vertices of all cells, `(C, vertices_1, ..)`."""
    mean = np.tensordot(cells[0], prices, 1)
    for k, c in enumerate(cells[1:], 1):
        mean = c[:, None] @ mean.reshape(len(c), -1, c.shape[2], prices[(0,) * (k + 1)].size)
    mean = mean.reshape(len(mean), *(c.shape[1] for c in cells), -1)
    top = (-mean).max(-1)
    return top + np.log(np.exp(-mean - top[..., None]).sum(-1))


def _halved(prices: np.ndarray, cells: list[np.ndarray]) -> list[np.ndarray]:
    """Every cell cut at the middle of one edge: the first halves, then the second ones.

    It is the edge along which prices vary most over the last axis, the other factors at their
    centres.
    """
    centres = [c.mean(1) for c in cells]
    edges: list[tuple[int, int, int]] = []
    spreads = []
    for i, c in enumerate(cells):
        left = np.moveaxis(prices, i, -2)[None]
        for k, m in enumerate(centres):
            if k != i:
                flat = left.reshape(len(left), left.shape[1], -1)
                left = (m[:, None] @ flat).reshape(len(m), *left.shape[2:])
        seen = c @ left
        chance = softmax(-seen.mean(1))[0][:, None]
        first, second = np.triu_indices(c.shape[1], 1)
        along = seen[:, first] - seen[:, second]
        along -= (chance * along).sum(2, keepdims=True)
        widest = 0.02 * (along.max(2) - along.min(2)) ** 2  # counts what is improbable as well
        spreads.append((chance * along**2).sum(2) + widest)
        edges += [(i, int(j), int(k)) for j, k in zip(first, second, strict=True)]
    chosen = np.concatenate(spreads, 1).argmax(1)
    low, high = [c.copy() for c in cells], [c.copy() for c in cells]
    for e, (i, a, b) in enumerate(edges):
        at = np.flatnonzero(chosen == e)
        middle = 0.5 * (cells[i][at, a] + cells[i][at, b])
        low[i][at, a] = middle
        high[i][at, b] = middle
    return [np.concatenate(pair) for pair in zip(low, high, strict=True)]
