"""Rows that are no models: every estimator of common information on samples of a task with a known
answer, each estimated once.

FOLDER/seed-0/n10000.json   the estimates from so many pairs
FOLDER/seed-0/all.json      when all sizes are there
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wyner.data import Dataset
from wyner.errors import OptionError, refuse_unknown
from wyner.estimation.answer import QUANTITIES
from wyner.estimation.estimate import estimate, row_as_json
from wyner.estimation.samples import LEAST
from wyner.estimation.tasks import task
from wyner.experiments.peers import KEPT, others
from wyner.experiments.study import Row
from wyner.experiments.trainers.base import Job, Trainer
from wyner.files import read_json, write_json

VERSION = 2
"""Of the estimators; estimates of another version are made anew."""
ALL = "all.json"
KNOWN = ("task", "sizes", "estimators", "answers", "peers")


class Estimate(Trainer):
    """`wyner.information.estimate` on the task and sample sizes that a row's model names.

    Options of a row's model: `task`, `sizes`, `estimators` as for `estimate`, `answers = true` to
    keep the answers only, `peers`: how many seeds others' estimators see (`experiments.peers`).
    """

    def check(self, row: Row, source: Mapping[str, Any]) -> None:
        sizes = row.model.get("sizes", ())
        refuse_unknown("option of a task", row.model, ("name", *KNOWN), row.slug)
        task(row.model.get("task", row.slug))
        if not sizes or min(sizes) < LEAST:
            raise OptionError(f"{row.slug}: expected sizes of at least {LEAST} pairs, got {sizes}")

    def settings(self, row: Row, dataset: Dataset, source: Mapping[str, Any]) -> dict[str, Any]:
        return {"model": row.model, "version": {"estimators": VERSION}}

    def train(self, job: Job) -> None:
        name = job.row.model.get("task", job.row.slug)
        for seed in job.seeds:
            folder, found = job.folder / f"seed-{seed}", []
            for n in job.row.model["sizes"]:
                path = folder / f"n{n}.json"
                if not path.exists():
                    write_json(path, measured(name, n, seed, **_options(job.row.model, seed)))
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


def _options(model: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """How a sample of a row is measured."""
    found = {k: model[k] for k in ("estimators", "answers") if k in model}
    return found | ({"peers": True} if seed < model.get("peers", 0) else {})


def measured(
    name: str,
    n: int,
    seed: int,
    estimators: str | Sequence[str] | None = None,
    answers: bool = False,
    peers: bool = False,
) -> list[dict[str, Any]]:
    """Every estimate from one sample, and those chosen for I, J, C_GK under the estimator "best".

    Args:
        name: of the task.
        n: pairs.
        seed: of the sample and of the estimators.
        estimators: as for `estimate`.
        answers: keep nothing but the answers.
        peers: measure others' estimators as well.
    """
    start, chosen = time.perf_counter(), task(name)
    x, y = chosen.sample(n, seed)
    found = estimate(x, y, estimators=estimators, seed=seed)
    seconds = round(time.perf_counter() - start, 2)
    rows = [] if answers else found.as_rows()
    for quantity in QUANTITIES:
        best = found.best(quantity)
        shown = row_as_json(
            dataclasses.replace(best, estimator="best", note=f"by {best.estimator}")
        )
        rows.append({k: shown[k] for k in KEPT} if answers else shown)
    rows += others(x, y) if peers else []
    about = {"task": name, "n": len(x), "seed": seed}
    return [
        r | about | {"truth": chosen.truth[r["quantity"]], "cell_seconds": seconds} for r in rows
    ]
