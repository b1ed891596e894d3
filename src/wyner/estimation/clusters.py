"""Numbers as categories: quantiles of one column, k-means of several."""

from __future__ import annotations

import numpy as np


def quantiles(values: np.ndarray, k: int) -> np.ndarray:
    """Codes 0 ... k-1 of equal frequency, `(N,)`; equal values share a code."""
    edges = np.quantile(values, np.arange(1, k) / k)
    return np.searchsorted(edges, values, side="right")


def centres(values: np.ndarray, k: int, seed: int, tries: int = 3, steps: int = 20) -> np.ndarray:
    """Centres of k clusters, `(k, d)`: Lloyd's algorithm from k-means++ starts, the tightest of a
    few tries.

    Args:
        values: `(N, d)`.
        k: clusters at most; fewer if there are fewer different rows.
        seed: of the starts.
        tries, steps: starts, and iterations of each.
    """
    rng = np.random.default_rng([seed, 23])
    found, least = values[:1], np.inf
    for _ in range(tries):
        chosen = _spread(values, k, rng)
        for _ in range(steps):
            code = nearest(values, chosen)
            count = np.bincount(code, minlength=len(chosen))
            total = np.stack([np.bincount(code, column, len(chosen)) for column in values.T], 1)
            fresh = np.where(count[:, None] > 0, total / count.clip(1)[:, None], chosen)
            if np.allclose(fresh, chosen, atol=1e-9):
                break
            chosen = fresh
        cost = float(_distances(values, chosen).min(1).sum())
        if cost < least:
            found, least = chosen, cost
    return found


def _spread(values: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++ (Arthur and Vassilvitskii 2007): the next centre is drawn with probability
    proportional to the squared distance.
    """
    chosen = [values[rng.integers(len(values))]]
    distance = ((values - chosen[0]) ** 2).sum(1)
    while len(chosen) < k and distance.sum() > 0:
        chosen.append(values[rng.choice(len(values), p=distance / distance.sum())])
        distance = np.minimum(distance, ((values - chosen[-1]) ** 2).sum(1))
    return np.stack(chosen)


def nearest(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Index of the nearest centre of each row, `(N,)`."""
    return _distances(values, chosen).argmin(1)


def _distances(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    both = (values**2).sum(1)[:, None] - 2 * values @ chosen.T + (chosen**2).sum(1)
    return both.clip(0)
