"""From a decomposition that nearly fits to one that fits: its cost is an upper bound of J."""

from __future__ import annotations

import numpy as np

from wyner.information.discrete.decomposition import Decomposition

STEPS, CELLS = 12, 4096


def restored(d: Decomposition, p: np.ndarray) -> Decomposition:
    """The nearest fit: least Gauss-Newton steps in the logits, on relative misfits.

    Zeros of the factors stay zeros. Tables of more than `CELLS` cells are left as they are.
    """
    cells = p > 0
    if cells.sum() > CELLS:
        return d
    relative = lambda d: d.table[cells] / p[cells] - 1
    best = float(np.abs(relative(d)).max())
    for _ in range(STEPS):
        if best < 1e-14:
            break
        jacobian = d.jacobian[:, :, cells].reshape(-1, cells.sum()) / p[cells]
        gram = jacobian.T @ jacobian
        gram[np.diag_indices_from(gram)] += 1e-14 * np.trace(gram) / len(gram)
        step = -jacobian @ np.linalg.solve(gram, (d.table[cells] - p[cells]) / p[cells])
        if not np.isfinite(step).all():
            break
        step *= min(1.0, 2.0 / max(1e-300, float(np.abs(step).max())))
        moved = d.moved(step.reshape(len(d.weights), -1))
        now = float(np.abs(relative(moved)).max())
        if not now < best:
            break
        d, best = moved, now
    return d


def exact(d: Decomposition, p: np.ndarray) -> Decomposition:
    """A decomposition of P itself: theta times the given one, the rest P - theta M >= 0 trivially.

    With theta = min P/M over the cells that the given one reaches; 0 if it reaches a cell of
    probability 0.
    """
    made = d.table
    reached = made > 0
    theta = min(1.0, float((p[reached] / made[reached]).min()))
    rest = np.maximum(p - theta * made, 0.0)
    rest[rest < 4e-16 * p] = 0.0
    if rest.sum() == 0.0 or theta == 0.0:
        return d if theta > 0 else trivial(p)
    other = trivial(rest)
    weights = np.concatenate([theta * d.weights, rest.sum() * other.weights])
    factors = tuple(np.concatenate([a, b]) for a, b in zip(d.factors, other.factors, strict=True))
    return Decomposition(weights, factors)


def trivial(p: np.ndarray) -> Decomposition:
    """The cheapest of Z = all variables but X_i, over i, which always makes them independent."""
    return max((_all_but(p, axis) for axis in range(p.ndim)), key=lambda d: d.noise)


def _all_but(p: np.ndarray, axis: int) -> Decomposition:
    rows = np.moveaxis(p, axis, -1).reshape(-1, p.shape[axis])
    mass = rows.sum(1)
    kept = np.flatnonzero(mass > 0)
    others = [k for k in range(p.ndim) if k != axis]
    where = np.unravel_index(kept, [p.shape[k] for k in others])
    factors = {k: np.eye(p.shape[k])[at] for k, at in zip(others, where, strict=True)}
    factors[axis] = rows[kept] / mass[kept, None]
    return Decomposition(mass[kept] / mass.sum(), tuple(factors[k] for k in range(p.ndim)))
