"""What a report is about, a trained model and its rows, and the parts it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from wyner.errors import TaskError

if TYPE_CHECKING:
    from wyner.data.dataset import Dataset
    from wyner.models.base import Model

T = TypeVar("T")

ROWS = 2000
"""Rows that plots are made from, at most."""

SEED = 0
"""Of every draw in a report, so that a second report of the same run shows the same."""


@dataclass(frozen=True)
class Picture:
    """One figure of the report.

    Attributes:
        name: of the file, without `.png`.
        title: a few words.
        caption: what is shown, in plain words.
        png: the file.
        plot: whether it is a diagram on a white ground, which a dark page may invert; photographs
            must not be.
    """

    name: str
    title: str
    caption: str
    png: bytes
    plot: bool = True


@dataclass(frozen=True)
class Refusal:
    """A figure that this model cannot give, and why."""

    title: str
    why: str


Part = Picture | Refusal
"""What stands in a section of the report."""


@dataclass(frozen=True)
class Subject:
    """A model with complete rows of data that it was not trained on.

    Attributes:
        model: trained.
        dataset: where the rows are from.
        part: which part of it they are: "test", or what there is.
        arrays: every modality that the model knows, as floats `(N, *event)`, the same rows in each.
        labels: `(N,)` or None.
    """

    model: Model
    dataset: Dataset
    part: str
    arrays: dict[str, np.ndarray]
    labels: np.ndarray | None

    @property
    def shown(self) -> list[str]:
        """The modalities that pictures are made of: the first two."""
        return list(self.arrays)[:2]

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(next(iter(self.arrays.values()))) if self.arrays else 0

    def rows(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """All modalities of some rows."""
        return {k: v[index] for k, v in self.arrays.items()}

    def typical(self, n: int) -> np.ndarray:
        """Indices of at most `n` rows that take turns through the labels, if there are any."""
        if self.labels is None:
            return np.arange(min(n, self.count))
        rank = np.zeros(self.count, dtype=np.int64)
        for value in np.unique(self.labels):
            where = np.flatnonzero(self.labels == value)
            rank[where] = np.arange(len(where))
        return np.lexsort((self.labels, rank))[:n]


def subject(model: Model, dataset: Dataset) -> Subject:
    """The first complete test rows; validation or training rows where there are none."""
    part = next((p for p in ("test", "validation", "train") if getattr(dataset, p)), "test")
    found = getattr(dataset, part)
    names = [k for k in dataset.modalities if k in model.observed and k in found]
    complete = np.ones(len(found[names[0]]) if names else 0, dtype=bool)
    for name in names:
        if f"{name}_mask" in found:
            complete &= np.asarray(found[f"{name}_mask"]).reshape(-1).astype(bool)
    index = np.flatnonzero(complete)[:ROWS]
    arrays = {
        k: numpy(model.observed[k].prepare(torch.as_tensor(np.asarray(found[k])[index]), k))
        for k in names
    }
    named = [np.asarray(found[k]) for k in ("label", "labels") if k in found]
    labels = named[0].reshape(len(complete), -1)[index, 0] if named else None
    return Subject(model, dataset, part, arrays, labels)


def numpy(value: Any) -> np.ndarray:
    """Any array as float32 on the host."""
    if isinstance(value, torch.Tensor):
        value = value.detach().float().cpu().numpy()
    return np.asarray(value, dtype=np.float32)


def first_answer(*questions: Callable[[], T]) -> T:
    """The answer to the first question that the model can be asked.

    Raises:
        TaskError: why the first of them has no answer, if none has.
    """
    refused: TaskError | None = None
    for question in questions:
        try:
            return question()
        except TaskError as e:
            refused = refused or e
    raise refused or TaskError("there is nothing to ask")


def translated(
    about: Subject,
    source: str,
    target: str,
    values: dict[str, np.ndarray],
    n: int,
    sample: bool = False,
) -> np.ndarray:
    """Draws `(n, B, *event)` of the target from the source, or from all others if need be."""
    rest = {k: v for k, v in values.items() if k != target}
    ask: Callable[..., object] = about.model.translate
    return numpy(
        first_answer(
            lambda: ask(**{source: values[source]}, to=target, n=n, sample=sample, seed=SEED),
            lambda: ask(**rest, to=target, n=n, sample=sample, seed=SEED),
        )
    )


def attempt(title: str, make: Callable[[], Part]) -> Part:
    """The figure, or the model's own words for why there is none."""
    try:
        return make()
    except TaskError as e:
        return Refusal(title, str(e))
