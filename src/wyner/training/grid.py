"""Grids: a model for every point, trained as few batched programs, each saved as a run."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

import torch

from wyner.errors import Diverged, OptionError, refuse_unknown
from wyner.models.base import Model
from wyner.models.stored import load
from wyner.runs import RunFolder, read_history
from wyner.training.batching import obstacle, size, together
from wyner.training.cluster import on_cluster
from wyner.training.fabric import launch
from wyner.training.grid_folder import GridFolder
from wyner.training.grid_points import ModelFactory
from wyner.training.linear_start import start_at_linear_optimum
from wyner.training.loop import Loop
from wyner.training.member import GridMember
from wyner.training.probe import check_keep
from wyner.training.rows import Rows
from wyner.training.run import Run, described
from wyner.training.single import Folds, Job, learn_scale, print_of, rows_for, shares, split, train
from wyner.training.stacked import Stacked

LAUNCHERS = ("auto", "batched", "sequential", "ray")
SMALL = 5_000_000
"""Parameters above which a model fills the processor by itself."""
STACKED = 50_000_000
"""Most parameters in one batched program; a larger group becomes several."""


def fit_grid(factory: ModelFactory, job: Job, launcher: str, out: Path | None) -> Run:
    """Trains a model for every point of a grid; arguments and errors are those of `wyner.fit`."""
    refuse_unknown("launcher", launcher, LAUNCHERS)
    runner = GridRunner(factory, job, GridFolder(out, factory.points))
    runner.plan(launcher)
    runner.train(launcher)
    return runner.result()


@final
class GridRunner:
    """Trains the points of a grid, batch by batch."""

    def __init__(self, factory: ModelFactory, job: Job, folder: GridFolder) -> None:
        self.factory, self.job, self.folder = factory, job, folder
        self.built: dict[int, Model] = {}
        self.runs: dict[int, Run] = {}
        for settings in factory.settings:
            check_keep(settings.keep, job.probe)
        arrays, self.validation = split(job.data, job.validation)
        given = self.validation if isinstance(self.validation, Mapping) else None
        self.rows, self.validation_rows = rows_for(self.model(0), arrays, given)
        self.fingerprint = print_of(self.rows, self.validation_rows)

    def model(self, i: int) -> Model:
        """The model of a point, made once."""
        if i not in self.built:
            self.built[i] = self.factory.build(i)
            learn_scale(self.built[i], self.job)
        return self.built[i]

    def plan(self, launcher: str) -> None:
        """Decides which points train together; a grid that goes on keeps its batches."""
        count = len(self.factory.points)
        self.folder.open(self.fingerprint, self.job.resume)
        if self.folder.batches:
            return
        alone = launcher in ("sequential", "ray") or (
            launcher == "auto" and (count == 1 or size(self.model(0)) > SMALL)
        )
        groups = ([i] for i in range(count)) if alone else self._groups(launcher == "batched")
        self.folder.batches = list(groups)
        self.folder.write()

    def _groups(self, forced: bool) -> Iterator[list[int]]:
        models = [self.model(i) for i in range(len(self.factory.points))]
        for group in together(models, self.factory.settings, self.rows.masks is not None):
            first = models[group[0]]
            reason = obstacle(first, self.factory.settings[group[0]], self.rows)
            if reason and forced:
                raise OptionError(
                    f"launcher='batched' is impossible: {reason}; use 'auto' or 'sequential'"
                )
            single = reason or (size(first) > SMALL and not forced)
            most = 1 if single else max(1, STACKED // size(first))
            width = -(-len(group) // -(-len(group) // most))  # parts as equal as they can be
            yield from (group[k : k + width] for k in range(0, len(group), width))

    def train(self, launcher: str) -> None:
        """Trains what is not trained yet."""
        left = [b for b in self.folder.batches if self.folder.waiting(b)]
        if launcher == "ray":
            alone = {b[0]: self.folder.out(b[0]) for b in left if len(b) == 1}
            self.folder.mark(alone, "training")
            for i, weights, history, reason in on_cluster(self.factory, self.job, alone):
                if not reason:
                    found = {k: torch.tensor(v) for k, v in weights.items()}
                    self.model(i).load_state_dict(found)
                    self._run(i, self.model(i).eval(), history)
                self._ended(i, reason)
            left = [b for b in left if len(b) > 1]
        for batch in left:
            self.folder.mark(batch, "training")
            if len(batch) > 1:
                self._batch(batch)
                continue
            (i,), reason = batch, ""
            settings, point, out = (
                self.factory.settings[i],
                self.factory.points[i],
                self.folder.out(i),
            )
            try:
                self.runs[i] = train(self.model(i), self.job, settings, out, (), point, i)
            except Diverged as e:
                reason = str(e)
            self._ended(i, reason)

    def _run(self, i: int, model: Model, history: list[dict[str, Any]]) -> None:
        self.runs[i] = Run(model, history, self.folder.out(i), point=self.factory.points[i])

    def _ended(self, i: int, reason: str) -> None:
        """Notes that a point that trained by itself is finished, or why it diverged."""
        self.folder.mark([i], "diverged" if reason else "finished", reason)
        if reason:
            shown = ", ".join(f"{k}={v}" for k, v in self.factory.points[i].items())
            warnings.warn(f"member {shown} is left out: {reason}", stacklevel=2)
        elif (folder := self.folder.run(i)) is not None:
            folder.drop_checkpoint()

    def _batch(self, batch: list[int]) -> None:
        fabric = launch(self.factory.settings[batch[0]], (), None)
        device, held = fabric.device, self.validation_rows
        dtype = next(self.model(batch[0]).parameters()).dtype
        rows = self.rows.to(device, dtype)  # which the members share
        held = None if held is None else held.to(device, dtype)
        for i in batch:
            self.model(i).to(device)
        members = [self._member(i, rows, held) for i in batch]
        keep = None if self.folder.path is None else RunFolder(self.folder.path)
        old = keep is not None and keep.has_checkpoint and keep.read_checkpoint()[1]
        if keep is not None and old and old.get("numbers") != batch:
            keep.drop_checkpoint()  # of the batch before, whose members are finished
        show, probe = self.job.progress, self.job.probe
        loop = Loop(fabric, members, Stacked, keep, self.fingerprint, show, probe)
        try:
            loop.run()
        except Diverged:
            if not all(m.lost for m in members):
                raise
        for i, m in zip(batch, members, strict=True):
            state = "diverged" if m.lost else "finished"
            self.folder.members[i] |= {"state": state, "reason": m.lost}
            if not m.lost:
                self._run(i, m.model, m.history)
        self.folder.write()
        if keep is not None:
            keep.drop_checkpoint()

    def _member(self, i: int, rows: Rows, held: Rows | None) -> GridMember:
        settings, folder, fingerprint = (
            self.factory.settings[i],
            self.folder.run(i),
            self.fingerprint,
        )
        if isinstance(self.validation, (float, Folds)):
            first, second = shares(rows.count, self.validation, settings.seed, i)
            fingerprint = print_of(self.rows.part(first), self.rows.part(second))
            rows, held = rows.part(first), rows.part(second)
        if folder is not None:
            about = described(self.model(i), settings, fingerprint, self.job.about)
            folder.open(*about, self.job.resume)
            folder.keep_preprocessing(self.model(i).preprocessing)
        model, point = self.model(i), self.factory.points[i]
        if self.job.linear:
            start_at_linear_optimum(model, rows, settings.seed)
        watched = self.job.linear
        return GridMember(model, rows, held, settings, folder, point, i, watched=watched)

    def result(self) -> Run:
        """The best member's run, with all members.

        Raises:
            Diverged: no member is left.
        """
        for i, about in enumerate(self.folder.members):
            folder = self.folder.run(i)
            if about["state"] == "finished" and i not in self.runs and folder is not None:
                model, settings = self.model(i), self.factory.settings[i]
                folder.open(*described(model, settings, "", self.job.about), True)
                self._run(i, load(folder.path, into=model), read_history(folder.path))
        members = tuple(self.runs[i] for i in sorted(self.runs))
        if not members:
            raise Diverged(f"every member diverged; the first: {self.folder.members[0]['reason']}")
        best = min(members, key=_validation)
        return Run(best.model, best.history, best.folder, members, best.point)


def _validation(run: Run) -> float:
    """The last validation loss of the main phase, in nats per row; infinite if there is none."""
    main = run.model.phases[0].name
    found = [r["loss"] for r in run.history if r["split"] == "validation" and r["phase"] == main]
    return found[-1] if found else math.inf
