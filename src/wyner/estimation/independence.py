"""Are the two sides dependent at all? One permutation test over several statistics, exact.

Each side is turned into blocks of features: normal scores (lines), random Fourier features of two
widths (any shape: Rahimi and Recht 2007), indicators of categories. The statistics are

    || F_x' F_y ||^2      of two blocks: the sum of squared canonical correlations, or HSIC (Gretton
                          et al. 2005) with the kernels that the features stand for
    max |F_x' F_y|        of one pair of features among many, columns as they are among them

Rows of one side are shuffled, all statistics are taken anew, and the largest of them, in deviations
from their mean over shuffles, is compared with the largest of every shuffle: the pooled test has
its level for any law of independent rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from wyner.estimation.samples import Side

Statistic = Callable[[np.ndarray], float]
LEVEL, SHUFFLES, ROWS = 0.005, 199, 5000
"""Level of the pooled test; shuffles; rows that it uses at most."""
WAVES, WIDTHS, WIDEST, MOST = 16, (1.0, 0.3), 48, 256
"""Frequencies of a block of Fourier features; widths of their kernels in median distances;
principal components of a wider side; indicators at most."""


@dataclass(frozen=True)
class Shuffled:
    """The outcome of a permutation test.

    Attributes:
        p: p-value of the pooled test.
        statistics: of the rows as they are, by name.
        null: of the shuffled rows, `(shuffles, statistics)`.
    """

    p: float
    statistics: dict[str, float]
    null: np.ndarray


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Each column replaced by normal quantiles of its ranks, `(N, d)`; ties share the mean rank."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scored = ndtri(rankdata(values, axis=0) / (len(values) + 1))
    return scored / scored.std(0).clip(1e-12)


def spheres(values: np.ndarray, ridge: float = 0.0) -> np.ndarray:
    """Uncorrelated columns of about variance 1, `(N, k)`; the ridge is in mean variances."""
    centred = values - values.mean(0)
    spread, turn = np.linalg.eigh(centred.T @ centred / len(centred))
    kept = spread > 1e-9 * max(float(spread[-1]), 1e-300)
    if not kept.any():
        return np.zeros((len(values), 1))
    spread, turn = spread[kept], turn[:, kept]
    return centred @ (turn / np.sqrt(spread + ridge * spread.mean()))


def waves(values: np.ndarray, width: float, seed: int) -> np.ndarray:
    """Random Fourier features of a Gaussian kernel, `(N, 2 WAVES)`, of mean 0."""
    rng = np.random.default_rng([seed, 31])
    some = values[rng.integers(0, len(values), (2, 400))]
    scale = width * float(np.median(np.linalg.norm(some[0] - some[1], axis=1)))
    phase = values @ rng.standard_normal((values.shape[1], WAVES)) / max(scale, 1e-12)
    found = np.concatenate([np.cos(phase), np.sin(phase)], 1)
    return found - found.mean(0)


def blocks(side: Side, seed: int) -> dict[str, np.ndarray]:
    """Features of one side by name."""
    if side.discrete:
        shown = side.indicators(MOST)
        share = shown.mean(0)
        return {"levels": (shown - share) / np.sqrt(share * (1 - share / 2))}
    scores = normal_scores(side.values)
    scores = scores - scores.mean(0)
    columns = scores[:, :MOST]
    if scores.shape[1] > WIDEST:
        _, turn = np.linalg.eigh(scores.T @ scores)
        scores = scores @ turn[:, : -WIDEST - 1 : -1]
    ridge = scores.shape[1] / len(scores)
    found = {"lines": spheres(scores, ridge), "columns": columns}
    for k, width in enumerate(WIDTHS):
        found[f"waves-{width:g}"] = waves(scores, width, seed + k)
    return found


def pooled(observed: np.ndarray, null: np.ndarray) -> float:
    """The p-value of the largest of several statistics, in deviations from what shuffles give."""
    every = np.vstack([observed, null])
    far = (every - every.mean(0)) / every.std(0).clip(1e-300)
    largest = far.max(1)
    return float((largest >= largest[0] - 1e-12).mean())


def independence(x: Side, y: Side, seed: int, shuffles: int = SHUFFLES) -> Shuffled:
    """Tests X and Y for independence."""
    rng = np.random.default_rng([seed, 32])
    if len(x.values) > ROWS:
        rows = rng.choice(len(x.values), ROWS, replace=False)
        x, y = x.rows(rows), y.rows(rows)
    orders = (rng.permutation(len(x.values)) for _ in range(shuffles))
    return compare(blocks(x, seed), blocks(y, seed + 7), orders)


def compare(
    x: dict[str, np.ndarray], y: dict[str, np.ndarray], orders: Iterable[np.ndarray]
) -> Shuffled:
    """The test with given features and given shuffles of the rows of x."""
    fx, sx = _joined(x)
    fy, sy = _joined(y)
    statistics = _statistics(sx, sy)
    values = lambda a: np.array([s(a) for s in statistics.values()])
    own = values(fx.T @ fy)
    null = np.array([values(fx[order].T @ fy) for order in orders])
    return Shuffled(pooled(own, null), dict(zip(statistics, own, strict=True)), null)


def _joined(parts: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, slice]]:
    at, where = 0, {}
    for name, part in parts.items():
        where[name] = slice(at, at + part.shape[1])
        at += part.shape[1]
    return np.concatenate(list(parts.values()), 1).astype(np.float32), where


def _statistics(sx: dict[str, slice], sy: dict[str, slice]) -> dict[str, Statistic]:
    """Pairs of blocks that are compared: alike with alike, categories with everything."""
    found: dict[str, Statistic] = {}
    for a, i in sx.items():
        for b, j in sy.items():
            if a == b or "levels" in (a, b):
                if "columns" not in (a, b):
                    found[f"{a}, {b}"] = partial(_total, rows=i, columns=j)
                if a != "waves-1" and b != "waves-1":
                    found[f"{a}, {b}, largest"] = partial(_largest, rows=i, columns=j)
    return found


def _total(products: np.ndarray, rows: slice, columns: slice) -> float:
    return float((products[rows, columns] ** 2).sum())


def _largest(products: np.ndarray, rows: slice, columns: slice) -> float:
    return float(np.abs(products[rows, columns]).max())
