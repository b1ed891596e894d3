"""From a decomposition that nearly fits to one that fits: what it costs is an upper bound of J,
whatever the search did.
"""

from __future__ import annotations

import numpy as np

from wyner.information.discrete.decomposition import Decomposition

STEPS, CELLS = 12, 4096


def restored(d: Decomposition, p: np.ndarray) -> Decomposition:
    """The nearest fit: Gauss-Newton steps of least norm in the logits, on relative misfits, while
    they help.

    Zeros of the factors stay zeros. Tables of more than `CELLS` cells are left as they are.
    """
    cells = p > 0
    if cells.sum() > CELLS:
        return d
    best = _relative(d, p)
    for _ in range(STEPS):
        if best < 1e-14:
            break
        jacobian = _jacobian(d)[:, cells] / p[cells]
        misfit = (d.table[cells] - p[cells]) / p[cells]
        gram = jacobian.T @ jacobian
        gram[np.diag_indices_from(gram)] += 1e-14 * np.trace(gram) / len(gram)
        step = -jacobian @ np.linalg.solve(gram, misfit)
        if not np.isfinite(step).all():
            break
        moved = _moved(d, step * min(1.0, 2.0 / max(1e-300, float(np.abs(step).max()))))
        now = _relative(moved, p)
        if not now < best:
            break
        d, best = moved, now
    return d


def _relative(d: Decomposition, p: np.ndarray) -> float:
    cells = p > 0
    return float(np.abs(d.table[cells] / p[cells] - 1).max())


def _jacobian(d: Decomposition) -> np.ndarray:
    """Derivative of the table in the logits of p(z) and of the factors, `(nz (1 + sum n_i),
    *shape)`.
    """
    joint = d.weights.reshape(-1, *[1] * len(d.factors)) * d.atoms
    rows = [joint - d.weights.reshape(-1, *[1] * len(d.factors)) * joint.sum(0)]
    for axis, a in enumerate(d.factors):
        mean = np.expand_dims(joint.sum(axis + 1), axis + 1)
        for value in range(a.shape[1]):
            share = a[:, value].reshape(-1, *[1] * len(d.factors))
            pick = np.zeros(a.shape[1]).reshape(
                [-1 if k == axis else 1 for k in range(len(d.factors))]
            )
            pick[tuple(value if k == axis else 0 for k in range(len(d.factors)))] = 1.0
            # d a(k) / d logit(v) = a(v) (1{k = v} - a(k)), and the joint is a(k) times the rest,
            # whose sum over k is the mean
            rows.append(share * (pick * mean) - share * joint)
    return np.concatenate(rows)


def _moved(d: Decomposition, step: np.ndarray) -> Decomposition:
    parts = np.split(
        step, np.cumsum([len(d.weights)] * (1 + sum(a.shape[1] for a in d.factors)))[:-1]
    )
    weights = d.weights * np.exp(parts[0])
    factors, at = [], 1
    for a in d.factors:
        grown = a * np.exp(np.stack(parts[at : at + a.shape[1]], 1))
        factors.append(grown / grown.sum(1, keepdims=True))
        at += a.shape[1]
    return Decomposition(weights / weights.sum(), tuple(factors))


def exact(d: Decomposition, p: np.ndarray) -> Decomposition:
    """A decomposition of P itself: theta times the given one, and the rest P - theta M >= 0 cell by
    cell of all variables but one.

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
    """The cheapest of Z = all variables but X_i, over i; it always makes the variables
    independent.
    """
    options = [_all_but(p, axis) for axis in range(p.ndim)]
    return max(options, key=lambda d: d.noise)


def _all_but(p: np.ndarray, axis: int) -> Decomposition:
    rows = np.moveaxis(p, axis, -1).reshape(-1, p.shape[axis])
    mass = rows.sum(1)
    kept = np.flatnonzero(mass > 0)
    others = [k for k in range(p.ndim) if k != axis]
    where = np.unravel_index(kept, [p.shape[k] for k in others])
    factors: list[np.ndarray] = [np.empty(0)] * p.ndim
    factors[axis] = rows[kept] / mass[kept, None]
    for k, at in zip(others, where, strict=True):
        factors[k] = np.eye(p.shape[k])[at]
    return Decomposition(mass[kept] / mass.sum(), tuple(factors))
