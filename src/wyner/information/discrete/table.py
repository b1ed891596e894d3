"""Tables of probabilities: what they must be, their entropies, their smallest equivalent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wyner.errors import DataError

SAME = 1e-12
"""Conditional rows that differ by less, entry by entry, are taken as equal."""


def checked(table: Any) -> np.ndarray:
    """The table as float64, its sum exactly 1.

    Raises:
        DataError: fewer than two axes, entries that are not finite and non-negative, or a sum away
            from 1.
    """
    try:
        p = np.array(table.detach().cpu() if hasattr(table, "detach") else table, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            "pmf: expected an array of probabilities p(x,y), got something that is not numbers"
        ) from None
    if p.ndim < 2 or p.size == 0:
        raise DataError(
            "pmf: expected a table with an axis for each variable, at least two, got shape"
            f" {p.shape}"
        )
    if bad := int((~np.isfinite(p)).sum()):
        raise DataError(f"pmf: expected finite probabilities, got {bad} entries that are not")
    if p.min() < 0:
        at = ", ".join(str(int(k)) for k in np.unravel_index(p.argmin(), p.shape))
        raise DataError(f"pmf: expected probabilities of at least 0, got {p.min():g} at ({at})")
    total = p.sum()
    if abs(total - 1) > 1e-6:
        raise DataError(
            f"pmf: expected probabilities that sum to 1, got {total:g}; for counts pass counts /"
            " counts.sum()"
        )
    return p / total


def xlogx(p: np.ndarray) -> np.ndarray:
    """Entries p log p in nats; 0 log 0 = 0."""
    return p * np.log(np.where(p > 0, p, 1.0))


def entropy(p: np.ndarray) -> float:
    """H = -sum p log p in nats, of an array of any shape."""
    return max(0.0, float(-xlogx(p[p > 0]).sum()))


def marginal(p: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """The marginal of the named axes, in their order in the table."""
    return p.sum(tuple(k for k in range(p.ndim) if k not in axes))


def total_correlation(p: np.ndarray) -> float:
    """TC = sum_i H(X_i) - H(X) in nats; for two variables the mutual information I(X;Y)."""
    return max(0.0, sum(entropy(marginal(p, [k])) for k in range(p.ndim)) - entropy(p))


def dual_total_correlation(p: np.ndarray) -> float:
    """DTC = H(X) - sum_i H(X_i | the others) in nats, a lower bound of J; for two variables I(X;Y).

    If the X_i are independent given Z, then H(X_i|Z) = H(X_i|Z, the others) <= H(X_i|the others),
    so that I(X;Z) = H(X) - sum_i H(X_i|Z) >= DTC.
    """
    whole = entropy(p)
    return max(0.0, whole - sum(whole - entropy(p.sum(k)) for k in range(p.ndim)))


def components(p: np.ndarray) -> list[np.ndarray]:
    """Connected component of every value of every variable, -1 for values of probability 0.

    Two values are linked if they occur together. The label is the most that a function of each
    variable alone can agree on; labels are 0, 1, ... in the order of the first variable's values.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.cumsum(p.shape)
    cells = np.argwhere(p > 0) + (ends - p.shape)  # values numbered through all variables
    first, others = np.repeat(cells[:, 0], p.ndim - 1), cells[:, 1:].ravel()
    graph = coo_array((np.ones(len(first)), (first, others)), shape=(ends[-1], ends[-1]))
    found = connected_components(graph, directed=False)[1]
    present, label = np.unique(cells), np.full(ends[-1], -1)
    label[present] = np.unique(found[present], return_inverse=True)[1]
    return np.split(label, ends[:-1])


def gacs_korner(table: np.ndarray, rare: float = 0.0) -> float:
    """C_GK in nats: entropy of the connected component of the support (Gacs and Korner 1973).

    Args:
        table: probabilities or counts.
        rare: a cell with at most this share of its row and of its column connects nothing (for
            tables of two variables).
    """
    p = table / table.sum()
    joined = p > 0
    if rare:
        joined = (p > rare * p.sum(1, keepdims=True)) | (p > rare * p.sum(0, keepdims=True))
    label, mass = components(np.where(joined, p, 0.0))[0], marginal(p, [0])
    each = np.array([mass[label == k].sum() for k in np.unique(label)])
    return entropy(each / each.sum())


@dataclass(frozen=True)
class Reduction:
    """A table in which values that say the same about the other variables are one.

    J, C_gamma and every L_lam are those of the full table: each X_i depends on the others through
    its class only, and can be drawn from the class by a coin of its own.

    Attributes:
        table: the small table.
        channels: p(value | class) of each variable, `(classes_i, n_i)`.
    """

    table: np.ndarray
    channels: tuple[np.ndarray, ...]


def reduced(p: np.ndarray) -> Reduction:
    """Minimal sufficient statistic of every variable; values of probability 0 are dropped."""
    channels, changed = [np.eye(n) for n in p.shape], True
    while changed:
        changed = False
        for axis in range(p.ndim):
            rows = np.moveaxis(p, axis, 0).reshape(p.shape[axis], -1)
            merge = _classes(rows)
            if len(merge) < len(rows):
                p = np.moveaxis(np.tensordot(merge, p, (1, axis)), 0, axis)
                share = merge * rows.sum(1)
                channels[axis] = (share / share.sum(1, keepdims=True)) @ channels[axis]
                changed = True
    return Reduction(p, tuple(channels))


def _classes(rows: np.ndarray) -> np.ndarray:
    """Which rows are equal once they are normalised, `(classes, rows)`; rows of 0 are in none."""
    mass = rows.sum(1)
    shapes = rows / np.where(mass > 0, mass, 1.0)[:, None]
    left, found = mass > 0, []
    while left.any():
        found.append(left & (np.abs(shapes - shapes[left.argmax()]).max(1) < SAME))
        left = left & ~found[-1]
    return np.array(found, dtype=float)
