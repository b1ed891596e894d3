"""Voice conversion: does a recording in another's voice sound so? VC-mCAS. Metrics, section 6."""

from __future__ import annotations

from typing import Any

import numpy as np

from wyner.errors import DataError
from wyner.metrics.checks import classes
from wyner.metrics.probes import linear_probe


def crossed_pairs(labels: Any, pairs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random rows of two classes in pairs: those of the first class, and their partners.

    Args:
        labels: `(N,)`, two different values.
        pairs: how many, at most; every row is used once.
        seed: of the choice.

    Raises:
        DataError: not two classes.
    """
    found = classes(labels)[0].numpy()
    if (count := len(np.unique(found))) != 2:
        raise DataError(f"conversion between classes needs two of them, got {count}")
    rng = np.random.default_rng(seed)
    first, second = (rng.permutation(np.flatnonzero(found == c)) for c in (0, 1))
    n = min(pairs, len(first), len(second))
    return first[:n], second[:n]


def conversion_accuracy(converted: Any, labels: Any, real: Any, real_labels: Any) -> float:
    """Accuracy, on real speech, of a logistic classifier that learned on converted speech alone.

    All frames of a stretch are averaged; [CMI] reports it in percent as VC-mCAS. In [0, 1].

    Args:
        converted: `(N, T, d)`; row i should sound like `labels[i]`.
        labels: `(N,)`.
        real, real_labels: `(M, T, d)` and `(M,)`.

    Raises:
        ShapeError, DataError: as `wyner.metrics.linear_probe`.
    """
    time = lambda rows: np.asarray(rows, np.float64).mean(1)
    return linear_probe(time(converted), labels, time(real), real_labels)
