"""A table: rows with ids, views of named columns, missing cells; and tables side by side by id."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from wyner.errors import DataError, OptionError, unknown
from wyner.kinds import Kinds, kinds

LABELS = ("label", "labels")
IDS = ("id", "ids", "index", "sample", "sample_id", "sampleid", "obs_names", "name")
METADATA = frozenset(
    {"batch", "donor", "patient", "subject", "subtype", "class", "target", "outcome"}
    | {"group", "cluster", "fold", "split"}
)
"""Names of columns that are about rows, not measured in them; one can name them all the same."""
MARKS = (":", "/", ".", "__")
"""What may stand between the name of a view and that of its column."""


@dataclass(frozen=True)
class View:
    """Measurements of one kind: what becomes a modality.

    Attributes:
        values: numbers `(N, *event)`; or sparse `(N, d)`, which stays so; or objects `(N, d)`,
            where some columns hold texts.
        columns: names of the d columns of `(N, d)`; none for arrays without.
        missing: cells without a value, bool of the shape of `values`; None if there is none. What
            stands in their place means nothing.
    """

    values: Any
    columns: tuple[str, ...] = ()
    missing: np.ndarray | None = None

    def rows(self, index: np.ndarray) -> View:
        """Some of the rows."""
        missing = None if self.missing is None else self.missing[index]
        return View(self.values[index], self.columns, missing)

    @property
    def incomplete(self) -> np.ndarray:
        """Rows with a missing cell, bool `(N,)`."""
        return np.asarray(self.absent.any(1))

    @property
    def absent(self) -> np.ndarray:
        """Cells without a value, bool `(N, cells)`, whether there are any or not."""
        rows = self.values.shape[0]
        if self.missing is None:
            return np.zeros((rows, 1), bool)
        return self.missing.reshape(rows, -1)

    @property
    def named(self) -> tuple[str, ...]:
        """Names of the columns, by their number where they have none."""
        return self.columns or tuple(f"column{i}" for i in range(self.values.shape[1]))

    def kinds(self, given: Mapping[str, str] | None = None) -> Kinds:
        """What each column of `(N, d)` holds, found from its values.

        Args:
            given: kinds that are known, by name of the column.
        """
        gone = np.broadcast_to(self.absent, self.values.shape)
        columns = zip(self.named, np.asarray(self.values).T, gone.T, strict=True)
        table = {k: cells(v, m) for k, v, m in columns}
        return kinds(table, given={k: v for k, v in (given or {}).items() if k in table})


def cells(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """A column with NaN, or None between texts, where a cell is missing."""
    found = values.copy() if values.dtype == object else values.astype(np.float64)
    found[missing] = None
    return found


@dataclass(frozen=True)
class Table:
    """Rows of any number of views.

    Attributes:
        name: what to call it.
        views: by name.
        ids: of the rows, texts; None if they have none.
        label: of the rows, `(N,)`, numbers or texts; None if nobody named one.
        covariates: of the rows, by name: given, never generated.
        left_out: columns and arrays that are in no view.
        notes: what happened to rows and columns, in sentences.
        counted: whether ids only count the rows, as a frame without an index of its own does.
    """

    name: str
    views: Mapping[str, View]
    ids: np.ndarray | None = None
    label: np.ndarray | None = None
    covariates: Mapping[str, np.ndarray] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    counted: bool = False

    def __len__(self) -> int:
        return next((v.values.shape[0] for v in self.views.values()), 0)

    def rows(self, index: np.ndarray) -> Table:
        """Some of the rows, in this order."""
        pick = lambda v: None if v is None else v[index]
        return replace(
            self,
            views={k: v.rows(index) for k, v in self.views.items()},
            ids=pick(self.ids),
            label=pick(self.label),
            covariates={k: v[index] for k, v in self.covariates.items()},
        )

    def ordered(self) -> Table:
        """The same rows in the order of their ids, so that no result depends on that of a file."""
        if self.ids is None:
            return self
        order = np.argsort(_sortable(self.ids), kind="stable")
        return self if (order == np.arange(len(order))).all() else self.rows(order)

    def __str__(self) -> str:
        shown = ", ".join(
            f"{k}: {' x '.join(map(str, v.values.shape[1:])) or 1}" for k, v in self.views.items()
        )
        return "\n".join([f"{self.name}: {len(self)} rows; {shown}", *self.notes])


@dataclass(frozen=True)
class Found:
    """What stands in a source before anybody said what is what.

    Attributes:
        name: of the source.
        arrays: blocks of numbers `(N, *event)`, by name.
        columns: one value a row, numbers (NaN where missing) or texts, by name.
        ids: of the rows, if the source says so itself.
        counted: as in `Table`.
    """

    name: str
    arrays: Mapping[str, View]
    columns: Mapping[str, np.ndarray]
    ids: np.ndarray | None = None
    counted: bool = False


def assembled(
    found: Found,
    views: Mapping[str, Any] | Sequence[str] | None = None,
    label: str | None = None,
    covariates: Sequence[str] = (),
    ids: str | None = None,
    alone: str = "x",
) -> Table:
    """A table of what stands in a source.

    Args:
        found: all of it.
        views: names of columns by view, `*` and `?` standing for any text: `{"rna": "ENSG*"}`; or
            names of arrays. By default every array is a view; columns are one view for each text
            before a mark (`rna:TP53`), or one view together.
        label, covariates, ids: names of columns.
        alone: what to call the only view.

    Raises:
        DataError, OptionError: names that are not there, columns of texts in a view.
    """
    columns = dict(found.columns)
    everything = {*columns, *found.arrays}

    def taken(name: str | None, what: str) -> np.ndarray | None:
        if name is None:
            return None
        if name not in everything:
            raise OptionError(f"{found.name}: {what}: {unknown('column', name, everything)}")
        return columns[name] if name in columns else np.asarray(found.arrays[name].values)

    special = {label, ids, *covariates} - {None}
    chosen = next((k for k in (*LABELS, "Label") if k in columns and k not in special), None)
    label = label or (chosen if not _named_in(views, chosen) else None)
    names = taken(ids, "ids")
    own = found.ids
    if names is None and (own is None or found.counted):
        ids = next((k for k in columns if _identifies(k, columns[k], columns)), None)
        names = taken(ids, "ids")
    special = {label, ids, *covariates} - {None}
    free = {k: v for k, v in columns.items() if k not in special}
    arrays = {k: v for k, v in found.arrays.items() if k not in special}
    made, left = _views(found.name, free, arrays, views, alone)
    notes: tuple[str, ...] = ()
    if left:
        shown = ", ".join(left[:8]) + (f" and {len(left) - 8} more" if len(left) > 8 else "")
        notes = (
            f"{found.name}: left out, because nobody named them: {shown}; name them with views=,"
            " label= or covariates= to use them.",
        )
    return Table(
        found.name,
        made,
        own if names is None else np.array([text_of(v) for v in names.reshape(-1)]),
        taken(label, "label"),
        {k: v for k in covariates if (v := taken(k, "covariates")) is not None},
        tuple(left),
        notes,
        found.counted and names is None,
    )


def aligned(tables: Sequence[Table], name: str) -> Table:
    """Tables side by side: by the ids of their rows if they have some, else by position.

    Rows that are not in every table, or stand twice in one, are left out, and the notes say how
    many.

    Raises:
        DataError: no common id, ids in some tables only, other numbers of rows.
    """
    real = [t for t in tables if t.ids is not None and not t.counted]
    notes = [n for t in tables for n in t.notes]
    if not real:
        rows = {t.name: len(t) for t in tables}
        if len(set(rows.values())) > 1:
            raise DataError(
                f"{name}: expected the same number of rows in every array, got"
                f" {', '.join(f'{n} of {k}' for k, n in rows.items())}; rows of other tables are"
                " paired by ids: name their column with ids="
            )
    else:
        if lacking := [t.name for t in tables if t.ids is None]:
            raise DataError(
                f"{name}: {real[0].name} has ids of its rows and {lacking[0]} has none; name their"
                " column with ids=, or give all without"
            )
        tables, said = _by_id(tables, name)
        notes += said
    views: dict[str, View] = {}
    for t in tables:
        if twice := set(t.views) & set(views):
            raise DataError(f"{name}: two tables have a view called {sorted(twice)[0]}")
        views |= t.views
    return Table(
        name,
        views,
        tables[0].ids,
        next((t.label for t in tables if t.label is not None), None),
        {k: v for t in tables for k, v in t.covariates.items()},
        tuple(k for t in tables for k in t.left_out),
        tuple(notes),
        not real and any(t.counted for t in tables),
    )


def _by_id(tables: Sequence[Table], name: str) -> tuple[list[Table], list[str]]:
    places, twice = [], set[str]()
    for t in tables:
        assert t.ids is not None
        values, counts = np.unique(t.ids, return_counts=True)
        twice |= set(values[counts > 1].tolist())
        places.append({k: i for i, k in enumerate(t.ids.tolist())})
    common = set.intersection(*map(set, places))
    kept = np.array([k for k in places[0] if k in common and k not in twice], dtype=str)
    shown = ", ".join(t.name for t in tables)
    if not common:
        first = [next(iter(p)) for p in places]
        raise DataError(
            f"{name}: no row is in all of {shown}: their ids do not overlap, the first are"
            f" {', '.join(first)}; name the column of common ids with ids="
        )
    if not len(kept):
        raise DataError(f"{name}: every row that is in all of {shown} stands twice in one of them")
    kept = kept[np.argsort(_sortable(kept), kind="stable")]
    only = ", ".join(
        f"{len(set(p) - common)} in {t.name} only"
        if len(tables) == 2
        else f"{len(set(p) - common)} of {t.name} not in all"
        for t, p in zip(tables, places, strict=True)
    )
    said = f"{name}: {len(kept)} rows are in all of {shown}, paired by id; left out: {only}"
    said += f", {len(twice)} that stand twice." if twice else "."
    index = [np.array([p[k] for k in kept.tolist()]) for p in places]
    return [t.rows(i) for t, i in zip(tables, index, strict=True)], [said]


def plain(view: str) -> str:
    """A name that may stand in a law: letters, digits and underscores."""
    return re.sub(r"\W+", "_", view).strip("_") or "x"


def text_of(value: Any) -> str:
    """An id as text: 5, 5.0 and "5" are one id."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _sortable(ids: np.ndarray) -> np.ndarray:
    try:
        return ids.astype(np.int64)
    except (ValueError, OverflowError):
        return ids


