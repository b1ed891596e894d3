"""Rows that are no models: every estimator of common information on samples of a task with a known
answer, each estimated once.

FOLDER/seed-0/n10000.json   the estimates from so many pairs
FOLDER/seed-0/all.json      when all sizes are there
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from wyner.data import Dataset
from wyner.errors import OptionError, refuse_unknown
from wyner.estimation.estimate import estimate, row_as_json
from wyner.estimation.tasks import task
from wyner.experiments.study import Row
from wyner.experiments.trainers.base import Job, Trainer
from wyner.files import read_json, write_json

VERSION = 1
"""Of the estimators; estimates of another version are made anew."""
ALL = "all.json"
QUANTITIES = ("I", "J", "C_GK")


class Estimate(Trainer):
    """`wyner.information.estimate` on the task and sample sizes that a row's model names."""

    def check(self, row: Row, source: Mapping[str, Any]) -> None:
        sizes = row.model.get("sizes", ())
        refuse_unknown("option of a task", row.model, ("name", "task", "sizes"), row.slug)
        task(row.model.get("task", row.slug))
        if not sizes or min(sizes) < 100:
            raise OptionError(f"{row.slug}: expected sizes of at least 100 pairs, got {sizes}")

    def settings(self, row: Row, dataset: Dataset, source: Mapping[str, Any]) -> dict[str, Any]:
        return {"model": row.model, "version": {"estimators": VERSION}}

    def train(self, job: Job) -> None:
        name = job.row.model.get("task", job.row.slug)
        for seed in job.seeds:
            folder, found = job.folder / f"seed-{seed}", []
            for n in job.row.model["sizes"]:
                path = folder / f"n{n}.json"
                if not path.exists():
                    write_json(path, measured(name, n, seed))
                found += read_json(path)
            write_json(folder / ALL, found)

    def runs(self, folder: Path) -> dict[int, Path]:
        return {int(p.parent.name.split("-")[1]): p.parent for p in folder.glob(f"seed-*/{ALL}")}

    def load(self, folder: Path) -> list[dict[str, Any]]:
        """The estimates, as `row_as_json` writes them, with the task, pairs and the truth."""
        return read_json(folder / ALL)

    def left(self, folder: Path) -> dict[str, Any]:
        return {"estimates": self.load(folder)}

    def seconds(self, folder: Path) -> float:
        every = [e for f in self.runs(folder).values() for e in self.load(f)]
        return sum({(e["seed"], e["n"]): e["cell_seconds"] for e in every}.values())


def measured(name: str, n: int, seed: int) -> list[dict[str, Any]]:
    """Every estimate from one sample, and those chosen for I, J, C_GK under the estimator "best".

    On one thread: the networks are too small for more.
    """
    start, threads, chosen = time.perf_counter(), torch.get_num_threads(), task(name)
    x, y = chosen.sample(n, seed)
    torch.set_num_threads(1)
    try:
        found = estimate(x, y, seed=seed)
    finally:
        torch.set_num_threads(threads)
    rows = found.as_rows()
    for quantity in QUANTITIES:
        best = found.best(quantity)
        shown = dataclasses.replace(best, estimator="best", note=f"by {best.estimator}")
        rows.append(row_as_json(shown))
    about = {"task": name, "n": len(x), "seed": seed}
    seconds = round(time.perf_counter() - start, 2)
    return [
        r | about | {"truth": chosen.truth[r["quantity"]], "cell_seconds": seconds} for r in rows
    ]
