"""Sentences of a paper that numbers can decide, and the one rule that decides them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wyner.metrics.differences import Difference, Measured, difference

RELATIONS = {"below": (-1, -1), "above": (1, -1), "at most": (-1, 1), "at least": (1, 1)}
"""Signs (a, b) by which a claim says that a (left - right) + b margin > 0."""
HOLDS, FAILS, OPEN, MISSING = "holds", "does not hold", "undecided", "not measured"
RULE = (
    "Rows are compared seed by seed. A difference is the mean of left minus right over the seeds"
    " that both rows have; its standard error is s / sqrt(n), with s the standard deviation of the"
    " n differences. With one common seed it is that of the differences row by row where these are"
    " kept, else sqrt(e1^2 + e2^2) of the two standard errors over rows. “Below” and “above” say"
    " that the difference is beyond the margin, “at most” and “at least” that it is not. A claim"
    " holds if the numbers are on its side of the margin by more than twice the standard error,"
    " does not hold if they are on the other side by more than that, and is undecided otherwise."
    " Against several rows it holds if it holds against each, and does not hold if it fails"
    " against one."
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
    """

    text: str
    left: str
    right: tuple[str, ...]
    metric: str
    relation: str
    margin: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """A claim, what became of it, and the differences that decided it, also as text."""

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
    words, found, names = [], [], labels or {}
    for slug in claim.right:
        made = difference(cells.get(claim.left, ()), cells.get(slug, ()), claim.metric, slug)
        before = (kept or {}).get(slug)
        if made is not None and made.by == "errors" and before is not None and before.by == "rows":
            made = before
        words.append(MISSING if made is None else word(claim, made))
        found += [] if made is None else [made]
    numbers = tuple(
        f"{d.left_mean:.3f} against {d.right_mean:.3f} ({names.get(d.right, d.right)}): difference"
        f" {d.value:+.3f}, standard error {'unknown' if d.error != d.error else f'{d.error:.3f}'}"
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