def _identifies(name: str, column: np.ndarray, columns: Mapping[str, np.ndarray]) -> bool:
    """Whether a column names the rows: by its own name, or as the first one, of different texts."""
    if len(np.unique(column)) < len(column):
        return False
    first = name == next(iter(columns))
    return name.lower() in IDS or (first and (name == "" or column.dtype.kind in "US"))


def _named_in(views: Any, name: str | None) -> bool:
    if not isinstance(views, Mapping):
        return name in (views or ())
    return any(name in ([v] if isinstance(v, str) else v) for v in views.values())


def _views(
    name: str,
    columns: Mapping[str, np.ndarray],
    arrays: Mapping[str, View],
    views: Mapping[str, Any] | Sequence[str] | None,
    alone: str,
) -> tuple[dict[str, View], list[str]]:
    """The views, and the names of what is in none."""
    if views is not None and not isinstance(views, Mapping):
        views = {k: k for k in ([views] if isinstance(views, str) else views)}
    if views is not None:
        return _chosen(name, columns, arrays, views)
    numbers = {
        k: v
        for k, v in columns.items()
        if v.dtype.kind in "buif" and k.lower() not in METADATA and k != ""
    }
    if arrays:  # what stands beside whole arrays is about their rows, but for x and y themselves
        made = dict(arrays)
        made |= {k: _side_by_side({k: v}) for k, v in numbers.items() if k in ("x", "y")}
    else:
        made = _prefixed(numbers) or ({alone: _side_by_side(numbers)} if numbers else {})
    used = {c for v in made.values() for c in v.columns} | set(made)
    if not arrays and len(made) > 1:
        used |= {k for k in numbers if _split(k) is not None}
    return made, [k for k in columns if k not in used]


