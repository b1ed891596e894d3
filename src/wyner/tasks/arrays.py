"""Arrays at the edge of a task: NumPy or PyTorch in, checked and moved to the model; the same kind
out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from wyner.errors import DataError, ShapeError, TaskError, unknown
from wyner.seeds import TASK, mix

if TYPE_CHECKING:
    from wyner.models.base import Model

Array = Any
"""A NumPy array or a PyTorch tensor."""


def to_tensor(array: Array, name: str) -> Tensor:
    """A tensor from a NumPy array, a tensor or nested lists of numbers; anything else is a
    `DataError`.
    """
    if isinstance(array, Tensor):
        return array
    array = np.asarray(array)
    if array.dtype.kind not in "buif":
        kind = {
            "O": "objects",
            "U": "strings",
            "S": "bytes",
            "c": "complex numbers",
            "M": "dates",
        }.get(array.dtype.kind, str(array.dtype))
        raise DataError(
            f"{name}: expected an array of numbers, got {kind}; encode them as numbers first"
        )
    if array.dtype == np.uint16 or array.dtype == np.uint32 or array.dtype == np.uint64:
        array = array.astype(np.int64)
    return torch.from_numpy(np.ascontiguousarray(array))


def like_input(value: Tensor, example: object) -> Any:
    """The result as the caller's kind of array: NumPy unless a tensor came in (or nothing did)."""
    if example is None or isinstance(example, Tensor):
        return value
    return value.detach().cpu().numpy()


@contextmanager
def asking(model: Model, seed: int | None = None) -> Iterator[torch.device]:
    """Evaluation mode, no gradients, and random numbers from `seed` that leave the caller's stream
    untouched.
    """
    training = model.training
    like = next(model.parameters())
    cuda = [like.device] if like.device.type == "cuda" else []
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(cuda, enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(mix(seed, TASK))
            yield like.device
    finally:
        model.train(training)


def given_values(model: Model, arrays: Mapping[str, Array], what: str) -> dict[str, Tensor]:
    """The user's arrays by modality: checked against the spaces, on the model's device, with its
    type.

    Raises:
        TaskError: a name that is no modality of the model, or no array at all.
        ShapeError: wrong trailing axes, no batch axis, or different numbers of rows.
    """
    arrays = {k: v for k, v in arrays.items() if v is not None}
    if not arrays:
        raise TaskError(f"{what}: expected at least one of {', '.join(model.observed)}")
    like = next(model.parameters())
    out: dict[str, Tensor] = {}
    for name, array in arrays.items():
        if name not in model.observed:
            raise TaskError(f"{what}: {unknown('modality', name, model.observed)}")
        space = model.observed[name]
        value = space.prepare(to_tensor(array, name), name).to(like.device, like.dtype)
        if value.ndim != len(space.event_shape) + 1:
            shown = ", ".join(["rows", *map(str, space.event_shape)])
            raise ShapeError(
                f"{what}: {name} needs shape ({shown}), got {tuple(value.shape)}; add a batch axis"
                " for one example"
            )
        out[name] = value
    rows = {k: len(v) for k, v in out.items()}
    if len(set(rows.values())) > 1:
        raise ShapeError(
            f"{what}: expected the same number of rows, got"
            f" {', '.join(f'{n} of {k}' for k, n in rows.items())}"
        )
    if not next(iter(rows.values())):
        raise DataError(f"{what}: the arrays have no rows")
    return out


def block_rows(model: Model) -> int:
    """How many rows a task evaluates at a time, so that memory stays bounded (about 2^23 numbers in
    the widest layer).
    """
    largest = max(s.size for s in model.observed.values())
    return max(256, 2**23 // max(512, 16 * largest))


def parts_of(values: Mapping[str, Tensor], rows: int) -> list[dict[str, Tensor]]:
    """The same arrays in blocks of at most `rows` rows."""
    total = len(next(iter(values.values())))
    return [{k: v[i : i + rows] for k, v in values.items()} for i in range(0, total, rows)]
