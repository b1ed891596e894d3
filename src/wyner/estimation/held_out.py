"""Lower bounds of I from cheap critics that are fitted to one half of the rows. Nats.

For any T(x,y), I(X;Y) >= E T(X,Y) - log E T(X,Y') with Y' drawn apart from X (Donsker and Varadhan
1983); on rows that T has not seen it errs by sampling only. T is the log density ratio

    lines      of a Gaussian pair with the correlations of one half (normal scores, indicators)
    cells      of a table of quantile bins or clusters, smoothed towards independence
"""

from __future__ import annotations

import math

import numpy as np

from wyner.estimation.clusters import centres, nearest, quantiles
from wyner.estimation.critic import PAIRS, Bound, bounds
from wyner.estimation.gaussian_fit import canonical
from wyner.estimation.independence import blocks
from wyner.estimation.samples import Sample, Side
from wyner.estimation.table import count

BINS, WIDE = 12, 4
"""Bins or clusters of a side; rows for each column from which the first critic is fitted."""
LINEAR = ("lines", "levels")
"""Blocks of features that the first critic sees."""
Halves = tuple[np.ndarray, np.ndarray]


class HeldOut:
    """Cheap critics of one sample; features and bins are made once, for shuffled rows as well."""

    def __init__(self, sample: Sample) -> None:
        one, two = sample.halves()
        self.folds: tuple[Halves, Halves] = (one, two), (two, one)
        x, y = blocks(sample.x, sample.seed), blocks(sample.y, sample.seed + 7)
        a, b = (np.hstack([v for k, v in f.items() if k in LINEAR]) for f in (x, y))
        self.features = (a, b) if WIDE * (a.shape[1] + b.shape[1]) < len(a) else None
        k = int(np.clip(math.sqrt(len(one) / 5), 2, BINS))
        sides = sample.x, sample.y
        self.bins = [
            [_binned(side, seen, k, sample.seed + i) for i, side in enumerate(sides)]
            for seen, _ in self.folds
        ]

    def bounds(self, order: np.ndarray | None = None) -> dict[str, Bound]:
        """Lower bounds of I, each the mean over both halves.

        Args:
            order: of the rows of y, for what chance would show.
        """
        order = np.arange(sum(map(len, self.folds[0]))) if order is None else order
        found, cells = {}, []
        if self.features is not None:
            a, b = self.features
            found["lines"] = Bound.mean(*(_ratio(a, b[order], *fold) for fold in self.folds))
        for fold, ((a, ka), (b, kb)) in zip(self.folds, self.bins, strict=True):
            cells.append(_cells(a, b[order], ka, kb, *fold))
        return found | {"cells": Bound.mean(*cells)}


def _ratio(a: np.ndarray, b: np.ndarray, seen: np.ndarray, new: np.ndarray) -> Bound:
    """The bound of the log density ratio of a Gaussian pair."""
    mean_a, mean_b = a[seen].mean(0), b[seen].mean(0)
    model = canonical(a[seen] - mean_a, b[seen] - mean_b)
    if len(model.r) == 0:
        return Bound(0.0, 0.0, math.log(len(new)))
    some = new[: PAIRS // 2]
    return bounds(model.scores(a[some] - mean_a, b[some] - mean_b))["DV"]


def _cells(
    a: np.ndarray, b: np.ndarray, ka: int, kb: int, seen: np.ndarray, new: np.ndarray
) -> Bound:
    """That of a table of codes; E exp T of shuffled rows is a sum over its cells."""
    p = count(a[seen], b[seen], ka, kb)
    alone = np.outer(p.sum(1) + 0.5, p.sum(0) + 0.5)
    alone /= alone.sum()
    prior = math.sqrt(len(seen))
    t = np.log((p + prior * alone) / ((len(seen) + prior) * alone))
    pa, pb = (np.bincount(v[new], minlength=m) / len(new) for v, m in ((a, ka), (b, kb)))
    own, weights = t[a[new], b[new]], np.exp(t)
    mean = float(pa @ weights @ pb)
    tilt = ((weights @ pb)[a[new]] + (pa @ weights)[b[new]]) / mean
    error = float((own - tilt).std() / math.sqrt(len(new)))
    return Bound(float(own.mean()) - math.log(mean), error, math.log(len(new)))


def _binned(side: Side, seen: np.ndarray, k: int, seed: int) -> tuple[np.ndarray, int]:
    """Codes of all rows by the rows that may be looked at."""
    if side.discrete:
        kept = np.argsort(-np.bincount(side.values[seen], minlength=side.levels))[: 4 * BINS]
        codes = np.full(side.levels, len(kept))
        codes[kept] = np.arange(len(kept))
        return codes[side.values], len(kept) + 1
    if side.values.shape[1] == 1:
        return quantiles(side.values[:, 0], k), k
    chosen = centres(side.values[seen][:1500], k, seed, tries=1)
    return nearest(side.values, chosen), len(chosen)
