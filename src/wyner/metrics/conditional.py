"""Conditional samples of images: is the label right, do they differ. Metrics, section 2."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from wyner.errors import ShapeError
from wyner.metrics.checks import finite


def label_accuracy(samples: Tensor, labels: Tensor, classify: Callable[[Tensor], Tensor]) -> float:
    """Share of conditional samples that a classifier gives the right label, in [0, 1].

    Args:
        samples: `(n, B, *event)`, n samples for each of B inputs.
        labels: `(B,)`, the label that samples of row i should have.
        classify: from `(N, *event)` to labels `(N,)`.

    Raises:
        ShapeError: another number of labels than inputs. DataError: numbers that are not finite.
    """
    n, rows = samples.shape[:2]
    if labels.shape != (rows,):
        raise ShapeError(f"labels: expected one for each of the {rows} inputs, got {len(labels)}")
    found = classify(finite(samples.flatten(0, 1), "samples")).reshape(n, rows)
    return float((found == finite(labels, "labels").to(found.device)).double().mean())


def sample_variance(samples: Tensor) -> float:
    """Variance over the samples of one input, averaged over coordinates and inputs.

        1/(B d) sum_i sum_j [ 1/n sum_s (y_sij - mean_s y_sij)^2 ]     population variance, in
                                                                       squared units of the data

    Args:
        samples: `(n, B, *event)`, pixels in [0, 1] for the published numbers.

    Raises:
        ShapeError: fewer than two samples an input. DataError: numbers that are not finite.
    """
    if len(samples) < 2:
        raise ShapeError(f"samples: expected at least 2 for each input, got {len(samples)}")
    return float(finite(samples.double(), "samples").var(0, unbiased=False).mean())
