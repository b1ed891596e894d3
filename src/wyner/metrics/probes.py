"""Probes: what a simple classifier reads from a latent. z should hold the label, u and v not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wyner.errors import DataError, OptionError, ShapeError, TaskError, unknown
from wyner.metrics.checks import classes, finite

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

        min_W  sum_i -log softmax(W [a_i, 1])_{c_i} + penalty |W|^2 / 2,   penalty = 1 / C

    Args:
        train, test: codes `(N, d)`, arrays or tensors.
        train_labels, test_labels: `(N,)`.
        penalty: of the sum over rows; a penalty p of the mean is `N * p`.
        standardise: by the training rows; pixels are better left as they are.

    Raises:
        ShapeError: other numbers of labels than of codes. DataError: fewer than two classes to
            train on, or codes that are not finite.

    Example:
        >>> linear_probe([[0.0], [0.1], [1.0], [1.1]], [0, 0, 1, 1], [[-0.2], [2.0]], [0, 1])
        1.0
    """
    from sklearn.linear_model import LogisticRegression

    a, la, b, lb = _checked(train, train_labels, test, test_labels)
    if standardise:
        mean, scale = a.mean(0), a.std(0)
        said = scale > 1e-8 * np.maximum(1, np.abs(mean))  # a latent that says nothing stays 0
        scale = np.where(said, scale, 1.0)
        a, b = (a - mean) / scale, (b - mean) / scale
    probe = LogisticRegression(C=1 / penalty, max_iter=500).fit(a, la)
    return float(np.mean(probe.predict(b) == lb))


def kernel_probe(
    train: Any, train_labels: Any, test: Any, test_labels: Any, penalty: float = 1.0
) -> float:
    """Share of test rows that a support vector machine with a Gaussian kernel labels rightly.

        k(a, b) = exp( -|a - b|^2 / (d v) ),    v the variance of all numbers of the training rows

    One against one, C = 1 / penalty, in [0, 1]. Args and errors as for `linear_probe`.

    Example:
        >>> kernel_probe([[0.0], [0.1], [1.0], [1.1]], [0, 0, 1, 1], [[-0.2], [2.0]], [0, 1])
        1.0
    """
    from sklearn.svm import SVC

    a, la, b, lb = _checked(train, train_labels, test, test_labels)
    return float(np.mean(SVC(C=1 / penalty, gamma="scale").fit(a, la).predict(b) == lb))


def _checked(train: Any, train_labels: Any, test: Any, test_labels: Any) -> tuple[np.ndarray, ...]:
    """Codes and labels as arrays: train, its labels, test, its labels."""
    sides = []
    for codes, labels, what in ((train, train_labels, "train"), (test, test_labels, "test")):
        sides.append(np.asarray(codes, dtype=np.float64))
        shape = np.shape(labels)
        if sides[-1].ndim != 2 or shape != (len(sides[-1]),):
            raise ShapeError(
                f"{what}: expected codes (N, d) and labels (N,), got {sides[-1].shape} and {shape}"
            )
        finite(sides[-1], what)
    la, lb = (c.numpy() for c in classes(train_labels, test_labels))
    if len(np.unique(la)) < 2:
        raise DataError("a probe needs at least two classes to train on")
    return sides[0], la, sides[1], lb


def majority(train_labels: Any, test_labels: Any) -> float:
    """Share of test rows with the label most frequent in training: what a probe of nothing has."""
    train, test = classes(train_labels, test_labels)
    return float((test == train.bincount().argmax()).double().mean())


def latent_probes(
    model: Model,
    dataset: Dataset,
    rows: int = 5000,
    part: str = "test",
    labels: Mapping[str, Any] | None = None,
    given: Sequence[str] | None = None,
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
        given: modalities that the latents are inferred from; all by default.

    Returns:
        `{"z": ..., "u": ..., "v": ..., "majority": ...}` in [0, 1]; other models, other latents.

    Raises:
        DataError: no labels, or a part without rows. OptionError: an unknown modality. TaskError:
            the model has no such encoder.
    """
    train, known, test, asked = _sides(model, dataset, rows, part, labels, given)
    one = {k: linear_probe(train[k], known, test[k], asked) for k in train}
    return {**one, MAJORITY: majority(known, asked)}


def common_probe(
    model: Model, dataset: Dataset, rows: int = 5000, part: str = "validation", penalty: float = 1.0
) -> float:
    """Accuracy in [0, 1] of one linear probe of the labels on all common latents side by side.

    Args and errors as for `latent_probes` and `linear_probe`; a TaskError if nothing is common.
    """
    train, known, test, asked = _sides(model, dataset, rows, part)
    if not (names := [k for k in train if k in model.common]):
        raise TaskError(f"{model.title} has no common latent to probe")
    a, b = (np.concatenate([side[k] for k in names], 1) for side in (train, test))
    return linear_probe(a, known, b, asked, penalty)


Codes = dict[str, np.ndarray]


def _sides(
    model: Model,
    dataset: Dataset,
    rows: int,
    part: str,
    labels: Mapping[str, Any] | None = None,
    given: Sequence[str] | None = None,
) -> tuple[Codes, np.ndarray, Codes, np.ndarray]:
    """Codes and labels of training rows, and of the part."""
    found: list[Any] = []
    for name in given or ():
        if name not in model.observed:
            raise OptionError(f"given: {unknown('modality', name, model.observed)}")
    read = model.observed if given is None else given
    for name in ("train", part):
        arrays = getattr(dataset, name)
        if not arrays:
            raise DataError(f"{dataset.name} has no {name} rows")
        known = (labels or {}).get(name, arrays.get("label") if labels is None else None)
        if known is None:
            raise DataError(
                f"{dataset.name} has no labels in its {name} rows; give labels={{'train': ...,"
                f" {part!r}: ...}}"
            )
        sides = {k: v for k, v in dataset.pairs(name, rows).items() if k in read}
        found += [codes_of(model, sides), np.asarray(known)[:rows]]
    return found[0], found[1], found[2], found[3]


def codes_of(
    model: Model,
    given: Mapping[str, np.ndarray],
    latents: Sequence[str] | None = None,
    block: int = 1000,
) -> Codes:
    """Means of the latents that the model infers from these modalities, `(N, d)`, float64."""
    parts: list[dict[str, torch.Tensor]] = []
    for i in range(0, len(next(iter(given.values()))), block):
        rows: dict[str, Any] = {
            k: torch.from_numpy(np.ascontiguousarray(v[i : i + block])) for k, v in given.items()
        }
        parts.append({k: d.mean.detach().flatten(1) for k, d in model.encode(**rows).items()})
    if latents is None:
        latents = [k for k in parts[0] if k in model.latent] if parts else []
    if not latents:
        raise TaskError(f"{model.title} infers no latent from {', '.join(given)}")
    return {k: torch.cat([p[k] for p in parts]).double().cpu().numpy() for k in latents}
