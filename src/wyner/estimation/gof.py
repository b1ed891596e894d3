"""Is a pair a Gaussian copula? The rows decide, by shuffling what a Gaussian would leave over.

(X,Y) is Gaussian where it depends at all if and only if what is left of Y after its regression on X
is independent of X, and what is left of X after its regression on Y is independent of Y (Darmois
1953, Skitovich 1953). Each is a permutation test of the normal scores; the regression is that of
the other half of the rows.
"""

from __future__ import annotations

import numpy as np

from wyner.estimation.independence import compare, pooled, spheres, waves

SHUFFLES, ROWS, SQUARED = 99, 6000, 6
"""Shuffles; rows used at most; columns whose products are compared."""


def gaussian_copula(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """The p-value of the hypothesis that increasing maps of the columns make (X,Y) Gaussian.

    Args:
        x, y: normal scores, `(N, dx)`, `(N, dy)`.
        seed: of features and shuffles.
    """
    x, y = x[:ROWS], y[:ROWS]
    rng = np.random.default_rng([seed, 35])
    orders = [rng.permutation(len(x)) for _ in range(SHUFFLES)]
    one = compare(shapes(x, seed), shapes(remainder(y, x), seed + 1), orders)
    two = compare(shapes(y, seed), shapes(remainder(x, y), seed + 1), orders)
    own = np.r_[tuple(one.statistics.values()), tuple(two.statistics.values())]
    return pooled(own, np.hstack([one.null, two.null]))


def remainder(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Y less its linear regression on x, each half by the coefficients of the other, `(N, dy)`."""
    found, halves = np.empty_like(y), np.arange(len(y)) % 2 == 0
    for seen in (halves, ~halves):
        slope = np.linalg.lstsq(x[seen], y[seen], rcond=None)[0]
        found[~seen] = y[~seen] - x[~seen] @ slope
    return found


def shapes(values: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Features that are not lines: squares and products, waves of two lengths."""
    white = spheres(values)
    first = white[:, -SQUARED:]
    i, j = np.triu_indices(first.shape[1])
    products = first[:, i] * first[:, j]
    return {
        "squares": products - products.mean(0),
        "waves-1": waves(white, 1.0, seed),
        "waves-0.4": waves(white, 0.4, seed + 2),
    }
