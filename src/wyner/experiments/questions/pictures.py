"""What classifiers, probes and features say of what a model draws. Specification of metrics, 2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from wyner.data import Dataset
from wyner.errors import OptionError, TaskError, refuse_unknown
from wyner.experiments.questions.base import Column, Question, held_out
from wyner.metrics import attribute_majority, latent_probes, sample_variance
from wyner.metrics.classifier import Classifier, digit_classifier, svhn_classifier
from wyner.metrics.drawn import drawn_attributes, drawn_frechet, drawn_labels, pair_error
from wyner.variables import Binary, Image

CLASSIFIERS: dict[str, Callable[[], Classifier]] = {
    "digits": digit_classifier,
    "mnist": lambda: digit_classifier(full=True),
    "svhn": svhn_classifier,
}
"""By name; trained when they are needed first, then kept."""


def labelled(question: str, data: Dataset, part: str, *classifiers: str) -> None:
    """Raises `OptionError` for unknown classifiers, and for data without labels."""
    refuse_unknown("classifier", filter(None, classifiers), CLASSIFIERS)
    if "label" not in getattr(data, part) or "label" not in data.train:
        raise OptionError(
            f"{question}: expected rows with labels, got {data.name}, which has no labels; leave"
            f" out [questions.{question}]"
        )


def _classes(data: Dataset) -> int:
    return int(np.asarray(data.train["label"]).max()) + 1


def _drawn(model: Any, given: Mapping[str, Any], to: str, n: int, seed: int) -> Tensor | None:
    """Samples `(n, N, *event)` of one modality given others; None where no law gives them."""
    try:
        return torch.as_tensor(model.translate(**given, to=to, n=n, seed=seed))
    except TaskError:
        return None


@dataclass(frozen=True)
class Labels(Question):
    """Labels and variance of samples of the last modality given the first, read by a classifier.

    Args:
        classifier: of the last modality, by name.
        back: classifier of the first one, for samples in the other direction (`_back`).
        shift: label(y) - label(x), modulo the number of labels.
        images, draws: rows, and samples for each.
        border: pixels at each edge that the variance of y leaves out: 2 where digits of 28x28 were
            padded to 32x32.
    """

    classifier: str
    back: str = ""
    shift: int = 0
    images: int = 500
    draws: int = 10
    border: int = 0

    @property
    def columns(self) -> dict[str, Column]:
        one = lambda end, words: {
            f"accuracy{end}": Column(f"label accuracy of {words}", short="label accuracy"),
            f"variance{end}": Column(f"variance of {words}", 4),
        }
        return one("", "y given x") | (one("_back", "x given y") if self.back else {})

    def check(self, data: Dataset, part: str) -> None:
        labelled("labels", data, part, self.classifier, self.back)

    def caption(self, part: str, facts: Any) -> str:
        back = f" (of x given y: `{self.back}`)" if self.back else ""
        return (
            f"Label accuracy and variance: {self.draws} samples for each of {self.images}"
            f" {part} rows, labels by the classifier `{self.classifier}`{back}. "
        )

    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, Any]:
        rows, out = held_out(data, part, self.images), dict[str, Any]()
        first, *_, last = rows
        label = torch.as_tensor(getattr(data, part)["label"][: self.images]).long()
        there = (label + self.shift) % _classes(data)
        sides = [("", first, last, there, self.classifier, self.border)]
        sides += [("_back", last, first, label, self.back, 0)] if self.back else []
        for end, given, target, labels, classifier, border in sides:
            samples = _drawn(model, {given: rows[given]}, target, self.draws, seed)
            if samples is not None:
                found = drawn_labels(samples, labels, CLASSIFIERS[classifier](), border)
                named = lambda k, end=end: (
                    f"{k.removesuffix('_se')}{end}{'_se' * k.endswith('_se')}"
                )
                out |= {named(k): v for k, v in found.items()}
        return out


@dataclass(frozen=True)
class Pairs(Question):
    """Share of joint samples whose two labels do not belong together: label(x) + shift, label(y).

    Args:
        classifiers: of the first and of the last modality, by name.
        shift: label(y) - label(x), modulo the number of labels.
        samples: pairs that are drawn.
    """

    classifiers: tuple[str, str]
    shift: int = 0
    samples: int = 4000
    COLUMNS: ClassVar = {"joint_error": Column("digit error of pairs")}
    CAPTION = (
        "Digit error of pairs: {samples} joint samples, share whose two labels do not belong"
        " together. "
    )

    def check(self, data: Dataset, part: str) -> None:
        labelled("pairs", data, "train", *self.classifiers)

    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, Any]:
        drawn = model.generate(self.samples, seed=seed)
        x, y = (torch.as_tensor(drawn[data.modalities[k]]) for k in (0, -1))
        readers = [CLASSIFIERS[c]() for c in self.classifiers]
        return pair_error(x, y, readers, self.shift, _classes(data))


@dataclass(frozen=True)
class Attributes(Question):
    """Share of right attributes x given the picture y, beside what the majority gets right, in
    [0, 1]; variance of pictures given attributes, in squared units of the pictures.

    Args:
        images, draws: rows, and samples for each; an attribute is predicted by each sample.
    """

    images: int = 500
    draws: int = 10
    COLUMNS: ClassVar = {
        "variance": Column("variance of y given x", 4),
        "attributes": Column("attribute accuracy given the face", short="attribute accuracy"),
        "attributes_majority": Column("attribute accuracy, majority"),
    }
    CAPTION = (
        "Attribute accuracy and variance of faces: {draws} samples for each of {images} {part}"
        " rows. "
    )

    def check(self, data: Dataset, part: str) -> None:
        first, *_, last = (data.spaces[k] for k in data.modalities)
        if not (isinstance(first, Binary) and isinstance(last, Image)):
            raise OptionError(
                f"{data.name} is no pair of attributes and a picture; leave out"
                " [questions.attributes]"
            )

    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, Any]:
        rows, found = held_out(data, part, self.images), dict[str, Any]()
        first, *_, last = rows
        bits = rows[first]
        told = _drawn(model, {last: rows[last]}, first, self.draws, seed)
        shown = _drawn(model, {first: bits}, last, self.draws, seed)
        if told is not None:
            found |= drawn_attributes(told.cpu(), bits)
        if shown is not None:
            found["variance"] = sample_variance(shown.cpu())
        train = torch.from_numpy(np.asarray(data.train[first]))
        return {"attributes_majority": attribute_majority(train, bits), **found} if found else {}


@dataclass(frozen=True)
class Probes(Question):
    """A linear probe of the label from the posterior means of every latent given the pair, in
    [0, 1]: it should be readable from z, not from u and v.

    Args:
        rows: training rows that a probe learns from, and rows that it is scored on, at most.
        sides: whether common latents are probed as inferred from each modality alone as well
            (`probe_z_x`).
    """

    rows: int = 5000
    sides: bool = False
    CAPTION = (
        "Labels read from a latent: a linear probe of posterior means given the pair, {rows}"
        " training rows. "
    )

    @property
    def columns(self) -> dict[str, Column]:
        read = lambda k, given="": Column(f"label read from {k}{given}")
        aside = {f"probe_z_{k}": read("z", f" given {k} alone") for k in "xy" if self.sides}
        rest = {f"probe_{k}": read(k) for k in "uvw"}
        most = {"probe_majority": Column("most frequent label")}
        return {"probe_z": read("z"), **aside, **rest, **most}

    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, Any]:
        found = latent_probes(model, data, self.rows, part)
        for name in data.modalities if self.sides else ():
            try:
                told = latent_probes(model, data, self.rows, part, given=[name])
            except TaskError:  # no encoder of this side alone
                continue
            found |= {f"{k}_{name}": told[k] for k in model.common if k in told}
        return {f"probe_{k}": v for k, v in found.items()}


@dataclass(frozen=True)
class Frechet(Question):
    """Frechet distances of joint samples to training pictures, each modality by itself and both
    side by side, in squared units of the features of autoencoders of the training pictures.

    Args:
        samples: joint samples, and training pairs at most.
        epochs: of the training of the autoencoders, at most.
    """

    samples: int = 4000
    epochs: int = 50
    COLUMNS: ClassVar = {
        f"frechet_{k}": Column(f"Frechet distance of {v}")
        for k, v in {"joint": "pairs", "x": "x", "y": "y"}.items()
    }
    CAPTION = (
        "Frechet distances: {samples} joint samples, features of an autoencoder of the training"
        " pictures. "
    )

    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, Any]:
        drawn = model.generate(self.samples, seed=seed)
        pictures = {k: np.asarray(data.train[k]) for k in data.modalities}
        return drawn_frechet(drawn, pictures, self.samples, self.epochs)
