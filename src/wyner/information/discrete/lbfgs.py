"""Limited-memory quasi-Newton minimisation of many small problems at once.

Nocedal and Wright, algorithms 7.4 and 3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

Objective = Callable[[Tensor], tuple[Tensor, Tensor]]
"""`(R, D)` points to `(R,)` values and `(R, D)` gradients, each row a problem of its own."""

MEMORY, ARMIJO, SHRINKS = 8, 1e-4, 25


@dataclass
class Memory:
    """Latest steps s, changes of gradient y, and 1 / s.y, 0 for a pair without curvature."""

    scale: Tensor
    metric: Tensor | float
    pairs: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)

    def direction(self, g: Tensor) -> Tensor:
        """-H g by the two-loop recursion, `(R, D)`."""
        q, alphas = g.clone(), []
        for s, y, inverse in reversed(self.pairs):
            alphas.append(inverse * (s * q).sum(1, keepdim=True))
            q -= alphas[-1] * y
        q *= self.scale * self.metric
        for (s, y, inverse), alpha in zip(self.pairs, reversed(alphas), strict=True):
            q += s * (alpha - inverse * (y * q).sum(1, keepdim=True))
        return -q

    def remember(self, s: Tensor, y: Tensor) -> None:
        """Adds a step where its curvature is positive."""
        total = lambda v: v.sum(1, keepdim=True)
        sy, yy = total(s * y), total(self.metric * y.square())
        good = sy > 1e-12 * (total(y.square()) * total(s.square())).sqrt()
        inverse = torch.where(good, 1 / sy.where(good, torch.ones_like(sy)), 0.0)
        self.pairs = [*self.pairs, (s, y, inverse)][-MEMORY:]
        self.scale = torch.where(good, sy / yy.clamp_min(1e-300), self.scale)


def minimise(
    objective: Objective,
    x: Tensor,
    *,
    steps: int,
    tolerance: float = 1e-9,
    quorum: float = 1.0,
    metric: Tensor | float = 1.0,
) -> tuple[Tensor, Tensor]:
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
    memory = Memory(1 / (metric * g).norm(dim=1, keepdim=True).clamp_min(1.0), metric)
    for _ in range(steps):
        open_ = g.abs().amax(1) > tolerance
        if float((~open_).double().mean()) >= quorum:
            break
        d = memory.direction(g)
        slope = (d * g).sum(1)
        uphill = ~(slope < 0)
        if bool(uphill.any()):
            d = torch.where(uphill[:, None], -g * memory.scale * metric, d)
            slope = (d * g).sum(1)
        x_new, f_new, g_new, moved = _search(objective, x, f, g, d, slope, open_)
        memory.remember(x_new - x, g_new - g)
        x, f, g = x_new, f_new, g_new
        if not bool(moved.any()):
            break
    return x, f


def _search(
    objective: Objective, x: Tensor, f: Tensor, g: Tensor, d: Tensor, slope: Tensor, open_: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Halves the step of each problem until its value falls enough; one that never does stays."""
    step = open_.to(x.dtype)
    x_new, waiting = x + step[:, None] * d, open_
    f_new, g_new = objective(x_new)
    noise = 1e-15 * f.abs().clamp_min(1.0)
    for _ in range(SHRINKS):
        waiting = open_ & ~(f_new <= f + ARMIJO * step * slope + noise)
        if not bool(waiting.any()):
            break
        step = torch.where(waiting, 0.4 * step, step)
        x_new = x + step[:, None] * d
        f_new, g_new = objective(x_new)
    back = lambda old, new: torch.where(waiting.view(-1, *[1] * (old.ndim - 1)), old, new)
    return back(x, x_new), back(f, f_new), back(g, g_new), open_ & ~waiting
