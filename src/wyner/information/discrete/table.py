"""Tables of probabilities: what they must be, their entropies, what they share exactly, and their
smallest equivalent.
"""

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
    if not np.isfinite(p).all():
        raise DataError(
            f"pmf: expected finite probabilities, got {int((~np.isfinite(p)).sum())} entries that"
            " are not"
        )
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


def entropy(p: np.ndarray) -> float:
    """H = -sum p log p in nats, of an array of any shape; 0 log 0 = 0."""
    kept = p[p > 0]
    return max(0.0, float(-(kept * np.log(kept)).sum()))


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
    """Label of the connected component of every value of every variable, -1 for values of
    probability 0.

    Two values are linked if they occur together. The label is the most that a function of each
    variable alone can agree on.
    """
    offsets = np.cumsum([0, *p.shape])
    parent = np.arange(offsets[-1])

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = parent[k]
        return int(k)

    cells = np.argwhere(p > 0)
    for cell in cells:
        first = root(int(cell[0]))
        for axis in range(1, p.ndim):
            parent[root(int(offsets[axis] + cell[axis]))] = first
    present = [marginal(p, [k]) > 0 for k in range(p.ndim)]
    names: dict[int, int] = {}
    labels = []
    for axis in range(p.ndim):
        label = np.full(p.shape[axis], -1)
        for value in np.flatnonzero(present[axis]):
            label[value] = names.setdefault(root(int(offsets[axis] + value)), len(names))
        labels.append(label)
    return labels


def gacs_korner(p: np.ndarray) -> float:
    """C_GK in nats: entropy of the connected component of the support (Gacs and Korner 1973)."""
    label, mass = components(p)[0], marginal(p, [0])
    return entropy(np.array([mass[label == k].sum() for k in range(label.max() + 1)]))


@dataclass(frozen=True)
class Reduction:
    """A table in which values that say the same about the other variables are one.

    J, C_gamma and every L_lam are those of the full table: each X_i depends on the others through
        its class only, and can be
    drawn from the class by a coin of its own.

    Attributes:
        table: the small table.
        channels: p(value | class) of each variable, `(classes_i, n_i)`.
    """

    table: np.ndarray
    channels: tuple[np.ndarray, ...]


def reduced(p: np.ndarray) -> Reduction:
    """Minimal sufficient statistic of every variable about the others; values of probability 0 are
    dropped.
    """
    channels = [np.eye(n) for n in p.shape]
    changed = True
    while changed:
        changed = False
        for axis in range(p.ndim):
            rows = np.moveaxis(p, axis, 0).reshape(p.shape[axis], -1)
            classes = _classes(rows)
            if len(classes) < len(rows):
                mass = rows.sum(1)
                merge = np.zeros((len(classes), len(rows)))
                for k, members in enumerate(classes):
                    merge[k, members] = 1
                p = np.moveaxis(np.tensordot(merge, p, (1, axis)), 0, axis)
                share = merge * mass
                channels[axis] = (share / share.sum(1, keepdims=True)) @ channels[axis]
                changed = True
    return Reduction(p, tuple(channels))


def _classes(rows: np.ndarray) -> list[list[int]]:
    """Groups of rows with equal normalised entries, in order of appearance; rows of zeros belong to
    none.
    """
    classes: list[list[int]] = []
    heads: list[np.ndarray] = []
    for k, row in enumerate(rows):
        mass = row.sum()
        if not mass > 0:
            continue
        shape = row / mass
        for group, head in zip(classes, heads, strict=True):
            if np.abs(shape - head).max() < SAME:
                group.append(k)
                break
        else:
            classes.append([k])
            heads.append(shape)
    return classes
