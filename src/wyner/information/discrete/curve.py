"""Rate against residual: the Lagrangian's minima, and the convex curve C_gamma that they are the
tangents of.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wyner.information.discrete.decomposition import Decomposition
from wyner.information.discrete.relaxed import Point, encoder_of, minima
from wyner.information.discrete.table import entropy, reduced, total_correlation

CLOSE, HALVINGS = 1e-6, 10
FIRST = (0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
"""Values of lam that every curve starts from."""
VALUES = 24
"""Values of Z of an encoder, at most."""


class Curve:
    """Minima of TC(X|Z) + lam I(X;Z) of a table, found when asked and kept."""

    def __init__(
        self, p: np.ndarray, j: Decomposition, starts: int, seed: int, device: str
    ) -> None:
        self._p, self._starts, self._seed, self._device = p, starts, seed, device
        self._full = j
        self._points: dict[float, Point] = {}
        self._small: tuple[np.ndarray, np.ndarray] | None = None

    def at(self, lam: float) -> Point:
        """The minimum at one lam."""
        return self.many([lam])[0]

    def many(self, lams: Sequence[float] | np.ndarray) -> list[Point]:
        """The minima at several lam, computed at once."""
        wanted = [float(v) for v in lams]
        missing = sorted({v for v in wanted if v not in self._points})
        if missing:
            table, j = self._reduced()
            nz = min(VALUES, table.size, max(2 * (table.size // max(table.shape)), 4))
            warm = [j] + [p.encoder for p in self._nearest(missing)]
            rng = np.random.default_rng([self._seed, 1])
            found = minima(table, np.array(missing), warm, nz, self._starts, rng, self._device)
            self._points |= {p.lam: p for p in found}
        return [self._points[v] for v in wanted]

    def _nearest(self, lams: Sequence[float]) -> list[Point]:
        if not self._points:
            return []
        known = np.array(sorted(self._points))
        near = {float(known[np.abs(np.log(known / v)).argmin()]) for v in lams}
        return [self._points[k] for k in sorted(near)][:4]

    def _reduced(self) -> tuple[np.ndarray, np.ndarray]:
        """The smallest equivalent table, and the encoder of J on it."""
        if self._small is None:
            small = reduced(self._p)
            share = [
                (c > 0).astype(float) for c in small.channels
            ]  # a factor on values, summed over each class
            factors = tuple(a @ s.T for a, s in zip(self._full.factors, share, strict=True))
            d = Decomposition(self._full.weights, factors)
            keep = np.argsort(-d.weights)[:VALUES]
            self._small = small.table, encoder_of(d.kept(keep))
        return self._small

    def relaxed(self, gamma: float) -> float:
        """C_gamma in nats: on the chord between two points of the curve, halved where the tangents
        leave room.

        Time sharing reaches every point of a chord, so the value is an upper bound; it ends when
        the tangents at the two points allow no more than `CLOSE` below it, or after `HALVINGS`.
        """
        j = self._full.rate(entropy(self._p))
        end = total_correlation(self._p)
        if gamma >= end or j <= 0:
            return 0.0
        ends = [(0.0, j), (end, 0.0)]
        self.many(FIRST)
        upper = j
        for _ in range(HALVINGS):
            hull = _hull([*ends, *((p.residual, p.rate) for p in self._points.values())])
            k = next(k for k in range(1, len(hull)) if hull[k][0] >= gamma)
            (a, ca), (b, cb) = hull[k - 1], hull[k]
            upper = ca if b == a else ca + (cb - ca) * (gamma - a) / (b - a)
            lower = max((p.value - gamma) / p.lam for p in self._points.values())
            if upper - lower < CLOSE or cb >= ca or (b - a) < 1e-12:
                break
            lam = float((b - a) / (ca - cb))
            if lam in self._points:
                break
            self.at(lam)
        return float(max(upper, 0.0))


def _hull(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Lower convex hull, from left to right."""
    hull: list[tuple[float, float]] = []
    for q in sorted(set(points)):
        while len(hull) >= 2 and (hull[-1][0] - hull[-2][0]) * (q[1] - hull[-2][1]) <= (
            hull[-1][1] - hull[-2][1]
        ) * (q[0] - hull[-2][0]):
            hull.pop()
        hull.append(q)
    return hull
