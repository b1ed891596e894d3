"""Arrays of a caller: NumPy or PyTorch in, the same kind out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.errors import DataError, unknown

Array = Tensor | np.ndarray
"""A NumPy array or a PyTorch tensor."""
FRAMES = ("pandas", "polars", "pyarrow")
"""Packages whose tables are taken as they are."""
KINDS = dict(zip("OUScM", ("objects", "strings", "bytes", "complex numbers", "dates")))
"""What arrays hold that are not numbers."""


def to_tensor(array: Array, name: str) -> Tensor:
    """A tensor from a NumPy array, a tensor or nested lists; a `DataError` if not of numbers."""
    if isinstance(array, Tensor):
        return array
    if isinstance(array, np.ma.MaskedArray):
        array = unmasked(array, name)
    array = array.toarray() if hasattr(array, "toarray") else np.asarray(array)
    if array.dtype.kind not in "buif":
        kind = KINDS.get(array.dtype.kind, str(array.dtype))
        raise DataError(
            f"{name}: expected an array of numbers, got {kind}; encode them as numbers first"
        )
    if array.dtype in (np.uint16, np.uint32, np.uint64):
        array = array.astype(np.int64)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(np.ascontiguousarray(array))


def unmasked(array: np.ma.MaskedArray, name: str) -> np.ndarray:
    """The numbers of a masked array, if none of them is masked.

    Raises:
        DataError: a masked cell, with the first row.
    """
    where = np.argwhere(np.ma.getmaskarray(array))
    if len(where):
        raise DataError(
            f"{name}: {len(where)} cells are masked, the first at row {where[0][0]} (counting from"
            f" 0); a masked cell has no value: impute it, or mark such rows in {name}_mask"
        )
    return np.asarray(array.data)


def is_frame(value: object) -> bool:
    """Whether this is a table of pandas, polars or Arrow."""
    return type(value).__module__.split(".")[0] in FRAMES and hasattr(value, "columns")


def frame_columns(frame: Any, name: str, wanted: Sequence[str] | None = None) -> np.ndarray:
    """The numbers of a frame, float64 `(rows, columns)`; NaN where a cell is missing.

    Args:
        frame: of pandas, polars or Arrow.
        name: for messages.
        wanted: names of the columns, in order; all by default.

    Raises:
        DataError: columns that are missing, that nobody knows, or that hold no numbers.
    """
    import narwhals as nw

    table, wanted = _chosen(frame, name, wanted)
    found = []
    for column in wanted:
        kind = table[column].dtype
        if not (kind.is_numeric() or kind == nw.Boolean):
            raise DataError(
                f"{name}: column {column} holds {kind}, expected numbers; encode it as numbers"
                " first"
            )
        found.append(table[column].cast(nw.Float64).to_numpy())
    return np.stack([np.asarray(v, np.float64) for v in found], 1)


def frame_table(frame: Any, name: str, wanted: Sequence[str] | None = None) -> dict[str, list]:
    """The cells of a frame by column; arguments and errors as of `frame_columns`."""
    table, wanted = _chosen(frame, name, wanted)
    return {column: table[column].to_list() for column in wanted}


def _chosen(frame: Any, name: str, wanted: Sequence[str] | None) -> tuple[Any, list[str]]:
    """A frame behind one interface, and the names of its columns, which must be those wanted."""
    table = native(frame, name)
    wanted = list(table.columns) if wanted is None else list(wanted)
    if lacking := [c for c in wanted if c not in table.columns]:
        raise DataError(f"{name}: {unknown('column', lacking[0], table.columns)}")
    if extra := [c for c in table.columns if c not in wanted]:
        raise DataError(
            f"{name}: the frame has columns that the model does not know: {', '.join(extra[:5])};"
            f" leave them out: frame[[{wanted[0]!r}, ...]]"
        )
    return table, wanted


def native(frame: Any, name: str) -> Any:
    """The frame behind one interface for all packages (narwhals).

    Raises:
        DataError: names that stand twice.
    """
    import narwhals as nw

    names = list(getattr(frame, "column_names", frame.columns))
    twice = sorted({str(c) for c in names if names.count(c) > 1})
    if twice:
        raise DataError(f"{name}: two columns are called {twice[0]}; rename one of them")
    if not all(isinstance(c, str) for c in names) and hasattr(frame, "set_axis"):
        frame = frame.set_axis([str(c) for c in names], axis=1)
    return nw.from_native(frame, eager_only=True)


def framed(columns: Mapping[str, np.ndarray], example: Any) -> Any:
    """Columns `(rows,)` as the caller's kind of frame, with the rows' names if it has any; columns
    `(draws, rows)` with the number of the draw before them.
    """
    shape = next(iter(columns.values())).shape
    flat = {k: v.reshape(-1) for k, v in columns.items()}
    draws = shape[0] if len(shape) == 2 else None
    if (index := getattr(example, "index", None)) is not None:
        import pandas as pd

        if draws is not None:
            both = [(k, row) for k in range(draws) for row in index]
            index = pd.MultiIndex.from_tuples(both, names=["draw", index.name])
        return pd.DataFrame(flat, index=index)
    import narwhals as nw

    if draws is not None:
        flat = {"draw": np.repeat(np.arange(draws), shape[1]), **flat}
    return nw.from_dict(flat, backend=nw.get_native_namespace(example)).to_native()


def numbers_of(
    frames: Sequence[Any], name: str, axes: int = 0
) -> tuple[Sequence[Any], Callable[[Any], Any]]:
    """Answers of several models as arrays, and what makes a frame of their combination if they are
    frames; arrays stay.

    Args:
        frames: of equal rows and columns.
        name: for messages.
        axes: 2 if rows are those of several draws, to be kept apart.

    Raises:
        DataError: columns that cannot be averaged.
    """
    if not is_frame(frames[0]):
        return frames, lambda value: value
    table = native(frames[0], name)
    names = [c for c in table.columns if c != "draw"]
    arrays = [frame_columns(f, name, list(table.columns)) for f in frames]
    index = getattr(frames[0], "index", None)
    draws = 1
    if index is not None and index.nlevels == 2:
        draws = len(set(index.get_level_values(0)))
    elif "draw" in table.columns:
        draws = int(arrays[0][:, 0].max()) + 1
    at = [i for i, c in enumerate(table.columns) if c != "draw"]
    shaped = [a[:, at] for a in arrays]
    if axes == 2:
        shaped = [a.reshape(draws, -1, len(names)) for a in shaped]

    def back(value: np.ndarray) -> Any:
        flat = np.asarray(value).reshape(-1, len(names))
        made = dict(zip(names, flat.T, strict=True))
        if index is not None:
            import pandas as pd

            return pd.DataFrame(made, index=index)
        import narwhals as nw

        if "draw" in table.columns:
            made = {"draw": np.repeat(np.arange(draws), len(flat) // draws), **made}
        return nw.from_dict(made, backend=nw.get_native_namespace(frames[0])).to_native()

    return shaped, back


def like_input(value: Tensor, example: object) -> Any:
    """The result as the caller's kind of array: NumPy unless a tensor came in (or nothing did)."""
    if example is None or isinstance(example, Tensor):
        return value
    return value.detach().cpu().numpy()


def parts_of(values: Mapping[str, Tensor], rows: int) -> list[dict[str, Tensor]]:
    """The same arrays in blocks of at most `rows` rows."""
    total = len(next(iter(values.values())))
    return [{k: v[i : i + rows] for k, v in values.items()} for i in range(0, total, rows)]
