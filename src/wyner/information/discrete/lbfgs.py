"""Limited-memory quasi-Newton minimisation of many small problems at once.

Nocedal and Wright, algorithms 7.4 and 3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

Objective = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""`(R, D)` points to `(R,)` values and `(R, D)` gradients, each row a problem of its own."""

MEMORY, ARMIJO, SHRINKS = 8, 1e-4, 25


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row by row, `(R, 1)`."""
    return np.einsum("rd,rd->r", a, b)[:, None]


@dataclass
class Memory:
    """Latest steps s, changes of gradient y, and 1 / s.y, 0 for a pair without curvature."""

    scale: np.ndarray
    metric: np.ndarray | float
    pairs: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)

    def direction(self, g: np.ndarray) -> np.ndarray:
        """-H g by the two-loop recursion, `(R, D)`."""
        q, alphas = g.copy(), []
        for s, y, inverse in reversed(self.pairs):
            alphas.append(inverse * _dot(s, q))
            q -= alphas[-1] * y
        q *= self.scale * self.metric
        for (s, y, inverse), alpha in zip(self.pairs, reversed(alphas), strict=True):
            q += s * (alpha - inverse * _dot(y, q))
        return -q

    def remember(self, s: np.ndarray, y: np.ndarray) -> None:
        """Adds a step where its curvature is positive."""
        sy, yy = _dot(s, y), _dot(self.metric * y, y)
        good = sy > 1e-12 * np.sqrt(_dot(y, y) * _dot(s, s))
        inverse = np.where(good, 1 / np.where(good, sy, 1.0), 0.0)
        self.pairs = [*self.pairs, (s, y, inverse)][-MEMORY:]
        self.scale = np.where(good, sy / np.maximum(yy, 1e-300), self.scale)


def minimise(
    objective: Objective,
    x: np.ndarray,
    *,
    steps: int,
    tolerance: float = 1e-9,
    quorum: float = 1.0,
    metric: np.ndarray | float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Local minima of R problems, each from its own start; points `(R, D)` and values `(R,)`.

    Args:
        objective: values and gradients; see `Objective`.
        x: starts, `(R, D)`; no value that is returned is above that of its start.
        steps: iterations at most.
        tolerance: largest gradient entry at which a problem is done; it then stays where it is.
        quorum: share of the problems that have to be done.
        metric: first guess of the inverse curvature, `(R, D)` or a number; its scale is found.
    """
    f, g = objective(x)
    scale = 1 / np.maximum(np.linalg.norm(metric * g, axis=1, keepdims=True), 1.0)
    memory = Memory(scale, metric)
    for _ in range(steps):
        open_ = np.abs(g).max(1) > tolerance
        if (~open_).mean() >= quorum:
            break
        d = memory.direction(g)
        slope = _dot(d, g)[:, 0]
        uphill = ~(slope < 0)
        if uphill.any():
            d = np.where(uphill[:, None], -g * memory.scale * metric, d)
            slope = _dot(d, g)[:, 0]
        x_new, f_new, g_new, moved = _search(objective, x, f, g, d, slope, open_)
        memory.remember(x_new - x, g_new - g)
        x, f, g = x_new, f_new, g_new
        if not moved.any():
            break
    return x, f


def _search(
    objective: Objective,
    x: np.ndarray,
    f: np.ndarray,
    g: np.ndarray,
    d: np.ndarray,
    slope: np.ndarray,
    open_: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Halves the step of each problem until its value falls enough; one that never does stays."""
    step = open_.astype(float)
    x_new = x + step[:, None] * d
    f_new, g_new = objective(x_new)
    noise = 1e-15 * np.maximum(np.abs(f), 1.0)
    waiting = open_
    for _ in range(SHRINKS):
        waiting = open_ & ~(f_new <= f + ARMIJO * step * slope + noise)
        if not waiting.any():
            break
        step = np.where(waiting, 0.4 * step, step)
        x_new = x + step[:, None] * d
        f_new, g_new = objective(x_new)
    if waiting.any():
        x_new, f_new = np.where(waiting[:, None], x, x_new), np.where(waiting, f, f_new)
        g_new = np.where(waiting[:, None], g, g_new)
    return x_new, f_new, g_new, open_ & ~waiting
