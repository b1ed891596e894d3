"""Rate against residual: the Lagrangian's minima, tangents of the convex curve C_gamma."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wyner.information.discrete.decomposition import Decomposition
from wyner.information.discrete.relaxed import Point, encoder_of, minima
from wyner.information.discrete.table import entropy, reduced, total_correlation
from wyner.information.discrete.threads import one_thread

CLOSE, HALVINGS = 1e-6, 10
FIRST = (0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
"""Values of lam that every curve starts from."""
VALUES = 24
"""Values of Z of an encoder, at most."""


class Curve:
    """Minima of TC(X|Z) + lam I(X;Z) of a table, found when asked and kept."""

    def __init__(self, p: np.ndarray, j: Decomposition, starts: int, seed: int) -> None:
        self._p, self._full = p, j
        self._starts, self._seed = starts, seed
        self._points: dict[float, Point] = {}

    def many(self, lams: Sequence[float] | np.ndarray) -> list[Point]:
        """The minima at several lam, computed at once."""
        wanted = [float(v) for v in lams]
        missing = sorted({v for v in wanted if v not in self._points})
        if missing:
            table, j = self._reduced()
            nz = min(VALUES, table.size, max(2 * (table.size // max(table.shape)), 4))
            warm = [j] + [p.encoder for p in self._nearest(missing)]
            rng = np.random.default_rng([self._seed, 1])
            with one_thread():
                found = minima(table, np.array(missing), warm, nz, self._starts, rng)
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
        small, full = reduced(self._p), self._full
        shares = [(c > 0).astype(float) for c in small.channels]  # sums the values of each class
        factors = tuple(a @ s.T for a, s in zip(full.factors, shares, strict=True))
        keep = np.argsort(-full.weights)[:VALUES]
        return small.table, encoder_of(Decomposition(full.weights, factors).kept(keep))

    def relaxed(self, gamma: float) -> float:
        """C_gamma in nats: on the chord between two points, halved where the tangents leave room.

        Time sharing reaches every point of a chord, so the value is an upper bound; it ends when
        the tangents at the two points allow no more than `CLOSE` below it, or after `HALVINGS`.
        """
        j = self._full.rate(entropy(self._p))
        end = total_correlation(self._p)
        if gamma >= end or j <= 0:
            return 0.0
        self.many(FIRST)
        upper = j
        for _ in range(HALVINGS):
            points = self._points.values()
            hull = _hull([(0.0, j), (end, 0.0), *((p.residual, p.rate) for p in points)])
            k = next(k for k in range(1, len(hull)) if hull[k][0] >= gamma)
            (a, ca), (b, cb) = hull[k - 1], hull[k]
            upper = ca if b == a else ca + (cb - ca) * (gamma - a) / (b - a)
            lower = max((p.value - gamma) / p.lam for p in points)
            if upper - lower < CLOSE or cb >= ca or (b - a) < 1e-12:
                break
            lam = float((b - a) / (ca - cb))
            if lam in self._points:
                break
            self.many([lam])
        return float(max(upper, 0.0))


def _hull(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Lower convex hull, from left to right."""
    hull: list[tuple[float, float]] = []
    for q in sorted(set(points)):
        while len(hull) >= 2:
            (a, ca), (b, cb) = hull[-2:]
            if (b - a) * (q[1] - ca) > (cb - ca) * (q[0] - a):
                break
            hull.pop()
        hull.append(q)
    return hull
