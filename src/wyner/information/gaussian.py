"""Common information of jointly Gaussian pairs, in closed form. All values in nats.

With r_i the canonical correlations of X and Y (singular values of Sx^{-1/2} Sxy Sy^{-1/2}):

    I    = -1/2 sum log(1 - r_i^2)
    J    =  1/2 sum log((1 + r_i) / (1 - r_i))        Wyner (Xu, Liu, Chen, arXiv 1301.2237;
         Satpathy and Cuff)
    C_GK =  0                                         Gacs and Korner, if all r_i < 1

Relaxed values after Sula and Gastpar (arXiv 1912.07083).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wyner.errors import DataError, OptionError
from wyner.information.gaussian_latent import (
    Directions,
    GaussianLatent,
    directions_of,
    latent,
    plain,
    residual_of,
)
from wyner.information.shrinkage import joint_covariance


@dataclass(frozen=True)
class Lagrangian:
    """Minimum over Z of I(X;Y|Z) + lam I(X,Y;Z).

    Attributes:
        value: the minimum, in nats; what a Wyner VAE's loss reaches above h(X,Y).
        residual: I(X;Y|Z) at the minimum, in nats.
        rate: I(X,Y;Z) at the minimum, in nats; what I41 of a trained model should be.
    """

    value: float
    residual: float
    rate: float


@dataclass(frozen=True)
class GaussianInformation:
    """Exact information measures of a Gaussian pair with the given canonical correlations.

    Attributes:
        correlations: canonical correlations in [0, 1), largest first.
        directions: where they lie in x and y; None for the coordinates themselves.
        shrinkage: share of the identity in the covariance that was estimated; None if it was given.
    """

    correlations: tuple[float, ...]
    directions: Directions | None = field(default=None, compare=False, repr=False)
    shrinkage: float | None = None

    @property
    def mutual_information(self) -> float:
        """I(X;Y) = -1/2 sum log(1 - r^2) in nats."""
        return -0.5 * sum(math.log1p(-r * r) for r in self.correlations)

    @property
    def wyner(self) -> float:
        """Wyner's common information J(X;Y) = 1/2 sum log((1+r)/(1-r)) in nats."""
        return sum(math.atanh(r) for r in self.correlations)

    @property
    def gacs_korner(self) -> float:
        """C_GK(X;Y) in nats: 0, since no function of X equals one of Y."""
        return 0.0

    def relaxed(self, gamma: float) -> float:
        """C_gamma = min I(X,Y;Z) subject to I(X;Y|Z) <= gamma, in nats, by reverse water-filling
        over the coordinates.

        gamma_i = min(g, I_i) with g such that they sum to gamma; each coordinate then costs
        1/2 log+ [ (1+r)(1-n) / ((1-r)(1+n)) ] with n = sqrt(1 - exp(-2 gamma_i)).

        Raises:
            OptionError: gamma is negative.
        """
        level = self._level(gamma)
        total = 0.0
        for r in self.correlations:
            n = residual_of(min(level, -0.5 * math.log1p(-r * r)))
            total += max(0.0, math.atanh(r) - math.atanh(n))
        return 0.0 if gamma >= self.mutual_information else total

    def _level(self, gamma: float) -> float:
        """Nats that every coordinate may keep: g with sum_i min(g, I_i) = gamma, infinite from
        I(X;Y) up.
        """
        if not gamma >= 0:
            raise OptionError(f"gamma: expected a number of nats from 0 up, got {gamma}")
        each = sorted(-0.5 * math.log1p(-r * r) for r in self.correlations)
        if gamma >= sum(each):
            return math.inf
        left, count, level = gamma, len(each), 0.0
        for own in each:  # the weakest coordinates are filled first and keep all of theirs
            level = left / count
            if own >= level:
                break
            left, count = left - own, count - 1
        return level

    def latent(self, *, gamma: float | None = None, lam: float | None = None) -> GaussianLatent:
        """The optimal Z, to be sampled: of J by default, of C_gamma, or of the Lagrangian at lam.

        Every coordinate keeps a residual correlation of min(r_i, n): n = 0 for J, sqrt(1 - exp(-2
            g)) at the water level g of
        gamma, lam for the Lagrangian.

        Raises:
            OptionError: both gamma and lam, a negative gamma, a lam that is not positive.
        """
        if gamma is not None and lam is not None:
            raise OptionError("latent: expected gamma= or lam=, not both")
        if lam is not None and not lam > 0:
            raise OptionError(
                f"lam: expected a positive number (at 0 the rate is not identified), got {lam}"
            )
        level = self._level(gamma) if gamma is not None else 0.0
        n = lam if lam is not None else (1.0 if math.isinf(level) else residual_of(level))
        kept = [min(r, n) for r in self.correlations]
        return latent(self.correlations, kept, self.directions or plain(len(kept)))

    def __str__(self) -> str:
        shown = ", ".join(f"{r:.4f}" for r in self.correlations[:8]) + (
            ", ..." if len(self.correlations) > 8 else ""
        )
        rows = [
            ("C_GK", self.gacs_korner, "Gacs-Korner: no function of x equals one of y"),
            ("I", self.mutual_information, "mutual information"),
            ("J", self.wyner, "Wyner"),
        ]
        lines = [f"{name:<5} {value:10.6f} nats  {what}" for name, value, what in rows]
        tail = (
            []
            if self.shrinkage is None
            else [f"covariance from rows, shrunk by {self.shrinkage:.4f}"]
        )
        return "\n".join([f"Gaussian pair, canonical correlations {shown}", *lines, *tail])

    def lagrangian(self, lam: float) -> Lagrangian:
        """Min over Z of I(X;Y|Z) + lam I(X,Y;Z) for 0 < lam: coordinates with r > lam keep a
        residual correlation of lam.

        Raises:
            OptionError: lam is not positive.
        """
        if not lam > 0:
            raise OptionError(
                f"lam: expected a positive number (at 0 the rate is not identified), got {lam}"
            )
        kept = [min(r, lam) for r in self.correlations]
        residual = -0.5 * sum(math.log1p(-n * n) for n in kept)
        rate = sum(
            math.atanh(r) - math.atanh(n) for r, n in zip(self.correlations, kept, strict=True)
        )
        return Lagrangian(residual + lam * rate, residual, rate)


