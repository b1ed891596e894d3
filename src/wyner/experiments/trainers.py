"""How rows are trained: as a grid of `wyner.fit`, or by what a study brings along."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from wyner.data import Dataset
from wyner.errors import OptionError, unknown
from wyner.experiments.cca import CCA, Linear, Principal, unit
from wyner.experiments.study import Probe, Row
from wyner.files import read_json, read_tensors, write_tensors
from wyner.models.stored import load
from wyner.runs import GRID, read_config, read_history
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
        if asked.keep:  # the probe chooses the weights, not the loss of validation rows
            options["keep"] = asked.keep
        fit(
            lambda seed: base.changed(fit={"seed": seed}).build(data),
            {k: data.train[k] for k in data.spaces} if asked.keep else data,
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
        """The lowest nll's of the probe over a training (`_best`): how the papers choose; and what
        the weights were chosen by, if the probe chose them (`selection`).
        """
        history = read_history(folder)
        keep = read_config(folder)["fit"].get("keep")
        return best_of(history) | ({"selection": selection(history, keep)} if keep else {})

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
    found = {
        k: v
        for q in probe.questions.values()
        for k, v in q.answer(model, dataset, probe.part).items()
        if k in q.columns
    }
    return found


def best_of(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The lowest nll's of the probes of a training."""
    looks = [r["terms"] for r in history if r.get("split") == "probe"]
    names = dict.fromkeys(k for look in looks for k in look if k.startswith("nll"))
    return {f"{k}_best": min(look[k] for look in looks if k in look) for k in names}


def selection(history: Sequence[Mapping[str, Any]], keep: str) -> dict[str, Any]:
    """What the probe chose by: the best value, its epoch, and the curve."""
    looks = [r for r in history if r.get("split") == "probe"]
    curve = [r["terms"][keep] for r in looks]
    best = max(range(len(curve)), key=curve.__getitem__)
    epoch, rounded = round(looks[best]["epoch"]), [round(v, 5) for v in curve]
    return {"validation": rounded[best], "best_epoch": epoch, "curve": rounded}


class ByCCA(Trainer):
    """CCA in closed form: directions and ridge that the probe finds best on the validation part."""

    single = True

    def check(self, row: Row, source: Mapping[str, Any]) -> None:
        known = ("name", "size", "ridge", "components")
        if other := sorted(set(row.model) - set(known)):
            raise OptionError(f"{row.slug}: {unknown('option of CCA', other[0], known)}")

    def settings(self, row: Row, dataset: Dataset, source: Mapping[str, Any]) -> dict[str, Any]:
        return {"data": dict(dataset.source) or dict(source), "model": row.model}

    def train(self, job: Job) -> None:
        began, rows, options = time.monotonic(), job.dataset.train, job.row.model
        parts = {k: Principal.of(unit(rows[k]), options.get("components", 512)) for k in ("x", "y")}
        x, y = (parts[k](unit(rows[k])) for k in ("x", "y"))
        best: tuple[float, Linear, dict[str, float]] | None = None
        for ridge in options.get("ridge", [1.0]):
            for size in options.get("size", [64]):
                made = Linear(parts, CCA.of(x, y, rows["label"], size, ridge))
                value = probed(made, job.dataset, job.probe)[job.probe.keep]
                if best is None or value > best[0]:
                    best = value, made, {"ridge": ridge, "size": size}
        if best is None:
            raise OptionError(f"{job.row.slug}: expected at least one ridge and one size")
        about = {"validation": round(best[0], 5), "chosen": best[2]}
        meta = {"selection": about, "seconds": round(time.monotonic() - began, 1)}
        write_tensors(job.folder / CODES, best[1].tensors(), meta)

    def runs(self, folder: Path) -> dict[int, Path]:
        return {0: folder} if (folder / CODES).exists() else {}

    def load(self, folder: Path) -> Linear:
        return Linear.of(read_tensors(folder / CODES)[0])

    def left(self, folder: Path) -> dict[str, Any]:
        return {"selection": read_tensors(folder / CODES)[1]["selection"]}

    def seconds(self, folder: Path) -> float:
        return read_tensors(folder / CODES)[1]["seconds"] if (folder / CODES).exists() else 0.0


CODES = "cca.safetensors"
TRAINERS: dict[str, Trainer] = {"fit": Fit(), "cca": ByCCA()}
"""By name, as in `trainer` of a row."""
