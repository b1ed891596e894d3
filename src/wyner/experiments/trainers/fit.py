"""Rows as grids of `wyner.fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from wyner.experiments.trainers.base import Job, Trainer, probed
from wyner.files import read_json
from wyner.models import load
from wyner.runs import GRID, read_config, read_history
from wyner.training.fit import fit
from wyner.training.probe import best_of, selection


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
