"""Entropies by nearest neighbours, for the Gaussian lower bound of J. Nats."""

from __future__ import annotations

import math

import numpy as np

ROWS, NEIGHBOUR = 4000, 4


def log_distances(x: np.ndarray, k: int = NEIGHBOUR) -> np.ndarray:
    """Logarithm of the Euclidean distance to the k-th nearest other row, `(N,)`."""
    from scipy.spatial import KDTree

    return np.log(KDTree(x).query(x, [k + 1])[0][:, 0].clip(1e-300))


def negentropy(x: np.ndarray, seed: int) -> tuple[float, float]:
    """h(Gaussian of the same covariance) - h(x) and its standard error, at least 0.

    The estimate of Kozachenko and Leonenko, d mean log distance + constant, is taken of the rows
    and of as many Gaussian rows of the same covariance: the constant and, for nearly Gaussian rows,
    the bias cancel.

    Args:
        x: `(N, d)` with a covariance of full rank; at most `ROWS` rows are used.
        seed: of the Gaussian rows.
    """
    x = x[:ROWS] - x[:ROWS].mean(0)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    white = x @ (vectors / np.sqrt(values))
    other = np.random.default_rng([seed, 25]).standard_normal(white.shape)
    own, theirs = (x.shape[1] * log_distances(v) for v in (white, other))
    error = math.sqrt((own.var() + theirs.var()) / len(x))
    return max(0.0, float(theirs.mean() - own.mean())), error
