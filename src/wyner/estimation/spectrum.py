"""Canonical correlations behind those of a sample; what chance adds is simulated. Nats.

The sample correlations of Gaussian pairs depend on nothing but the true ones, the dimensions and
the number of rows. They are too large, by about sqrt(d/n) where the true one is 0, and J = sum
artanh r_i, whose slope at 0 is 1, adds all of that up. So the sample is compared with simulated
samples (Wishart matrices by Bartlett's decomposition) of

    r_i(t) = tanh max(0, artanh r_i + t)

The r_i at t = 0 are those whose simulated correlations are on average the observed ones; the ends
of an interval are the t at which the observed I or J would be as rare as its level allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wyner.estimation.independence import normal_scores, spheres

Measure = Callable[[np.ndarray], float]
Z = 2.0
"""Standard errors on each side of an interval."""
LARGEST, STEPS, DRAWS, WORK, FEW = 1 - 1e-9, 5, 60, 3e6, 4000


def correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Canonical correlations of the rows of two sides, largest first."""
    a, b = spheres(x), spheres(y)
    return np.minimum(np.linalg.svd(a.T @ b / len(a), compute_uv=False), LARGEST)


@dataclass(frozen=True)
class Spectrum:
    """The canonical correlations of a sample.

    Attributes:
        r: of the sample, `(min(dx, dy),)`, largest first.
        dx, dy: dimensions of the two sides.
        n: rows; more than dx + dy.
        seed: of the simulated samples.
        scored: whether the columns are normal scores, which pull correlations of few rows to 0.
    """

    r: np.ndarray
    dx: int
    dy: int
    n: int
    seed: int
    scored: bool = False

    @cached_property
    def _noise(self) -> np.ndarray:
        """Lower triangles A with A A' of a Wishart law of unit scale, `(R, d, d)`."""
        d, rng = self.dx + self.dy, np.random.default_rng([self.seed, 33])
        draws = int(np.clip(WORK / d**3, 12, DRAWS))
        a = np.tril(rng.standard_normal((draws, d, d)), -1)
        at = np.arange(d)
        a[:, at, at] = np.sqrt(rng.chisquare(self.n - 1 - at, (draws, d)))
        return a

    def simulated(self, r: np.ndarray) -> np.ndarray:
        """Sample correlations of sources with these, `(R, min(dx, dy))`."""
        dx, m = self.dx, len(r)
        root = np.eye(dx + self.dy)
        at = np.arange(m)
        root[dx + at, at], root[dx + at, dx + at] = r, np.sqrt(1 - r * r)
        made = root @ self._noise  # of the covariance root root'
        s = made @ made.swapaxes(1, 2)
        lx, ly = np.linalg.cholesky(s[:, :dx, :dx]), np.linalg.cholesky(s[:, dx:, dx:])
        half = np.linalg.solve(lx, s[:, :dx, dx:])
        whole = np.linalg.solve(ly, half.swapaxes(1, 2))
        return np.minimum(np.linalg.svd(whole, compute_uv=False), LARGEST)

    @cached_property
    def z(self) -> np.ndarray:
        """Inverse hyperbolic tangents of the correlations whose samples look like this one."""
        return self._behind(self.seen)

    @cached_property
    def seen(self) -> np.ndarray:
        """The sample correlations without what normal scores have taken from them."""
        if not self.scored or self.n > FEW:
            return np.minimum(self.r, LARGEST)
        z = np.arctanh(np.minimum(self.r, LARGEST))
        lost = self._lost(np.tanh(self._behind(self.r)))
        return np.tanh(np.maximum(0.0, z + lost))

    def _behind(self, r: np.ndarray) -> np.ndarray:
        seen = np.arctanh(np.minimum(r, LARGEST))
        z = seen.copy()
        for _ in range(STEPS):
            z = np.maximum(0.0, z + seen - np.arctanh(self.simulated(np.tanh(z))).mean(0))
        return z

    def _lost(self, r: np.ndarray) -> np.ndarray:
        """Mean artanh of sample correlations less that of their normal scores, from few draws."""
        rng, found = np.random.default_rng([self.seed, 34]), []
        for _ in range(max(4, FEW // self.n)):
            x, y = rng.standard_normal((self.n, self.dx)), rng.standard_normal((self.n, self.dy))
            y[:, : len(r)] = r * x[:, : len(r)] + np.sqrt(1 - r * r) * y[:, : len(r)]
            plain, scored = correlations(x, y), correlations(normal_scores(x), normal_scores(y))
            found.append(np.arctanh(plain) - np.arctanh(scored))
        return np.mean(found, axis=0)

    @cached_property
    def mutual(self) -> float:
        """I of the source: that of the sample less its bias, the same for all sources."""
        r = np.tanh(self.z)
        bias = np.mean([mutual(each) for each in self.simulated(r)]) - mutual(r)
        return max(0.0, mutual(self.seen) - float(bias))

    def wyner(self, found: int) -> float:
        """J = sum artanh r_i over the first few correlations, those beyond chance."""
        return float(self.z[:found].sum())

    def intervals(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Intervals of I and of J."""
        low_i, high_i, low_j, high_j = (
            measure(np.tanh(np.maximum(0.0, self.z + self._shift(measure, sign))))
            for measure in (mutual, common)
            for sign in (-1, 1)
        )
        return (low_i, high_i), (low_j, high_j)

    def _shift(self, measure: Measure, sign: int) -> float:
        """The t at which the observed value is Z deviations from what is expected."""
        seen = measure(self.seen)

        def far(t: float) -> float:
            r = np.tanh(np.maximum(0.0, self.z + t))
            found = np.array([measure(each) for each in self.simulated(np.minimum(r, LARGEST))])
            return sign * (found.mean() - seen) - Z * found.std(ddof=1)

        if sign < 0 and far(-float(self.z.max())) < 0:
            return -float(self.z.max())
        step = 1 / math.sqrt(self.n)
        while far(sign * step) < 0 and step < 8:
            step *= 2
        low, high = 0.0 if step == 1 / math.sqrt(self.n) else step / 2, step
        for _ in range(7):
            middle = (low + high) / 2
            low, high = (middle, high) if far(sign * middle) < 0 else (low, middle)
        return sign * high


def mutual(r: np.ndarray) -> float:
    """-1/2 sum log(1 - r_i^2)."""
    return abs(float(0.5 * np.log1p(-(np.minimum(r, LARGEST) ** 2)).sum()))


def common(r: np.ndarray) -> float:
    """Sum artanh r_i."""
    return float(np.arctanh(np.minimum(r, LARGEST)).sum())
