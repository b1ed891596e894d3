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
        jacobian = _jacobian(d)[:, cells] / p[cells]
        gram = jacobian.T @ jacobian
        gram[np.diag_indices_from(gram)] += 1e-14 * np.trace(gram) / len(gram)
        step = -jacobian @ np.linalg.solve(gram, (d.table[cells] - p[cells]) / p[cells])
        if not np.isfinite(step).all():
            break
        moved = _moved(d, step * min(1.0, 2.0 / max(1e-300, float(np.abs(step).max()))))
        now = float(np.abs(relative(moved)).max())
        if not now < best:
            break
        d, best = moved, now
    return d


def _jacobian(d: Decomposition) -> np.ndarray:
    """Derivative of the table in the logits of p(z) and factors, `(nz (1 + sum n_i), *shape)`."""
    joint, n = d.joint, len(d.factors)
    column = lambda a: a.reshape(-1, *[1] * n)
    rows = [joint - column(d.weights) * joint.sum(0)]
    for axis, a in enumerate(d.factors):
        mean = np.expand_dims(joint.sum(axis + 1), axis + 1)
        for value in range(a.shape[1]):
            pick = np.eye(a.shape[1])[value].reshape([-1 if k == axis else 1 for k in range(n)])
            # d a(k) / d logit(v) = a(v) (1{k = v} - a(k)), and the joint is a(k) times the rest,
            # whose sum over k is the mean
            rows.append(column(a[:, value]) * (pick * mean) - column(a[:, value]) * joint)
    return np.concatenate(rows)


def _moved(d: Decomposition, step: np.ndarray) -> Decomposition:
    """The decomposition with its logits moved."""
    parts = step.reshape(-1, len(d.weights))
    weights = d.weights * np.exp(parts[0])
    ends = np.cumsum([1, *(a.shape[1] for a in d.factors)])
    pairs = zip(d.factors, ends[:-1], ends[1:], strict=True)
    grown = [a * np.exp(parts[i:j].T) for a, i, j in pairs]
    return Decomposition(weights / weights.sum(), tuple(a / a.sum(1, keepdims=True) for a in grown))


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
