"""What a model draws, looked at by classifiers and features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.metrics.attributes import attribute_accuracy
from wyner.metrics.checks import share_error
from wyner.metrics.classifier import Classifier
from wyner.metrics.conditional import label_accuracy, sample_variance
from wyner.metrics.features import features_of
from wyner.metrics.frechet import frechet, joint_frechet


def drawn_labels(
    samples: Tensor, labels: Tensor, classifier: Classifier, border: int
) -> dict[str, float]:
    """Accuracy of the labels of samples in [0, 1] with its standard error over rows, and the
    variance over the samples of a row in squared units of the data.

    Args:
        samples: `(n, N, C, H, W)`.
        labels: what samples of each row should show, `(N,)`.
        classifier: reads them.
        border: pixels at each edge that the variance leaves out.
    """
    share, inner = label_accuracy(samples, labels, classifier), slice(border, -border or None)
    return {
        "accuracy": share,
        "accuracy_se": share_error(share, len(labels)),
        "variance": sample_variance(samples[..., inner, inner]),
        "judge_accuracy": classifier.accuracy,
    }


def pair_error(
    x: Tensor, y: Tensor, readers: Sequence[Callable[[Tensor], Tensor]], shift: int, classes: int
) -> dict[str, float]:
    """Share of pairs whose labels do not belong together, label(x) + shift and label(y) modulo the
    number of classes, with its standard error.
    """
    a, b = (read(side) for read, side in zip(readers, (x, y), strict=True))
    error = float(((a + shift) % classes != b).double().mean())
    return {"joint_error": error, "joint_error_se": share_error(error, len(x))}


def drawn_attributes(samples: Tensor, bits: Tensor) -> dict[str, Any]:
    """Share of right attributes in [0, 1], with its standard error over rows, and row by row.

    Args:
        samples: `(n, N, d)`, means of a decoder of attributes.
        bits: `(N, d)`, the true ones.
    """
    right = ((samples > 0.5) == (bits > 0.5)).double().mean((0, 2))
    return {
        "attributes": attribute_accuracy(samples, bits),
        "attributes_se": float(right.std()) / len(right) ** 0.5,
        "attributes_rows": right.float().numpy(),
    }


def drawn_frechet(
    samples: Mapping[str, Any], pictures: Mapping[str, np.ndarray], n: int, epochs: int
) -> dict[str, float]:
    """Frechet distances of joint samples to the first n training pictures, each modality by itself
    and both side by side, on features of autoencoders of the training pictures.
    """
    one, other = {}, {}
    for name, real in pictures.items():
        extract = features_of(real, epochs=epochs)
        one[name], other[name] = extract(samples[name]), extract(torch.from_numpy(real[:n]))
    each = {f"frechet_{k}": frechet(one[k], other[k]) for k in one}
    return {"frechet_joint": joint_frechet(one, other), **each}
