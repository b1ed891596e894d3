"""Pairs of rows as estimators read them: each side a list of categories or columns of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from wyner.errors import DataError, OptionError, unknown

KINDS = ("auto", "discrete", "continuous")
FEW = 32
"""A column of whole numbers with at most this many values is read as categories."""


@dataclass(frozen=True)
class Side:
    """One of the two variables.

    Attributes:
        values: `(N, d)` numbers of mean 0 and deviation 1 a column (constant columns left out), or
            `(N,)` codes 0, 1, ...
        levels: number of categories; 0 for numbers.
    """

    values: np.ndarray
    levels: int

    @property
    def discrete(self) -> bool:
        """Whether the values are categories."""
        return self.levels > 0

    @cached_property
    def numbers(self) -> np.ndarray:
        """What a network reads: the columns, or one column a category, `(N, d)` float32."""
        if not self.discrete:
            return self.values.astype(np.float32)
        return np.eye(self.levels, dtype=np.float32)[self.values]

    def __getitem__(self, rows: np.ndarray) -> Side:
        return Side(self.values[rows], self.levels)


@dataclass(frozen=True)
class Sample:
    """N independent draws of a pair.

    Attributes:
        x, y: the two sides.
        seed: of every random choice of an estimator.
    """

    x: Side
    y: Side
    seed: int

    def __len__(self) -> int:
        return len(self.x.values)

    def __getitem__(self, rows: np.ndarray) -> Sample:
        return Sample(self.x[rows], self.y[rows], self.seed)

    @property
    def kind(self) -> str:
        """discrete, continuous or mixed."""
        both = {self.x.discrete, self.y.discrete}
        return "mixed" if len(both) == 2 else "discrete" if True in both else "continuous"

    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Two disjoint sets of rows of nearly equal size, by the seed: each is measured with what
        the other has taught.
        """
        order = np.random.default_rng([self.seed, 20]).permutation(len(self))
        cut = len(self) // 2
        return np.sort(order[:cut]), np.sort(order[cut:])


def read(x: Any, y: Any, kinds: tuple[str, str] = ("auto", "auto"), seed: int = 0) -> Sample:
    """Checked pairs.

    Whole numbers, booleans and texts are categories if no column has more than 32 values; other
    numbers are continuous. Rows of several such columns are one category each.

    Args:
        x, y: `(N, ...)` arrays or tensors; row i of one belongs to row i of the other.
        kinds: "auto", "discrete" or "continuous", for x and y.
        seed: of what the estimators choose at random.

    Raises:
        DataError: rows that do not pair up, too few, or values that are not finite. OptionError: an
            unknown kind.
    """
    sides = []
    for name, given, kind in (("x", x, kinds[0]), ("y", y, kinds[1])):
        if kind not in KINDS:
            raise OptionError(f"{name}: {unknown('kind', kind, KINDS)}")
        sides.append(_side(name, given, kind))
    counts = [len(s.values) for s in sides]
    if counts[0] != counts[1]:
        raise DataError(
            f"estimate: expected as many rows in x as in y, got {counts[0]} and {counts[1]}"
        )
    if counts[0] < 50:
        raise DataError(f"estimate: expected at least 50 pairs, got {counts[0]}")
    return Sample(sides[0], sides[1], seed)


def _side(name: str, given: Any, kind: str) -> Side:
    array = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
    if array.ndim == 0 or array.size == 0:
        raise DataError(
            f"{name}: expected an array with a row for each pair, got shape {array.shape}"
        )
    flat = array.reshape(len(array), -1)
    if kind == "discrete" or (kind == "auto" and _categories(flat)):
        return _discrete(flat)
    try:
        numbers = flat.astype(np.float64)
    except ValueError:
        raise DataError(
            f"{name}: expected numbers for a continuous side, got values of type {array.dtype}"
        ) from None
    if not np.isfinite(numbers).all():
        raise DataError(
            f"{name}: expected finite numbers; rows with missing values have to be dropped first"
        )
    numbers = numbers - numbers.mean(0)
    deviation = numbers.std(0)
    kept = deviation > 1e-9 * np.abs(flat.astype(np.float64)).max(0).clip(1e-300)
    if not kept.any():
        raise DataError(f"{name}: expected at least one column that changes; all are constant")
    return Side(numbers[:, kept] / deviation[kept], 0)


def _categories(flat: np.ndarray) -> bool:
    if flat.dtype.kind in "f":
        if not np.isfinite(flat).all() or not (flat == np.round(flat)).all():
            return False
    elif flat.dtype.kind not in "biuUSO":
        return False
    return all(len(np.unique(column)) <= FEW for column in flat.T)


def _discrete(flat: np.ndarray) -> Side:
    if flat.dtype.kind == "O":
        flat = flat.astype(str)
    _, codes = np.unique(flat, axis=0, return_inverse=True)
    codes = codes.reshape(-1)
    return Side(codes.astype(np.int64), int(codes.max()) + 1)
