"""Tables from files, frames and containers of other packages, each through a library of its own.

Text files, `.npz` and `.npy` need nothing else; Parquet, Arrow and Excel need `wyner[tables]`,
AnnData and MuData `wyner[omics]`. Frames of pandas, polars and Arrow are taken as they are.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wyner.arrays import is_frame, native
from wyner.data.table import MARKS, Found, Table, View, aligned, assembled, plain, text_of
from wyner.data.text import columns_of
from wyner.errors import DataError, OptionError, unknown


def read(
    source: Any,
    views: Mapping[str, Any] | Sequence[str] | None = None,
    *,
    label: str | None = None,
    covariates: Sequence[str] | str = (),
    ids: str | None = None,
    layer: str | None = None,
    name: str | None = None,
) -> Table:
    """A table from a file, a frame, arrays by name, or several of these by the view they are.

    Args:
        source: a path (.csv, .tsv, .txt, .parquet, .feather, .arrow, .xlsx, .npz, .npy, .h5ad,
            .h5mu); a frame of pandas, polars or Arrow; an `AnnData` or `MuData`; a structured
            array; `{view: any of these or an array}`, whose rows are paired by their ids.
        views: which columns or arrays are views, see `assembled`.
        label: the column that colours pictures and that nothing is trained on.
        covariates: columns that are given, never generated.
        ids: the column with the names of the rows.
        layer: of an AnnData, in place of X.
        name: what to call the table; that of the file by default.

    Returns:
        The table, its rows in the order of their ids.

    Raises:
        DataError: files that cannot be read, rows that cannot be paired. OptionError: names that
            are not there.

    Example:
        >>> t = read({"x": [[1.0, 2.0], [3.0, 4.0]], "y": [[5.0], [6.0]], "batch": [0, 1]})
        >>> print(t)
        pairs: 2 rows; x: 2, y: 1
        pairs: left out, because nobody named them: batch; name them with views=, label= or
            covariates= to use them.
    """
    covariates = [covariates] if isinstance(covariates, str) else list(covariates)
    parts = _parts(source, layer, name)
    if len(parts) > 1 and views is not None:
        raise OptionError("views: several tables are a view each; leave views= out")
    everything = {k for _, f in parts for k in (*f.columns, *f.arrays)}
    for what, column in [("label", label), ("ids", ids), *(("covariates", c) for c in covariates)]:
        if column is not None and column not in everything:
            raise OptionError(f"{what}: {unknown('column', column, everything)}")
    tables = [
        assembled(found, views, **_present(found, label, covariates, ids), alone=view)
        for view, found in parts
    ]
    return _joined(tables, name)


def read_known(
    source: Any,
    known: Mapping[str, Sequence[str]],
    *,
    label: str | None = None,
    covariates: Sequence[str] = (),
    ids: str | None = None,
    layer: str | None = None,
    name: str | None = None,
    **_: Any,
) -> Table:
    """The views of a trained model that stand in a source, their columns as the model has them.

    Args:
        source, layer, name: as in `read`.
        known: columns of each view, none where they have no names.
        label, covariates, ids: names of columns, where the source has them.

    Raises:
        DataError: none of the views, or one without all of its columns.
    """
    tables = []
    parts = _parts(source, layer, name)
    for view, found in parts:
        chosen = {k: v for k, w in known.items() if (v := _names_in(found, k, w, view)) is not None}
        if not chosen and view in known and len(parts) > 1 and not found.arrays:
            chosen = {view: list(found.columns)}
        if not chosen:
            continue
        table = assembled(found, chosen, **_present(found, label, covariates, ids), alone=view)
        made = {
            k: View(v.values, tuple(known[k]) if v.columns else (), v.missing)
            for k, v in table.views.items()
        }
        tables.append(replace(table, views=made))
    if not tables:
        there = sorted({k for _, f in parts for k in (*f.columns, *f.arrays)})
        raise DataError(
            f"{name or source}: holds {', '.join(there[:8]) or 'nothing'}; expected one of"
            f" {', '.join(known)}, with all the columns of the training"
        )
    return _joined(tables, name)


def _present(
    found: Found, label: str | None, covariates: Sequence[str], ids: str | None
) -> dict[str, Any]:
    """The columns with a role that one source has."""
    there = {*found.columns, *found.arrays}
    return dict(
        label=label if label in there else None,
        covariates=[c for c in covariates if c in there],
        ids=ids if ids in there else None,
    )


def _joined(tables: Sequence[Table], name: str | None) -> Table:
    table = tables[0] if len(tables) == 1 else aligned(tables, name or "tables")
    return table.ordered()


def _names_in(found: Found, view: str, wanted: Sequence[str], part: str) -> Any:
    """What a view of a trained model is called in a source: an array, or all of its columns."""
    if view in found.arrays:
        return view
    if wanted and part == view and all(c in found.columns for c in wanted):
        return list(wanted)
    for marked in ([f"{view}{m}{c}" for c in wanted] for m in MARKS):
        if wanted and all(c in found.columns for c in marked):
            return marked
    if wanted and all(c in found.columns for c in wanted):
        return list(wanted)
    return view if view in found.columns and not wanted else None


def _parts(source: Any, layer: str | None, name: str | None) -> list[tuple[str, Found]]:
    """What stands in a source: one part, or one for each table with the name of its view."""
    package = type(source).__module__.split(".")[0]
    if isinstance(source, Mapping) and not all(_is_array(v) for v in source.values()):
        found = []
        for view, one in source.items():
            if _is_array(one):
                if np.ndim(one) < 2:
                    raise DataError(
                        f"{view}: expected a table as for the others; put it into a column of one"
                        f" of them and name that, such as label={view!r}"
                    )
                found.append((view, _of_arrays({view: one}, view)))
                continue
            inner = _parts(one, layer, view)
            if len(inner) > 1:
                raise DataError(f"{view}: expected one table, got {len(inner)} in one")
            found.append((view, inner[0][1]))
        return found
    if isinstance(source, Mapping):
        return [("x", _of_arrays(source, name or "pairs"))]
    if isinstance(source, (str, Path)):
        return _of_file(Path(source), layer, name)
    if package == "mudata":
        return [(k, _of_anndata(a, layer, k)) for k, a in source.mod.items()]
    if package == "anndata":
        return [("x", _of_anndata(source, layer, name or "data"))]
    if is_frame(source):
        return _of_frame(source, name or "frame")
    if isinstance(source, np.ndarray) and source.dtype.names:
        columns = {k: source[k] for k in source.dtype.names}
        return [("x", _of_arrays(columns, name or "array"))]
    if _is_array(source):
        return [("x", _of_arrays({"x": source}, name or "array"))]
    raise DataError(
        "data: expected a file, a frame, arrays by name or a record from wyner.data.load, got"
        f" {type(source).__name__}"
    )


def _is_array(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple, torch.Tensor))
        or (isinstance(value, np.ndarray) and not value.dtype.names)
        or (hasattr(value, "tocsr") and hasattr(value, "shape"))
    )


def _of_arrays(arrays: Mapping[str, Any], name: str) -> Found:
    """Arrays of two axes and more are blocks, those of one are columns; `x_mask` says which rows or
    cells of x are there, `x_columns` what its columns are called.
    """
    values = {k: _plain(v, k) for k, v in arrays.items()}
    masks = {f"{k}_mask" for k in values}
    blocks = {
        k: v
        for k, v in values.items()
        if v[0].ndim > 1 and v[0].dtype.kind in "buif" and k not in masks
    }
    used, made = masks | set(blocks), dict[str, View]()
    one = {k: v for k, v in values.items() if k in ("x", "y") and k not in blocks}
    for k, (v, missing) in {**blocks, **one}.items():
        if v.dtype.kind not in "buif":
            raise DataError(f"{k}: expected an array of numbers, got strings; encode them first")
        flat = v[:, None] if v.ndim == 1 else v
        gone = None if missing is None else missing.reshape(flat.shape)
        texts = values.get(f"{k}_columns", (np.array([]), None))[0]
        names = tuple(map(str, texts)) if flat.ndim == 2 and len(texts) == flat.shape[1] else ()
        there = values.get(f"{k}_mask")
        gone = _masked(flat, gone, None if there is None else there[0], k)
        made[k], used = View(flat, names, gone), used | {k, f"{k}_columns"}
    rows = next((v.values.shape[0] for v in made.values()), None)
    columns = {}
    for k, (v, missing) in values.items():
        if k in used or (v.ndim != 1 and not (v.ndim == 2 and v.shape[1] == 1)):
            continue
        if rows is None or len(v) == rows:
            columns[k] = _with_nan(v.reshape(-1), missing)
    found = {k: v.values.shape[0] for k, v in made.items()}
    if len(set(found.values())) > 1:
        raise DataError(
            f"{name}: expected the same number of rows in every array, got"
            f" {', '.join(f'{n} of {k}' for k, n in found.items())}"
        )
    return Found(name, made, columns)


def _plain(array: Any, name: str) -> tuple[Any, np.ndarray | None]:
    """An array of numbers or texts, sparse ones as they are, and its masked cells."""
    if hasattr(array, "tocsr"):
        return array.tocsr(), None
    if isinstance(array, torch.Tensor):
        array = array.detach().cpu().numpy()
    missing = np.ma.getmaskarray(array) if isinstance(array, np.ma.MaskedArray) else None
    found = np.asarray(getattr(array, "data", array) if missing is not None else array)
    if found.dtype.kind == "O":
        try:
            found = found.astype(np.float64)
        except (TypeError, ValueError):
            if not all(isinstance(v, str) for v in found.reshape(-1)):
                raise DataError(f"{name}: expected an array of numbers, got objects") from None
            found = found.astype(str)
    if found.dtype.kind not in "buifUS":
        from wyner.arrays import to_tensor

        to_tensor(found, name)
    if found.ndim == 0:
        raise DataError(f"{name}: expected rows, got a single number")
    if found.dtype.kind == "S":
        found = found.astype(str)
    if found.dtype.kind == "f" and found.dtype.itemsize > 8:
        found = found.astype(np.float64)
    return found.astype(found.dtype.newbyteorder("="), copy=False), missing


def _masked(
    values: Any, missing: np.ndarray | None, there: np.ndarray | None, name: str
) -> np.ndarray | None:
    """Cells that are missing: masked ones, NaN, and what `there` says is not there."""
    if hasattr(values, "tocsr"):
        return None
    gone = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    if missing is not None:
        gone |= missing
    if there is not None:
        if not np.isin(there, (0, 1)).all():
            raise DataError(f"{name}_mask must hold 0 (missing) and 1 (there)")
        shape = there.shape
        if shape not in ((len(values),), (len(values), 1), values.shape):
            raise DataError(
                f"{name}_mask needs {len(values)} entries, one a row, or the shape"
                f" {values.shape} of {name}; got {shape}"
            )
        rows = (
            there.reshape(len(values), *[1] * (values.ndim - 1)) if shape != values.shape else there
        )
        gone |= rows == 0
    return gone if gone.any() else None


def _with_nan(column: np.ndarray, missing: np.ndarray | None) -> np.ndarray:
    if missing is None or not missing.any():
        return column
    if column.dtype.kind in "US":
        return np.where(missing, "", column)
    return np.where(missing, np.nan, column.astype(np.float64))


def _of_frame(frame: Any, name: str) -> list[tuple[str, Found]]:
    """Columns of a frame; of a pandas frame whose columns have two levels, a part for each view."""
    import narwhals as nw

    if getattr(frame.columns, "nlevels", 1) == 2:
        views = list(dict.fromkeys(frame.columns.get_level_values(0)))
        return [(str(k), _of_frame(frame[k], str(k))[0][1]) for k in views]
    table = native(frame, name)
    columns: dict[str, np.ndarray] = {}
    for column in table.columns:
        series = table[column]
        numeric = series.dtype.is_numeric() or series.dtype == nw.Boolean
        if numeric:
            columns[column] = np.asarray(series.cast(nw.Float64).to_numpy(), np.float64)
        else:
            texts = series.to_list()
            columns[column] = np.array(["" if _blank(v) else str(v) for v in texts])
    index = getattr(frame, "index", None)
    if index is None:
        return [("x", Found(name, {}, columns))]
    names = index.to_list()
    counted = names == list(range(len(names)))
    return [("x", Found(name, {}, columns, np.array([text_of(v) for v in names]), counted))]


def _blank(value: Any) -> bool:
    return value is None or value != value


def _of_anndata(data: Any, layer: str | None, name: str) -> Found:
    """X or a layer, with a block for each type of features (`var["feature_types"]`) if there are
    several; columns of `obs`.
    """
    if layer is not None and layer not in data.layers:
        raise OptionError(f"layer: {name} has {', '.join(data.layers) or 'none'}, not {layer!r}")
    values = data.X if layer is None else data.layers[layer]
    if values is None:
        raise DataError(f"{name}: the AnnData has no X; name a layer with layer=")
    values = values.tocsr() if hasattr(values, "tocsr") else np.asarray(values)
    types = (
        data.var["feature_types"].astype(str).to_numpy() if "feature_types" in data.var else None
    )
    kinds = [] if types is None else list(dict.fromkeys(types.tolist()))
    groups = (
        {k: np.flatnonzero(types == k) for k in kinds} if len(kinds) > 1 else {name: slice(None)}
    )
    names = np.array([str(v) for v in data.var_names])
    blocks = {}
    for k, at in groups.items():
        part = values[:, at]
        blocks[plain(k)] = View(part, tuple(names[at].tolist()), _masked(part, None, None, k))
    (_, obs), *_ = _of_frame(data.obs, name)
    return Found(name, blocks, obs.columns, np.array([str(v) for v in data.obs_names]))


def _of_file(path: Path, layer: str | None, name: str | None) -> list[tuple[str, Found]]:
    if not path.exists():
        raise DataError(f"there is no file {path}")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: expected a file that ends in {', '.join(READERS)}")
    return reader(path, layer, name or path.stem)


def _text(path: Path, layer: str | None, name: str) -> list[tuple[str, Found]]:
    return [("x", Found(name, {}, columns_of(path)))]


def _npz(path: Path, layer: str | None, name: str) -> list[tuple[str, Found]]:
    return [("x", _of_arrays(arrays_of(path), name))]


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` or `.npy` file by name.

    Raises:
        DataError: no such file, a damaged one, or one with Python objects.
    """
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {"x": found}
        with found as z:
            return {k: z[k] for k in z.files}
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except Exception as e:  # zipfile and zlib raise their own kinds
        if "Object arrays" in str(e):
            raise DataError(
                f"{path} holds Python objects; expected arrays of numbers: encode texts as numbers"
                " first"
            ) from e
        raise DataError(f"cannot read {path}: {e}; expected a file written by numpy.savez") from e


