"""Pairs of rows as estimators read them: each side a list of categories or columns of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from wyner.errors import DataError, OptionError, unknown

KINDS = ("auto", "discrete", "continuous")
WIDEST = 256
"""Columns that a network reads of categories."""
FEW, LEAST = 32, 20
"""A column of whole numbers with at most so many values is read as categories; rows, at least."""


@dataclass(frozen=True)
class Side:
    """One of the two variables.

    Attributes:
        values: `(N, d)` numbers of mean 0 and deviation 1 a column (constant columns left out), or
            `(N,)` codes 0, 1, ...
        levels: number of categories; 0 for numbers.
        columns: of categories made of several columns, the codes of each, `(N, c)`.
    """

    values: np.ndarray
    levels: int
    columns: np.ndarray | None = None

    @property
    def discrete(self) -> bool:
        """Whether the values are categories."""
        return self.levels > 0

    @cached_property
    def numbers(self) -> np.ndarray:
        """What a network reads: the columns, or one column a category, `(N, d)` float32."""
        if not self.discrete:
            return self.values.astype(np.float32)
        return self.indicators(WIDEST).astype(np.float32)

    def indicators(self, most: int) -> np.ndarray:
        """A column of 0 and 1 for each of the most frequent categories, `(N, k)`.

        Of categories that are made of several columns: of the categories of each column.
        """
        columns = self.values[:, None] if self.columns is None else self.columns
        each = max(2, most // columns.shape[1])
        found = []
        for codes in columns.T:
            kept = np.argsort(-np.bincount(codes), kind="stable")[:each]
            found.append(codes[:, None] == np.sort(kept))
        every = np.concatenate(found, 1)[:, :most]
        return every[:, every.any(0)].astype(np.float64)

    def rows(self, chosen: np.ndarray) -> Side:
        """The side with some of its rows."""
        columns = None if self.columns is None else self.columns[chosen]
        if not self.discrete:
            return Side(self.values[chosen], 0)
        codes = np.unique(self.values[chosen], return_inverse=True)[1].reshape(-1)
        return Side(codes, int(codes.max()) + 1, columns)


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

    @property
    def kind(self) -> str:
        """discrete, continuous or mixed."""
        both = {self.x.discrete, self.y.discrete}
        return "mixed" if len(both) == 2 else "discrete" if True in both else "continuous"

    def first(self, most: int) -> Sample:
        """The first rows, at most so many."""
        rows = np.arange(min(most, len(self)))
        return (
            self
            if len(rows) == len(self)
            else Sample(self.x.rows(rows), self.y.rows(rows), self.seed)
        )

    def shuffled(self, order: np.ndarray) -> Sample:
        """The rows of y in another order."""
        return Sample(self.x, self.y.rows(order), self.seed)

    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Two disjoint halves of the rows: each is measured with what the other has taught."""
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
    a, b = (len(s.values) for s in sides)
    if a != b:
        raise DataError(f"estimate: expected as many rows in x as in y, got {a} and {b}")
    if a < LEAST:
        raise DataError(f"estimate: expected at least {LEAST} pairs, got {a}")
    return Sample(sides[0], sides[1], seed)


def _side(name: str, given: Any, kind: str) -> Side:
    array = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
    if array.ndim == 0 or array.size == 0:
        raise DataError(
            f"{name}: expected an array with a row for each pair, got shape {array.shape}"
        )
    flat = array.reshape(len(array), -1)
    missing = ~np.isfinite(flat) if flat.dtype.kind == "f" else np.zeros(flat.shape, bool)
    if flat.dtype.kind == "O":  # None and NaN among objects
        missing = np.vectorize(lambda v: v is None or v != v, otypes=[bool])(flat)
    if missing.any():
        raise DataError(
            f"{name}: expected finite numbers, got others in row {np.argwhere(missing)[0, 0]}; rows"
            " with missing values have to be dropped first"
        )
    if kind == "discrete" or (kind == "auto" and _categories(flat)):
        flat = flat.astype(str) if flat.dtype.kind == "O" else flat
        columns = np.stack([_codes(column) for column in flat.T], 1)
        codes = columns[:, 0]
        for column in columns.T[1:]:  # pair by pair, so that no number grows beyond N^2
            codes = _codes(codes * (int(column.max()) + 1) + column)
        return Side(codes, int(codes.max()) + 1, columns if columns.shape[1] > 1 else None)
    try:
        numbers = flat.astype(np.float64)
    except ValueError:
        raise DataError(
            f"{name}: expected numbers for a continuous side, got values of type {array.dtype}"
        ) from None
    if not np.isfinite(numbers).all():
        raise DataError(f"{name}: expected finite numbers, got some that are not")
    centred = numbers - numbers.mean(0)
    deviation = centred.std(0)
    kept = deviation > 1e-9 * np.abs(numbers).max(0).clip(1e-300)
    if not kept.any():
        raise DataError(f"{name}: expected at least one column that changes; all are constant")
    return Side(centred[:, kept] / deviation[kept], 0)


def _codes(values: np.ndarray) -> np.ndarray:
    """Values as 0, 1, ... in their order, `(N,)`."""
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _categories(flat: np.ndarray) -> bool:
    """Whether columns hold whole numbers, booleans or texts, and few of them."""
    flat = flat.astype(str) if flat.dtype.kind == "O" else flat
    whole = flat.dtype.kind in "biuUS" or (flat.dtype.kind == "f" and (flat == flat.round()).all())
    return whole and all(len(np.unique(column)) <= FEW for column in flat.T)
