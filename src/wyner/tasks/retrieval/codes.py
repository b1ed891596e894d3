"""Codes to compare: the mean of what one modality alone says of the common latents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.arrays import Array, is_frame
from wyner.errors import DataError, ShapeError, TaskError, unknown
from wyner.laws import System
from wyner.tasks.inputs import block_rows
from wyner.tasks.queries import comparable, inferable, inference_law
from wyner.tasks.sampling import encode


def common_codes(
    model: System, modality: str, rows: Array | Iterable[Array], block: int | None = None
) -> Iterator[Tensor]:
    """Means of q(z|x), z the common latents of the model side by side, in blocks.

    Args:
        model: with an encoder of this modality alone.
        modality: x, the one that the rows show.
        rows: an array `(N, *event)`, in memory or memory-mapped, or any number of such arrays one
            after another.
        block: rows to encode at a time; chosen by the size of the model's variables.

    Yields:
        `(B, d)` float32 on the CPU, until all rows are encoded.

    Raises:
        TaskError: no such modality, no common latent, or no encoder of this modality alone.
        ShapeError, DataError: rows that the modality cannot have.
    """
    searchable(model, modality)
    size = block or block_rows(model)
    if is_frame(rows):
        rows = model.preprocessing.values(rows, modality)
    parts: Iterable[Any] = [rows] if _is_array(rows) else rows
    for given in parts:
        part: Any = given if _is_array(given) else np.asarray(given)
        for i in range(0, len(part), size):
            some = part[i : i + size]
            found = encode(model, {modality: some if isinstance(some, Tensor) else np.array(some)})
            codes = torch.cat([torch.as_tensor(found[k].mean).flatten(1) for k in model.common], 1)
            codes = codes.detach().float().cpu()
            if not bool(torch.isfinite(codes).all()):
                raise DataError(
                    f"{model.title} gives codes of {modality} that are no numbers, from row {i} on"
                )
            yield codes


def searchable(model: System, modality: str | None = None) -> list[str]:
    """The modalities that can be searched with or for; checks one of them if it is named.

    Raises:
        TaskError: as `common_codes`.
    """
    if not model.common:
        raise TaskError(f"{model.title} cannot retrieve: it has no common latent to compare")
    able = comparable(model)
    if modality is not None and modality not in model.observed:
        raise TaskError(f"retrieve: {unknown('modality', modality, model.observed)}")
    if modality is not None and modality not in able:
        reads = [s for s in inferable(model) if inference_law(model, s.split(","), model.common)]
        shown = ", ".join(f"({s})" for s in reads)
        raise TaskError(
            f"{model.title} cannot retrieve by {modality}: it has no encoder of"
            f" {','.join(model.common)} from {modality} alone, only from {shown}"
        )
    return able


def one_modality(model: System, given: dict[str, Any], what: str) -> tuple[str, Any]:
    """The single modality that was given, by name.

    Raises:
        TaskError: none, or several.
    """
    found = {k: v for k, v in given.items() if v is not None}
    if len(found) != 1:
        shown = " or ".join(f"{k}=..." for k in model.observed)
        raise TaskError(f"{what}: expected one modality, {shown}; got {', '.join(found) or 'none'}")
    return next(iter(found.items()))


def fingerprint(model: System) -> str:
    """A short hash of all weights, so that codes are not compared with those of another model."""
    h = hashlib.blake2b(digest_size=8)
    for name, tensor in sorted(model.state_dict().items()):
        h.update(name.encode())
        h.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    for name, scaling in sorted(model.preprocessing.scalings.items()):
        h.update(name.encode() + scaling.mean.tobytes() + scaling.deviation.tobytes())
    return h.hexdigest()


def _is_array(rows: Any) -> bool:
    if isinstance(rows, Tensor) or hasattr(rows, "__array_interface__"):
        if not rows.ndim:
            raise ShapeError("retrieve: expected rows, got a single number")
        return True
    return False
