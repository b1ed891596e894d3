"""What trains a row of a study: some seeds into a folder, found again and loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from wyner.data import Dataset
from wyner.experiments.questions import answer_of
from wyner.experiments.study import Probe, Row
from wyner.models import load


@dataclass(frozen=True)
class Job:
    """What a trainer does: some seeds of a row into one folder.

    Attributes:
        row, dataset, seeds: what is trained on what.
        folder: where to; what is there already belongs to the same job, interrupted.
        probe: what is asked on the way.
        start: folders of the trained models to start from, by seed; None where nothing is.
        progress: show bars.
    """

    row: Row
    dataset: Dataset
    seeds: Sequence[int]
    folder: Path
    probe: Probe
    start: Mapping[int, Path] | None
    progress: bool


class Trainer(ABC):
    """How rows are trained, found again and loaded; without state.

    `single` says that all seeds give the same model, so that one is enough.
    """

    single: ClassVar[bool] = False

    def check(self, row: Row, source: Mapping[str, Any]) -> None:
        """Raises `OptionError` for a row with unknown models, networks or settings."""
        row.experiment(source)

    def settings(self, row: Row, dataset: Dataset, source: Mapping[str, Any]) -> dict[str, Any]:
        """What a trained model depends on besides its seed; a store of others is refused."""
        made = row.experiment(dict(dataset.source) or source).as_dict()
        made["fit"].pop("seed")
        made.pop("evaluate")
        return made

    @abstractmethod
    def train(self, job: Job) -> None:
        """Trains the seeds of a job, or goes on with them; Ctrl-C saves."""

    @abstractmethod
    def runs(self, folder: Path) -> dict[int, Path]:
        """Folders of the finished models of a job's folder, by seed."""

    def load(self, folder: Path) -> Any:
        """The trained model, on the CPU."""
        return load(folder)

    def left(self, folder: Path) -> dict[str, Any]:
        """What the training says of itself: numbers become metrics, the rest `Cell.about`."""
        return {}

    def seconds(self, folder: Path) -> float:
        """Wall time of a job's training."""
        return 0.0

    def lost(self, folder: Path) -> int:
        """How many seeds of a job diverged."""
        return 0


def probed(model: Any, dataset: Dataset, probe: Probe) -> dict[str, float]:
    """The numbers of a probe, without their errors."""
    asked = [(q, answer_of(q, model, dataset, probe.part)) for q in probe.questions.values()]
    return {k: v for q, found in asked for k, v in found.items() if k in q.columns}
