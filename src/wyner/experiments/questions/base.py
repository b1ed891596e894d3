"""What a question is: a trained model and held-out rows in, numbers by name out."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from wyner.data import Dataset
from wyner.errors import TaskError


@dataclass(frozen=True)
class Column:
    """What stands over a number in a table, how many digits it has, and its name on an axis."""

    title: str
    digits: int = 3
    short: str = ""

    @property
    def axis(self) -> str:
        """The name on an axis."""
        return self.short or self.title


@dataclass(frozen=True)
class Question(ABC):
    """A question as the fields of its section in a study file, `[questions.NAME]`.

    Attributes:
        COLUMNS: the numbers that tables show and claims are about, in order.
        CAPTION: how they were found, with {part} and {FIELD}, for the caption of a table.
        flags: which field a flag of the command line sets: "samples", "test_rows".
    """

    COLUMNS: ClassVar[Mapping[str, Column]] = {}
    CAPTION: ClassVar[str] = ""
    flags: ClassVar[Mapping[str, str]] = {}

    @property
    def how(self) -> dict[str, Any]:
        """What the numbers depend on besides model, rows and seed."""
        return dataclasses.asdict(self)

    @property
    def columns(self) -> Mapping[str, Column]:
        """The numbers, where they depend on the fields."""
        return self.COLUMNS

    def caption(self, part: str, facts: Any) -> str:
        """The caption, where it depends on more than the fields, such as `report.facts.Facts`."""
        return self.CAPTION.format(part=part, **self.how)

    def check(self, data: Dataset, part: str) -> None:  # noqa: B027 - most ask nothing of the data
        """Raises `OptionError` for data that lack what the question needs."""

    def reference(self, data: Dataset, part: str) -> dict[str, float]:
        """Numbers that the answers can be held against, such as those of chance."""
        return {}

    @abstractmethod
    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, Any]:
        """Numbers by name, nothing (or a `TaskError`) where the model has no law that answers.

        Args:
            model: what the row's trainer loads.
            data, part: held-out rows: "test" or "validation".
            seed: of what is drawn.

        Returns:
            A number for each column; besides `NAME_se` (standard error over rows), `NAME_rows` (an
            array `(N,)` with one number a row, kept so that claims can pair rows), any other
            number, or texts and lists, which are kept in `Cell.about`.
        """


def answer_of(
    question: Question, model: Any, data: Dataset, part: str, seed: int = 0
) -> dict[str, Any]:
    """The answer to a question; nothing where the model has no law that answers."""
    try:
        return question.answer(model, data, part, seed)
    except TaskError:
        return {}


def held_out(data: Dataset, part: str, rows: int | None, model: Any = None) -> dict[str, Tensor]:
    """The first rows of a part as tensors, of the modalities that a model observes."""
    pairs = {k: torch.from_numpy(v) for k, v in data.pairs(part, rows).items()}
    return pairs if model is None else {k: v for k, v in pairs.items() if k in model.observed}
