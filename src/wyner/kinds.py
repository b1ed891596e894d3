"""Kinds of the columns of a table, found from their values: what each is, and why.

>>> import numpy as np
>>> from wyner.kinds import kinds
>>> table = {"sex": ["f", "m", "f", "f"] * 30, "visits": np.arange(120) % 40 // 3 * 2}
>>> found = kinds(table)
>>> print(found)
sex     categorical  2 different texts: f, m
visits  counts       whole numbers from 0 to 26, 14 different ones
>>> found.space, found.encode(table)[1]
(Mixed(Categorical(1, 2), Counts(1)), array([1., 0.]))

Nothing is certain: 0, 1, 2 may be three species or numbers of children. So kinds are printed with
their reasons before training, and changed by name: `kinds(table, given={"visits": "continuous"})`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from wyner.errors import DataError, refuse_unknown, unknown
from wyner.variables import Binary, Categorical, Counts, Mixed, Positive, Real, Space

SPACES: dict[str, Callable[[int], Space]] = {
    "continuous": Real,
    "positive": Positive,
    "binary": Binary,
    "counts": Counts,
}
"""Spaces of n columns by kind; categorical ones need to know their categories."""
KINDS = (*SPACES, "categorical", "unused")

MOST_CATEGORIES = 10
"""Numbers that repeat are categories if there are at most so many."""
REPEATS = 5
"""Categories have so many rows each on average, or more."""
NEAR = 1 / 3
"""The smallest of counts is at most so much of their mean."""
DECADES = 2.0
"""Positive numbers may be read on a logarithmic scale if they range over so many powers of ten."""

Table = Any
"""Columns by name (a mapping, a frame, a structured array), or an array `(N, columns)`."""


@dataclass(frozen=True)
class ColumnKind:
    """What a column holds.

    Attributes:
        name: of the column.
        kind: "continuous", "positive", "binary", "categorical", "counts", or "unused" where there
            is nothing to learn from it.
        reason: why, in words.
        categories: values of a categorical column, and of a binary one that does not hold numbers;
            the code of a value is its place.
    """

    name: str
    kind: str
    reason: str
    categories: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Kinds:
    """Kinds of all columns of a table, in order; printed as a table.

    Attributes:
        columns: one record for each.
    """

    columns: tuple[ColumnKind, ...]

    def __str__(self) -> str:
        name, kind = (max(len(getattr(c, k)) for c in self.columns) for k in ("name", "kind"))
        return "\n".join(f"{c.name:{name}}  {c.kind:{kind}}  {c.reason}" for c in self.columns)

    @property
    def used(self) -> tuple[ColumnKind, ...]:
        """Columns that there is something to learn from."""
        return tuple(c for c in self.columns if c.kind != "unused")

    @property
    def space(self) -> Space:
        """The space of the columns that are used: `Mixed` unless all are numbers of one kind.

        Raises:
            DataError: none is used.
        """
        if not self.used:
            raise DataError(f"there is no column to learn from:\n{self}")
        parts: list[Space] = []
        for (kind, k), group in groupby(self.used, lambda c: (c.kind, len(c.categories))):
            n = len(list(group))
            parts.append(Categorical(n, k) if kind == "categorical" else SPACES[kind](n))
        one = len(parts) == 1 and not isinstance(parts[0], Categorical)
        return parts[0] if one else Mixed(parts)

    def encode(self, table: Table, names: Sequence[str] | None = None) -> np.ndarray:
        """The columns that are used as numbers, `(N, columns)`: categories as codes, NaN missing.

        Raises:
            DataError: a column that is missing, or a value that is none of its categories.
        """
        columns = _by_name(table, names)
        for c in self.used:
            if c.name not in columns:
                raise DataError(unknown("column", c.name, columns).replace("unknown", "missing", 1))
        return np.stack([_coded(columns[c.name], c) for c in self.used], 1)

    def decode(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """The inverse of `encode`: columns by name, codes as the categories that they stand for.

        Probabilities of two categories become the more probable one.
        """
        found = {}
        for c, column in zip(self.used, np.moveaxis(np.asarray(values), -1, 0), strict=True):
            labels = np.array(c.categories, object if any(map(_is_text, c.categories)) else None)
            codes = np.clip(np.round(column), 0, max(0, len(labels) - 1)).astype(int)
            found[c.name] = labels[codes] if len(labels) else column
        return found


def kinds(
    table: Table, names: Sequence[str] | None = None, given: Mapping[str, str] | None = None
) -> Kinds:
    """Finds the kind of every column.

        texts                                    categorical, or unused if hardly any repeats
        0 and 1, or truth values                 binary
        at most 10 different numbers, repeated   categorical
        1, 2, 3, ...                             unused, numbers of the rows
        whole numbers from 0 up                  counts, unless none is near 0 or they hardly vary
        positive, skewed, over two decades       positive
        anything else                            continuous

    Args:
        table: columns by name (a mapping, a frame, a structured array), or an array `(N, columns)`;
            None, NaN and blank texts are missing cells.
        names: of the columns of an array; by default column0, column1, ...
        given: kinds that are known, by name of the column.

    Raises:
        DataError: columns of other lengths, dates, infinite numbers, or a column that its given
            kind does not allow. OptionError: an unknown name or kind.
    """
    columns, given = _by_name(table, names), dict(given or {})
    refuse_unknown("column", given, columns, "given")
    refuse_unknown("kind", given.values(), KINDS, "given")
    found = (
        _as_told(name, values, given[name]) if name in given else _kind(name, values)
        for name, values in columns.items()
    )
    return Kinds(tuple(found))


def _by_name(table: Table, names: Sequence[str] | None) -> dict[str, np.ndarray]:
    """Columns by name, numbers as float64 with NaN where missing, texts as objects with None."""
    known = table if isinstance(table, Mapping) else getattr(table, "columns", None)
    known = getattr(getattr(table, "dtype", None), "names", None) if known is None else known
    if known is not None:
        raw: dict[str, Any] = {str(k): table[k] for k in known}
    else:
        array = table if isinstance(table, np.ma.MaskedArray) else np.asarray(table)
        if array.ndim != 2:
            raise DataError(f"expected an array (rows, columns), got shape {array.shape}")
        names = [f"column{i}" for i in range(array.shape[1])] if names is None else list(names)
        if len(names) != array.shape[1] or len(set(names)) < len(names):
            raise DataError(
                f"names: expected {array.shape[1]} different names, one a column, got"
                f" {len(names)}, {len(set(names))} of them different"
            )
        raw = {name: array[:, i] for i, name in enumerate(names)}
    columns = {name: _column(name, values) for name, values in raw.items()}
    if not columns or len({len(v) for v in columns.values()}) > 1:
        shown = ", ".join(f"{len(v)} in {k}" for k, v in columns.items())
        raise DataError(f"expected as many rows in every column, got {shown or 'no column'}")
    return columns


def _column(name: str, values: Any) -> np.ndarray:
    missing = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else False
    array = np.asarray(values, None if hasattr(values, "dtype") else object)
    if array.ndim != 1:
        raise DataError(f"{name}: expected one number or text a row, got shape {array.shape}")
    if array.dtype.kind in "mM":
        raise DataError(f"{name}: holds dates; expected numbers, such as days since the first one")
    if array.dtype.kind == "b":
        array = array.astype(object)
    if array.dtype.kind in "iuf":
        numbers = np.where(missing, np.nan, array.astype(np.float64))
    else:
        pairs = np.broadcast(array.astype(object), missing)
        cells = [None if gone else _cell(v) for v, gone in pairs]
        if {type(v) for v in cells if v is not None} != {float}:
            return np.array(cells, object)
        numbers = np.array([math.nan if v is None else v for v in cells])
    if (infinite := np.isinf(numbers)).any():
        raise DataError(f"{name}: row {int(infinite.argmax())} holds an infinite number")
    return numbers


def _cell(value: Any) -> Any:
    """A float, a truth value or a text; None if it is missing or blank."""
    if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | float | np.number):
        return float(value)
    return (value.decode() if isinstance(value, bytes) else str(value)).strip() or None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _there(values: np.ndarray) -> np.ndarray:
    """Cells that are not missing."""
    return values[[v is not None for v in values] if values.dtype == object else values == values]


def _kind(name: str, values: np.ndarray) -> ColumnKind:
    there = _there(values)
    if not len(there):
        return ColumnKind(name, "unused", "no value at all")
    distinct = _distinct(there)
    k, n, shown = len(distinct), len(there), _shown(distinct)
    if values.dtype == object:
        if set(distinct) <= {False, True} and k == 2:
            return ColumnKind(name, "binary", "truth values", (False, True))
        if k == 1 or k > max(2, n / 2):
            few = f"one text alone: {shown}" if k == 1 else f"{k} different texts in {n} rows"
            return ColumnKind(name, "unused", few + ", no categories to learn from")
        return ColumnKind(name, "categorical", f"{k} different texts: {shown}", distinct)
    x = there.astype(np.float64)
    low, high = float(x.min()), float(x.max())
    span, whole = f"from {low:g} to {high:g}", bool((x == x.round()).all())
    if distinct == (0.0, 1.0):
        return ColumnKind(name, "binary", "0 and 1 only")
    if k == 1:
        return ColumnKind(name, "continuous", f"always {low:g}")
    if k <= MOST_CATEGORIES and n >= REPEATS * k:
        text = f"{k} different numbers in {n} rows: {shown}"
        return ColumnKind(name, "categorical", text, distinct)
    if whole and low in (0, 1) and n > MOST_CATEGORIES and bool((np.diff(x) == 1).all()):
        return ColumnKind(name, "unused", f"{low:g}, {low + 1:g}, ...: numbers of the rows")
    if whole and low >= 0:
        text = f"whole numbers {span}, {k} different ones"
        if low > NEAR * x.mean():
            return ColumnKind(name, "continuous", f"{text}, all far from 0: rounded numbers")
        if x.var() >= 0.5 * x.mean():
            return ColumnKind(name, "counts", text)
        text += f", closer together than counts (variance {x.var():.3g}, mean {x.mean():.3g})"
        return ColumnKind(name, "continuous", text)
    if low > 0 and (decades := math.log10(high / low)) >= DECADES:
        skew, of_log = _skewness(x), _skewness(np.log(x))
        if skew > 1 and abs(of_log) < skew:
            text = f"positive and skewed ({skew:.1f}; its logarithm {of_log:.1f})"
            return ColumnKind(name, "positive", f"{text}, {span}: {decades:.1f} decades")
    return ColumnKind(name, "continuous", f"numbers {span}")


def _as_told(name: str, values: np.ndarray, kind: str) -> ColumnKind:
    """A column whose kind the user knows, refused if its values do not allow it."""
    there, reason = _there(values), "as given"
    if kind == "unused":
        return ColumnKind(name, kind, reason)
    distinct = _distinct(there)
    if kind == "categorical":
        if len(distinct) < 2:
            raise DataError(f"{name}: given as categorical, but holds {_shown(distinct) or 'none'}")
        return ColumnKind(name, kind, f"{reason}: {_shown(distinct)}", distinct)
    if kind == "binary" and len(distinct) == 2:
        return ColumnKind(name, kind, reason, () if distinct == (0.0, 1.0) else distinct)
    if values.dtype == object:
        raise DataError(f"{name}: given as {kind}, but holds texts or nothing: {_shown(distinct)}")
    x = there.astype(np.float64)
    allowed = {
        "binary": ("two different values", False),
        "positive": ("numbers above 0", bool((x > 0).all())),
        "counts": ("whole numbers from 0 up", bool(((x >= 0) & (x == x.round())).all())),
        "continuous": ("numbers", True),
    }
    needs, fits = allowed[kind]
    if not fits:
        raise DataError(
            f"{name}: given as {kind}, which needs {needs}, but holds {_shown(distinct)}"
        )
    return ColumnKind(name, kind, reason)


def _distinct(there: np.ndarray) -> tuple[Any, ...]:
    """Different values in order; texts after numbers."""
    if there.dtype != object:
        return tuple(np.unique(there).tolist())
    return tuple(sorted(set(there.tolist()), key=lambda v: (_is_text(v), v)))


def _shown(values: Sequence[Any], most: int = 5) -> str:
    text = [v if _is_text(v) else f"{v:g}" for v in values[:most]]
    return ", ".join([*text, "..."] if len(values) > most else text)


def _skewness(x: np.ndarray) -> float:
    centred = x - x.mean()
    return float((centred**3).mean() / ((centred**2).mean() ** 1.5 or 1.0))


def _coded(values: np.ndarray, c: ColumnKind) -> np.ndarray:
    """A column as numbers."""
    if not c.categories:
        if values.dtype == object:
            raise DataError(f"{c.name}: expected numbers, as in training, got texts")
        return values
    codes = {v: float(i) for i, v in enumerate(c.categories)}
    found = np.full(len(values), np.nan)
    for i, v in enumerate(values):
        if v is None or v != v:
            continue
        if v not in codes:
            raise DataError(
                f"{c.name}: row {i} holds {v!r}, which is none of its categories"
                f" {_shown(c.categories)}"
            )
        found[i] = codes[v]
    return found
