"""How rows are trained: as a grid of `wyner.fit`, or by what a study brings along."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from wyner.data import Dataset
from wyner.experiments.questions import answer_of
from wyner.experiments.study import Probe, Row
from wyner.files import read_json
from wyner.models.stored import load
from wyner.runs import read_history
from wyner.runs.folder import GRID
from wyner.training.fit import fit


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


class Fit(Trainer):
    """A grid of `wyner.fit`, small models as one batched program."""

    def train(self, job: Job) -> None:
        row, data, asked = job.row, job.dataset, job.probe
        base = row.experiment(data.source)
        options = {k: v for k, v in base.fit.items() if k != "seed"}
        start = job.start
        fit(
            lambda seed: base.changed(fit={"seed": seed}).build(data),
            data,
            grid={"seed": list(job.seeds)},
            probe=(lambda model: probed(model, data, asked)) if asked.every else None,
            probe_every=asked.every,
            out=job.folder,
            resume=(job.folder / GRID).exists(),
            progress=job.progress,
            about={"data": data.source, "experiment": base.as_dict()},
            start=None if start is None else lambda point: start[point["seed"]],
            **options,
        )

    def runs(self, folder: Path) -> dict[int, Path]:
        return {
            m["point"]["seed"]: folder / m["folder"]
            for m in self._grid(folder).get("members", ())
            if m["state"] == "finished"
        }

    def load(self, folder: Path) -> Any:
        return load(folder).to("cuda" if torch.cuda.is_available() else "cpu")

    def left(self, folder: Path) -> dict[str, Any]:
        """The lowest nll's of the probe over a training (`_best`): how the papers choose."""
        return best_of(read_history(folder))

    def seconds(self, folder: Path) -> float:
        found = self._grid(folder)
        logs = [read_history(folder / m["folder"]) for m in found.get("members", ())]
        each = [log[-1]["seconds"] if log else 0.0 for log in logs]
        return sum(max(each[i] for i in batch) for batch in found.get("batches", ()))

    def lost(self, folder: Path) -> int:
        return sum(m["state"] == "diverged" for m in self._grid(folder).get("members", ()))

    @staticmethod
    def _grid(folder: Path) -> dict[str, Any]:
        return read_json(folder / GRID) if (folder / GRID).exists() else {}


def probed(model: Any, dataset: Dataset, probe: Probe) -> dict[str, float]:
    """The numbers of a probe, without their errors."""
    asked = [(q, answer_of(q, model, dataset, probe.part)) for q in probe.questions.values()]
    return {k: v for q, found in asked for k, v in found.items() if k in q.columns}


def best_of(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The lowest nll's of the probes of a training."""
    looks = [r["terms"] for r in history if r.get("split") == "probe"]
    names = dict.fromkeys(k for look in looks for k in look if k.startswith("nll"))
    return {f"{k}_best": min(look[k] for look in looks if k in look) for k in names}


TRAINERS: dict[str, Trainer] = {"fit": Fit()}
"""By name, as in `trainer` of a row."""
