"""The optimal Z of a Gaussian pair: a noisy linear map of (X, Y) along the canonical directions.

CICA reduces to CCA (Gastpar and Sula, arXiv 2002.00779). For a canonical pair of correlation r with
residual correlation n < r,

    X' = sqrt(a) Z + Nx,  Y' = sqrt(a) Z + Ny,   a = (r - n)/(1 - n),  Var N = (1 - r)/(1 - n),
                          corr(Nx, Ny) = n

and by conditioning   Z | x', y'  ~  N( sqrt(a)/(1+r) (x' + y'),  1 - 2a/(1+r) ).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wyner.errors import ShapeError


@dataclass(frozen=True)
class Directions:
    """Canonical directions: `x_map @ (x - x_mean)` and `y_map @ (y - y_mean)` have unit variances
    and correlations r_i.

    Attributes:
        x_map: `(k, dx)`.
        y_map: `(k, dy)`.
        x_mean: `(dx,)`.
        y_mean: `(dy,)`.
    """

    x_map: np.ndarray
    y_map: np.ndarray
    x_mean: np.ndarray
    y_mean: np.ndarray


@dataclass(frozen=True)
class GaussianLatent:
    """Z = matrix_x (x - mean of x) + matrix_y (y - mean of y) + noise; each coordinate of Z has
    mean 0 and variance 1.

    Attributes:
        matrix_x: `(dz, dx)`.
        matrix_y: `(dz, dy)`.
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
        """E[Z|x,y], `(B, dz)`, of rows `(B, dx)` and `(B, dy)`.

        Raises:
            ShapeError: other widths.
        """
        d = self.directions
        rows = [np.asarray(a, dtype=np.float64) for a in (x, y)]
        for name, a, m in (("x", rows[0], d.x_mean), ("y", rows[1], d.y_mean)):
            if a.ndim != 2 or a.shape[1] != len(m):
                raise ShapeError(f"{name}: expected rows (B, {len(m)}), got shape {a.shape}")
        return (rows[0] - d.x_mean) @ self.matrix_x.T + (rows[1] - d.y_mean) @ self.matrix_y.T

    def sample(self, x: Any, y: Any, seed: int = 0) -> np.ndarray:
        """Draws of Z given rows of x and y, `(B, dz)`."""
        mean = self.mean(x, y)
        return mean + np.random.default_rng([seed, 2]).normal(size=mean.shape) * np.sqrt(self.noise)


def latent(
    correlations: Sequence[float], residual: Sequence[float], directions: Directions
) -> GaussianLatent:
    """The optimal Z with the given residual correlations n_i <= r_i; pairs with n_i = r_i have no
    coordinate in it.
    """
    r, n = np.array(correlations, dtype=float), np.array(residual, dtype=float)
    kept = np.flatnonzero(n < r)
    a = (r - n)[kept] / (1 - n[kept])
    slope = np.sqrt(a) / (1 + r[kept])
    return GaussianLatent(
        slope[:, None] * directions.x_map[kept],
        slope[:, None] * directions.y_map[kept],
        1 - 2 * a / (1 + r[kept]),
        np.minimum(n, r),
        directions,
    )


def directions_of(
    covariance: np.ndarray, dims: tuple[int, int], mean: np.ndarray
) -> tuple[np.ndarray, Directions]:
    """Canonical correlations, largest first, and directions, of a positive definite covariance."""
    dx = dims[0]
    lx, ly = np.linalg.cholesky(covariance[:dx, :dx]), np.linalg.cholesky(covariance[dx:, dx:])
    white = np.linalg.solve(ly, np.linalg.solve(lx, covariance[:dx, dx:]).T).T
    u, r, vt = np.linalg.svd(white, full_matrices=False)
    x_map, y_map = np.linalg.solve(lx.T, u).T, np.linalg.solve(ly.T, vt.T).T
    return r, Directions(x_map, y_map, mean[:dx], mean[dx:])


def plain(count: int) -> Directions:
    """Directions of a pair that is given by its canonical correlations: the coordinates
    themselves.
    """
    return Directions(np.eye(count), np.eye(count), np.zeros(count), np.zeros(count))


def residual_of(level: float) -> float:
    """Correlation n that leaves `level` nats: n = sqrt(1 - exp(-2 level))."""
    return math.sqrt(-math.expm1(-2 * level))