def _chosen(
    name: str,
    columns: Mapping[str, np.ndarray],
    arrays: Mapping[str, View],
    views: Mapping[str, Any],
) -> tuple[dict[str, View], list[str]]:
    """The views that somebody named."""
    made: dict[str, View] = {}
    used: set[str] = set()
    for view, wanted in views.items():
        patterns = [wanted] if isinstance(wanted, str) else list(wanted)
        if len(patterns) == 1 and patterns[0] in arrays:
            made[view] = arrays[patterns[0]]
            used.add(patterns[0])
            continue
        chosen: dict[str, np.ndarray] = {}
        for pattern in patterns:
            hits = [pattern] if pattern in columns else fnmatch.filter(columns, pattern)
            if not hits:
                known = {*columns, *arrays}
                raise OptionError(f"{name}: views: {unknown('column', pattern, known)}")
            chosen |= {k: columns[k] for k in hits}
        made[view] = _side_by_side(chosen)
        used |= set(chosen)
    if twice := [k for k in used if sum(k in v.columns for v in made.values()) > 1]:
        raise OptionError(f"{name}: views: column {twice[0]} is in two views")
    return made, [k for k in (*columns, *arrays) if k not in used]


def _split(name: str) -> tuple[str, str] | None:
    """The view and the column in a name such as `rna:TP53`."""
    for mark in MARKS:
        before, found, after = name.partition(mark)
        if found and before and after:
            return before, after
    return None


def _prefixed(columns: Mapping[str, np.ndarray]) -> dict[str, View]:
    """A view for each text before a mark, if there are at least two; none otherwise."""
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, values in columns.items():
        if (parts := _split(name)) is not None:
            groups.setdefault(parts[0], {})[parts[1]] = values
    if len(groups) < 2 or 2 * sum(map(len, groups.values())) < len(columns):
        return {}
    return {plain(k): _side_by_side(v) for k, v in groups.items()}


def _side_by_side(columns: Mapping[str, np.ndarray]) -> View:
    """A view of columns of numbers, float64; with columns of texts, objects."""
    texts = [v.dtype.kind not in "buif" for v in columns.values()]
    as_one = [v.astype(object if any(texts) else np.float64) for v in columns.values()]
    values = np.stack(as_one, 1)
    gone = [v == "" if t else np.isnan(v.astype(float)) for v, t in zip(columns.values(), texts)]
    missing = np.stack(gone, 1)
    return View(values, tuple(columns), missing if missing.any() else None)
