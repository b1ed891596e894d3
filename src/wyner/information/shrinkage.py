"""A covariance from rows, shrunk so that it is well conditioned (Ledoit and Wolf 2004)."""

from __future__ import annotations

from typing import Any

import numpy as np

from wyner.errors import DataError, OptionError


def ledoit_wolf(rows: np.ndarray) -> float:
    """Share s of the identity in (1 - s) S + s (tr S / d) I with the least expected squared error.

        s = min(b, D) / D,   D = |S - mu I|^2,   b = (1/n^2) sum_k |x_k x_k^T - S|^2,
        S = (1/n) sum_k x_k x_k^T                             J. Multivariate Anal. 88

    Args:
        rows: centred data, `(n, d)`.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    return float(ledoit_wolf_shrinkage(rows, assume_centered=True))


def joint_covariance(
    x: Any, y: Any, shrinkage: float | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean and covariance of the columns of (x, y), shrunk on the scale of unit variances.

    Canonical correlations do not see the scale of a column, so neither should the shrinkage.

    Args:
        x: `(n, dx)`, or `(n,)`.
        y: `(n, dy)`, or `(n,)`.
        shrinkage: share of the identity in [0, 1); None for Ledoit and Wolf's.

    Returns:
        Mean `(dx + dy,)`, covariance `(dx + dy, dx + dy)`, the share that was used.

    Raises:
        DataError: rows that do not match, values that are not finite, a constant column, fewer than
            two rows.
        OptionError: a share outside [0, 1).
    """
    sides = []
    for name, a in (("x", x), ("y", y)):
        rows = np.asarray(a.detach().cpu() if hasattr(a, "detach") else a, dtype=np.float64)
        if rows.ndim == 0 or rows.size == 0:
            raise DataError(f"data: expected rows of {name}, got shape {rows.shape}")
        sides.append(rows.reshape(len(rows), -1))
    if len(sides[0]) != len(sides[1]):
        raise DataError(
            f"data: expected as many rows of x as of y, got {len(sides[0])} and {len(sides[1])}"
        )
    both = np.concatenate(sides, 1)
    if len(both) < 2:
        raise DataError(f"data: expected at least 2 rows, got {len(both)}")
    if not np.isfinite(both).all():
        raise DataError("data: expected finite numbers; drop or fill the rows that hold others")
    mean, scale = both.mean(0), both.std(0)
    if not (scale > 0).all():
        raise DataError(f"data: column {int(np.argmin(scale))} of (x, y) is constant; drop it")
    standard = (both - mean) / scale
    if shrinkage is not None and not 0 <= shrinkage < 1:
        raise OptionError(f"shrinkage: expected a share in [0, 1), got {shrinkage}")
    share = ledoit_wolf(standard) if shrinkage is None else float(shrinkage)
    correlation = standard.T @ standard / len(both)
    shrunk = (1 - share) * correlation + share * np.eye(len(correlation))
    return mean, shrunk * np.outer(scale, scale), share
