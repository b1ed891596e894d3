"""Sentences of a paper that numbers can decide, and the one rule that decides them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

RELATIONS = {"below": (-1, -1), "above": (1, -1), "at most": (-1, 1), "at least": (1, 1)}
"""Signs (a, b) by which a claim says that a (left - right) + b margin > 0."""
HOLDS, FAILS, OPEN, MISSING = "holds", "does not hold", "undecided", "not measured"
RULE = (
    "Rows are compared seed by seed: a difference is the mean of left minus right over the seeds"
    " that both have, its standard error s / sqrt(n), with s the deviation of the n differences; of"
    " one common seed, that of the differences row by row where they are kept, else"
    " sqrt(e1^2 + e2^2) of the two standard errors over rows. “Below” and “above” claim a difference"
    " beyond the margin, “at most” and “at least” one that does not exceed it the other way. A"
    " claim holds if what it says is exceeded by more than twice the standard error, does not hold"
    " if it is missed by more than that, and is undecided else. A claim about several rows holds if"
    " it holds against each, and fails if it fails against one."
)


@dataclass(frozen=True)
class Claim:
    """A sentence about one row beside others.

    below: left < right - margin.         above: left > right + margin.
    at most: left <= right + margin.      at least: left >= right - margin.

    Attributes:
        text: the sentence.
        left: slug of a row.
        right: slugs it is compared with; all must agree.
        metric: by name.
        relation: from `RELATIONS`.
        margin: in units of the metric.
        note: what else stands beside the numbers.
    """

    text: str
    left: str
    right: tuple[str, ...]
    metric: str
    relation: str
    margin: float = 0.0


class Measured(Protocol):
    """One trained model with its numbers, as `store.Cell`."""

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
        by: "seeds", "rows" or "errors", where `error` comes from.
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


@dataclass(frozen=True)
class Verdict:
    """A claim with what became of it.

    Attributes:
        claim: the sentence.
        word: holds, does not hold, undecided or not measured.
        differences: what decided it, one for each row it was compared with.
        numbers: the same as texts.
    """

    claim: Claim
    word: str
    differences: tuple[Difference, ...]
    numbers: tuple[str, ...]


def decide(
    claim: Claim,
    cells: Mapping[str, Sequence[Measured]],
    labels: Mapping[str, str] | None = None,
    kept: Mapping[str, Difference] | None = None,
) -> Verdict:
    """What our numbers say about a claim, by `RULE`.

    Args:
        claim: about rows and a metric.
        cells: trained models by row.
        labels: of the rows, for the texts.
        kept: differences by row that were found row by row before, of a table whose rows are gone.
    """
    words, found = [], []
    for slug in claim.right:
        made = difference(cells.get(claim.left, ()), cells.get(slug, ()), claim.metric, slug)
        if made is None:
            words.append(MISSING)
            continue
        if made.by == "errors" and kept and slug in kept and kept[slug].by == "rows":
            made = kept[slug]
        words.append(word(claim, made))
        found.append(made)
    name = labels or {}
    numbers = tuple(
        f"{d.left_mean:.3f} against {d.right_mean:.3f} ({name.get(d.right, d.right)}): difference"
        f" {d.value:+.3f}, standard error {d.error:.3f}"
        for d in found
    )
    verdict = next((w for w in (FAILS, OPEN, MISSING) if w in words), HOLDS)
    return Verdict(claim, verdict if found else MISSING, tuple(found), numbers)


def word(claim: Claim, found: Difference) -> str:
    """Holds, does not hold or undecided, against one row."""
    sign, side = RELATIONS[claim.relation]
    beyond = sign * found.value + side * claim.margin
    if not math.isfinite(found.error) or abs(beyond) <= 2 * found.error:
        return OPEN
    return HOLDS if beyond > 0 else FAILS


def difference(
    left: Sequence[Measured], right: Sequence[Measured], metric: str, slug: str = ""
) -> Difference | None:
    """Left minus right, paired by seed and by rows; None if no seed has both."""
    one, other = ({c.seed: c for c in side if metric in c.metrics} for side in (left, right))
    if not (seeds := sorted(one.keys() & other.keys())):
        return None
    a, b = (np.array([side[s].metrics[metric] for s in seeds]) for side in (one, other))
    n, by = len(seeds), "seeds"
    if n > 1:
        error = float(np.std(a - b, ddof=1)) / math.sqrt(n)
    else:
        p, q = one[seeds[0]], other[seeds[0]]
        x, y = p.rows.get(f"{metric}_rows"), q.rows.get(f"{metric}_rows")
        if x is not None and y is not None and len(x) == len(y) > 1:
            each = x.astype(np.float64) - y
            by, error = "rows", float(np.std(each, ddof=1)) / math.sqrt(len(each))
        else:
            name = f"{metric}_se"
            by = "errors"
            error = math.hypot(p.metrics.get(name, math.nan), q.metrics.get(name, math.nan))
    return Difference(slug, float(a.mean()), float(b.mean()), error, n, by)


def difference_of(found: Mapping[str, Any]) -> Difference:
    """A difference as JSON holds it."""
    error = math.nan if found["error"] is None else found["error"]
    return Difference(**{**found, "error": error})
