"""What a global code says of a picture's class: by itself, and by pictures drawn from it.

[CMI] section 5.1; specification of metrics, section 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wyner.errors import DataError
from wyner.metrics.checks import classes
from wyner.metrics.probes import codes_of, kernel_probe, linear_probe

if TYPE_CHECKING:
    from wyner.data.dataset import Dataset
    from wyner.models.base import Model

BLOCK = 500
"""Pictures that are encoded at a time."""


def code_accuracy(
    model: Model, dataset: Dataset, each: int = 100, rows: int | None = None, latent: str = "z"
) -> dict[str, float]:
    """AoLR and AoSVM: share of test pictures whose class is read from the mean of q(z|x).

    A logistic regression on standardised codes and a support vector machine (Gaussian kernel) learn
    on the codes of few pictures.

    Args:
        model: with an encoder of the pictures.
        dataset: with labels.
        each: training pictures of each class; 100 in the paper.
        rows: test pictures; all by default.
        latent: whose codes.

    Returns:
        `{"AoLR": ..., "AoSVM": ...}` in [0, 1].

    Raises:
        DataError: a class with fewer training pictures, or codes that are not finite.
    """
    name, index = dataset.modalities[0], balanced(dataset.train["label"], each)
    train, test = dataset.train[name][index], dataset.test[name][:rows]
    a, b = (codes_of(model, {name: part}, [latent], BLOCK)[latent] for part in (train, test))
    given = a, dataset.train["label"][index], b, dataset.test["label"][:rows]
    return {"AoLR": linear_probe(*given), "AoSVM": kernel_probe(*given)}


def sample_accuracy(
    model: Model,
    dataset: Dataset,
    each: int = 10,
    draws: int = 10,
    rows: int | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Share of test pictures that classifiers of drawn ones label rightly: mCAS and mCAS (SVM).

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
        `{"mCAS", "mCAS_SVM", "baseline", "baseline_SVM"}` in [0, 1].

    Raises:
        DataError: a class with fewer training pictures, or draws that are not finite.
    """
    name, index = dataset.modalities[0], balanced(dataset.train["label"], each)
    real, labels = dataset.train[name][index], dataset.train["label"][index]
    drawn = np.asarray(model.redraw(**{name: real}, n=draws, seed=seed)[name])
    flat = lambda pictures: pictures.reshape(len(pictures), -1)
    test, truth = flat(dataset.test[name][:rows]), dataset.test["label"][:rows]
    found = {}
    for what, pictures, known in (
        ("mCAS", drawn.reshape(-1, *drawn.shape[2:]), np.tile(labels, draws)),
        ("baseline", real, labels),
    ):
        found[what] = linear_probe(flat(pictures), known, test, truth, standardise=False)
        found[f"{what}_SVM"] = kernel_probe(flat(pictures), known, test, truth)
    return found


def balanced(labels: Any, each: int) -> np.ndarray:
    """Indices of the first `each` rows of every class, class after class.

    Raises:
        DataError: a class with fewer rows, or labels that are NaN.
    """
    (codes,), found = classes(labels), []
    for code in codes.unique():
        index = np.flatnonzero(codes == code)
        if len(index) < each:
            label = np.asarray(labels)[index[0]]
            raise DataError(f"class {label} has {len(index)} rows; expected at least {each}")
        found.append(index[:each])
    return np.concatenate(found)
