"""Rows that are CCA in closed form."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wyner.data import Dataset
from wyner.errors import OptionError, refuse_unknown
from wyner.estimation.linear import CCA, Linear, Principal, unit
from wyner.experiments.study import Row
from wyner.experiments.trainers.base import Job, Trainer, probed
from wyner.files import read_tensors, write_tensors

CODES = "cca.safetensors"


class ByCCA(Trainer):
    """CCA in closed form: directions and ridge that the probe finds best on the validation part."""

    single = True

    def check(self, row: Row, source: Mapping[str, Any]) -> None:
        known = ("name", "size", "ridge", "components")
        refuse_unknown("option of CCA", row.model, known, row.slug)

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
