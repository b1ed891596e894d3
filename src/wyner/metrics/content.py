"""What a global code says of a picture's class: read from the code itself, and from fresh pictures
that are drawn from it.

[CMI] section 5.1; specification of metrics, section 5. Classifiers: scikit-learn, `pip install
'wyner[metrics]'`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wyner.errors import DataError
from wyner.metrics.probes import kernel_probe, linear_probe

if TYPE_CHECKING:
    from wyner.data.dataset import Dataset
    from wyner.models.base import Model

BLOCK = 500
"""Pictures that are encoded at a time."""


def code_accuracy(
    model: Model, dataset: Dataset, each: int = 100, rows: int | None = None, latent: str = "z"
) -> dict[str, float]:
    """AoLR and AoSVM: share of test pictures whose class is read from the mean of q(z|x), in [0,
    1].

    A logistic regression on standardised codes and a support vector machine (Gaussian kernel) learn
    on the codes of few pictures.

    Args:
        model: with an encoder of the pictures.
        dataset: with labels.
        each: training pictures of each class; 100 in the paper.
        rows: test pictures; all by default.
        latent: whose codes.

    Returns:
        `{"AoLR": ..., "AoSVM": ...}`.

    Raises:
        DataError: a class with fewer training pictures.
    """
    name = dataset.modalities[0]
    index = balanced(dataset.train["label"], each)
    train, test = dataset.train[name][index], dataset.test[name][:rows]
    a, b = _codes(model, name, train, latent), _codes(model, name, test, latent)
    la, lb = dataset.train["label"][index], dataset.test["label"][:rows]
    return {"AoLR": linear_probe(a, la, b, lb), "AoSVM": kernel_probe(a, la, b, lb)}


def sample_accuracy(
    model: Model,
    dataset: Dataset,
    each: int = 10,
    draws: int = 10,
    rows: int | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Scores mCAS and mCAS (SVM): share of real test pictures that classifiers label rightly that
    have seen only drawn ones, in [0, 1].

    Few real pictures are encoded; from the mean of each code, `draws` pictures are drawn anew and
    keep its label. If z holds the class, they are so many more examples of it, and the classifier
    beats its baseline, which learns on the few real ones.

    Args:
        model: that can `redraw`.
        dataset: with labels.
        each: real pictures of each class; 10 in the paper.
        draws: from each of them; 10 in the paper.
        rows: test pictures; all by default.
        seed: of the draws.

    Returns:
        `{"mCAS", "mCAS_SVM", "baseline", "baseline_SVM"}`.

    Raises:
        DataError: a class with fewer training pictures.
    """
    name = dataset.modalities[0]
    index = balanced(dataset.train["label"], each)
    real, labels = dataset.train[name][index], dataset.train["label"][index]
    drawn = np.asarray(model.redraw(**{name: real}, n=draws, seed=seed)[name])
    test, truth = _flat(dataset.test[name][:rows]), dataset.test["label"][:rows]
    many, few = (
        (_flat(drawn.reshape(-1, *drawn.shape[2:])), np.tile(labels, draws)),
        (_flat(real), labels),
    )
    return {
        "mCAS": linear_probe(*many, test, truth, standardise=False),
        "mCAS_SVM": kernel_probe(*many, test, truth),
        "baseline": linear_probe(*few, test, truth, standardise=False),
        "baseline_SVM": kernel_probe(*few, test, truth),
    }


def balanced(labels: Any, each: int) -> np.ndarray:
    """Indices of the first `each` rows of every class, class after class.

    Raises:
        DataError: a class with fewer rows.
    """
    labels = np.asarray(labels)
    found = []
    for label in np.unique(labels):
        (index,) = np.nonzero(labels == label)
        if len(index) < each:
            raise DataError(f"class {label} has {len(index)} rows; expected at least {each}")
        found.append(index[:each])
    return np.concatenate(found)


def _codes(model: Model, name: str, pictures: np.ndarray, latent: str) -> np.ndarray:
    parts: list[dict[str, Any]] = [
        {name: pictures[i : i + BLOCK]} for i in range(0, len(pictures), BLOCK)
    ]
    found = [model.encode(**p)[latent].mean.detach().flatten(1).cpu().numpy() for p in parts]
    return np.concatenate(found).astype(np.float64)


def _flat(pictures: np.ndarray) -> np.ndarray:
    return pictures.reshape(len(pictures), -1)
