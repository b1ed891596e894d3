"""The walk through a training, with a way back from every interruption."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor

from wyner.errors import Diverged, RunError
from wyner.runs import RunFolder
from wyner.seeds import GLOBAL, TASK, forked, mix
from wyner.training.member import GridMember, Numbers, lose
from wyner.training.phase_state import PhaseState
from wyner.training.probe import Probe
from wyner.training.show import Advance, interruptible, progress, silent
from wyner.training.stepper import Stepper
from wyner.training.timetable import Timetable


@final
class Loop:
    """One training from start to end, of one model or of many at once.

    Everything that decides what happens next is in `state`, in the members or in the seeds.

    Args:
        fabric: a launched Lightning Fabric.
        members: the models, equal in everything but weights, seeds and weights of the objective.
        stepper: makes what moves their parameters, `Single` or `Stacked`.
        folder: where checkpoints are kept; None for none.
        fingerprint: of the data, so that a run is not resumed on others.
        show: whether to show progress.
        probe: numbers of the user's own.
    """

    def __init__(
        self,
        fabric: Any,
        members: Sequence[GridMember],
        stepper: Callable[[Any, Sequence[GridMember], Timetable], Stepper],
        folder: RunFolder | None,
        fingerprint: str,
        show: bool = True,
        probe: Probe | None = None,
    ) -> None:
        self.fabric, self.members, self.folder = fabric, list(members), folder
        self.fingerprint, self.show, self.probe = fingerprint, show, probe
        model, rows, self.settings = members[0].model, members[0].rows, members[0].settings
        self.table = Timetable.of(model.phases, self.settings, rows.count, fabric.world_size)
        there = folder is not None and folder.has_checkpoint
        for m in members:  # before the phases are made: they leave out what is frozen
            m.model.prepare(*m.rows.own(), m.settings.seed, there)
        for m in members:
            m.begin(fabric, self.table)
        self.stepper = stepper(fabric, self.members, self.table)
        self.state: dict[str, Any] = {"entry": 0, "batch": 0, "seconds": 0.0, "finished": False}
        self.rng: Tensor | None = None
        self.advance: Advance = silent
        self.asked: Callable[[], bool] = lambda: False
        self.clock = self.saved = self.shown = 0.0

    @property
    def entry(self) -> tuple[int, ...]:
        """The phases of this epoch."""
        return self.table.entries[self.state["entry"]]

    @property
    def stretch(self) -> int:
        """The stretch of phases that this epoch belongs to."""
        return self.table.stretch(self.entry[0])

    @property
    def running(self) -> list[GridMember]:
        """Members that still learn in this stretch."""
        stretch = self.stretch
        return [m for m in self.members if not m.lost and stretch not in m.state["stopped"]]

    def run(self) -> list[GridMember]:
        """Trains to the end, from the checkpoint if there is one; returns the members left.

        Raises:
            Diverged: none is left.
        """
        if self.folder is not None and self.folder.has_checkpoint:
            self._restore(self.folder)
        elif self.folder is not None and self.fabric.is_global_zero:
            for m in self.members:  # what was logged before the first checkpoint is logged again
                m.history = [] if m.folder is None else m.folder.cut(0)
        trained = not self.state["finished"]
        if trained:
            with forked(mix(self.settings.seed, GLOBAL)):
                self._train()
        for m in self.members:
            write = trained or (m.folder is not None and not m.folder.has_weights)
            m.finish(write and self.fabric.is_global_zero)
        return [m for m in self.members if not m.lost]

    def _train(self) -> None:
        if self.rng is not None:
            torch.random.set_rng_state(self.rng)
        on, total = self.show and self.fabric.is_global_zero, self.table.steps()
        first = self.table.steps(self.state["entry"], self.state["batch"])
        self.clock = self.saved = time.monotonic()
        try:
            with interruptible() as self.asked, progress(on, total, first) as self.advance:
                self._walk()
        except Diverged as e:
            if self.folder is None or not self.folder.has_checkpoint:
                raise e from None
            good = f"The last good checkpoint is in {self.folder.path}"
            raise Diverged(f"{e}. {good}") from None
        finally:
            self.stepper.release()

    def _walk(self) -> None:
        """All epochs that are left."""
        state = self.state
        while state["entry"] < len(self.table.entries):
            if self.running:
                if state["batch"] == 0 and self.table.begins(state["entry"]):
                    self._before()
                self._epoch()
                self._after_epoch()
            ends = self.table.ends(state["entry"])
            if ends:
                self._end()
            state["entry"], state["batch"] = state["entry"] + 1, 0
            if ends or time.monotonic() - self.saved > self.settings.checkpoint_seconds:
                self._save()
        state["finished"] = True
        self._save()

    def _epoch(self) -> None:
        state, settings, table, entry = self.state, self.settings, self.table, self.entry
        number, at = table.number(state["entry"]), state["entry"]
        text = f"{table.phases[entry[0]].name} epoch {number}"
        self.stepper.begin(entry, number, self.running)
        for b in range(state["batch"] + 1, table.per_epoch + 1):
            loss = self.stepper.step(b - 1)
            state["batch"] = b
            now = time.monotonic()
            if now - self.shown > 0.25:
                self.shown = now
                self.advance(table.steps(at, b), float(loss), text)
            if (
                settings.log_every
                and ((number - 1) * table.per_epoch + b) % settings.log_every == 0
            ):
                self._log()
            if self.asked():
                self._save()
                raise KeyboardInterrupt(
                    "interrupted; nothing was saved because no folder (out=) was given"
                    if self.folder is None
                    else "interrupted and saved; continue with resume=True, or: wyner train"
                    f" --resume {self.folder.path}"
                )
            if now - self.saved > settings.checkpoint_seconds:
                self._save()

    def _after_epoch(self) -> None:
        """Logs, validates, probes between epochs of the main phase, and loses patience."""
        entry, stretch, number = self.entry, self.stretch, self.table.number(self.state["entry"])
        if any(m.phases[i].count for m in self.running for i in entry):
            self._log()
        every = 0 if self.probe is None or entry[0] else self.probe.every
        asked = every and number % every == 0 and not self.table.last(self.state["entry"])
        for m in self.running:
            with self._guard(m), m.averaged():
                self._validate(m)
                if asked and stretch not in m.state["stopped"]:
                    self._ask(m)

    def _before(self) -> None:
        """Validates the weights that a stretch begins with, where they may be the best."""
        for m in (m for m in self.running if m.watched):
            with self._guard(m):
                self._validate(m)

    def _validate(self, m: GridMember) -> None:
        """Logs the loss on validation rows, and keeps the weights if it is the best."""
        if m.validation is None:
            return
        phases = [m.phases[i] for i in self.entry]
        results = [c.evaluate(m.validation) for c in phases]
        for c, result in zip(phases, results, strict=True):
            self._write(m, c, "validation", result, c.step)
        if self.entry[0] == self.stretch and phases[0].program.judged:
            loss = results[0]["loss"]
            if not math.isfinite(loss):
                phases[0].check(results[0])
            m.evaluate(self.stretch, loss)

    def _end(self) -> None:
        """Ends a stretch with the average weights or the best ones."""
        stretch = self.stretch
        for m in (m for m in self.members if not m.lost):
            for i, c in enumerate(m.phases):
                if c.average is not None and self.table.stretch(i) == stretch:
                    c.average.apply_average()
            if stretch == 0 and m.settings.keep is not None:
                self._ask(m)  # the last weights may be the best
            m.end(stretch)
            kept = m.state["kept"]
            if stretch == 0 and m.settings.keep is None:
                self._ask(m)
            elif stretch == 0 and kept is not None and kept["step"] < m.phases[0].step:
                self._write(m, m.phases[0], "probe", kept["found"], kept["step"])

    def _ask(self, m: GridMember) -> None:
        """A row of the probe's numbers, if there is a probe."""
        if self.probe is not None:
            step = m.phases[0].step
            found = self.probe(m.model, mix(m.settings.seed, TASK, step))
            self._write(m, m.phases[0], "probe", found, step)
            m.choose(found, step)

    def _log(self) -> None:
        for m, c, means in self.stepper.means():
            if not m.lost:
                with self._guard(m):
                    c.check(means)
                    self._write(m, c, "train", means, c.step)

    def _write(self, m: GridMember, c: PhaseState, split: str, means: Numbers, step: int) -> None:
        row = {
            "phase": c.phase.name,
            "split": split,
            "epoch": step / self.table.per_epoch,
            "step": step,
            **({"loss": means["loss"]} if "loss" in means else {}),
            "lr": c.rate(max(0, step - 1)),
            "seconds": round(self._seconds(), 3),
            "terms": {k: v for k, v in means.items() if k != "loss"},
        }
        m.history.append(row)
        if m.folder is not None and self.fabric.is_global_zero:
            m.folder.log(row)
            tags = {f"{c.phase.name}/{split}/{k}": v for k, v in means.items()}
            for logger in self.fabric.loggers:
                logger.log_metrics(tags, step=step)

    def _seconds(self) -> float:
        return self.state["seconds"] + time.monotonic() - self.clock

    def _save(self) -> None:
        if self.folder is None or not self.fabric.is_global_zero:
            return
        for m in (m for m in self.members if not m.lost):
            with self._guard(m):
                m.finite()
        tensors, meta = self.stepper.state()
        meta |= {**self.state, "seconds": self._seconds(), "fingerprint": self.fingerprint}
        self.folder.save_checkpoint({**tensors, "rng": torch.random.get_rng_state()}, meta)
        self.saved = time.monotonic()

    def _restore(self, folder: RunFolder) -> None:
        tensors, meta = folder.read_checkpoint()
        stored, now = meta["fingerprint"], self.fingerprint
        if stored not in (now, now.split(":")[0]):  # version 0.1.0 had no rows to validate on in it
            raise RunError(
                f"{folder.path} was trained on other data; give the same arrays to continue it, or"
                " another folder"
            )
        self.stepper.load(tensors, meta)
        self.state, self.rng = {k: meta[k] for k in self.state}, tensors["rng"]

    @contextmanager
    def _guard(self, m: GridMember) -> Iterator[None]:
        """Leaves a member out whose loss stops being a number; with one model the training ends."""
        try:
            yield
        except Diverged as e:
            lose(self.members, m, e)
