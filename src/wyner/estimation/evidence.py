"""A sample, and what is found out about it once for all estimators."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wyner.estimation import categories, codes, gof
from wyner.estimation.crossfit import CrossFit, cross_fit
from wyner.estimation.held_out import HeldOut
from wyner.estimation.independence import (
    LEVEL,
    Shuffled,
    blocks,
    compare,
    independence,
    normal_scores,
    pooled,
    spheres,
)
from wyner.estimation.samples import Sample, Side
from wyner.estimation.spectrum import Spectrum, correlations
from wyner.estimation.table import count, information_with_error

WIDE, LEVELS, ROWS = 3, 256, 10_000
"""Rows for each column from which a covariance is fitted; categories of a table; rows that
networks learn from."""
SHUFFLES, FEW = 99, 4
"""Shuffles for the null of cheap estimators and of those that cost more."""


@dataclass(frozen=True)
class Evidence:
    """A sample, and everything that more than one estimator asks of it, when first asked for."""

    sample: Sample

    def orders(self, how_many: int) -> list[np.ndarray]:
        """Shuffles of the rows."""
        rng = np.random.default_rng([self.sample.seed, 42])
        return [rng.permutation(len(self.sample)) for _ in range(how_many)]

    @cached_property
    def test(self) -> Shuffled:
        """The test of independence; of two sides of categories by their table."""
        if self.sample.kind != "discrete":
            return independence(self.sample.x, self.sample.y, self.sample.seed)
        found = self.shuffled_tables
        if self.sample.x.columns is None and self.sample.y.columns is None:
            return found
        return independence(self.sample.x, self.sample.y, self.sample.seed)

    @property
    def dependent(self) -> bool:
        """Whether the rows show that the sides are dependent at all."""
        return self.test.p <= LEVEL

    @cached_property
    def shuffled_tables(self) -> Shuffled:
        """Chi-squared and I of the table of two codes, and of shuffled rows."""
        a, b, ka, kb = self.coded
        alone = np.outer(np.bincount(a, minlength=ka), np.bincount(b, minlength=kb)) / len(a)
        inverse = np.divide(1, alone, out=np.zeros_like(alone), where=alone > 0).ravel()
        logs = np.log(np.arange(1, len(a) + 2))

        def statistics(codes: np.ndarray) -> list[float]:
            cells = np.bincount(codes, minlength=ka * kb)
            return [float(cells**2 @ inverse), float(cells @ logs[np.maximum(cells - 1, 0)])]

        own = statistics(a * kb + b)
        null = np.array([statistics(a[o] * kb + b) for o in self.orders(2 * SHUFFLES + 1)])
        names = ("chi-squared", "I")
        return Shuffled(pooled(np.array(own), null), dict(zip(names, own, strict=True)), null)

    @cached_property
    def excess(self) -> float:
        """I of the counts less the mean of shuffled rows."""
        found = self.shuffled_tables
        return float(found.statistics["I"] - found.null[:, 1].mean()) / len(self.sample)

    @cached_property
    def coded(self) -> tuple[np.ndarray, np.ndarray, int, int]:
        """Codes of both sides, rare categories as one."""
        (a, ka), (b, kb) = (_frequent(s) for s in (self.sample.x, self.sample.y))
        return a, b, ka, kb

    @cached_property
    def table(self) -> np.ndarray:
        """Joint counts of these."""
        a, b, ka, kb = self.coded
        return count(a, b, ka, kb)

    @cached_property
    def ceiling(self) -> float:
        """The upper end of the smaller entropy; infinite for two sides of numbers."""
        return min(_ceiling(self.sample.x), _ceiling(self.sample.y))

    @cached_property
    def described(self) -> categories.Described:
        """I, J, C_GK of the table."""
        lumped = max(self.sample.x.levels, self.sample.y.levels) > LEVELS
        return categories.describe(
            self.table, self.sample.seed, self.ceiling, self.excess, bounds_only=lumped
        )

    @cached_property
    def table_null(self) -> float:
        """I, bias-corrected, that 95 of 100 shuffled tables do not exceed."""
        a, b, ka, kb = self.coded
        values = [
            information_with_error(count(a[o], b, ka, kb))[0] for o in self.orders(SHUFFLES // 3)
        ]
        return float(np.quantile(values, 0.95))

    @cached_property
    def clusters(self) -> tuple[codes.Codes | None, codes.Codes | None]:
        """Each side as categories; None for a side that is not made of blobs."""
        x, y = self.sample.x, self.sample.y
        return codes.codes(x, self.sample.seed), codes.codes(y, self.sample.seed + 1)

    @property
    def blobby(self) -> bool:
        """Whether a side is made of blobs."""
        return self.clusters != (None, None)

    @cached_property
    def blobs(self) -> tuple[codes.Codes, codes.Codes, float] | None:
        """Both sides as categories and the p-value of their losing nothing; None without blobs."""
        a, b = self.clusters
        if a is None or b is None or max(a.levels, b.levels) > LEVELS:
            return None
        p = codes.complete(self.sample.x, self.sample.y, a, b, self.sample.seed)
        return a, b, p

    @cached_property
    def scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Normal scores of both sides."""
        x, y = (normal_scores(s.values) for s in (self.sample.x, self.sample.y))
        return x, y

    @cached_property
    def spectrum(self) -> Spectrum:
        """Canonical correlations of the normal scores."""
        x, y = self.scores
        dx, dy = (spheres(v).shape[1] for v in (x, y))
        return Spectrum(correlations(x, y), dx, dy, len(x), self.sample.seed, scored=True)

    @cached_property
    def gaussian(self) -> float:
        """The p-value of a Gaussian copula."""
        return gof.gaussian_copula(*self.scores, self.sample.seed)

    @cached_property
    def spectrum_null(self) -> float:
        """I of a Gaussian copula that 95 of 100 shuffles of the rows do not exceed."""
        fx, fy = (blocks(s, 0)["lines"] for s in (self.sample.x, self.sample.y))
        lines = compare({"lines": fx}, {"lines": fy}, self.orders(SHUFFLES // 3))
        return float(np.quantile(lines.null[:, 0], 0.95)) / (2 * len(fx) ** 2)

    @cached_property
    def held_out(self) -> HeldOut:
        """Cheap critics."""
        return HeldOut(self.sample)

    @cached_property
    def lower_null(self) -> float:
        """The most that their bounds show of shuffled rows."""
        shown = [self.held_out.bounds(order) for order in self.orders(FEW)]
        return max([0.0, *(b.value for each in shown for b in each.values())])

    @cached_property
    def fit(self) -> CrossFit:
        """Learned features of both halves of the rows."""
        return cross_fit(self.learned_from)

    @cached_property
    def learned_from(self) -> Sample:
        """The rows that networks learn from."""
        return self.sample.first(ROWS)

    @cached_property
    def learned_null(self) -> float:
        """The most that a learned critic shows of shuffled rows, of one shuffle, both halves."""
        order = np.random.default_rng([self.sample.seed, 43]).permutation(len(self.learned_from))
        shuffled = self.learned_from.shuffled(order)
        return max(
            0.0, *(b.value for fold in cross_fit(shuffled).folds for b in fold.bounds.values())
        )


def _frequent(side: Side) -> tuple[np.ndarray, int]:
    counts = np.bincount(side.values)
    if side.levels <= LEVELS:
        return side.values, side.levels
    order = np.argsort(-counts, kind="stable")
    codes = np.full(side.levels, LEVELS - 1)
    codes[order[: LEVELS - 1]] = np.arange(LEVELS - 1)
    return codes[side.values], LEVELS


def _ceiling(side: Side) -> float:
    if not side.discrete:
        return math.inf
    whole = categories.entropy_ceiling(np.bincount(side.values).astype(float))
    if side.columns is None:
        return whole
    each = [categories.entropy_ceiling(np.bincount(c).astype(float)) for c in side.columns.T]
    return min(whole, sum(each))
