"""Plug-in values of I, J and C_GK from tables of codes, without chance. Nats.

Intervals are made by resampling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wyner.estimation.clusters import centres, nearest, quantiles
from wyner.estimation.crossfit import Fold
from wyner.estimation.relaxed import bound
from wyner.estimation.samples import Sample, Side
from wyner.estimation.table import count, denoise, information_with_error, merge
from wyner.information.discrete.table import gacs_korner, total_correlation
from wyner.information.pmf import pmf

BINS, CODES, REPLICATES, SUBSET, SOLVED = 12, 12, 6, 3000, 6
"""Quantile bins of one column; clusters of several; tables that are drawn for an interval; rows
that clusters are fitted to; categories of the smaller side up to which J of a table is solved
exactly."""

Wyner = Callable[[np.ndarray], float]
"""J of a table of probabilities, or a lower bound of it, in nats."""


@dataclass(frozen=True)
class Described:
    """A table as a description of the pair.

    Attributes:
        p: probabilities after merging and denoising.
        mutual, mutual_error: I of the codes before any reduction, bias-corrected, and its standard
            error.
        wyner, wyner_error: J of p or its lower bound, less the bias seen on tables drawn from p,
            and its standard error.
        gacs_korner: entropy of what is connected in the counts.
    """

    p: np.ndarray
    mutual: float
    mutual_error: float
    wyner: float
    wyner_error: float
    gacs_korner: float


def solved(p: np.ndarray) -> float:
    """J of a table of probabilities in nats, by the numerical solver; 0 for one row or column."""
    p = p[p.sum(1) > 0][:, p.sum(0) > 0]
    return pmf(p, starts=4, prove=False).wyner if min(p.shape) > 1 else 0.0


def describe(
    counts: np.ndarray, rare: float, seed: int, wyner: Wyner = bound, replicates: int = REPLICATES
) -> Described:
    """I, J and C_GK of the source of a table of counts.

    Args:
        counts: joint counts of codes.
        rare: for C_GK, as in `gacs_korner`.
        seed: of the resampling.
        wyner: J of a table, or a lower bound of it that chance moves less.
        replicates: tables that are drawn from the denoised one and go through the same steps; their
            mean J minus its J is the bias, their deviation the standard error.
    """
    n, (mutual, mutual_error) = int(counts.sum()), information_with_error(counts)
    small, _, _ = merge(counts)
    p = denoise(small)
    value, error, bias = wyner(p), 0.0, 0.0
    if min(p.shape) > 1 and replicates:
        rng = np.random.default_rng([seed, 24])
        tables = (rng.multinomial(n, p.ravel()).reshape(p.shape) for _ in range(replicates))
        drawn = [wyner(denoise(t.astype(float))) for t in tables]
        bias = float(np.mean(drawn)) - value
        error = float(np.std(drawn, ddof=1) * np.sqrt(1 + 1 / replicates))  # bias is uncertain too
    less = max(0.0, value - bias)
    return Described(p, mutual, mutual_error, less, error, gacs_korner(small, rare))


def coded(side: Side, seed: int) -> tuple[np.ndarray, int]:
    """Codes and how many: categories, quantile bins of one column, clusters of several."""
    if side.discrete:
        return side.values, side.levels
    if side.values.shape[1] == 1:
        return quantiles(side.values[:, 0], BINS), BINS
    chosen = centres(side.values[:SUBSET], CODES, seed)
    return nearest(side.values, chosen), len(chosen)


def table_of(sample: Sample) -> np.ndarray:
    """Joint counts of a sample, discretised where it is continuous."""
    (a, ka), (b, kb) = coded(sample.x, sample.seed), coded(sample.y, sample.seed + 1)
    return count(a, b, ka, kb)


def table_of_fold(fold: Fold, seed: int, codes: int = CODES) -> np.ndarray:
    """Joint counts of clusters of features, found on the rows the critic saw, counted on others."""
    cx = centres(fold.f_seen[:SUBSET], codes, seed)
    cy = centres(fold.g_seen[:SUBSET], codes, seed + 1)
    return count(nearest(fold.f, cx), nearest(fold.g, cy), len(cx), len(cy))


def held_out_information(counts: np.ndarray) -> float:
    """I that a table shows, corrected for its size; what the codes explain of I(X;Y)."""
    return min(information_with_error(counts)[0], total_correlation(counts / counts.sum()))
