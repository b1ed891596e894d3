"""Newton's method for a decomposition and its prices: tiny cells slow it no more than others.

    min -sum_z w_z sum_i H(a_iz)   subject to   sum_z w_z a_z = P,   multipliers L

In the logarithms of w and the logits of the factors the Hessian of the Lagrangian falls into a
block for each value of Z,

    w_z [ S_i at (i, i),  S_i L_ij(z) S_j at (i, j) ],   S = diag(a) - a a',   L_ij = prices that
                                                         are expected over the other factors

without terms that vanish where each product is stationary (derived here), so that a step costs one
system of cells x cells. A share `damping` of the Fisher information is added to each block.
"""

from __future__ import annotations

import numpy as np

from wyner.information.discrete.decomposition import Decomposition

SPENT, LARGEST, LEAP, GENTLE = 1e-7, 1.0, 10.0, 1e-3
"""Mass below which a value of Z is dropped; largest change of a logit and of a price at once; least
damping."""
CELLS = 400
"""Cells beyond which a system is too large."""


def stationary(
    p: np.ndarray, d: Decomposition, prices: np.ndarray, steps: int = 100, fit: float = 1e-7
) -> tuple[Decomposition, np.ndarray]:
    """The stationary decomposition near one that nearly fits, and its prices.

    Steps are shortened, not searched along; what comes back is the last one that is finite, and has
    to be compared with others. Tables of more than `CELLS` cells are left as they are.

    Args:
        p: the table.
        d: where to begin.
        prices: of the cells.
        steps: at most.
        fit: relative misfit of a cell at which it may end.
    """
    cells = p > 0
    if cells.sum() > CELLS:
        return d, prices
    scale, damping = np.sqrt(p[cells]), 0.01
    for _ in range(steps):
        d = d.kept(d.weights > SPENT)
        slopes = d.jacobian[:, :, cells] / scale
        curved = _hessian(d, prices)
        diagonal = np.arange(curved.shape[1])
        curved[:, diagonal, diagonal] += damping * _fisher(d) + 1e-14
        gradient = _gradient(d)
        solved = np.linalg.solve(curved, np.concatenate([slopes, gradient[..., None]], 2))
        across, down = solved[..., :-1], solved[..., -1]
        gram = np.tensordot(slopes, across, ([0, 1], [0, 1]))
        gram[np.diag_indices_from(gram)] += 1e-14 * np.trace(gram)
        misfit = (d.table[cells] - p[cells]) / scale
        try:
            multipliers = np.linalg.solve(
                gram, misfit - np.tensordot(slopes, down, ([0, 1], [0, 1]))
            )
        except np.linalg.LinAlgError:
            break
        step = -down - across @ multipliers
        size = float(np.abs(step).max())
        if not np.isfinite(size):
            break
        share = min(1.0, LARGEST / max(size, 1e-300))
        d = d.moved(share * step)
        wanted = np.zeros_like(prices)
        wanted[cells] = multipliers / scale
        prices = prices + np.clip(share * (wanted - prices), -LEAP, LEAP)
        if size < 1e-6 and float(np.abs(d.table[cells] / p[cells] - 1).max()) < fit:
            break
        damping = max(GENTLE, 0.3 * damping) if share == 1 else min(1.0, 1.5 * damping)
    return d, prices


def _hessian(d: Decomposition, prices: np.ndarray) -> np.ndarray:
    """Curvature of each value of Z in (log w_z, logits of its factors), `(nz, D, D)`."""
    ends, curves = d.ends, [a[:, :, None] * (np.eye(a.shape[1]) - a[:, None]) for a in d.factors]
    made = np.zeros((len(d.weights), ends[-1], ends[-1]))
    for i, s in enumerate(curves):
        rows = slice(ends[i], ends[i + 1])
        made[:, rows, rows] = s
        for j in range(i):
            columns = slice(ends[j], ends[j + 1])
            mean = np.moveaxis(prices, (i, j), (-2, -1))[None]
            for k, a in enumerate(d.factors):
                if k not in (i, j):
                    flat = mean.reshape(len(mean), a.shape[1], -1)
                    mean = (a[:, None] @ flat).reshape(len(a), *mean.shape[2:])
            made[:, rows, columns] = s @ mean @ curves[j]
            made[:, columns, rows] = made[:, rows, columns].swapaxes(1, 2)
    return d.weights[:, None, None] * made


def _fisher(d: Decomposition) -> np.ndarray:
    """w_z and w_z a_iz, `(nz, D)`."""
    return d.weights[:, None] * np.concatenate([np.ones((len(d.weights), 1)), *d.factors], 1)


def _gradient(d: Decomposition) -> np.ndarray:
    """Slope of -sum_z w_z sum_i H(a_iz), `(nz, D)`."""
    parts = [-d.noises[:, None]]
    for a in d.factors:
        log = np.log(np.maximum(a, 1e-300))
        parts.append(a * (log - (a * log).sum(1, keepdims=True)))
    return d.weights[:, None] * np.concatenate(parts, 1)
