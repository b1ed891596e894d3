"""Labels and variance of conditional samples of images: a classifier looks at pictures that a model draws. Metrics, section 2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wyner.data import Dataset
from wyner.errors import OptionError, TaskError, unknown
from wyner.metrics import Classifier, digit_classifier, label_accuracy, sample_variance
from wyner.models import Model

CLASSIFIERS: dict[str, Callable[[], Classifier]] = {
    "digits": digit_classifier,
    "mnist": lambda: digit_classifier(full=True),
}
"""By name, as in `[judge] classifier`; trained when they are needed first, then kept."""


@dataclass(frozen=True)
class Judge:
    """Draws the last modality given the first, several times a row.

    Attributes:
        source, target: modalities.
        given: rows of the source, `(N, *event)`.
        labels: what samples of each row should show, `(N,)`.
        draws: samples a row.
        classifier: name in `CLASSIFIERS`.
    """

    source: str
    target: str
    given: Tensor
    labels: Tensor
    draws: int
    classifier: str

    @classmethod
    def of(
        cls, dataset: Dataset, part: str, classifier: str, shift: int = 0, images: int = 500, draws: int = 10
    ) -> Judge:
        """A judge on the first rows of a part of a data set with labels.

        Args:
            dataset, part: rows, and `label` of the first modality.
            classifier: name in `CLASSIFIERS`.
            shift: label(y) - label(x), modulo the number of labels.
            images, draws: rows, and samples of each.

        Raises:
            OptionError: an unknown classifier, or rows without labels.
        """
        if classifier not in CLASSIFIERS:
            raise OptionError(unknown("classifier", classifier, CLASSIFIERS))
        if "label" not in getattr(dataset, part):
            raise OptionError(f"{dataset.name} has no labels, so labels of samples cannot be judged; leave out [judge]")
        label = torch.as_tensor(getattr(dataset, part)["label"][:images]).long()
        classes = int(torch.as_tensor(dataset.train["label"]).max()) + 1
        pairs = dataset.pairs(part, images)
        first, *_, last = pairs
        return cls(first, last, torch.from_numpy(pairs[first]), (label + shift) % classes, draws, classifier)

    def measure(self, model: Model, seed: int = 0) -> dict[str, float]:
        """Accuracy in [0, 1], its standard error over rows, variance in squared units of the data; empty if the model cannot translate."""
        given: dict[str, Any] = {self.source: self.given}
        try:
            drawn = torch.as_tensor(model.translate(**given, to=self.target, n=self.draws, seed=seed))
        except TaskError:
            return {}
        judge = CLASSIFIERS[self.classifier]()
        found = label_accuracy(drawn, self.labels, judge)
        return {
            "accuracy": found, "accuracy_se": (found * (1 - found) / len(self.labels)) ** 0.5,
            "variance": sample_variance(drawn), "judge_accuracy": judge.accuracy,
        }  # fmt: skip
