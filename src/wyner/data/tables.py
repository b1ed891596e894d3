"""A user's own tables as a data set: parts, spaces, and what standardises them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from wyner.arrays import to_tensor
from wyner.data.dataset import Dataset
from wyner.data.readers import read
from wyner.data.table import Table, View, cells
from wyner.errors import DataError, OptionError
from wyner.families import Family, Gaussian, Trainable
from wyner.kinds import Kinds
from wyner.preprocessing import Preprocessing, Scaling, steps_of
from wyner.seeds import DATA, mix
from wyner.sparse import SparseRows, is_sparse
from wyner.variables import Binary, Image, Mixed, Real, Space, check_finite

READING = dict(views=None, label=None, covariates=(), ids=None, layer=None)
"""How a source becomes a table."""
Known = Literal["auto"] | Mapping[str, str] | None
"""Kinds of columns: to be found, those that are known by name, or none."""
LOST = 0.5
"""The largest share of rows that may lack a view because of a few cells."""


def from_tables(
    source: Any = None,
    *,
    files: Mapping[str, str] | None = None,
    views: Any = None,
    label: str | None = None,
    covariates: Sequence[str] | str = (),
    ids: str | None = None,
    layer: str | None = None,
    name: str | None = None,
    kinds: Known = None,
    standardise: bool | str | Mapping[str, str | bool] = True,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Pairs from tables: a file, a frame, or several by the view they are.

    Arrays are kept in their own units. Spaces are read off: uint8 arrays with two or three axes per
    row are images, arrays of zeros and ones are binary, all else is real and standardised column by
    column with the mean and deviation of the training rows, where a model takes it.

    Args:
        source: whatever `wyner.data.read` takes.
        files: paths by view, in place of a source.
        views, label, covariates, ids, layer, name: of `wyner.data.read`.
        kinds: "auto" to find out what each column of a view holds (`wyner.kinds`), with a density
            of its own; or kinds by name of the column, the others being found; None takes all
            numbers as continuous, unless they are 0 and 1 only.
        standardise: whether real columns are centred and scaled; or "log1p" for log(1 + x) before
            that, for all or by view.
        validation, test: shares of the rows to set aside, drawn once with `seed`.
        seed: of that choice.

    Raises:
        DataError: fewer than two views, other numbers of rows, no rows, infinite numbers.
    """
    if (source is None) == (files is None):
        raise OptionError("tables: expected a source, or files by view: files={'x': 'x.csv', ...}")
    given = dict(files) if source is None and files is not None else source
    reading: dict[str, Any] = dict(
        views=views, label=label, covariates=covariates, ids=ids, layer=layer
    )
    table = read(given, **reading, name=name)
    how: dict[str, Any] = dict(
        kinds=kinds, standardise=standardise, validation=validation, test=test, seed=seed
    )
    made = dataset_of(table, **how)
    if kinds is None:
        del how["kinds"]
    changed = {k: v for k, v in reading.items() if v != READING[k]}
    where: dict[str, Any] = {}
    if isinstance(given, (str, Path)):
        where = {"name": str(Path(given).resolve())}
    elif isinstance(given, Mapping) and all(isinstance(v, (str, Path)) for v in given.values()):
        where = {"name": "tables", "files": {k: str(Path(v).resolve()) for k, v in given.items()}}
    return replace(made, source={**where, **changed, **how} if where else {})


def from_arrays(arrays: Mapping[str, Any], *, name: str = "pairs", **options: Any) -> Dataset:
    """Pairs from arrays with the same number of rows, by modality; also `label`, and `x_mask` for
    rows that lack x. Options as in `from_tables`.

    Raises:
        DataError: fewer than two modalities, other numbers of rows, no rows, infinite numbers.
    """
    return from_tables(dict(arrays), name=name, **options)


