"""Rectangles of the support: sets A_1 x ... x A_n on which a table is positive everywhere.

Given Z = z the variables are independent, so what can occur is such a rectangle. In an optimal
decomposition it is one that cannot be extended: given the other factors, a factor has the form
exp(-cost) on every value that is allowed.
"""

from __future__ import annotations

import itertools

import numpy as np

LIMIT = 200
"""Most rectangles that are listed; beyond, a random part of them with all that a decomposition
needs to exist."""

Rectangle = tuple[np.ndarray, ...]
"""A mask of each axis."""


def maximal_rectangles(p: np.ndarray, rng: np.random.Generator) -> tuple[list[Rectangle], bool]:
    """Maximal rectangles of the support of a table, and whether these are all.

    For two variables all are listed, unless there are more than `LIMIT`: the row sets are the
    intersections of column supports. Else, and for more variables unless the support is full, they
    are grown at random from every cell.
    """
    support = p > 0
    if support.all():
        return [tuple(np.ones(n, bool) for n in p.shape)], True
    if p.ndim == 2 and (listed := _pairs(support)) is not None:
        return listed, True
    found: list[Rectangle] = []
    orders = list(itertools.permutations(range(p.ndim))) if p.ndim <= 3 else []
    values = [(axis, value) for axis, n in enumerate(p.shape) for value in range(n)]
    for cell in np.argwhere(support):
        for axes in orders or [tuple(rng.permutation(p.ndim))]:
            masks = _at(support, cell)
            for axis in axes:  # as wide as possible axis by axis
                masks[axis] = _allowed(support, masks, axis)
            found.append(tuple(masks))
        for _ in range(4):
            masks = _at(support, cell)
            for k in rng.permutation(len(values)):  # values in random order while they fit
                axis, value = values[k]
                if not masks[axis][value] and _allowed(support, masks, axis)[value]:
                    masks[axis][value] = True
            found.append(tuple(masks))
    return _unique(found), False


def _unique(rectangles: list[Rectangle]) -> list[Rectangle]:
    """Each once, in order of appearance."""
    return list({b"|".join(m.tobytes() for m in r): r for r in rectangles}.values())


def _pairs(support: np.ndarray) -> list[Rectangle] | None:
    """All maximal rectangles of a matrix: close the column supports under intersection."""
    sets = {column.tobytes() for column in support.T if column.any()}
    columns, queue = list(sets), list(sets)
    while queue:
        now = np.frombuffer(queue.pop(), dtype=bool)
        for other in columns:
            both = now & np.frombuffer(other, dtype=bool)
            if both.any() and (key := both.tobytes()) not in sets:
                sets.add(key)
                queue.append(key)
        if len(sets) > LIMIT:
            return None
    found: list[Rectangle] = []
    for key in sorted(sets):
        columns_ok = np.asarray(support[np.frombuffer(key, dtype=bool)].all(0))
        found.append((np.asarray(support[:, columns_ok].all(1)), columns_ok))
    return _unique(found)


def _at(support: np.ndarray, cell: np.ndarray) -> list[np.ndarray]:
    """The masks of one cell."""
    return [np.arange(n) == c for n, c in zip(support.shape, cell, strict=True)]


def _allowed(support: np.ndarray, masks: list[np.ndarray], axis: int) -> np.ndarray:
    """Values of an axis that go with every choice of the other masks."""
    block = support
    for k, mask in enumerate(masks):
        if k != axis:
            block = np.compress(mask, block, axis=k)
    return np.asarray(block.all(tuple(k for k in range(support.ndim) if k != axis)))
