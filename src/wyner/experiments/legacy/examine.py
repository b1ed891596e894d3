"""What is asked of a trained model besides likelihoods. Specification of metrics, section 2. Keys
of `[judge]` in a protocol:

classifier, shift    labels and variance of samples of y given x, looked at by a classifier
                     (`wyner.experiments.legacy.judge`)
back                 classifier for samples of x given y: the same in the other direction, with the
                     conditional nll of x given y
joint                joint samples, of which two classifiers (`back` and `classifier`) read both
                     labels; needs `shift`; 0 for none
images, draws        test rows, and samples for each
border               pixels at each edge that the variance leaves out: 2 where digits of 28x28 were
                     padded to 32x32
probes               rows of a linear probe of the label from the means of every latent; 0 for none
attributes           whether x are attributes of the picture y: accuracy given the picture, variance
                     given the attributes
frechet              joint samples for Frechet distances to the training pictures, on features of
                     their autoencoders; 0 for none
frechet_epochs       of the training of these autoencoders, at most; 50
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from wyner.data import Dataset
from wyner.errors import OptionError, TaskError
from wyner.experiments.legacy.judge import CLASSIFIERS, Judge
from wyner.metrics import (
    attribute_accuracy,
    attribute_majority,
    features_of,
    frechet,
    joint_frechet,
    latent_probes,
    sample_variance,
)
from wyner.models import Model
from wyner.variables import Binary, Image

KEYS = (
    "classifier",
    "shift",
    "back",
    "joint",
    "images",
    "draws",
    "border",
    "probes",
    "attributes",
    "frechet",
    "frechet_epochs",
)
"""Of `[judge]`."""


class Examiner(Protocol):
    """Asks a model and returns numbers by name; none if it has no law that answers."""

    @property
    def how(self) -> dict[str, Any]:
        """What the numbers depend on, besides the model."""

    def measure(self, model: Model, seed: int = 0) -> dict[str, float]:
        """Numbers, with standard errors over rows as `NAME_se`."""


def examiners(dataset: Dataset, part: str, options: Mapping[str, Any]) -> tuple[Examiner, ...]:
    """Everything that a `[judge]` section asks for.

    Raises:
        OptionError: a data set that lacks what a question needs.
    """
    size = {k: options[k] for k in ("images", "draws") if k in options}
    made: list[Examiner] = []
    if "classifier" in options:
        made.append(
            Judge.of(
                dataset,
                part,
                options["classifier"],
                options.get("shift", 0),
                border=options.get("border", 0),
                **size,
            )
        )
    if "back" in options:
        made.append(Judge.of(dataset, part, options["back"], back=True, **size))
    if options.get("joint"):
        made.append(Pairs.of(dataset, options))
    if options.get("attributes"):
        made.append(Attributes.of(dataset, part, **size))
    if options.get("probes"):
        made.append(Probes(dataset, part, options["probes"]))
    if options.get("frechet"):
        made.append(Frechet(dataset, options["frechet"], options.get("frechet_epochs", 50)))
    return tuple(made)


def asked(options: Mapping[str, Any]) -> str:
    """What a `[judge]` section asks, in sentences for the caption of a table."""
    size = f"{options.get('draws', 10)} samples for each of {options.get('images', 500)} test rows"
    text = ""
    if "classifier" in options:
        text += (
            f"Label accuracy and variance: {size}, labels by the classifier"
            f" `{options['classifier']}`"
        )
        text += f" (of x given y: `{options['back']}`). " if "back" in options else ". "
    if options.get("joint"):
        text += (
            f"Digit error of pairs: {options['joint']} joint samples, share whose two labels do not"
            " belong together. "
        )
    if options.get("attributes"):
        text += f"Attribute accuracy and variance of faces: {size}. "
    if options.get("probes"):
        text += (
            "Labels read from a latent: a linear probe of posterior means given the pair,"
            f" {options['probes']} training rows. "
        )
    if options.get("frechet"):
        text += (
            f"Frechet distances: {options['frechet']} joint samples, features of an autoencoder of"
            " the training pictures. "
        )
    return text


@dataclass(frozen=True)
class Attributes:
    """Attributes of pictures: share of right ones given the picture, beside the majority's;
    variance of pictures given attributes.

    Attributes:
        bits: `(N, d)` of zeros and ones, the first modality.
        pictures: `(N, C, H, W)`, the last one.
        train: `(M, d)`, what the majority is taken from.
        names: of the two modalities.
        draws: samples for each row; an attribute is predicted by each of them, from the mean of its
            decoder.
    """

    bits: Tensor
    pictures: Tensor
    train: Tensor
    names: tuple[str, str]
    draws: int = 10

    @classmethod
    def of(cls, dataset: Dataset, part: str, images: int = 500, draws: int = 10) -> Attributes:
        """The first rows of a part.

        Raises:
            OptionError: the first modality is not a vector of bits, or the last no picture.
        """
        first, *_, last = dataset.modalities
        if not (
            isinstance(dataset.spaces[first], Binary) and isinstance(dataset.spaces[last], Image)
        ):
            raise OptionError(
                f"{dataset.name} is no pair of attributes and a picture; leave attributes out of"
                " [judge]"
            )
        pairs = dataset.pairs(part, images)
        train = torch.from_numpy(np.asarray(dataset.train[first]))
        return cls(
            torch.from_numpy(pairs[first]),
            torch.from_numpy(pairs[last]),
            train,
            (first, last),
            draws,
        )

    @property
    def how(self) -> dict[str, Any]:
        """Rows and samples."""
        return {"attributes": len(self.bits), "draws": self.draws}

    def measure(self, model: Model, seed: int = 0) -> dict[str, float]:
        """`attributes`, `attributes_majority` in [0, 1], `variance` in squared units of the
        pictures.
        """
        bits, picture = self.names
        found = {"attributes_majority": attribute_majority(self.train, self.bits)}
        questions: dict[str, dict[str, Any]] = {
            bits: {picture: self.pictures},
            picture: {bits: self.bits},
        }
        for target, given in questions.items():
            try:
                drawn = torch.as_tensor(
                    model.translate(**given, to=target, n=self.draws, seed=seed)
                ).cpu()
            except TaskError:
                continue
            if target == picture:
                found["variance"] = sample_variance(drawn)
            else:
                right = ((drawn > 0.5) == (self.bits > 0.5)).double().mean((0, 2))
                found["attributes"] = attribute_accuracy(drawn, self.bits)
                found["attributes_se"] = float(right.std()) / len(right) ** 0.5
        return found if len(found) > 1 else {}


@dataclass(frozen=True)
class Pairs:
    """Labels of joint samples, read by two classifiers: do they belong together?

    Attributes:
        names: of the two modalities.
        classifiers: by name, of each.
        shift: label(y) - label(x), modulo `classes`.
        classes: number of labels.
        samples: pairs.
    """

    names: tuple[str, str]
    classifiers: tuple[str, str]
    shift: int
    classes: int
    samples: int

    @classmethod
    def of(cls, dataset: Dataset, options: Mapping[str, Any]) -> Pairs:
        """From a `[judge]` section.

        Raises:
            OptionError: a classifier is missing, or rows have no labels.
        """
        if "classifier" not in options or "label" not in dataset.train:
            raise OptionError(
                "joint: expected rows with labels, and classifier (of y) in [judge], back (of x)"
                " where x is read by another"
            )
        first, *_, last = dataset.modalities
        other = options.get("back", options["classifier"])
        classes = int(np.asarray(dataset.train["label"]).max()) + 1
        return cls(
            (first, last),
            (other, options["classifier"]),
            options.get("shift", 0),
            classes,
            options["joint"],
        )

    @property
    def how(self) -> dict[str, Any]:
        """How many pairs."""
        return {"joint": self.samples}

    def measure(self, model: Model, seed: int = 0) -> dict[str, float]:
        """`joint_error` in [0, 1]: label(x) + shift is not label(y); empty without a joint law."""
        try:
            drawn = model.generate(self.samples, seed=seed)
        except TaskError:
            return {}
        x, y = (
            CLASSIFIERS[c]()(torch.as_tensor(drawn[n]))
            for c, n in zip(self.classifiers, self.names, strict=True)
        )
        error = float(((x + self.shift) % self.classes != y).double().mean())
        return {"joint_error": error, "joint_error_se": (error * (1 - error) / self.samples) ** 0.5}


@dataclass(frozen=True)
class Probes:
    """Linear probes of the label from the posterior means given the pair: readable from z, not from
    u and v.

    Attributes:
        dataset, part: with labels; probes learn on training rows and are scored on this part.
        rows: of each part, at most.
    """

    dataset: Dataset
    part: str
    rows: int

    @property
    def how(self) -> dict[str, Any]:
        """How many rows."""
        return {"probes": self.rows}

    def measure(self, model: Model, seed: int = 0) -> dict[str, float]:
        """`probe_z`, ... and `probe_majority` in [0, 1]."""
        try:
            found = latent_probes(model, self.dataset, self.rows, self.part)
        except TaskError:
            return {}
        return {f"probe_{k}": v for k, v in found.items()}


@dataclass(frozen=True)
class Frechet:
    """Frechet distances of joint samples to training pictures, each modality by itself and both
    side by side.

    Attributes:
        dataset: of pictures.
        samples: joint samples, and training pairs at most.
        epochs: of the training of the autoencoders, at most.
    """

    dataset: Dataset
    samples: int
    epochs: int = 50

    @property
    def how(self) -> dict[str, Any]:
        """How many samples, and what made the features."""
        return {"frechet": self.samples, "frechet_epochs": self.epochs}

    def measure(self, model: Model, seed: int = 0) -> dict[str, float]:
        """`frechet_joint`, `frechet_x`, `frechet_y`, in squared units of the features; empty
        without a joint law.
        """
        try:
            drawn = model.generate(self.samples, seed=seed)
        except TaskError:
            return {}
        one: dict[str, Tensor] = {}
        other: dict[str, Tensor] = {}
        for name, pictures in self.dataset.train.items():
            if name in self.dataset.spaces:
                extract = features_of(np.asarray(pictures), epochs=self.epochs)
                one[name] = extract(torch.as_tensor(drawn[name]))
                other[name] = extract(torch.from_numpy(np.asarray(pictures[: self.samples])))
        return {"frechet_joint": joint_frechet(one, other)} | {
            f"frechet_{k}": frechet(one[k], other[k]) for k in one
        }
