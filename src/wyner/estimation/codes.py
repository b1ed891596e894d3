"""Clusters of numbers as categories, and whether they say all that a side has to say.

A pair whose sides are blobs with the information in the blob has the I, J and C_GK of the table of
the blobs. That is so if X is independent of (B,Y) given its code A, and Y of (A,X) given its code
B: permutation tests that shuffle the rows of one side within each of its codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wyner.estimation.clusters import nearest
from wyner.estimation.independence import blocks, compare, pooled
from wyner.estimation.samples import Side

SUBSET, SMALLEST, SHARE, STRAY, ROUND, GAP, CLEAR = 1500, 4, 40, 0.35, 0.999, 2.0, 0.99
"""Rows that blobs are found on; rows of a blob, at least, and as a share; rows that may belong to
none; share of rows nearest to the middle of their own blob from which the middles are the blobs."""
SHUFFLES, ROWS, AGAINST = 99, 6000, ("lines", "waves-1", "levels")
"""Of the tests; features of the other side."""


@dataclass(frozen=True)
class Codes:
    """A side as categories.

    Attributes:
        values: `(N,)`, 0, 1, ...
        levels: how many.
        exact: whether the side is made of categories.
    """

    values: np.ndarray
    levels: int
    exact: bool


def codes(side: Side, seed: int) -> Codes | None:
    """The categories of a side, or its blobs; None if it is not made of blobs."""
    if side.discrete:
        return Codes(side.values, side.levels, True)
    from scipy.spatial import KDTree
    from sklearn.cluster import HDBSCAN

    rng = np.random.default_rng([seed, 36])
    some = side.values[rng.permutation(len(side.values))[:SUBSET]]
    fewest = max(SMALLEST, len(some) // SHARE)
    labels = HDBSCAN(min_cluster_size=fewest, min_samples=3, copy=True).fit_predict(some)
    if labels.max() < 1 or (labels < 0).mean() > STRAY:
        return None
    if not _apart(some, labels):
        return None
    middles = np.stack([some[labels == k].mean(0) for k in range(labels.max() + 1)])
    kept = labels >= 0
    if (nearest(some[kept], middles) == labels[kept]).mean() > ROUND:
        return Codes(nearest(side.values, middles), len(middles), False)
    near = KDTree(some[kept]).query(side.values)[1]
    return Codes(labels[kept][near].astype(np.int64), len(middles), False)


def _apart(values: np.ndarray, labels: np.ndarray) -> bool:
    """Whether nearly all rows, strays as well, are much nearer to one blob than to the others."""
    from scipy.spatial import KDTree

    far = np.stack(
        [KDTree(values[labels == k]).query(values, 2)[0][:, 1] for k in range(labels.max() + 1)], 1
    )
    two = np.partition(far, 1, axis=1)[:, :2]
    return float((two[:, 1] > GAP * two[:, 0]).mean()) >= CLEAR


def complete(x: Side, y: Side, a: Codes, b: Codes, seed: int) -> float:
    """The p-value of the hypothesis that the codes lose nothing of the dependence."""
    rng = np.random.default_rng([seed, 37])
    rows = rng.permutation(len(a.values))[:ROWS]
    parts = []
    for side, code, other, other_code in ((x, a, y, b), (y, b, x, a)):
        if code.exact:
            continue
        inner, groups = side.rows(rows), code.values[rows]
        features = {"within": _within(inner.values, groups)}
        against = blocks(other.rows(rows), seed)
        against["levels"] = np.eye(other_code.levels)[other_code.values[rows]]
        against = {k: _within(against[k], groups) for k in AGAINST if k in against}
        orders = [_shuffled(groups, rng) for _ in range(SHUFFLES)]
        parts.append(compare(features, {"levels": np.hstack(list(against.values()))}, orders))
    if not parts:
        return 1.0
    own = np.concatenate([list(part.statistics.values()) for part in parts])
    return pooled(own, np.hstack([part.null for part in parts]))


def _within(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Values less the mean of their group."""
    sums = np.zeros((groups.max() + 1, values.shape[1]))
    np.add.at(sums, groups, values)
    return values - (sums / np.bincount(groups).clip(1)[:, None])[groups]


def _shuffled(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A permutation of the rows that keeps each in its group."""
    order = np.argsort(groups, kind="stable")
    found = np.empty_like(order)
    found[order] = order[np.lexsort((rng.random(len(groups)), groups[order]))]
    return found
