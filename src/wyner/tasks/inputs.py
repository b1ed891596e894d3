"""Arrays at the edge of a task: NumPy or PyTorch in, checked and moved; the same kind out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from wyner.arrays import Array, framed, is_frame, like_input, to_tensor
from wyner.errors import DataError, ShapeError, TaskError, refuse_unknown
from wyner.laws import System
from wyner.seeds import TASK, mix
from wyner.variables import laid_out, within


@contextmanager
def asking(model: System, seed: int | None = None) -> Iterator[torch.device]:
    """Evaluation mode, no gradients, and draws from `seed` that leave the caller's stream."""
    training = model.training
    like = next(model.parameters())
    if like.dtype not in (torch.float32, torch.float64):
        raise TaskError(
            f"{model.title} has weights in {like.dtype}; tasks need float32 or float64: call"
            " model.float() first"
        )
    cuda = [like.device] if like.device.type == "cuda" else []
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(cuda, enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(mix(seed, TASK))
            yield like.device
    finally:
        model.train(training)


def given_values(model: System, arrays: Mapping[str, Array], what: str) -> dict[str, Tensor]:
    """The user's arrays by modality as the networks see them: preprocessed, checked against the
    spaces, on the model's device, with its type.

    Raises:
        TaskError: a name that is no modality of the model, or no array at all.
        ShapeError: wrong trailing axes, no batch axis, or different numbers of rows.
    """
    raw = raw_values(model, arrays, what)
    like = next(model.parameters())
    out: dict[str, Tensor] = {}
    for name, value in raw.items():
        space = model.observed[name]
        value = space.prepare(model.preprocessing.apply(name, value), name)
        out[name] = within(value, like.dtype, name).to(like.device, like.dtype)
        if value.ndim != len(space.event_shape) + 1:
            shown = ", ".join(["rows", *map(str, space.event_shape)])
            raise ShapeError(
                f"{what}: {name} needs shape ({shown}), got {tuple(value.shape)}; add a batch axis"
                " for one example"
            )
    rows = {k: len(v) for k, v in out.items()}
    if len(set(rows.values())) > 1:
        raise ShapeError(
            f"{what}: expected the same number of rows, got"
            f" {', '.join(f'{n} of {k}' for k, n in rows.items())}"
        )
    if not next(iter(rows.values())):
        raise DataError(f"{what}: the arrays have no rows")
    return out


def raw_values(model: System, arrays: Mapping[str, Array], what: str) -> dict[str, Tensor]:
    """The user's arrays by modality as tensors, in the user's own units.

    Raises:
        TaskError: a name that is no modality of the model, or no array at all. DataError: frames of
            other columns, or arrays of anything but numbers.
    """
    arrays = {k: v for k, v in arrays.items() if v is not None}
    if not arrays:
        raise TaskError(f"{what}: expected at least one of {', '.join(model.observed)}")
    refuse_unknown("modality", arrays, model.observed, what, TaskError)
    seen = {k: model.preprocessing.values(v, k) for k, v in arrays.items()}
    return {k: laid_out(to_tensor(v, k), model.observed[k]) for k, v in seen.items()}


def outputs(model: System, made: Mapping[str, Tensor], example: Any) -> dict[str, Any]:
    """Values of modalities in the user's own units, as the caller's kind of array or frame."""
    known, found = model.preprocessing, dict[str, Any]()
    for k, v in made.items():
        found[k] = like_input(known.invert(k, v), example)
        if is_frame(example) and k in known.columns and found[k].ndim in (2, 3):
            found[k] = framed(known.framed(k, found[k]), example)
    return found


def block_rows(model: System) -> int:
    """Rows that are evaluated at a time: about 2^23 numbers in the widest layer."""
    largest = max(s.size for s in model.observed.values())
    return max(256, 2**23 // max(512, 16 * largest))
