"""Differences of two trained models or more, paired by seed, by rows, or not at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class Measured(Protocol):
    """A trained model with its numbers, as `store.Cell`."""

    @property
    def seed(self) -> int: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...
    @property
    def rows(self) -> Mapping[str, np.ndarray]: ...


@dataclass(frozen=True)
class Difference:
    """Left minus right of one metric.

    Attributes:
        right: slug.
        left_mean, right_mean: over the common seeds.
        error: standard error of their difference; nan where nothing is known.
        seeds: how many are common.
        by: where the error comes from, "seeds", "rows" or "errors".
    """

    right: str
    left_mean: float
    right_mean: float
    error: float
    seeds: int
    by: str

    @property
    def value(self) -> float:
        """Left minus right."""
        return self.left_mean - self.right_mean


def difference(
    left: Sequence[Measured], right: Sequence[Measured], metric: str, slug: str = ""
) -> Difference | None:
    """Left minus right, paired by seed and by rows; None if no seed has both."""
    one, other = ({c.seed: c for c in side if metric in c.metrics} for side in (left, right))
    if not (seeds := sorted(one.keys() & other.keys())):
        return None
    a, b = (np.array([side[s].metrics[metric] for s in seeds]) for side in (one, other))
    p, q = one[seeds[0]], other[seeds[0]]
    x, y = (c.rows.get(f"{metric}_rows", np.zeros(0)).astype(np.float64) for c in (p, q))
    if len(seeds) > 1:
        by, error = "seeds", _error(a - b)
    elif len(x) == len(y) > 1:
        by, error = "rows", _error(x - y)
    else:
        each = (c.metrics.get(f"{metric}_se", math.nan) for c in (p, q))
        by, error = "errors", math.hypot(*each)
    return Difference(slug, float(a.mean()), float(b.mean()), error, len(seeds), by)


def _error(values: np.ndarray) -> float:
    """Standard error of a mean."""
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def difference_of(found: Mapping[str, Any]) -> Difference:
    """A difference as JSON holds it, with null for nan."""
    error = math.nan if found["error"] is None else found["error"]
    return Difference(**{**found, "error": error})
