"""Tables of counts: what they say about the pair without what could be chance. Nats.

An empirical table has more dependence than its source: each of (kx-1)(ky-1) directions adds 1/(2n)
nats to I (Miller 1955) and, which is far worse, about 1/sqrt(n) to J, whose slope at independence
is infinite. Two reductions remove it before anything is measured:

1. categories whose rows do not differ by more than chance are merged (agglomerative information
   bottleneck, Slonim and Tishby 1999; merging rows with equal p(y|x) changes neither I nor J: what
   is merged is a sufficient statistic);
2. of the canonical correlations of the table, singular values of (p(x,y) - p(x)p(y)) /
   sqrt(p(x)p(y)), those are kept that the rest of the table tells from chance by the chi-squared
   test of the residual.
"""

from __future__ import annotations

import math

import numpy as np

from wyner.information.discrete.table import xlogx

LEVEL = 0.01
"""Probability of taking chance for dependence, of each test."""
MERGED = 24
"""Categories of a side up to which a table is merged and its J looked for."""
RARE = 0.01
"""Share of a category below which a joint value counts as noise for C_GK of learned codes."""


def count(a: np.ndarray, b: np.ndarray, ka: int, kb: int) -> np.ndarray:
    """Joint counts of two arrays of codes, `(ka, kb)`."""
    return np.bincount(a * kb + b, minlength=ka * kb).reshape(ka, kb).astype(np.float64)


def tail(statistic: float, freedom: int) -> float:
    """P(chi-squared with this many degrees of freedom > statistic)."""
    from scipy.special import chdtrc

    return float(chdtrc(freedom, max(statistic, 0.0))) if freedom > 0 else 1.0


def information_with_error(counts: np.ndarray) -> tuple[float, float]:
    """I of the source of a table of counts and its standard error.

    The plug-in value minus Miller's and Madow's correction (K_xy - K_x - K_y + 1) / (2n) with K the
    numbers of cells that occurred; the error is the deviation of log p(x,y) / (p(x) p(y)) over
    sqrt(n) (delta method).
    """
    n = counts.sum()
    p = counts / n
    seen = p > 0
    ratio = np.log(p[seen] / np.outer(p.sum(1), p.sum(0))[seen])
    plain = float(p[seen] @ ratio)
    excess = seen.sum() - seen.any(1).sum() - seen.any(0).sum() + 1
    error = math.sqrt(max(0.0, float(p[seen] @ ratio**2) - plain**2) / n)
    return max(0.0, plain - float(excess) / (2 * float(n))), error


def merge(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merges rows, then columns, while what is lost could be chance.

    2n times the lost information is compared with chi-squared, with as many degrees of freedom as
    the smaller table has fewer.

    Returns:
        The smaller table, and for every old row and column the index of its new one.
    """
    counts, rows = _merge_rows(counts)
    turned, columns = _merge_rows(counts.T)
    return turned.T, rows, columns


def _merge_rows(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lost, freedom, index = 0.0, 0, np.arange(len(counts))
    width = max(1, int((counts.sum(0) > 0).sum()) - 1)
    while len(counts) > 1:
        cost = _costs(counts)
        i, j = sorted(np.unravel_index(int(cost.argmin()), cost.shape))
        lost, freedom = lost + 2 * float(cost[i, j]), freedom + width
        if tail(lost, freedom) < LEVEL and counts[[i, j]].sum(1).min() > 0:
            break
        both = counts[i] + counts[j]
        counts = np.delete(counts, j, 0)
        counts[i] = both
        index = np.where(index == j, i, np.where(index > j, index - 1, index))
    return counts, index


def _costs(counts: np.ndarray) -> np.ndarray:
    """Information lost by merging rows i and j, times n, `(k, k)`; infinite on the diagonal."""
    known = lambda c: xlogx(c).sum(-1) - xlogx(c.sum(-1))
    own = known(counts)
    both = np.stack([known(row + counts) for row in counts])
    cost = own[:, None] + own[None] - both
    np.fill_diagonal(cost, np.inf)
    return cost


def lump(counts: np.ndarray, most: int = MERGED) -> np.ndarray:
    """The table with all but the most frequent rows and columns counted as one of each.

    What is left is known about codes of the categories, so its I and J are lower bounds.
    """
    for _ in range(2):
        if len(counts) > most:
            order = np.argsort(-counts.sum(1), kind="stable")
            rest = counts[order[most - 1 :]].sum(0, keepdims=True)
            counts = np.concatenate([counts[order[: most - 1]], rest])
        counts = counts.T
    return counts


def denoise(counts: np.ndarray) -> np.ndarray:
    """The table with as many canonical correlations as chance does not explain, sum 1.

    Rows and columns without counts get a probability of 0. Negative entries of the table of low
    rank become 0.
    """
    n = counts.sum()
    p = counts / n
    a, b = p.sum(1), p.sum(0)
    alone = np.outer(a, b)
    scale = np.sqrt(alone)
    excess = np.divide(p - alone, scale, out=np.zeros_like(p), where=scale > 0)
    u, s, v = np.linalg.svd(excess, full_matrices=False)
    kx, ky = int((a > 0).sum()) - 1, int((b > 0).sum()) - 1
    left = lambda k: tail(n * float((s[k:] ** 2).sum()), (kx - k) * (ky - k))
    rank, most = 0, min(kx, ky)
    while rank < most and left(rank) < LEVEL:
        rank += 1
    if rank == most:
        return p
    low = np.clip(alone + scale * ((u[:, :rank] * s[:rank]) @ v[:rank]), 0.0, None)
    low[low < 1e-3 / n] = 0.0
    return low / low.sum()