def dataset_of(
    table: Table,
    *,
    standardise: bool | str | Mapping[str, str | bool] = True,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    kinds: Known = None,
    spaces: Mapping[str, Space] | None = None,
) -> Dataset:
    """A table in parts, in its own units, with what standardises it; see `from_tables`.

    Args:
        spaces: of a model that is there already; read off the values by default.
    """
    name, known = table.name, dict(spaces or {})
    if len(table.views) < 2 and not known:
        has = ", ".join((*table.views, *table.left_out)) or "none"
        raise DataError(
            f"{name}: expected at least two arrays or views, for example x and y; got {has}; say"
            " which columns belong together: views={'x': [...], 'y': [...]}, or x:NAME, y:NAME"
        )
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise OptionError(
            f"{name}: expected shares validation + test below 1, got {validation} and {test}"
        )
    steps = steps_of(standardise, list(table.views))
    table = _without_empty(table)
    count = len(table)
    sizes = {k: v.values.shape for k, v in table.views.items()}
    if count == 0 or any(0 in shape for shape in sizes.values()):
        shown = ", ".join(f"{k} {shape}" for k, shape in sizes.items())
        raise DataError(f"{name}: the arrays are empty: {shown}")
    if count < 2:
        raise DataError(f"{name}: one row is not enough to train on; expected at least 2")
    parts = split(count, validation, test, seed)
    spaces = {}
    families: dict[str, Family] = {}
    scalings: dict[str, Scaling] = {}
    values: dict[str, Any] = {}
    found: dict[str, Kinds] = {}
    columns: dict[str, tuple[str, ...]] = {}
    for k, view in table.views.items():
        there = ~view.incomplete
        if kinds is not None and view.values.ndim == 2 and isinstance(view.values, np.ndarray):
            found[k] = view.kinds(None if kinds == "auto" else kinds)
            spaces[k], view = found[k].space, _coded(view, found[k])
            values[k] = _filled(view, there)
        else:
            spaces[k], values[k] = _space(view, there, k)
        spaces[k] = known.get(k, spaces[k])
        if view.columns:
            columns[k] = view.columns
        if not there.all():
            values[f"{k}_mask"] = there.astype(np.float32)
        if isinstance(spaces[k], Real):
            families[k] = Gaussian(Trainable(per="coordinate"))
        real = real_columns(spaces[k])
        if real.any() and steps[k] != "none":
            rest = parts[0][there[parts[0]]]
            train = values[k][rest if len(rest) else parts[0]]
            scalings[k] = Scaling.fitted(train, steps[k] == "log1p", real)
    if table.label is not None:
        values["label"], named = _codes(table.label)
    made = [{k: v[i] for k, v in values.items()} for i in parts]
    if not len(parts[2]):
        made[2] = made[0]
    notes = [*table.notes]
    notes.append(
        f"{count} rows, of which {len(parts[1])} for validation and {len(parts[2])} to test."
    )
    if table.label is not None and named:
        notes.append("label: " + ", ".join(f"{i} is {v}" for i, v in enumerate(named[:12])) + ".")
    if scalings:
        shift = {k: float(np.log(s.deviation).sum()) for k, s in scalings.items()}
        shown = ", ".join(f"{v:.3f} nats from the nll of {k}" for k, v in shift.items())
        notes.append(
            "Real columns are standardised inside the model; values and likelihoods are in the"
            f" units of the data. Subtract {shown} for standardised columns."
        )
    notes += [f"{k}: {line}." for k, v in found.items() for line in str(v).splitlines()[:40]]
    both_images = all(isinstance(s, Image) for s in spaces.values())
    return Dataset(
        name,
        made[0],
        made[1] if len(parts[1]) else {},
        made[2],
        spaces,
        {},
        {},
        families,
        tuple(notes),
        "image" if both_images else "vector",
        Preprocessing(scalings, columns, found),
        columns,
    )


def real_columns(space: Space) -> np.ndarray:
    """Which coordinates of a space are real numbers, bool `(*event)`."""
    if isinstance(space, Mixed):
        parts = [np.full(p.columns, isinstance(p, Real)) for p in space.parts]
        return np.concatenate(parts)
    return np.full(space.event_shape, isinstance(space, Real))


def _coded(view: View, found: Kinds) -> View:
    """The columns that are used, as numbers: codes in place of texts."""
    at = [i for i, c in enumerate(found.columns) if c.kind != "unused"]
    gone = np.broadcast_to(view.absent, view.values.shape)
    numbers = np.full((view.values.shape[0], len(at)), np.nan)
    for j, (i, c) in enumerate(zip(at, found.used, strict=True)):
        column, texts = (
            cells(view.values[:, i], gone[:, i]),
            any(isinstance(v, str) for v in c.categories),
        )
        coded = Kinds((c,)).encode({c.name: column})[:, 0] if texts else column
        numbers[:, j] = coded.astype(np.float64)
    missing = None if view.missing is None else view.missing[:, at]
    return View(numbers, tuple(c.name for c in found.used), missing)


def split(count: int, validation: float, test: float, seed: int) -> list[np.ndarray]:
    """Rows to train, to validate and to test on, in order: a function of the seed."""
    order = np.random.default_rng(mix(seed, DATA)).permutation(count)
    held, tested = round(validation * count), max(1, round(test * count)) if test else 0
    cuts = order[held + tested :], order[:held], order[held : held + tested]
    return [np.sort(part) for part in cuts]


