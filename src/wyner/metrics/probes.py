"""Linear probes: what can be read from each latent. The label should be readable from z and not
from u and v.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wyner.errors import DataError, ShapeError, TaskError

if TYPE_CHECKING:
    from wyner.data.dataset import Dataset
    from wyner.models.base import Model

MAJORITY = "majority"


def linear_probe(
    train: Any,
    train_labels: Any,
    test: Any,
    test_labels: Any,
    penalty: float = 1.0,
    standardise: bool = True,
) -> float:
    """Share of test rows that an L2 multinomial logistic regression labels rightly, in [0, 1].

        min_W  sum_i -log softmax(W [a_i, 1])_{c_i} + |W|^2 / (2 C),   a standardised by the
               training rows, C = 1

    Args:
        train, test: codes `(N, d)`, arrays or tensors.
        train_labels, test_labels: `(N,)`.
        penalty: 1/C.
        standardise: by the training rows; pixels are better left as they are.

    Raises:
        ShapeError: other numbers of labels than of codes. DataError: fewer than two classes to
            train on.

    Example:
        >>> linear_probe([[0.0], [0.1], [1.0], [1.1]], [0, 0, 1, 1], [[-0.2], [2.0]], [0, 1])
        1.0
    """
    from sklearn.linear_model import LogisticRegression

    a, la, b, lb = _checked(train, train_labels, test, test_labels)
    if standardise:
        mean, scale = a.mean(0), a.std(0)
        scale = np.where(
            scale > 1e-8 * np.maximum(1, np.abs(mean)), scale, 1.0
        )  # a latent that says nothing stays 0
        a, b = (a - mean) / scale, (b - mean) / scale
    probe = LogisticRegression(C=1 / penalty, max_iter=500).fit(a, la)
    return float(np.mean(probe.predict(b) == lb))


def kernel_probe(
    train: Any, train_labels: Any, test: Any, test_labels: Any, penalty: float = 1.0
) -> float:
    """Share of test rows that a support vector machine with a Gaussian kernel labels rightly, in
    [0, 1].

        k(a, b) = exp( -|a - b|^2 / (d v) ),   v the variance of all numbers of the training rows, C
                                               = 1, one against one

    Args and errors as for `linear_probe`.

    Example:
        >>> kernel_probe([[0.0], [0.1], [1.0], [1.1]], [0, 0, 1, 1], [[-0.2], [2.0]], [0, 1])
        1.0
    """
    from sklearn.svm import SVC

    a, la, b, lb = _checked(train, train_labels, test, test_labels)
    return float(np.mean(SVC(C=1 / penalty, gamma="scale").fit(a, la).predict(b) == lb))


def _checked(train: Any, train_labels: Any, test: Any, test_labels: Any) -> tuple[np.ndarray, ...]:
    """Codes and labels as arrays: train, its labels, test, its labels."""
    a, b = (np.asarray(codes, dtype=np.float64) for codes in (train, test))
    la, lb = (np.asarray(labels) for labels in (train_labels, test_labels))
    for codes, labels, what in ((a, la, "train"), (b, lb, "test")):
        if codes.ndim != 2 or labels.shape != (len(codes),):
            raise ShapeError(
                f"{what}: expected codes (N, d) and labels (N,), got {codes.shape} and"
                f" {labels.shape}"
            )
    if len(np.unique(la)) < 2:
        raise DataError("a probe needs at least two classes to train on")
    return a, la, b, lb


def majority(train_labels: Any, test_labels: Any) -> float:
    """Share of test rows with the label that is most frequent in training: what a probe of nothing
    reaches.
    """
    labels, counts = np.unique(np.asarray(train_labels), return_counts=True)
    return float(np.mean(np.asarray(test_labels) == labels[counts.argmax()]))


def latent_probes(
    model: Model,
    dataset: Dataset,
    rows: int = 5000,
    part: str = "test",
    labels: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Accuracy of a linear probe of the labels for every latent, beside the majority baseline.

    Codes are the means of q(z|x,y), q(u|z,x), q(v|z,y), later ones at the means of the earlier.
    Probes learn on training rows.

    Args:
        model: with an encoder of all modalities.
        dataset: with labels as `label`, or given here.
        rows: how many of each part, at most.
        part: whose accuracy is reported; "test" or "validation".
        labels: other labels by part, `{"train": (N,), "test": (M,)}`: an attribute of faces, say.

    Returns:
        `{"z": ..., "u": ..., "v": ..., "majority": ...}` in [0, 1]; for models with other latents,
        those.

    Raises:
        DataError: no labels, or a part without rows. TaskError: the model cannot encode pairs.
    """
    codes: dict[str, dict[str, np.ndarray]] = {}
    known: dict[str, np.ndarray] = {}
    for name in ("train", part):
        arrays = getattr(dataset, name)
        if not arrays:
            raise DataError(f"{dataset.name} has no {name} rows")
        found = (labels or {}).get(name, arrays.get("label") if labels is None else None)
        if found is None:
            raise DataError(
                f"{dataset.name} has no labels in its {name} rows; give labels={{'train': ...,"
                f" {part!r}: ...}}"
            )
        known[name] = np.asarray(found)[:rows]
        given = {k: v for k, v in dataset.pairs(name, rows).items() if k in model.observed}
        codes[name] = _codes(model, given)
    one = {
        k: linear_probe(codes["train"][k], known["train"], codes[part][k], known[part])
        for k in codes["train"]
    }
    return {**one, MAJORITY: majority(known["train"], known[part])}


def _codes(
    model: Model, given: Mapping[str, np.ndarray], block: int = 1000
) -> dict[str, np.ndarray]:
    """Means of every latent that the model infers from all modalities, `(N, d)`."""
    count = len(next(iter(given.values())))
    parts: list[dict[str, np.ndarray]] = []
    for i in range(0, count, block):
        rows: dict[str, Any] = {
            k: torch.from_numpy(np.ascontiguousarray(v[i : i + block])) for k, v in given.items()
        }
        found = model.encode(**rows)
        parts.append(
            {
                k: d.mean.flatten(1).double().cpu().numpy()
                for k, d in found.items()
                if k in model.latent
            }
        )
    if not parts or not parts[0]:
        raise TaskError(f"{model.title} infers no latent from {', '.join(given)}")
    return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
