"""What metrics have in common: codes and labels that they refuse, the error of a share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.errors import DataError, ShapeError


def finite(values: Any, what: str) -> Tensor:
    """The values as a tensor; a `DataError` names the rows that hold NaN or infinity."""
    found = torch.as_tensor(values)
    if found.is_floating_point() and not bool((there := found.isfinite()).all()):
        rows = (~there).nonzero()[:, 0].unique().tolist() if found.ndim else [0]
        shown = ", ".join(map(str, rows[:5])) + (f" and {len(rows) - 5} more" if rows[5:] else "")
        raise DataError(
            f"{what}: expected finite numbers, but row{'s' * (len(rows) > 1)} {shown} of"
            f" {len(found) if found.ndim else 1} hold some that are not finite; leave them out"
        )
    return found


def bits(values: Tensor, what: str) -> Tensor:
    """Zeros and ones as booleans; a `DataError` shows another number."""
    found = finite(values, what)
    if not bool((right := (found == 0) | (found == 1)).all()):
        raise DataError(f"{what}: expected zeros and ones, got {found[~right][0].item():g}")
    return found == 1


def classes(*sides: Any, rows: tuple[int, ...] = ()) -> list[Tensor]:
    """Labels of every side as numbers 0, 1, ...: equal exactly where the labels are equal.

    Args:
        sides: `(N,)` each, whole numbers, other numbers, booleans or texts.
        rows: how many labels each side must have; whatever comes if it is left out.

    Raises:
        ShapeError: another number of labels. DataError: NaN, or texts beside numbers.
    """
    arrays = [np.asarray(s.detach().cpu() if isinstance(s, Tensor) else s) for s in sides]
    for array, n in zip(arrays, rows or [len(a) if a.ndim else 0 for a in arrays], strict=True):
        if array.shape != (n,):
            raise ShapeError(
                f"labels: expected one label for each of the {n} rows, got shape {array.shape}"
            )
    arrays = [a.astype(str) if a.dtype.kind == "O" else a for a in arrays]
    if len({a.dtype.kind in "US" for a in arrays if a.size}) > 1:
        raise DataError("labels: expected texts on all sides or numbers on all sides, got both")
    whole = np.concatenate(arrays)
    if whole.dtype.kind == "f" and np.isnan(whole).any():
        at = int(np.flatnonzero(np.isnan(whole))[0])
        raise DataError(f"labels: expected a label for every row, got NaN as number {at}")
    _, codes = np.unique(whole, return_inverse=True)
    return list(torch.from_numpy(codes.reshape(-1)).split([len(a) for a in arrays]))


def share_error(share: float, rows: int) -> float:
    """Standard error of a share of rows."""
    return (share * (1 - share) / rows) ** 0.5
