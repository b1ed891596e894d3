"""Speaker verification: do two recordings have one speaker? The equal error rate of codes. Metrics,
section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wyner.errors import DataError, ShapeError


def equal_error_rate(same: Any, different: Any) -> float:
    """The share at which false acceptances equal false rejections, in [0, 1]: 0 if scores separate,
    1/2 if they say nothing.

    A pair is accepted if its score is at least a threshold; between thresholds both shares are
    joined by straight lines.

    Args:
        same: scores of pairs with one speaker, `(n,)`, higher for more alike.
        different: scores of other pairs, `(m,)`.

    Raises:
        DataError: no pair of a kind, or scores that are no numbers.

    Example:
        >>> equal_error_rate([0.9, 0.8, 0.3], [0.7, 0.2, 0.1])
        0.3333333333333333
    """
    same, different = (np.asarray(v, np.float64).ravel() for v in (same, different))
    if not len(same) or not len(different):
        raise DataError("an equal error rate needs pairs of one speaker and pairs of two")
    if not (np.isfinite(same).all() and np.isfinite(different).all()):
        raise DataError("scores of pairs must be finite numbers")
    scores = np.concatenate([same, different])
    order = np.argsort(-scores, kind="stable")
    accepted = np.cumsum(np.arange(len(scores))[order] < len(same))
    last = np.append(np.diff(scores[order]) != 0, True)  # equal scores are accepted together
    accepted, count = accepted[last], np.arange(1, len(scores) + 1)[last]
    false_acceptance = np.append(0.0, (count - accepted) / len(different))
    false_rejection = np.append(1.0, 1 - accepted / len(same))
    gap = false_acceptance - false_rejection  # rises from -1 to 1
    k = int(np.argmax(gap >= 0))
    share = gap[k - 1] / (gap[k - 1] - gap[k])
    return float(false_acceptance[k - 1] + share * (false_acceptance[k] - false_acceptance[k - 1]))


@dataclass(frozen=True)
class Verification:
    """What verification found: the equal error rate in percent, and how many pairs of either kind
    were tried.
    """

    eer_percent: float
    same: int
    different: int

    def __str__(self) -> str:
        return (
            f"EER {self.eer_percent:.2f}% of {self.same + self.different:,} pairs, {self.same:,} of"
            " them with one speaker"
        )


def verification(codes: Any, speakers: Sequence[Any]) -> Verification:
    """All unordered pairs of recordings, scored by the cosine of their codes.

    Args:
        codes: `(N, d)`, one a recording.
        speakers: `(N,)`.

    Raises:
        ShapeError: other numbers of codes than of speakers. DataError: as `equal_error_rate`.
    """
    codes, names = np.asarray(codes, np.float64), np.asarray(speakers)
    if codes.ndim != 2 or names.shape != (len(codes),):
        raise ShapeError(
            f"expected codes (N, d) and speakers (N,), got {codes.shape} and {names.shape}"
        )
    unit = codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-300)
    i, j = np.triu_indices(len(codes), 1)
    scores, alike = (unit @ unit.T)[i, j], names[i] == names[j]
    rate = equal_error_rate(scores[alike], scores[~alike])
    return Verification(100 * rate, int(alike.sum()), int((~alike).sum()))
