"""Tables to train on: what a user gave, as parts of a data set with what standardises them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wyner.arrays import is_frame
from wyner.data.dataset import Dataset
from wyner.data.readers import read, read_known
from wyner.data.table import Table
from wyner.data.tables import all_rows, dataset_of
from wyner.errors import OptionError
from wyner.models.base import Model
from wyner.preprocessing import Preprocessing, Scaling, steps_of
from wyner.sparse import SparseRows, is_sparse
from wyner.training.single import pick, shares
from wyner.variables import Real, Space

Standardise = bool | str | Mapping[str, bool | str] | None
"""Whether and how a model standardises real columns; None for what suits the data."""
SHARE = 0.1
"""Rows of a table that are set aside for validation, where nobody says how many."""


def as_data(
    model: Any, data: Any, validation: Any, standardise: Standardise, seed: int
) -> tuple[Any, Any]:
    """Data and validation as `split` takes them, with `preprocessing` if columns are standardised.

    Args:
        model: to train, or what makes it.
        data, validation, standardise: of `wyner.fit`.
        seed: of the rows that are set aside.

    Raises:
        DataError, OptionError: tables that cannot be read, or a record that says already what is
            standardised.
    """
    spaces = model.observed if isinstance(model, Model) else None
    if hasattr(data, "train"):
        if standardise is not None:
            raise OptionError(
                "standardise: a record of wyner.data says itself what is standardised; pass"
                " standardise= to wyner.data.load"
            )
        known = getattr(data, "preprocessing", Preprocessing())
        return data, _validation(validation, getattr(data, "spaces", {}), known)
    if not _is_table(data):
        return _of_arrays(spaces, data, validation, standardise, seed)
    table = data if isinstance(data, Table) else read(data, name="data")
    share = validation if isinstance(validation, float) else SHARE if validation is None else 0.0
    made = dataset_of(
        table,
        standardise=True if standardise is None else standardise,
        validation=share,
        test=0.0,
        seed=seed,
        spaces=spaces,
    )
    return made, None if share else _validation(validation, made.spaces, made.preprocessing)


def _is_table(data: Any) -> bool:
    """Whether `wyner.data.read` is to make a table of this: anything but a dictionary of arrays."""
    if isinstance(data, Mapping):
        return any(is_frame(v) or isinstance(v, (str, Table)) for v in data.values())
    return True


def _validation(given: Any, spaces: Mapping[str, Space], known: Preprocessing) -> Any:
    columns = {k: known.columns.get(k, ()) for k in spaces}
    if given is None or isinstance(given, float) or not _is_table(given):
        return given
    table = given if isinstance(given, Table) else read_known(given, columns, name="validation")
    return all_rows(table, known)


def _of_arrays(
    spaces: Any, data: Mapping[str, Any], validation: Any, standardise: Standardise, seed: int
) -> tuple[Any, Any]:
    """A dictionary of arrays, as it is unless it is to be standardised."""
    data = {k: SparseRows(v) if is_sparse(v) else v for k, v in data.items()}
    if not standardise:
        return data, validation
    spaces = spaces or {}
    real = [k for k in data if isinstance(spaces.get(k), Real)]
    steps = steps_of(standardise, real)
    train, held = dict(data), validation or {}
    if isinstance(validation, float):
        first, second = shares(len(next(iter(data.values()))), validation, seed)
        train, held = pick(data, first), pick(data, second)
    scalings = {}
    for k in (k for k in real if steps[k] != "none"):
        kept = isinstance(train[k], SparseRows)
        rows = train[k] if kept else np.asarray(train[k], np.float64)
        if (mask := train.get(f"{k}_mask")) is not None:
            rows = rows[np.asarray(mask).reshape(-1).astype(bool)]
        scalings[k] = Scaling.fitted(rows, steps[k] == "log1p")
    made = Dataset(
        "arrays", train, dict(held), {}, dict(spaces), preprocessing=Preprocessing(scalings)
    )
    return made, None
