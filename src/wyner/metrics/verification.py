"""Speaker verification: do two recordings have one speaker? Specification of metrics, section 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.errors import DataError, ShapeError
from wyner.metrics.checks import classes, finite


def equal_error_rate(same: Any, different: Any) -> float:
    """The share at which false acceptances equal false rejections, in [0, 1].

    0 if scores separate, 1/2 if they say nothing. A pair is accepted if its score is at least a
    threshold; between thresholds both shares are joined by straight lines.

    Args:
        same: scores of pairs with one speaker, `(n,)`, higher for more alike.
        different: scores of other pairs, `(m,)`.

    Raises:
        DataError: no pair of a kind, or scores that are no numbers.

    Example:
        >>> equal_error_rate([0.9, 0.8, 0.3], [0.7, 0.2, 0.1])
        0.3333333333333333
    """
    from sklearn.metrics import roc_curve

    sides = [np.asarray(v, np.float64).ravel() for v in (same, different)]
    if not all(map(len, sides)):
        raise DataError("an equal error rate needs pairs of one speaker and pairs of two")
    for what, scores in zip(("same", "different"), sides, strict=True):
        finite(scores, f"scores of pairs, {what}")
    kind = np.repeat([1, 0], [len(v) for v in sides])
    accepted, right, _ = roc_curve(kind, np.concatenate(sides), drop_intermediate=False)
    gap = accepted + right - 1  # false acceptances less false rejections: rises from -1 to 1
    k = int(np.argmax(gap >= 0))
    share = gap[k - 1] / (gap[k - 1] - gap[k])
    return float(accepted[k - 1] + share * (accepted[k] - accepted[k - 1]))


def recording_codes(codes: Tensor, recordings: Sequence[str]) -> dict[str, Tensor]:
    """The code of every recording: the mean over all its stretches and all their frames.

    Args:
        codes: of stretches, `(N, d)`, or of their frames, `(N, T, d)`.
        recordings: the name of the recording that each stretch is from, `(N,)`.

    Returns:
        `(d,)` for each recording, in the order in which they first come.
    """
    names = {name: k for k, name in enumerate(dict.fromkeys(recordings))}
    owner = torch.tensor([names[name] for name in recordings])
    each = codes if codes.ndim == 2 else codes.mean(1)
    total = each.new_zeros(len(names), each.shape[1]).index_add_(0, owner.to(each.device), each)
    means = total / owner.bincount().to(total)[:, None]
    return dict(zip(names, means, strict=True))


@dataclass(frozen=True)
class Verification:
    """The equal error rate in percent, and how many pairs of either kind were tried."""

    eer_percent: float
    same: int
    different: int

    def __str__(self) -> str:
        pairs = f"{self.same + self.different:,} pairs, {self.same:,} of them with one speaker"
        return f"EER {self.eer_percent:.2f}% of {pairs}"


def verification(codes: Any, speakers: Sequence[Any]) -> Verification:
    """All unordered pairs of recordings, scored by the cosine of their codes.

    Args:
        codes: `(N, d)`, one a recording.
        speakers: `(N,)`.

    Raises:
        ShapeError: other numbers of codes than of speakers. DataError: as `equal_error_rate`.
    """
    rows = finite(np.asarray(codes, np.float64), "codes").numpy()
    if rows.ndim != 2 or len(speakers) != len(rows):
        raise ShapeError(
            f"expected codes (N, d) and speakers (N,), got {rows.shape} and {len(speakers)}"
        )
    (names,) = classes(speakers)
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
    i, j = np.triu_indices(len(rows), 1)
    scores, alike = (unit @ unit.T)[i, j], (names[i] == names[j]).numpy()
    rate = equal_error_rate(scores[alike], scores[~alike])
    return Verification(100 * rate, int(alike.sum()), int((~alike).sum()))