def all_rows(table: Table, known: Preprocessing | None = None) -> dict[str, Any]:
    """All rows of a table as arrays by name, masks of its views beside them.

    Args:
        known: of a trained model, for what its columns hold.
    """
    values: dict[str, Any] = {}
    kinds = {} if known is None else known.kinds
    for k, view in table.views.items():
        there = ~view.incomplete
        if k in kinds:
            values[k] = _filled(_coded(view, Kinds(kinds[k].used)), there)
        else:
            _, values[k] = _space(view, there, k)
        if not there.all():
            values[f"{k}_mask"] = there.astype(np.float32)
    if table.label is not None:
        values["label"], _ = _codes(table.label)
    return values


def _without_empty(table: Table) -> Table:
    """The table without columns that have no value at all, and rows that lack every view."""
    views, notes = dict(table.views), list(table.notes)
    for k, view in table.views.items():
        if view.missing is None:
            continue
        empty = np.asarray(view.missing.all(0))
        if view.missing.ndim == 2 and empty.any() and not empty.all():
            shown = [view.columns[i] if view.columns else str(i) for i in np.flatnonzero(empty)]
            notes.append(f"{k}: left out, because no row has a value: {', '.join(shown[:8])}.")
            names = tuple(c for c, gone in zip(view.columns, empty) if not gone)
            view = View(view.values[:, ~empty], names, view.missing[:, ~empty])
            views[k] = view
        lost, cells = view.incomplete, view.absent
        partly = lost & ~cells.all(1)
        if lost.mean() > LOST and partly.any():
            at = int(cells[partly].sum(0).argmax())
            column = view.columns[at] if view.columns else f"column {at}"
            raise DataError(
                f"{table.name}: {lost.sum()} of {len(lost)} rows of {k} lack a cell, most of them"
                f" {column}, and models take whole rows only; leave such columns out or impute them"
            )
        if lost.any():
            notes.append(
                f"{k}: {int(lost.sum())} of {len(lost)} rows have a missing cell and count as rows"
                f" without {k}."
            )
    table = replace(table, views=views, notes=tuple(notes))
    none = np.all([v.incomplete for v in views.values()], axis=0) if views else np.zeros(0, bool)
    if none.any() and not none.all():
        note = f"{int(none.sum())} rows have no whole view and are left out."
        table = replace(table.rows(np.flatnonzero(~none)), notes=(*notes, note))
    return table


def _codes(label: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Labels as numbers, and what texts the numbers stand for."""
    if label.dtype.kind not in "US":
        return label, []
    names, codes = np.unique(label, return_inverse=True)
    return codes.astype(np.int64), names.tolist()


def _filled(view: View, there: np.ndarray) -> Any:
    """The numbers, 0 in rows that are not whole."""
    if is_sparse(view.values):
        return SparseRows(view.values)
    if there.all():
        return view.values
    shape = (-1, *[1] * (view.values.ndim - 1))
    return np.where(there.reshape(shape), view.values, np.zeros((), view.values.dtype))


def _space(view: View, there: np.ndarray, name: str) -> tuple[Space, Any]:
    """The space of a view, and its rows as the space takes them."""
    array = _filled(view, there)
    shape = array.shape[1:]
    if isinstance(array, SparseRows):
        check_finite(torch.from_numpy(array.matrix.data), name)
        return Real(*shape), array
    if array.dtype == np.uint8 and len(shape) == 3:
        return _pictures(array, name)
    if array.dtype == np.uint8 and len(shape) == 2:
        return Image(1, *shape), array[:, None].astype(np.float32) / 255
    if array.dtype == object:
        raise DataError(
            f"{name}: holds columns of strings, expected numbers; encode them as numbers first, or"
            " find their categories with kinds='auto'"
        )
    check_finite(to_tensor(array, name), name)
    used = array[there]
    if array.dtype == bool or (bool(np.isin(used, (0, 1)).all()) and len(np.unique(used)) == 2):
        return Binary(*shape), array.astype(np.float32)
    return Real(*shape), array if array.dtype == np.float32 else array.astype(np.float64)


def _pictures(array: np.ndarray, name: str) -> tuple[Space, np.ndarray]:
    """8-bit pictures with their channels first.

    Raises:
        DataError: an alpha channel that says something.
    """
    first, last = array.shape[1], array.shape[3]
    if last in (1, 3, 4) and first not in (1, 3, 4):
        array = np.moveaxis(array, -1, 1)
    if array.shape[1] == 4:
        if (array[:, 3] != 255).any():
            raise DataError(
                f"{name}: the pictures have a fourth channel (alpha) that is not 255 throughout;"
                " lay them on a ground and give (N, H, W, 3)"
            )
        array = array[:, :3]
    return Image(*array.shape[1:]), array.astype(np.float32) / 255
