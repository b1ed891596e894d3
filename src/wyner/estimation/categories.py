"""I, J and C_GK of a table of counts, with intervals that hold what few counts cannot show. Nats.

I: the plug-in value less its bias, (K_xy - K_x - K_y + 1) / (2n) (Miller 1955), with the spread of
log p(x,y) / (p(x) p(y)) and of the chi-squared that chance adds. Where cells outnumber rows no
correction is right: the interval is then from the excess over shuffled rows to the entropy that
bounds I.

J: of the merged and denoised table; the interval adds to the sampling error what the correlations
below chance might still be worth, which the canonical correlations of the table tell, as for a
Gaussian pair: near independence both have J = sum r_i.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from wyner.estimation.relaxed import solve
from wyner.estimation.rows import Interval
from wyner.estimation.spectrum import LARGEST, Spectrum, Z
from wyner.estimation.table import denoise, information_with_error, lump, merge
from wyner.information.discrete.table import entropy, gacs_korner

WHOLE, DENSE = 16, 4.0
"""Cells up to which J is also solved without merging, which few rows may have allowed by mistake;
rows for each cell beyond the margins from which corrections of the plug-in value are trusted."""


@dataclass(frozen=True)
class Quantity:
    """A value, its interval, and whether it is only a lower bound."""

    value: float
    interval: Interval
    lower: bool = False


@dataclass(frozen=True)
class Described:
    """What a table of counts says of its source.

    Attributes:
        mutual, wyner, common: I, J, C_GK.
        shape: of the table after merging.
        dense: whether there are rows enough for its cells.
    """

    mutual: Quantity
    wyner: Quantity
    common: Quantity
    shape: tuple[int, ...]
    dense: bool


def entropy_ceiling(counts: np.ndarray) -> float:
    """The upper end of the entropy of a source from its counts; infinite if most were seen once."""
    counts = counts[counts > 0]
    n, p = counts.sum(), counts / counts.sum()
    missed = float((counts == 1).sum()) / float(n)  # Good 1953
    if missed > 0.5:
        return math.inf
    error = math.sqrt(max(0.0, float(p @ np.log(p) ** 2) - entropy(p) ** 2) / n)
    slack = (len(counts) + 3) / (2 * n) + missed * math.log(max(2.0, n))
    return entropy(p) + slack + Z * error


def describe(
    counts: np.ndarray,
    seed: int,
    top: float = math.inf,
    excess: float | None = None,
    bounds_only: bool = False,
) -> Described:
    """I, J and C_GK of the source of a table of counts.

    Args:
        counts: joint counts of two codes, `(kx, ky)`.
        seed: of simulated samples.
        top: a number that I and J cannot exceed; that they cannot exceed the entropies is known.
        excess: I of the counts less the mean I of shuffled rows; for tables with more cells than
            rows.
        bounds_only: whether the codes may have lost something: then all is a lower bound.
    """
    counts = counts[counts.sum(1) > 0][:, counts.sum(0) > 0]
    n, (kx, ky) = int(counts.sum()), counts.shape
    if not bounds_only:
        top = min(top, entropy_ceiling(counts.sum(1)), entropy_ceiling(counts.sum(0)))
    freedom = (kx - 1) * (ky - 1)
    dense = freedom * DENSE <= n and not bounds_only
    mutual = _mutual(counts, freedom, top, None if dense else excess)
    small = merge(lump(counts))[0]
    wyner = _wyner(counts, small, mutual, top, dense, seed)
    value = min(gacs_korner(small), mutual.value)
    parts = Z * (1 + value) / math.sqrt(n) if value > 0 else 0.0
    high = min(value + parts, mutual.interval[1]) if dense else mutual.interval[1]
    return Described(mutual, wyner, Quantity(value, (0.0, high)), small.shape, dense)


def _mutual(counts: np.ndarray, freedom: int, top: float, excess: float | None) -> Quantity:
    n = counts.sum()
    value, error = information_with_error(counts)
    if excess is not None:
        low = max(0.0, excess - Z * error)
        return Quantity(max(0.0, min(excess, top)), (low, max(top, low)), lower=True)
    chance, spread = freedom / (2 * n**2), error**2 * n
    slack = 2.0 / n
    low = value - Z * math.sqrt(spread / n + chance) - slack
    high = value
    for _ in range(4):  # near independence the spread is about twice the information
        high = value + Z * math.sqrt(max(spread, 2 * high) / n + chance) + slack
    return Quantity(value, (max(0.0, low), min(high, max(top, value))))


def _wyner(
    counts: np.ndarray, small: np.ndarray, mutual: Quantity, top: float, dense: bool, seed: int
) -> Quantity:
    n, least = int(counts.sum()), mutual.interval[0]
    if not dense:
        return Quantity(mutual.value, (least, top), lower=True)
    tables = [small] if small.shape == counts.shape or counts.size > WHOLE else [small, counts]
    lows, highs, values = [], [], []
    for table in tables:
        p = denoise(table)
        p = p[p.sum(1) > 0][:, p.sum(0) > 0]
        found = solve(p)
        missed = _missed(counts, np.linalg.matrix_rank(p, 1e-9) - 1, seed)
        error = Z * found.error(n) + 2 / n + found.unsure
        values.append(max(found.value, mutual.value))
        lows.append(found.value - error)
        highs.append(values[-1] + error + missed if found.exact else math.inf)
    value = min(values[0], top)
    low, high = max(least, min(lows)), min(max(highs), max(top, value))
    return Quantity(value, (min(low, value), high), lower=math.isinf(max(highs)))


def _missed(counts: np.ndarray, rank: int, seed: int) -> float:
    """J that the correlations beyond the first few may be worth, though chance explains them."""
    p = counts / counts.sum()
    alone = np.outer(p.sum(1), p.sum(0))
    s = np.linalg.svd((p - alone) / np.sqrt(alone), compute_uv=False)
    dx, dy = (k - 1 - rank for k in counts.shape)
    if min(dx, dy) < 1:
        return 0.0
    left = np.minimum(s[rank : rank + min(dx, dy)], LARGEST)
    return Spectrum(left, dx, dy, max(int(counts.sum()), dx + dy + 2), seed).intervals()[1][1]
