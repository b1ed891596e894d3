"""Labels and variance of conditional samples of images: a classifier looks at pictures that a model
draws. Metrics, section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wyner.data import Dataset
from wyner.errors import OptionError, TaskError, unknown
from wyner.metrics import (
    Classifier,
    digit_classifier,
    label_accuracy,
    sample_variance,
    svhn_classifier,
)
from wyner.models import Model

CLASSIFIERS: dict[str, Callable[[], Classifier]] = {
    "digits": digit_classifier,
    "mnist": lambda: digit_classifier(full=True),
    "svhn": svhn_classifier,
}
"""By name, as in `[judge] classifier`; trained when they are needed first, then kept."""


@dataclass(frozen=True)
class Judge:
    """Draws one modality given another, several times a row.

    Attributes:
        source, target: modalities.
        given: rows of the source, `(N, *event)`.
        labels: what samples of each row should show, `(N,)`.
        draws: samples a row.
        classifier: name in `CLASSIFIERS`.
        suffix: of the names of the numbers; "_back" for x given y.
        border: pixels at each edge of a picture that the variance leaves out.
    """

    source: str
    target: str
    given: Tensor
    labels: Tensor
    draws: int
    classifier: str
    suffix: str = ""
    border: int = 0

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        part: str,
        classifier: str,
        shift: int = 0,
        images: int = 500,
        draws: int = 10,
        back: bool = False,
        border: int = 0,
    ) -> Judge:
        """A judge on the first rows of a part of a data set with labels.

        Args:
            dataset, part: rows, and `label` of the first modality.
            classifier: name in `CLASSIFIERS`.
            shift: label(y) - label(x), modulo the number of labels.
            images, draws: rows, and samples of each.
            border: pixels at each edge that the variance leaves out.
            back: whether the first modality is drawn given the last, instead of the last given the
                first.

        Raises:
            OptionError: an unknown classifier, or rows without labels.
        """
        if classifier not in CLASSIFIERS:
            raise OptionError(unknown("classifier", classifier, CLASSIFIERS))
        if "label" not in getattr(dataset, part):
            raise OptionError(
                f"{dataset.name} has no labels, so labels of samples cannot be judged; leave out"
                " [judge]"
            )
        label = torch.as_tensor(getattr(dataset, part)["label"][:images]).long()
        classes = int(torch.as_tensor(dataset.train["label"]).max()) + 1
        pairs = dataset.pairs(part, images)
        first, *_, last = pairs
        if back:
            return cls(
                last,
                first,
                torch.from_numpy(pairs[last]),
                label,
                draws,
                classifier,
                "_back",
                border,
            )
        return cls(
            first,
            last,
            torch.from_numpy(pairs[first]),
            (label + shift) % classes,
            draws,
            classifier,
            border=border,
        )

    @property
    def how(self) -> dict[str, Any]:
        """What the numbers depend on, besides the model."""
        found = {"classifier": self.classifier, "images": len(self.given), "draws": self.draws}
        if self.border:
            found["border"] = self.border
        return {f"{k}{self.suffix}": v for k, v in found.items()}

    def measure(self, model: Model, seed: int = 0) -> dict[str, float]:
        """Accuracy in [0, 1], its standard error over rows, variance in squared units of the data;
        empty if the model cannot translate.
        """
        given: dict[str, Any] = {self.source: self.given}
        try:
            drawn = torch.as_tensor(
                model.translate(**given, to=self.target, n=self.draws, seed=seed)
            )
        except TaskError:
            return {}
        inner = slice(self.border, -self.border or None)
        judge = CLASSIFIERS[self.classifier]()
        found = label_accuracy(drawn, self.labels, judge)
        numbers = {
            "accuracy": found,
            "accuracy_se": (found * (1 - found) / len(self.labels)) ** 0.5,
            "variance": sample_variance(drawn[..., inner, inner]),
            "judge_accuracy": judge.accuracy,
        }
        return {_named(k, self.suffix): v for k, v in numbers.items()}


def _named(name: str, suffix: str) -> str:
    """`accuracy_se` and `_back` make `accuracy_back_se`, so that a standard error ends in `_se`."""
    return f"{name.removesuffix('_se')}{suffix}_se" if name.endswith("_se") else f"{name}{suffix}"
