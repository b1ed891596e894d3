"""Gaussian descriptions of a pair: canonical correlations of normal scores, J in closed form. Nats.

If increasing maps of single columns make (X,Y) jointly Gaussian (a Gaussian copula), I and J are
those of the Gaussian with the correlations r_i of the normal scores, because invertible maps of one
side change neither:

    I = -1/2 sum log(1 - r_i^2),    J = sum artanh r_i

How much of the dependence the description holds is tested, not assumed: log p(x,y) / (p(x) p(y)) of
the Gaussian is a critic, and its Donsker-Varadhan value on other rows is a lower bound of I(X;Y)
that is reached only by the true ratio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from wyner.estimation.critic import PAIRS, Bound, bounds
from wyner.estimation.table import LEVEL, tail

LARGEST = 1 - 1e-9


@dataclass(frozen=True)
class Canonical:
    """Canonical correlations and the directions that have them.

    Attributes:
        r: correlations that chance does not explain, `(m,)`, largest first.
        a, b: directions, `(dx, m)` and `(dy, m)`; the variables along them have mean 0 and variance
            1.
        n: rows they were found from.
    """

    r: np.ndarray
    a: np.ndarray
    b: np.ndarray
    n: int

    @property
    def wyner(self) -> float:
        """J = sum artanh r_i."""
        return float(np.arctanh(self.r).sum())

    @property
    def mutual(self) -> float:
        """I = -1/2 sum log(1 - r_i^2)."""
        return abs(float(0.5 * np.log1p(-(self.r**2)).sum()))

    @property
    def wyner_error(self) -> float:
        """Standard error of J: each artanh r_i has variance 1/n (Fisher)."""
        return math.sqrt(len(self.r) / self.n)

    @property
    def mutual_error(self) -> float:
        """Standard error of I: each term has variance r_i^2 / n."""
        return math.sqrt(float((self.r**2).sum()) / self.n)

    def scores(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The Gaussian's log p(x,y) / (p(x) p(y)) for all pairs of rows, `(N, N)`."""
        a, b, r, rest = x @ self.a, y @ self.b, self.r, 1 - self.r**2
        alone_a, alone_b = (v**2 @ (r**2 / rest / 2) for v in (a, b))
        return -0.5 * np.log(rest).sum() + (a * (r / rest)) @ b.T - alone_a[:, None] - alone_b


def canonical(x: np.ndarray, y: np.ndarray, most: int | None = None) -> Canonical:
    """Canonical correlations, tested in turn: Bartlett's statistic of the rest against chi-squared.

    Spurious correlations are about sqrt(d/n) each, and J, whose slope at 0 is 1, would add them all
    up.

    Args:
        x, y: `(N, dx)`, `(N, dy)`, columns of mean 0.
        most: correlations at most.
    """
    n, (qx, kx), (qy, ky) = len(x), _white(x), _white(y)
    u, s, v = np.linalg.svd((x @ qx).T @ (y @ qy) / n, full_matrices=False)
    s, found = np.minimum(s, LARGEST), 0
    while found < min(len(s), most or len(s)):
        left = -(n - 1 - (kx + ky + 1) / 2) * float(np.log1p(-(s[found:] ** 2)).sum())
        if tail(left, (kx - found) * (ky - found)) >= LEVEL:
            break
        found += 1
    return Canonical(s[:found], qx @ u[:, :found], qy @ v[:found].T, n)


def _white(x: np.ndarray) -> tuple[np.ndarray, int]:
    """A map to uncorrelated columns of variance 1, and how many; those of no variance are left."""
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    kept = values > 1e-9 * max(float(values.max()), 1e-300)
    if not kept.any():
        return np.zeros((x.shape[1], 1)), 1
    return vectors[:, kept] / np.sqrt(values[kept]), int(kept.sum())


def explains(x: np.ndarray, y: np.ndarray, most: int | None = None) -> Bound:
    """What a Gaussian fit shows of I(X;Y): its DV bound on the other half, both ways."""
    cut, found = len(x) // 2, []
    for fit, test in ((slice(0, cut), slice(cut, None)), (slice(cut, None), slice(0, cut))):
        model = canonical(x[fit], y[fit], most)
        found.append(bounds(model.scores(x[test][:PAIRS], y[test][:PAIRS]))["DV"])
    return Bound.mean(*found)
