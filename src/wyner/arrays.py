"""Arrays of a caller: NumPy or PyTorch in, the same kind out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.errors import DataError

Array = Tensor | np.ndarray
"""A NumPy array or a PyTorch tensor."""
KINDS = dict(zip("OUScM", ("objects", "strings", "bytes", "complex numbers", "dates")))
"""What arrays hold that are not numbers."""


def to_tensor(array: Array, name: str) -> Tensor:
    """A tensor from a NumPy array, a tensor or nested lists; a `DataError` if not of numbers."""
    if isinstance(array, Tensor):
        return array
    array = np.asarray(array)
    if array.dtype.kind not in "buif":
        kind = KINDS.get(array.dtype.kind, str(array.dtype))
        raise DataError(
            f"{name}: expected an array of numbers, got {kind}; encode them as numbers first"
        )
    if array.dtype in (np.uint16, np.uint32, np.uint64):
        array = array.astype(np.int64)
    return torch.from_numpy(np.ascontiguousarray(array))


def like_input(value: Tensor, example: object) -> Any:
    """The result as the caller's kind of array: NumPy unless a tensor came in (or nothing did)."""
    if example is None or isinstance(example, Tensor):
        return value
    return value.detach().cpu().numpy()


def parts_of(values: Mapping[str, Tensor], rows: int) -> list[dict[str, Tensor]]:
    """The same arrays in blocks of at most `rows` rows."""
    total = len(next(iter(values.values())))
    return [{k: v[i : i + rows] for k, v in values.items()} for i in range(0, total, rows)]
