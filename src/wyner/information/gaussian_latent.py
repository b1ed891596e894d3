"""The optimal Z of a Gaussian pair: a noisy linear map of (X, Y) along the canonical directions.

CICA reduces to CCA (Gastpar and Sula, arXiv 2002.00779). For a canonical pair of correlation r with
residual correlation n < r,

    X' = sqrt(a) Z + Nx,  Y' = sqrt(a) Z + Ny,   a = (r - n)/(1 - n),  Var N = (1 - r)/(1 - n),
                          corr(Nx, Ny) = n

and by conditioning   Z | x', y'  ~  N( sqrt(a)/(1+r) (x' + y'),  1 - 2a/(1+r) ).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wyner.errors import DataError, OptionError, ShapeError


@dataclass(frozen=True)
class Directions:
    """Canonical directions: `x_map @ (x - x_mean)`, `y_map @ (y - y_mean)` have unit variances.

    Attributes:
        x_map, y_map: `(k, dx)` and `(k, dy)`; rows i have correlation r_i.
        x_mean, y_mean: `(dx,)` and `(dy,)`.
    """

    x_map: np.ndarray
    y_map: np.ndarray
    x_mean: np.ndarray
    y_mean: np.ndarray


@dataclass(frozen=True)
class GaussianLatent:
    """Z = matrix_x (x - mean of x) + matrix_y (y - mean of y) + noise, of mean 0 and variance 1.

    Attributes:
        matrix_x, matrix_y: `(dz, dx)` and `(dz, dy)`.
        noise: variances of the independent noise, `(dz,)`.
        residual: correlation that each canonical pair keeps given Z, `(k,)`, all pairs.
        directions: the canonical directions.
    """

    matrix_x: np.ndarray
    matrix_y: np.ndarray
    noise: np.ndarray
    residual: np.ndarray
    directions: Directions

    @property
    def rate(self) -> float:
        """I(X,Y;Z) = -1/2 sum log noise, in nats."""
        return max(0.0, float(-0.5 * np.log(self.noise).sum()))

    def mean(self, x: Any, y: Any) -> np.ndarray:
        """E[Z|x,y], `(B, dz)`, of rows `(B, dx)` and `(B, dy)`; a `ShapeError` for other widths."""
        d, total = self.directions, np.zeros(len(self.noise))
        for name, given, mean, matrix in (
            ("x", x, d.x_mean, self.matrix_x),
            ("y", y, d.y_mean, self.matrix_y),
        ):
            a = np.asarray(given, dtype=np.float64)
            if a.ndim != 2 or a.shape[1] != len(mean):
                raise ShapeError(f"{name}: expected rows (B, {len(mean)}), got shape {a.shape}")
            total = total + (a - mean) @ matrix.T
        return total

    def sample(self, x: Any, y: Any, seed: int = 0) -> np.ndarray:
        """Draws of Z given rows of x and y, `(B, dz)`."""
        mean = self.mean(x, y)
        return mean + np.random.default_rng([seed, 2]).normal(size=mean.shape) * np.sqrt(self.noise)


def latent(
    correlations: Sequence[float], residual: Sequence[float], directions: Directions | None
) -> GaussianLatent:
    """The optimal Z that keeps correlations n_i <= r_i; pairs with n_i = r_i are not in it.

    Without directions, x and y are the canonical coordinates themselves.
    """
    r, n = np.array(correlations, dtype=float), np.array(residual, dtype=float)
    at = directions or Directions(*[np.eye(len(r))] * 2, *[np.zeros(len(r))] * 2)
    kept = np.flatnonzero(n < r)
    a = (r - n)[kept] / (1 - n[kept])
    slope = (np.sqrt(a) / (1 + r[kept]))[:, None]
    noise = 1 - 2 * a / (1 + r[kept])
    return GaussianLatent(
        slope * at.x_map[kept], slope * at.y_map[kept], noise, np.minimum(n, r), at
    )


def canonical(
    covariance: Any, dims: tuple[int, int] | None, mean: np.ndarray | None = None
) -> tuple[np.ndarray, Directions]:
    """Canonical correlations, largest first, and directions: an SVD of Sx^{-1/2} Sxy Sy^{-1/2}.

    Args:
        covariance: of (x, y), `(dx + dy, dx + dy)`, positive definite.
        dims: `(dx, dy)`.
        mean: of (x, y), `(dx + dy,)`; 0 by default.

    Raises:
        DataError: what is no covariance. OptionError: dims that do not fit.
    """
    s = np.asarray(covariance, dtype=float)
    if s.ndim != 2 or s.shape[0] != s.shape[1]:
        raise DataError(f"covariance: expected a square matrix, got shape {s.shape}")
    if dims is None or sum(dims) != len(s) or min(dims) < 1:
        raise OptionError(f"dims: expected (dx, dy) with dx + dy = {len(s)}, got {dims}")
    if not np.allclose(s, s.T, rtol=1e-8, atol=1e-12):
        raise DataError("covariance: expected a symmetric matrix")
    dx, centre = dims[0], np.zeros(len(s)) if mean is None else mean
    try:
        lx, ly = np.linalg.cholesky(s[:dx, :dx]), np.linalg.cholesky(s[dx:, dx:])
        np.linalg.cholesky(s)
    except np.linalg.LinAlgError:
        raise DataError(
            "covariance: expected a positive definite matrix; drop redundant columns or add a small"
            " ridge"
        ) from None
    white = np.linalg.solve(ly, np.linalg.solve(lx, s[:dx, dx:]).T).T
    u, r, vt = np.linalg.svd(white, full_matrices=False)
    x_map, y_map = np.linalg.solve(lx.T, u).T, np.linalg.solve(ly.T, vt.T).T
    return r, Directions(x_map, y_map, centre[:dx], centre[dx:])
