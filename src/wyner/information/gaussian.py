"""Common information of jointly Gaussian pairs, in closed form. All values in nats.

With r_i the canonical correlations of X and Y (singular values of Sx^{-1/2} Sxy Sy^{-1/2}):

    I    = -1/2 sum log(1 - r_i^2)
    J    =  1/2 sum log((1 + r_i) / (1 - r_i))      Wyner (Xu, Liu, Chen, arXiv 1301.2237; Satpathy
                                                    and Cuff)
    C_GK =  0                                       Gacs and Korner, if all r_i < 1

Relaxed values after Sula and Gastpar (arXiv 1912.07083).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wyner.errors import OptionError
from wyner.information.gaussian_latent import Directions, GaussianLatent, canonical, latent
from wyner.information.lagrangian import Lagrangian, check_gamma, check_lam
from wyner.information.shrinkage import joint_covariance


@dataclass(frozen=True)
class GaussianInformation:
    """Exact information measures of a Gaussian pair with the given canonical correlations, in nats.

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
        """I(X;Y) = -1/2 sum log(1 - r^2)."""
        return _mutual(self.correlations)

    @property
    def wyner(self) -> float:
        """Wyner's common information J(X;Y) = 1/2 sum log((1+r)/(1-r))."""
        return sum(math.atanh(r) for r in self.correlations)

    @property
    def gacs_korner(self) -> float:
        """C_GK(X;Y): 0, since no function of X equals one of Y."""
        return 0.0

    def relaxed(self, gamma: float) -> float:
        """C_gamma = min I(X,Y;Z) subject to I(X;Y|Z) <= gamma, by reverse water-filling.

        gamma_i = min(g, I_i) with g such that they sum to gamma; each coordinate then costs
        1/2 log+ [ (1+r)(1-n) / ((1-r)(1+n)) ] with n = sqrt(1 - exp(-2 gamma_i)).

        Raises:
            OptionError: gamma is negative.
        """
        level, total = self._level(gamma), 0.0
        for r in self.correlations:
            n = _residual(min(level, _mutual([r])))
            total += max(0.0, math.atanh(r) - math.atanh(n))
        return 0.0 if gamma >= self.mutual_information else total

    def _level(self, gamma: float) -> float:
        """Nats g that every coordinate may keep: sum_i min(g, I_i) = gamma; infinite from I up."""
        check_gamma(gamma)
        each = sorted(_mutual([r]) for r in self.correlations)
        if gamma >= sum(each):
            return math.inf
        left, level = gamma, 0.0
        for done, own in enumerate(each):  # the weakest are filled first and keep all of theirs
            level = left / (len(each) - done)
            if own >= level:
                break
            left -= own
        return level

    def latent(self, *, gamma: float | None = None, lam: float | None = None) -> GaussianLatent:
        """The optimal Z, to be sampled: of J by default, of C_gamma, or of the Lagrangian at lam.

        Every coordinate keeps a residual correlation of min(r_i, n): n = 0 for J, sqrt(1 - exp(-2
        g)) at the water level g of gamma, lam for the Lagrangian.

        Raises:
            OptionError: both gamma and lam, a negative gamma, a lam that is not positive.
        """
        if gamma is not None and lam is not None:
            raise OptionError("latent: expected gamma= or lam=, not both")
        if lam is not None:
            check_lam(lam)
        n = lam if lam is not None else _residual(0.0 if gamma is None else self._level(gamma))
        return latent(self.correlations, [min(r, n) for r in self.correlations], self.directions)

    def lagrangian(self, lam: float) -> Lagrangian:
        """Min over Z of I(X;Y|Z) + lam I(X,Y;Z): coordinates with r > lam keep lam.

        Raises:
            OptionError: lam is not positive.
        """
        check_lam(lam)
        kept = [min(r, lam) for r in self.correlations]
        residual = _mutual(kept)
        pairs = zip(self.correlations, kept, strict=True)
        rate = sum(math.atanh(r) - math.atanh(n) for r, n in pairs)
        return Lagrangian(residual + lam * rate, residual, rate)

    def __str__(self) -> str:
        shown = ", ".join(f"{r:.4f}" for r in self.correlations[:8])
        rows = [
            ("C_GK", self.gacs_korner, "Gacs-Korner: no function of x equals one of y"),
            ("I", self.mutual_information, "mutual information"),
            ("J", self.wyner, "Wyner"),
        ]
        lines = [f"{name:<5} {value:10.6f} nats  {what}" for name, value, what in rows]
        if self.shrinkage is not None:
            lines.append(f"covariance from rows, shrunk by {self.shrinkage:.4f}")
        more = ", ..." if len(self.correlations) > 8 else ""
        return "\n".join([f"Gaussian pair, canonical correlations {shown}{more}", *lines])


def gaussian(
    *,
    correlations: Sequence[float] | None = None,
    covariance: Any = None,
    dims: tuple[int, int] | None = None,
    data: tuple[Any, Any] | None = None,
    shrinkage: float | None = None,
) -> GaussianInformation:
    """Information of a Gaussian pair, from canonical correlations, its covariance, or rows.

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
        return GaussianInformation(_inside(np.abs(np.asarray(correlations, dtype=float).ravel())))
    mean, share = None, None
    if data is not None:
        if not isinstance(data, tuple | list) or len(data) != 2:
            raise OptionError("data: expected two arrays (x, y), a row for each pair")
        mean, covariance, share = joint_covariance(data[0], data[1], shrinkage)
        width = int(np.prod(np.shape(data[0])[1:]))
        dims = (width, len(mean) - width)
    r, directions = canonical(covariance, dims, mean)
    return GaussianInformation(_inside(r), directions, share)


def canonical_correlations(covariance: Any, dims: tuple[int, int] | None) -> np.ndarray:
    """Singular values of Sx^{-1/2} Sxy Sy^{-1/2}, `(min(dx, dy),)`, largest first."""
    return canonical(covariance, dims)[0]


def _inside(r: np.ndarray) -> tuple[float, ...]:
    """Correlations, largest first, refused from 1 up."""
    if not np.all(r < 1):
        raise OptionError(
            f"correlations: expected numbers between -1 and 1, not included, got {r.max():g}; the"
            " information is then infinite"
        )
    return tuple(float(v) for v in np.sort(r)[::-1])


def _mutual(correlations: Sequence[float]) -> float:
    """-1/2 sum log(1 - r^2)."""
    return -0.5 * sum(math.log1p(-r * r) for r in correlations)


def _residual(level: float) -> float:
    """Correlation that leaves so many nats: n = sqrt(1 - exp(-2 level)); 1 for infinitely many."""
    return math.sqrt(-math.expm1(-2 * level))
