"""How good conditional samples of images are: is the label right, and do they differ. Specification
of metrics, section 2.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from wyner.errors import ShapeError


def label_accuracy(samples: Tensor, labels: Tensor, classify: Callable[[Tensor], Tensor]) -> float:
    """Share of conditional samples that a classifier gives the right label, in [0, 1].

    Args:
        samples: `(n, B, *event)`, n samples for each of B inputs.
        labels: `(B,)`, the label that samples of row i should have.
        classify: from `(N, *event)` to labels `(N,)`.

    Raises:
        ShapeError: another number of labels than inputs.
    """
    n, rows = samples.shape[:2]
    if len(labels) != rows:
        raise ShapeError(f"labels: expected one for each of the {rows} inputs, got {len(labels)}")
    found = classify(samples.flatten(0, 1)).reshape(n, rows)
    return float((found == labels.to(found.device)).double().mean())


def sample_variance(samples: Tensor) -> float:
    """Variance over the samples of one input, averaged over coordinates and inputs; in squared
    units of the data.

        1/(B d) sum_i sum_j [ 1/n sum_s (y_sij - mean_s y_sij)^2 ]        population variance, as
            the specification chooses

    Args:
        samples: `(n, B, *event)`, pixels in [0, 1] for the published numbers.

    Raises:
        ShapeError: fewer than two samples an input.
    """
    if len(samples) < 2:
        raise ShapeError(f"samples: expected at least 2 for each input, got {len(samples)}")
    return float(torch.var(samples.double(), 0, unbiased=False).mean())
