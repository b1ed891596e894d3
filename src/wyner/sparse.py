"""Rows that are mostly zeros, kept as SciPy keeps them until a batch needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.errors import ShapeError


def is_sparse(value: object) -> bool:
    """Whether this is a sparse matrix of SciPy."""
    return hasattr(value, "tocsr") and hasattr(value, "nnz")


def joined(first: Any, second: Any) -> Any:
    """The rows of two arrays, sparse ones as they are."""
    if isinstance(first, SparseRows):
        from scipy.sparse import vstack

        return SparseRows(vstack([first.matrix, second.matrix]))
    return np.concatenate([np.asarray(first), np.asarray(second)])


def dense(value: Any) -> Tensor:
    """All rows as a tensor."""
    if isinstance(value, SparseRows):
        return value.index_select(0, torch.arange(len(value)))
    return value


class SparseRows:
    """Rows `(N, d)` of a sparse matrix, as arrays are: some of them by index, all of them by
    `numpy.asarray`, those of a batch by `index_select`.

    Args:
        matrix: of SciPy.
        seen: what is done to a batch; None for nothing.
        dtype: of batches.
        device: of batches.
    """

    def __init__(
        self,
        matrix: Any,
        seen: Callable[[Tensor], Tensor] | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.matrix, self.seen = matrix.tocsr(), seen
        self.dtype, self.device = dtype, torch.device(device)

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """`(N, d)`."""
        return tuple(self.matrix.shape)

    @property
    def ndim(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, Tensor):
            index = index.cpu().numpy()
        return SparseRows(self.matrix[index], self.seen, self.dtype, self.device)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.matrix.toarray().astype(dtype or self.matrix.dtype, copy=False)

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> SparseRows:
        """The same rows, with batches on a device."""
        return SparseRows(self.matrix, self.seen, dtype or self.dtype, device)

    def scaled(self, seen: Callable[[Tensor], Tensor]) -> SparseRows:
        """The same rows, with batches as the networks see them."""
        return SparseRows(self.matrix, seen, self.dtype, self.device)

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Rows of a batch as an array `(len(index), d)`."""
        if dim != 0:
            raise ShapeError(f"sparse rows can be taken along axis 0, not {dim}")
        rows = torch.from_numpy(self.matrix[index.cpu().numpy()].toarray())
        rows = rows if self.seen is None else self.seen(rows)
        return rows.to(self.device, self.dtype)

    def moments(self, log: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of each column, of log(1 + x) where `log` says so."""
        found = self.matrix.astype(np.float64)
        found.data = np.where(log[found.indices], np.log1p(found.data), found.data)
        mean = np.asarray(found.mean(0)).reshape(-1)
        square = np.asarray(found.multiply(found).mean(0)).reshape(-1)
        return mean, np.sqrt(np.maximum(square - mean**2, 0))

    def constant(self) -> np.ndarray:
        """Columns that never change, by number."""
        least, most = (np.asarray(f(0).todense()) for f in (self.matrix.min, self.matrix.max))
        return np.flatnonzero(least == most)

    def bytes(self) -> bytes:
        """Everything that tells these rows from others."""
        parts = (self.matrix.data, self.matrix.indices, self.matrix.indptr)
        return b"".join(p.tobytes() for p in parts)
