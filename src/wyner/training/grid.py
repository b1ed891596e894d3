"""Grids: a model for every point, trained as few batched programs, each saved as an ordinary run of
its own.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wyner import codec
from wyner.errors import Diverged, OptionError, RunError, unknown
from wyner.files import read_json, write_json
from wyner.models.base import Model
from wyner.models.stored import load
from wyner.runs import GRID, RunFolder, command, occupied, read_history, versions
from wyner.training.batching import obstacle, size, together
from wyner.training.ensemble import Ensemble
from wyner.training.fabric import launch
from wyner.training.fit import Job, rows_for, shares, split, train
from wyner.training.grid_points import Grid, Point, Recipe, points_of
from wyner.training.member import Member
from wyner.training.rows import Rows
from wyner.training.run import Run, described

LAUNCHERS = ("auto", "batched", "sequential", "ray")
SMALL = 5_000_000
"""Parameters above which a model fills the processor by itself."""
STACKED = 50_000_000
"""Most parameters in one batched program; a larger group becomes several."""


class GridFolder:
    """`grid.json`: the points, their folders, which of them train together, and how far each is.

    Args:
        path: of the grid; None to keep everything in memory.
        points: of the grid.
    """

    def __init__(self, path: Path | None, points: Sequence[Point]) -> None:
        self.path = path
        width = max(3, len(str(len(points) - 1)))
        self.members: list[dict[str, Any]] = [
            {
                "folder": f"{i:0{width}}{_label(p)}",
                "point": {k: _plain(v) for k, v in p.items()},
                "state": "waiting",
                "reason": "",
            }
            for i, p in enumerate(points)
        ]
        self.batches: list[list[int]] = []
        self.fingerprint = ""

    def open(self, fingerprint: str, resume: bool) -> None:
        """Starts a new grid, or goes on with an old one.

        Raises:
            RunError: the folder is not empty, or holds another grid.
        """
        self.fingerprint = fingerprint
        if self.path is None:
            if resume:
                raise OptionError("resume: expected out= with the folder of the grid to continue")
            return
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path} is a file; expected a new or empty folder")
        if not (self.path / GRID).exists():
            if occupied(self.path):
                raise RunError(
                    f"{self.path} is not empty and holds no {GRID}; choose another folder"
                )
            return
        if not resume:
            raise RunError(
                f"{self.path} is not empty; continue it with resume=True, or choose another folder"
            )
        old = read_json(self.path / GRID)
        new = json.loads(json.dumps([m["point"] for m in self.members]))
        if codec.current([m["point"] for m in old["members"]]) != codec.current(new):
            raise RunError(
                f"{self.path} holds a grid of other points; use the old ones or another folder"
            )
        if old["fingerprint"] != fingerprint:
            raise RunError(
                f"{self.path} was trained on other data; give the same arrays to continue it, or"
                " another folder"
            )
        self.members, self.batches = old["members"], old["batches"]

    def mark(self, indices: Iterable[int], state: str, reason: str = "") -> None:
        """Notes how far some members are: waiting, training, finished or diverged."""
        for i in indices:
            self.members[i] |= {"state": state, "reason": reason}
        self.write()

    def write(self) -> None:
        """Replaces `grid.json`."""
        if self.path is not None:
            about = {
                "format": 1,
                "fingerprint": self.fingerprint,
                "batches": self.batches,
                "members": self.members,
            }
            write_json(self.path / GRID, {**about, "versions": versions(), "command": command()})

    def folder(self, i: int) -> RunFolder | None:
        """The run of a member."""
        return None if self.path is None else RunFolder(self.path / self.members[i]["folder"])

    def waiting(self, indices: Iterable[int]) -> bool:
        """Whether some of these members are not at their end."""
        return any(self.members[i]["state"] in ("waiting", "training") for i in indices)


def _plain(value: Any) -> Any:
    try:
        return codec.encode(value)
    except RunError:
        return repr(value)


def _label(point: Point) -> str:
    """The point in the name of a folder, without what file systems dislike."""
    text = "".join(f"-{k}={v}" for k, v in point.items())
    return re.sub(r"[^A-Za-z0-9._+=-]+", "_", text)[:80].rstrip("_")


def fit_grid(
    model: Model | Callable[..., Model],
    job: Job,
    grid: Grid,
    options: dict[str, Any],
    launcher: str,
    out: Path | None,
) -> Run:
    """Trains a model for every point of a grid; the arguments and errors are those of
    `wyner.fit`.
    """
    if launcher not in LAUNCHERS:
        raise OptionError(unknown("launcher", launcher, LAUNCHERS))
    recipe = Recipe.of(model, points_of(grid), options, job.start)
    runner = Runner(recipe, job, GridFolder(out, recipe.points))
    runner.plan(launcher)
    runner.train(launcher)
    return runner.result()


class Runner:
    """Trains the points of a grid, batch by batch."""

    def __init__(self, recipe: Recipe, job: Job, folder: GridFolder) -> None:
        self.recipe, self.job, self.folder = recipe, job, folder
        self.built: dict[int, Model] = {}
        self.runs: dict[int, Run] = {}
        self.arrays, self.held = split(job.data, job.validation)
        held = self.held if isinstance(self.held, Mapping) else None
        self.rows, self.held_rows = rows_for(self.model(0), self.arrays, held)
        self.fingerprint = self.rows.fingerprint()
        self.moved: dict[tuple[bool, str, torch.dtype], Rows] = {}

    def model(self, i: int) -> Model:
        """The model of a point, made once."""
        if i not in self.built:
            self.built[i] = self.recipe.build(i)
        return self.built[i]

    def plan(self, launcher: str) -> None:
        """Decides which points train together; a grid that goes on keeps its batches."""
        count = len(self.recipe.points)
        self.folder.open(self.fingerprint, self.job.resume)
        if self.folder.batches:
            return
        alone = launcher in ("sequential", "ray") or (
            launcher == "auto" and (count == 1 or size(self.model(0)) > SMALL)
        )
        self.folder.batches = (
            [[i] for i in range(count)] if alone else list(self._groups(launcher == "batched"))
        )
        self.folder.write()

    def _groups(self, forced: bool) -> Iterator[list[int]]:
        models = [self.model(i) for i in range(len(self.recipe.points))]
        for group in together(models, self.recipe.settings, self.rows.masks is not None):
            first = models[group[0]]
            reason = obstacle(first, self.recipe.settings[group[0]], self.rows)
            if reason and forced:
                raise OptionError(
                    f"launcher='batched' is impossible: {reason}; use 'auto' or 'sequential'"
                )
            most = (
                1
                if reason or (size(first) > SMALL and not forced)
                else max(1, STACKED // size(first))
            )
            parts = -(-len(group) // most)
            width = -(-len(group) // parts)
            yield from (group[k : k + width] for k in range(0, len(group), width))

    def train(self, launcher: str) -> None:
        """Trains what is not trained yet."""
        left = [b for b in self.folder.batches if self.folder.waiting(b)]
        if launcher == "ray":
            self._ray([b[0] for b in left if len(b) == 1])
            left = [b for b in left if len(b) > 1]
        for batch in left:
            self.folder.mark(batch, "training")
            if len(batch) == 1:
                self._alone(batch[0])
            else:
                self._batch(batch)

    def _alone(self, i: int) -> None:
        folder, settings, point = (
            self.folder.folder(i),
            self.recipe.settings[i],
            self.recipe.points[i],
        )
        out = None if folder is None else folder.path
        try:
            self.runs[i] = train(self.model(i), self.job, settings, out, (), point)
        except Diverged as e:
            self._diverged(i, str(e))
        else:
            self._finished(i)

    def _finished(self, i: int) -> None:
        self.folder.mark([i], "finished")
        if (folder := self.folder.folder(i)) is not None:
            folder.drop_checkpoint()

    def _diverged(self, i: int, reason: str) -> None:
        self.folder.mark([i], "diverged", reason)
        shown = ", ".join(f"{k}={v}" for k, v in self.recipe.points[i].items())
        warnings.warn(f"member {shown} is left out: {reason}", stacklevel=2)

    def _batch(self, batch: list[int]) -> None:
        fabric = launch(self.recipe.settings[batch[0]], (), None)
        members = [self._member(i, fabric.device) for i in batch]
        keep = None if self.folder.path is None else RunFolder(self.folder.path)
        if keep is not None and keep.has_checkpoint and keep.read_checkpoint()[1]["batch"] != batch:
            keep.drop_checkpoint()  # of the batch before, whose members are finished
        loop = Ensemble(
            fabric, members, keep, self.fingerprint, self.job.progress, self.job.probe, batch
        )
        try:
            loop.run()
        except Diverged:
            if not all(m.lost for m in members):
                raise
        for i, m in zip(batch, members, strict=True):
            if m.lost:
                self.folder.members[i] |= {"state": "diverged", "reason": m.lost}
            else:
                self.folder.members[i] |= {"state": "finished"}
                self.runs[i] = Run(
                    m.model, m.history, None if m.folder is None else m.folder.path, point=m.point
                )
        self.folder.write()
        if keep is not None:
            keep.drop_checkpoint()

    def _member(self, i: int, device: torch.device) -> Member:
        model, settings, folder = (
            self.model(i).to(device),
            self.recipe.settings[i],
            self.folder.folder(i),
        )
        rows, held, fingerprint = self.rows, self.held_rows, self.fingerprint
        if isinstance(self.held, float):
            first, second = shares(rows.count, self.held, settings.seed)
            rows, held = self.rows.part(first), self.rows.part(second)
            fingerprint = rows.fingerprint()
        if folder is not None:
            folder.open(*described(model, settings, fingerprint, self.job.about), self.job.resume)
        dtype = next(model.parameters()).dtype
        held = None if held is None else self._on(held, device, dtype)
        return Member(
            model, self._on(rows, device, dtype), held, settings, folder, self.recipe.points[i]
        )

    def _on(self, rows: Rows, device: torch.device, dtype: torch.dtype) -> Rows:
        """Rows on a device; members share their values there."""
        base = self.held_rows if rows is self.held_rows else self.rows
        key = (base is self.rows, str(device), dtype)
        if key not in self.moved:
            self.moved[key] = base.to(device, dtype)
        moved = self.moved[key]
        return moved if rows.index is None else moved.part(rows.index.to(device))

    def _ray(self, alone: list[int]) -> None:
        """Trains points as tasks of a Ray cluster, each by itself."""
        ray = _ray_module()
        if not alone:
            return
        if not ray.is_initialized():
            ray.init(log_to_driver=False)
        task = ray.remote(num_gpus=1 if torch.cuda.is_available() else 0)(_task)
        job = ray.put(dataclasses.replace(self.job, progress=False))
        folders = {i: self.folder.folder(i) for i in alone}
        outs = {i: None if f is None else f.path.absolute() for i, f in folders.items()}
        waiting = {task.remote(self.recipe, job, i, outs[i]): i for i in alone}
        self.folder.mark(alone, "training")
        while waiting:
            (ready, *_), _ = ray.wait(list(waiting))
            i = waiting.pop(ready)
            weights, history, reason = ray.get(ready)
            if reason:
                self._diverged(i, reason)
                continue
            model, folder = self.model(i), folders[i]
            model.load_state_dict({k: torch.tensor(v) for k, v in weights.items()})
            self.runs[i] = Run(
                model.eval(),
                history,
                None if folder is None else folder.path,
                point=self.recipe.points[i],
            )
            self._finished(i)

    def result(self) -> Run:
        """The best member's run, with all members.

        Raises:
            Diverged: no member is left.
        """
        for i, about in enumerate(self.folder.members):
            if about["state"] == "finished" and i not in self.runs:
                folder = self.folder.folder(i)
                assert folder is not None
                model, settings = self.model(i), self.recipe.settings[i]
                folder.open(*described(model, settings, "", self.job.about), True)
                model = load(folder.path, into=model)
                self.runs[i] = Run(
                    model, read_history(folder.path), folder.path, point=self.recipe.points[i]
                )
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


def _ray_module() -> Any:
    try:
        import ray
    except ImportError:
        raise OptionError(
            "launcher='ray' needs Ray: pip install 'wyner[ray]'; or use 'batched' or 'sequential'"
        ) from None
    return ray


def _task(
    recipe: Recipe, job: Job, i: int, out: Path | None
) -> tuple[dict[str, np.ndarray], list[dict[str, Any]], str]:
    """Weights and history of one point, or why it diverged."""
    try:
        run = train(recipe.build(i), job, recipe.settings[i], out, (), recipe.points[i])
    except Diverged as e:
        return {}, [], str(e)
    return {k: v.cpu().numpy() for k, v in run.model.state_dict().items()}, run.history, ""