def _by_pandas(function: str, **options: Any) -> Callable[..., list[tuple[str, Found]]]:
    def reader(path: Path, layer: str | None, name: str) -> list[tuple[str, Found]]:
        pandas = _needed("pandas", path, "tables")
        try:
            frame = getattr(pandas, function)(path, **options)
        except ImportError as e:
            raise _missing(
                str(e).split("'")[1] if "'" in str(e) else "pyarrow", path, "tables"
            ) from e
        except Exception as e:
            raise DataError(f"cannot read {path}: {e}") from e
        return _of_frame(frame, name)

    return reader


def _by_omics(package: str, function: str) -> Callable[..., list[tuple[str, Found]]]:
    def reader(path: Path, layer: str | None, name: str) -> list[tuple[str, Found]]:
        module = _needed(package, path, "omics")
        try:
            data = getattr(module, function)(path)
        except Exception as e:
            raise DataError(f"cannot read {path}: {e}") from e
        return _parts(data, layer, name)

    return reader


def _needed(package: str, path: Path, extra: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise _missing(package, path, extra) from None


def _missing(package: str, path: Path, extra: str) -> DataError:
    return DataError(
        f"{path.name}: {package} reads such files and is not installed: pip install"
        f" 'wyner[{extra}]'"
    )


READERS: dict[str, Callable[..., list[tuple[str, Found]]]] = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), _text),
    **dict.fromkeys((".npz", ".npy"), _npz),
    ".parquet": _by_pandas("read_parquet"),
    **dict.fromkeys((".feather", ".arrow"), _by_pandas("read_feather")),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), _by_pandas("read_excel")),
    ".h5ad": _by_omics("anndata", "read_h5ad"),
    ".h5mu": _by_omics("mudata", "read_h5mu"),
}
"""Readers by the ending of a file."""
