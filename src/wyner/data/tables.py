"""A user's own pairs: arrays in an `.npz` file, or in a dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wyner.data.dataset import Dataset
from wyner.errors import DataError, OptionError
from wyner.families import Family, Gaussian, Trainable
from wyner.seeds import DATA, mix
from wyner.variables import Binary, Image, Real, Space, check_finite

LABELS = ("label", "labels")


def from_npz(
    path: str | Path,
    *,
    standardise: bool = True,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Pairs from an `.npz` file with arrays of any names, one row an example:
    `numpy.savez("pairs.npz", x=..., y=...)`.

    Args:
        path: the file. An array `label` colours plots; `x_mask` marks the rows that have x with 1.
        standardise, validation, test, seed: as in `from_arrays`.

    Raises:
        DataError: not such a file, or arrays that cannot be trained on.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as z:
            arrays = {k: z[k] for k in z.files}
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except ValueError as e:
        if "Object arrays" in str(e):
            raise DataError(
                f"{path} holds Python objects; expected arrays of numbers: encode texts as numbers"
                " first"
            ) from e
        raise DataError(f"cannot read {path}: {e}; expected a file written by numpy.savez") from e
    except Exception as e:  # zipfile and zlib raise their own kinds
        raise DataError(f"cannot read {path}: {e}; expected a file written by numpy.savez") from e
    options = {"standardise": standardise, "validation": validation, "test": test, "seed": seed}
    made = from_arrays(arrays, name=path.stem, **options)  # type: ignore[arg-type]
    return Dataset(**{**vars(made), "source": {"name": str(path.resolve()), **options}})


def from_arrays(
    arrays: Mapping[str, Any],
    *,
    name: str = "pairs",
    standardise: bool = True,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Pairs from arrays with the same number of rows.

    Spaces are read off: uint8 arrays with two or three axes per row are images (scaled to [0, 1]),
    arrays of zeros and ones are binary, all else is real and standardised column by column with the
    mean and deviation of the training rows.

    Args:
        arrays: by modality; also `label`, and `x_mask` for rows that lack x.
        name: of the data set.
        standardise: whether real columns are centred and scaled.
        validation, test: shares of the rows to set aside, drawn once with `seed`.
        seed: of that choice.

    Raises:
        DataError: fewer than two modalities, other numbers of rows, no rows, NaN, strings.
    """
    names = [k for k in arrays if k not in LABELS and not k.endswith("_mask")]
    if len(names) < 2:
        raise DataError(
            f"{name}: expected at least two arrays, for example x and y; got"
            f" {', '.join(arrays) or 'none'}"
        )
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise OptionError(
            f"{name}: expected shares validation + test below 1, got {validation} and {test}"
        )
    values = {k: _numbers(arrays[k], k) for k in arrays}
    rows = {k: len(v) for k, v in values.items()}
    if len(set(rows.values())) > 1:
        raise DataError(
            f"{name}: expected the same number of rows in every array, got"
            f" {', '.join(f'{n} of {k}' for k, n in rows.items())}"
        )
    count = rows[names[0]]
    empty = [k for k in names if values[k].size == 0]
    if count == 0 or empty:
        raise DataError(
            f"{name}: the arrays are empty:"
            f" {', '.join(f'{k} {values[k].shape}' for k in empty or names)}"
        )
    if count < 2:
        raise DataError(f"{name}: one row is not enough to train on; expected at least 2")
    order = np.random.default_rng(mix(seed, DATA)).permutation(count)
    held, tested = round(validation * count), max(1, round(test * count)) if test else 0
    parts = [
        np.sort(order[held + tested :]),
        np.sort(order[:held]),
        np.sort(order[held : held + tested]),
    ]
    spaces: dict[str, Space] = {}
    families: dict[str, Family] = {}
    scale: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for k in names:
        there = values.get(f"{k}_mask")
        used = np.ones(count, bool) if there is None else there.reshape(-1).astype(bool)
        check_finite(
            torch.from_numpy(
                np.where(used.reshape(-1, *[1] * (values[k].ndim - 1)), values[k], 0).astype(
                    np.float64
                )
            ),
            k,
        )
        spaces[k], values[k] = _space(values[k], used)
        if isinstance(spaces[k], Real):
            families[k] = Gaussian(Trainable(per="coordinate"))
            rest = parts[0][used[parts[0]]]
            scale[k] = _scale(values[k][rest if len(rest) else parts[0]], standardise)
            values[k] = ((values[k] - scale[k][0]) / scale[k][1]).astype(np.float32)
            values[k][~used] = 0
    made = [{k: v[i] for k, v in values.items()} for i in parts]
    both_images = all(isinstance(s, Image) for s in spaces.values())
    notes = [f"{count} rows, of which {len(parts[1])} for validation and {len(parts[2])} to test."]
    if scale and standardise:
        shift = {k: float(np.log(s).sum()) for k, (_, s) in scale.items()}
        notes.append(
            "Real columns are standardised; add "
            + ", ".join(f"{v:.3f} nats to the nll of {k}" for k, v in shift.items())
            + " for the original units."
        )
    return Dataset(
        name,
        made[0],
        made[1] if len(parts[1]) else {},
        made[2] if len(parts[2]) else made[0],
        spaces,
        {},
        {"name": name},
        families,
        tuple(notes),
        "image" if both_images else "vector",
        scale if standardise else {},
    )


def _numbers(array: Any, name: str) -> np.ndarray:
    from wyner.arrays import to_tensor

    found = to_tensor(array, name).numpy()
    if found.ndim == 0:
        raise DataError(f"{name}: expected rows, got a single number")
    return found


def _space(array: np.ndarray, used: np.ndarray) -> tuple[Space, np.ndarray]:
    """The space of an array, and the array as float32 with at least one axis per row."""
    if array.ndim == 1:
        array = array[:, None]
    shape = array.shape[1:]
    if array.dtype == np.uint8 and len(shape) == 3:
        channels_last = shape[2] in (1, 3) and shape[0] not in (1, 3)
        array = np.moveaxis(array, -1, 1) if channels_last else array
        return Image(*array.shape[1:]), array.astype(np.float32) / 255
    if array.dtype == np.uint8 and len(shape) == 2:
        return Image(1, *shape), array[:, None].astype(np.float32) / 255
    if array.dtype == bool or (
        bool(np.isin(array[used], (0, 1)).all()) and len(np.unique(array[used])) == 2
    ):
        return Binary(*shape), np.where(used.reshape(-1, *[1] * len(shape)), array, 0).astype(
            np.float32
        )
    return Real(*shape), array.astype(np.float64)


def _scale(train: np.ndarray, standardise: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each column; a column that never changes keeps its size (training warns
    of it).
    """
    deviation = train.std(0)
    constant = deviation <= 1e-12 * np.maximum(1, np.abs(train).max(0))
    if not standardise:
        return np.zeros_like(deviation), np.ones_like(deviation)
    return train.mean(0), np.where(constant, 1.0, deviation)
