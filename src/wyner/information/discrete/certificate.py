"""A proof of the dual bound: the largest value of a product on simplices, by branch and bound.

For fixed other factors the best last factor gives phi = sum_i H(a_i) + log sum_y exp -E L(.., y),
entropies plus a function that is convex in each factor. On a product of simplices with vertices v
and centres m it is therefore at most

    max over vertices of [ sum_i (- <v_i, log m_i>) + log sum_y exp -L(v_1, .., v_{n-1}, y) ]

because H(a) <= -<a, log m> and a convex function lies below its interpolation. Halving the longest
edge of the worst cell lowers the bound; the largest bound of all cells is a proof at any time
(derived here).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from wyner.information.discrete.rectangles import Rectangle

CELLS, OPENED = 60_000, 2000
"""Cells that may be looked at, in all rectangles together; cells that are halved at once."""


def largest_gain(
    prices: np.ndarray, rectangles: Sequence[Rectangle], known: float, gap: float = 1e-6
) -> float | None:
    """An upper bound of max over products of sum_i H(a_i) - <L, a>, proven.

    Args:
        prices: L, finite.
        rectangles: all maximal rectangles of the support.
        known: a value that some product reaches; cells below `known + gap` are not halved further.

    Returns:
        The bound, at least `known`; None if the factors have too many values for a proof.
    """
    worst, budget = known, CELLS // max(1, len(rectangles))
    for r in rectangles:
        block = prices[np.ix_(*r)]
        block = np.moveaxis(block, int(np.argmax(block.shape)), -1)
        if sum(n - 1 for n in block.shape[:-1]) > 4:
            return None
        worst = max(worst, _bound(block, known + gap, budget))
    return worst


def _bound(prices: np.ndarray, enough: float, budget: int) -> float:
    """The bound of one rectangle, whose last axis is solved in closed form."""
    cells = [np.eye(n)[None] for n in prices.shape[:-1]]
    bounds = _upper(prices, cells)
    looked, settled = 1, -np.inf
    while (open_ := bounds > enough).any() and looked <= budget:
        settled = max(settled, float(bounds[~open_].max(initial=-np.inf)))
        cells, bounds = [c[open_] for c in cells], bounds[open_]
        order = np.argsort(-bounds)
        worst, rest = order[:OPENED], np.sort(order[OPENED:])
        halves = _halved([c[worst] for c in cells])
        fresh = np.minimum(_upper(prices, halves), np.concatenate([bounds[worst]] * 2))
        looked += len(fresh)
        cells = [np.concatenate([c[rest], h]) for c, h in zip(cells, halves, strict=True)]
        bounds = np.concatenate([bounds[rest], fresh])
    return float(max(settled, bounds.max(initial=-np.inf)))


def _upper(prices: np.ndarray, cells: list[np.ndarray]) -> np.ndarray:
    """Upper bounds of cells; each is a list of simplices, `(C, vertices_i, n_i)`."""
    logs = [np.log(np.maximum(c.mean(1), 1e-300)) for c in cells]
    crosses = [-(c * log[:, None]).sum(2) for c, log in zip(cells, logs, strict=True)]
    best = np.full(len(cells[0]), -np.inf)
    for corner in itertools.product(*(range(c.shape[1]) for c in cells)):
        mean = prices[None]
        for c, k in zip(cells, corner, strict=True):
            v = c[:, k]
            mean = (v.reshape(*v.shape, *[1] * (mean.ndim - 2)) * mean).sum(1)
        top = (-mean).max(1, keepdims=True)
        value = top[:, 0] + np.log(np.exp(-mean - top).sum(1))
        best = np.maximum(best, value + sum(x[:, k] for x, k in zip(crosses, corner, strict=True)))
    return best


def _halved(cells: list[np.ndarray]) -> list[np.ndarray]:
    """Every cell cut at the middle of its longest edge: the lower halves, then the upper ones."""
    edges = [(i, a, b) for i, c in enumerate(cells) for a in range(c.shape[1]) for b in range(a)]
    low, high = [c.copy() for c in cells], [c.copy() for c in cells]
    if edges:
        lengths = [np.abs(cells[i][:, a] - cells[i][:, b]).sum(1) for i, a, b in edges]
        longest = np.stack(lengths, 1).argmax(1)
        for e, (i, a, b) in enumerate(edges):
            rows = longest == e
            middle = 0.5 * (cells[i][rows, a] + cells[i][rows, b])
            low[i][rows, a] = middle
            high[i][rows, b] = middle
    return [np.concatenate([x, y]) for x, y in zip(low, high, strict=True)]
