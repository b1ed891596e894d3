"""Numbers as categories: quantiles of one column, k-means of several."""

from __future__ import annotations

import warnings

import numpy as np


def quantiles(values: np.ndarray, k: int) -> np.ndarray:
    """Codes 0 ... k-1 of equal frequency, `(N,)`; equal values share a code."""
    edges = np.quantile(values, np.arange(1, k) / k)
    return np.searchsorted(edges, values, side="right")


def centres(values: np.ndarray, k: int, seed: int, tries: int = 3, steps: int = 20) -> np.ndarray:
    """Centres of k clusters of rows `(N, d)`, or of fewer if fewer rows differ, `(k, d)`.

    The tightest of a few tries of k-means, each of a few steps from a k-means++ start.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    rng, found = np.random.default_rng([seed, 23]), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(tries):
            start = _spread(values, k, rng)
            means = KMeans(len(start), init=start, n_init=1, max_iter=steps, tol=0.0)
            found.append(means.fit(values))
    return min(found, key=lambda m: m.inertia_).cluster_centers_


def _spread(values: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++ (Arthur and Vassilvitskii 2007): centres are drawn by their squared distances."""
    chosen = [values[rng.integers(len(values))]]
    distance = ((values - chosen[0]) ** 2).sum(1)
    while len(chosen) < k and distance.sum() > 0:
        chosen.append(values[rng.choice(len(values), p=distance / distance.sum())])
        distance = np.minimum(distance, ((values - chosen[-1]) ** 2).sum(1))
    return np.stack(chosen)


def nearest(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Index of the nearest centre of each row, `(N,)`."""
    from sklearn.metrics import pairwise_distances_argmin

    return pairwise_distances_argmin(values, chosen)
