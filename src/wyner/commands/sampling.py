"""Sampling from a run to a file: the command `wyner sample`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wyner.data.files import rows_of_files
from wyner.data.tables import all_rows
from wyner.errors import DataError, OptionError, TaskError
from wyner.experiments.runner import scaled_model
from wyner.files import write_bytes
from wyner.models import Model
from wyner.runs import read_config


def sample_run(
    run: Path,
    to: Path,
    *,
    n: int,
    given: str | None = None,
    like: str | None = None,
    reconstruct: bool = False,
    draw: bool = False,
    seed: int = 0,
) -> dict[str, tuple[int, ...]]:
    """Arrays from a trained model, written to an `.npz` file; or one of them to a `.csv` file.

    Without `given`: n pairs. With it: n translations a row, one restyled row with `like`, or
    reconstructions. Arrays are in the units of the data that the model was trained on.

    Returns:
        Shapes by name.

    Raises:
        DataError, TaskError, OptionError: files or questions that the model cannot take.
    """
    if to.suffix not in (".npz", ".csv"):
        raise OptionError(f"--to: expected a file that ends in .npz or .csv, got {to}")
    model = scaled_model(run)
    source = read_config(run).get("about", {}).get("data") or {}
    (values, ids), (styles, _) = _read(given, model, source), _read(like, model, source)
    if values.keys() == model.observed.keys() and not reconstruct and not styles:
        raise TaskError(
            f"{given} holds all modalities ({', '.join(values)}), so there is none to translate to;"
            " leave one out, or say --reconstruct"
        )
    if reconstruct and not values:
        raise TaskError("--reconstruct needs --given with the rows to reconstruct")
    if not values:
        made = model.generate(n, like=styles or None, sample=draw, seed=seed)
    elif reconstruct:
        made = model.reconstruct(**values, sample=draw, seed=seed)
    elif styles:
        target = next(iter(styles))
        made = {target: model.restyle(**values, like=styles, sample=draw, seed=seed)}
    else:
        wanted = [k for k in model.observed if k not in values]
        made = {k: model.translate(**values, n=n, to=k, sample=draw, seed=seed) for k in wanted}
    arrays = {k: np.asarray(v) for k, v in made.items()}
    names = model.preprocessing.columns
    if to.suffix == ".csv":
        write_bytes(to, _as_text(arrays, names, ids).encode())
    else:
        named = {f"{k}_columns": np.array(names[k]) for k in arrays if k in names}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays, **named)  # type: ignore[arg-type]
        write_bytes(to, buffer.getvalue())
    return {k: v.shape for k, v in arrays.items()}


def _as_text(
    arrays: Mapping[str, np.ndarray], names: Mapping[str, Sequence[str]], ids: np.ndarray | None
) -> str:
    """One array as a text file: a line for each draw and row, after the names of the columns."""
    if len(arrays) > 1:
        raise OptionError(f"--to: a .csv file holds one modality, not {', '.join(arrays)}")
    ((name, array),) = arrays.items()
    table = array[None] if array.ndim == 2 else array
    if table.ndim != 3:
        raise OptionError(f"--to: {name} {array.shape} is no table; write an .npz file")
    columns = names.get(name) or [f"{name}{i}" for i in range(table.shape[2])]
    rows = ids if ids is not None else np.arange(table.shape[1])
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["draw", "row", *columns])
    for draw, part in enumerate(table):
        writer.writerows([draw, row, *map(repr, v)] for row, v in zip(rows, part.tolist()))
    return lines.getvalue()


def _read(
    text: str | None, model: Model, source: Mapping[str, Any]
) -> tuple[dict[str, Any], np.ndarray | None]:
    """The modalities in some files, and the names of their rows."""
    if text is None:
        return {}, None
    table = rows_of_files(text, model, source)
    values = all_rows(table, model.preprocessing)
    if gone := [k for k in table.views if f"{k}_mask" in values]:
        raise DataError(
            f"{text}: {gone[0]} has missing cells, the first in row"
            f" {int(np.flatnonzero(values[f'{gone[0]}_mask'] == 0)[0])} (counting from 0); leave"
            " such rows out or impute them"
        )
    return {k: values[k] for k in table.views}, table.ids
