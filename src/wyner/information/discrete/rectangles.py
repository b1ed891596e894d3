"""Rectangles of the support: sets A_1 x ... x A_n on which a table is positive everywhere.

Given Z = z the variables are independent, so what can occur is such a rectangle. In an optimal
decomposition it is one that
cannot be extended: given the other factors, a factor has the form exp(-cost) on every value that is
    allowed.
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
        intersections of column
    supports. Else, and for more variables unless the support is full, they are grown at random from
    every cell.
    """
    support = p > 0
    if support.all():
        return [tuple(np.ones(n, bool) for n in p.shape)], True
    if p.ndim == 2:
        listed = _pairs(support)
        if listed is not None:
            return listed, True
    found: dict[bytes, Rectangle] = {}
    cells = np.argwhere(support)
    orders = list(itertools.permutations(range(p.ndim))) if p.ndim <= 3 else []
    for cell in cells:
        for axes in orders or [tuple(rng.permutation(p.ndim))]:
            grown = _star(support, cell, axes)
            found[_key(grown)] = grown
        for _ in range(4):
            grown = _grow(support, cell, rng)
            found[_key(grown)] = grown
    return list(found.values()), False


def _key(r: Rectangle) -> bytes:
    return b"".join(mask.tobytes() + b"|" for mask in r)


def _pairs(support: np.ndarray) -> list[Rectangle] | None:
    """All maximal rectangles of a matrix: close the column supports under intersection."""
    sets = {column.tobytes() for column in support.T if column.any()}
    columns = list(sets)
    queue = list(sets)
    while queue:
        now = np.frombuffer(queue.pop(), dtype=bool)
        for other in columns:
            both = now & np.frombuffer(other, dtype=bool)
            key = both.tobytes()
            if both.any() and key not in sets:
                sets.add(key)
                queue.append(key)
        if len(sets) > LIMIT:
            return None
    found: dict[bytes, Rectangle] = {}
    for key in sorted(sets):
        rows = np.frombuffer(key, dtype=bool)
        columns_ok = np.asarray(support[rows].all(0))
        closed = (np.asarray(support[:, columns_ok].all(1)), columns_ok)
        found[_key(closed)] = closed
    return list(found.values())


def _allowed(support: np.ndarray, masks: list[np.ndarray], axis: int) -> np.ndarray:
    """Values of an axis that go with every choice of the other masks."""
    block = support
    for k, mask in enumerate(masks):
        if k != axis:
            block = np.compress(mask, block, axis=k)
    return np.asarray(block.all(tuple(k for k in range(support.ndim) if k != axis)))


def _star(support: np.ndarray, cell: np.ndarray, axes: tuple[int, ...]) -> Rectangle:
    """All other coordinates fixed, then as wide as possible axis by axis."""
    masks = [np.arange(n) == c for n, c in zip(support.shape, cell, strict=True)]
    for axis in axes:
        masks[axis] = _allowed(support, masks, axis)
    return tuple(masks)


def _grow(support: np.ndarray, cell: np.ndarray, rng: np.random.Generator) -> Rectangle:
    """Adds values in random order as long as the rectangle stays inside the support."""
    masks = [np.arange(n) == c for n, c in zip(support.shape, cell, strict=True)]
    order = [(axis, value) for axis, n in enumerate(support.shape) for value in range(n)]
    for k in rng.permutation(len(order)):
        axis, value = order[k]
        if not masks[axis][value] and _allowed(support, masks, axis)[value]:
            masks[axis][value] = True
    return tuple(masks)