def gaussian(
    *,
    correlations: Sequence[float] | None = None,
    covariance: Any = None,
    dims: tuple[int, int] | None = None,
    data: tuple[Any, Any] | None = None,
    shrinkage: float | None = None,
) -> GaussianInformation:
    """Information measures of a Gaussian pair, from its canonical correlations, its joint
    covariance, or rows.

    Args:
        correlations: canonical correlations, in (-1, 1); signs do not matter.
        covariance: joint covariance `(dx + dy, dx + dy)`, positive definite.
        dims: `(dx, dy)`, how the covariance splits.
        data: rows `(x, y)`, `(n, dx)` and `(n, dy)`; the covariance is estimated and shrunk. Values
            are those of the Gaussian with that covariance, whatever the data are; few rows in many
            dimensions raise them, shrinkage lowers them.
        shrinkage: share of the identity in the estimated correlation matrix; None for Ledoit and
            Wolf's.

    Returns:
        A record with `.mutual_information`, `.wyner`, `.gacs_korner` (nats), `.relaxed(gamma)`,
        `.lagrangian(lam)`, `.latent()`.

    Raises:
        OptionError: not exactly one of the three, correlations outside (-1, 1), or dims that do not
            fit.
        DataError: a covariance that is not symmetric and positive definite, or rows that do not
            match.

    Example:
        >>> from wyner import information
        >>> round(information.gaussian(correlations=[0.8]).wyner, 6)
        1.098612
    """
    if sum(a is not None for a in (correlations, covariance, data)) != 1:
        raise OptionError(
            "gaussian: expected either correlations= or covariance= with dims=(dx, dy), or"
            " data=(x, y)"
        )
    if correlations is not None:
        return GaussianInformation(
            _inside(np.abs(np.asarray(correlations, dtype=float).reshape(-1)))
        )
    mean, share = None, None
    if data is not None:
        if not isinstance(data, tuple | list) or len(data) != 2:
            raise OptionError("data: expected two arrays (x, y), a row for each pair")
        mean, covariance, share = joint_covariance(data[0], data[1], shrinkage)
        width = int(np.prod(np.shape(data[0])[1:]))
        dims = (width, len(mean) - width)
    canonical_correlations(covariance, dims)  # refuses what is no covariance
    assert dims is not None
    s = np.asarray(covariance, dtype=float)
    r, directions = directions_of(s, dims, np.zeros(len(s)) if mean is None else mean)
    return GaussianInformation(_inside(r), directions, share)


def _inside(r: np.ndarray) -> tuple[float, ...]:
    """Correlations, largest first, refused from 1 up."""
    if not np.all(r < 1):
        raise OptionError(
            f"correlations: expected numbers between -1 and 1, not included, got {r.max():g}; the"
            " information is then infinite"
        )
    return tuple(float(v) for v in np.sort(r)[::-1])


def canonical_correlations(covariance: Any, dims: tuple[int, int] | None) -> np.ndarray:
    """Singular values of Sx^{-1/2} Sxy Sy^{-1/2}, `(min(dx, dy),)`, largest first."""
    s = np.asarray(covariance, dtype=float)
    if s.ndim != 2 or s.shape[0] != s.shape[1]:
        raise DataError(f"covariance: expected a square matrix, got shape {s.shape}")
    if dims is None or sum(dims) != len(s) or min(dims) < 1:
        raise OptionError(f"dims: expected (dx, dy) with dx + dy = {len(s)}, got {dims}")
    if not np.allclose(s, s.T, rtol=1e-8, atol=1e-12):
        raise DataError("covariance: expected a symmetric matrix")
    dx = dims[0]
    try:
        lx, ly = np.linalg.cholesky(s[:dx, :dx]), np.linalg.cholesky(s[dx:, dx:])
        np.linalg.cholesky(s)
    except np.linalg.LinAlgError:
        raise DataError(
            "covariance: expected a positive definite matrix; drop redundant columns or add a small"
            " ridge"
        ) from None
    return np.linalg.svd(np.linalg.solve(ly, np.linalg.solve(lx, s[:dx, dx:]).T), compute_uv=False)
