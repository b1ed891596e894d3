"""Learned features of a pair: a critic for each half of the rows, applied to the other half.

For any maps f, g: J(f(X);g(Y)) <= J(X;Y), and equal if they lose no mutual information,
I(f(X);g(Y)) = I(X;Y): then X - f(X) - Y, and a Z for (f(X),Y) serves (X,Y) at the same price. So
the features of a good critic carry the question over to a few dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wyner.estimation.critic import EPOCHS, PAIRS, Bound, bounds, inputs, train
from wyner.estimation.samples import Sample


@dataclass(frozen=True)
class Fold:
    """Features of rows that their critic has not seen.

    Attributes:
        f, g: features of the new rows, `(N/2, k)`, along the directions of the critic, the one that
            matters most first.
        f_seen, g_seen: of the rows that the critic was trained on.
        bounds: of I(X;Y), on new rows.
    """

    f: np.ndarray
    g: np.ndarray
    f_seen: np.ndarray
    g_seen: np.ndarray
    bounds: Mapping[str, Bound]

    @property
    def dependent(self) -> bool:
        """Whether new rows show that there is any dependence."""
        found = self.bounds["InfoNCE"]
        return found.value > 3 * found.error and found.value > 0


@dataclass(frozen=True)
class CrossFit:
    """Both folds."""

    folds: tuple[Fold, Fold]

    def bound(self, name: str) -> Bound:
        """A bound over all rows: the mean of both halves."""
        return Bound.mean(*(fold.bounds[name] for fold in self.folds))


def cross_fit(sample: Sample, epochs: int = EPOCHS) -> CrossFit:
    """Trains a critic on each half of the rows and applies it to the other."""
    x, y = inputs(sample)
    a, b = sample.halves()
    one = _fold(x, y, a, b, sample.seed, epochs)
    return CrossFit((one, _fold(x, y, b, a, sample.seed + 1, epochs)))


def _fold(
    x: np.ndarray, y: np.ndarray, seen: np.ndarray, new: np.ndarray, seed: int, epochs: int
) -> Fold:
    critic = train(x[seen], y[seen], seed, epochs)
    f_seen, g_seen = critic.features(x[seen], y[seen])
    f, g = critic.features(x[new], y[new])
    turn_f, turn_g = _directions(f_seen, g_seen)
    found = bounds(critic.scores(x[new][:PAIRS], y[new][:PAIRS]))
    of_f, of_g = (f_seen.mean(0), turn_f), (g_seen.mean(0), turn_g)
    sides = ((f, of_f), (g, of_g), (f_seen, of_f), (g_seen, of_g))
    f, g, f_seen, g_seen = ((a - mean) @ turn for a, (mean, turn) in sides)
    return Fold(f, g, f_seen, g_seen, found)


def _directions(f: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maps to f(x) . g(y) = sum_i s_i a_i(x) b_i(y), a and b of variance s_i, s_1 >= s_2 >= ...

    With F = Cov(f)^(1/2), G = Cov(g)^(1/2) and F G = U S V': a = f F^-1 U S^(1/2), b = g G^-1 V
    S^(1/2).
    """
    (hf, rf), (hg, rg) = _roots(f), _roots(g)
    u, s, v = np.linalg.svd(hf @ hg)
    return rf @ u * np.sqrt(s), rg @ v.T * np.sqrt(s)


def _roots(f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Square root of the covariance and its inverse; directions of no variance stay 0."""
    values, vectors = np.linalg.eigh(np.cov(f.T).reshape(f.shape[1], f.shape[1]))
    root = np.sqrt(values.clip(0))
    inverse = np.where(root > 1e-6 * max(float(root.max()), 1e-300), 1 / root.clip(1e-300), 0.0)
    return vectors * root @ vectors.T, vectors * inverse @ vectors.T
