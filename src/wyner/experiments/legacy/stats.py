"""Means over seeds, and claims decided by them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wyner.experiments.legacy.claims import Claim

HOLDS, FAILS, OPEN, MISSING = "holds", "does not hold", "undecided", "not measured"
RULE = (
    "A difference of means counts if it exceeds twice its standard error, sqrt(s1^2 / n1 + s2^2 /"
    " n2), with s the standard deviation over n seeds (with one seed, the standard error over test"
    " rows). “Below” and “above” hold if the difference beyond the margin counts, do not hold if it"
    " counts the other way, and are undecided else. “At most” holds unless the left mean counts as"
    " more than the margin above the right one. A claim about several rows holds if it holds"
    " against each, and fails if it fails against one."
)


@dataclass(frozen=True)
class Spread:
    """Numbers of one metric over seeds.

    Attributes:
        mean: of them.
        std: standard deviation with n - 1; None for one.
        n: how many.
        error: standard error of the mean: std / sqrt(n), for one number that over test rows.
    """

    mean: float
    std: float | None
    n: int
    error: float

    def __str__(self) -> str:
        return f"{self.mean:.3f}" + (f" ± {self.std:.3f}" if self.std is not None else "")


def spread(values: Sequence[float], within: Sequence[float] = ()) -> Spread | None:
    """Mean and standard deviation over seeds; None without values.

    Args:
        values: one a seed.
        within: standard errors over test rows, one a seed; used where there is only one.
    """
    n = len(values)
    if not n:
        return None
    mean = math.fsum(values) / n
    if n == 1:
        return Spread(mean, None, 1, within[0] if within else math.nan)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    return Spread(mean, std, n, std / math.sqrt(n))


def trimmed(values: Sequence[float]) -> list[float]:
    """The paper's rule: of ten runs the two best and the two worst are dropped; of other numbers
    the same share, rounded down.

    >>> trimmed([9, 1, 2, 3, 4, 5, 6, 7, 8, 0])
    [2, 3, 4, 5, 6, 7]
    """
    cut = len(values) // 5
    return sorted(values)[cut : len(values) - cut]


@dataclass(frozen=True)
class Verdict:
    """A claim with what became of it.

    Attributes:
        claim: the sentence.
        word: holds, does not hold, undecided or not measured.
        numbers: what decided it, one text for each row it was compared with.
    """

    claim: Claim
    word: str
    numbers: tuple[str, ...]


def decide(
    claim: Claim, found: Mapping[str, Mapping[str, Spread]], labels: Mapping[str, str]
) -> Verdict:
    """What our numbers say about a claim.

    Args:
        claim: about rows and a metric.
        found: means by row and metric.
        labels: of the rows, for the text.
    """
    left = found.get(claim.left, {}).get(claim.metric)
    words, numbers = [], []
    for slug in claim.right:
        right = found.get(slug, {}).get(claim.metric)
        if left is None or right is None:
            words.append(MISSING)
            continue
        difference = left.mean - right.mean
        error = math.hypot(left.error, right.error)
        words.append(_word(claim, difference, 2 * error))
        numbers.append(
            f"{left.mean:.3f} against {right.mean:.3f} ({labels[slug]}): difference"
            f" {difference:+.3f}, standard error {error:.3f}"
        )
    word = next((w for w in (FAILS, OPEN, MISSING) if w in words), HOLDS)
    return Verdict(claim, MISSING if not numbers else word, tuple(numbers))


def _word(claim: Claim, difference: float, counts: float) -> str:
    if not math.isfinite(counts):
        return OPEN
    if claim.relation == "at most":
        return FAILS if difference - claim.margin > counts else HOLDS
    beyond = -difference - claim.margin if claim.relation == "below" else difference - claim.margin
    return HOLDS if beyond > counts else FAILS if beyond < -counts else OPEN
