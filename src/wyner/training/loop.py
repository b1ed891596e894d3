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
from wyner.seeds import GLOBAL, TASK, mix
from wyner.training.member import GridMember, lose
from wyner.training.phase_state import PhaseState
from wyner.training.probe import Probe, forked
from wyner.training.show import Display, Interrupt, Silent, progress
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
        first = self.members[0]
        self.settings = first.settings
        self.timetable = Timetable.of(
            first.model.phases, first.settings, first.rows.count, fabric.world_size
        )
        there = folder is not None and folder.has_checkpoint
        for m in self.members:  # before the phases are made: they leave out what is frozen
            m.model.prepare(m.rows.values, m.rows.masks, m.settings.seed, there)
        for m in self.members:
            m.begin(fabric, self.timetable)
        self.stepper = stepper(fabric, self.members, self.timetable)
        self.state: dict[str, Any] = {"entry": 0, "batch": 0, "seconds": 0.0, "finished": False}
        self.rng: Tensor | None = None
        self.display: Display = Silent()
        self.interrupt = Interrupt()
        self.clock = self.saved = self.shown = 0.0

    # where it stands

    @property
    def entry(self) -> tuple[int, ...]:
        """The phases of this epoch."""
        return self.timetable.entries[self.state["entry"]]

    @property
    def stretch(self) -> int:
        """The stretch of phases that this epoch belongs to."""
        return self.timetable.stretch(self.entry[0])

    @property
    def done(self) -> int:
        """Steps so far."""
        at = self.state["entry"]
        width = len(self.entry) if at < len(self.timetable.entries) else 0
        return self.timetable.before(at) + self.state["batch"] * width

    @property
    def running(self) -> list[GridMember]:
        """Members that still learn in this stretch."""
        stretch = self.stretch
        return [m for m in self.members if not m.lost and stretch not in m.state["stopped"]]

    # the walk

    def run(self) -> list[GridMember]:
        """Trains to the end, from the checkpoint if there is one; returns the members that are left.

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
            with forked(mix(self.settings.seed, GLOBAL)), self.interrupt.noted():
                if self.rng is not None:
                    torch.random.set_rng_state(self.rng)
                self._train()
        for m in self.members:
            write = trained or (m.folder is not None and not m.folder.has_weights)
            m.finish(write and self.fabric.is_global_zero)
        return [m for m in self.members if not m.lost]

    def _train(self) -> None:
        state, last = self.state, len(self.timetable.entries)
        on = self.show and self.fabric.is_global_zero
        self.display = progress(on, self.timetable.before(last), self.done)
        self.clock = self.saved = time.monotonic()
        try:
            while state["entry"] < last:
                if self.running:
                    self._epoch()
                    self._after_epoch()
                ends = self.timetable.ends(state["entry"])
                if ends:
                    self._end()
                state["entry"], state["batch"] = state["entry"] + 1, 0
                if ends or time.monotonic() - self.saved > self.settings.checkpoint_seconds:
                    self._save()
            state["finished"] = True
            self._save()
        except Diverged as e:
            raise self._where(e) from None
        finally:
            self.stepper.release()
            self.display.close()

    def _epoch(self) -> None:
        state, settings, per_epoch = self.state, self.settings, self.timetable.per_epoch
        entry, number = self.entry, self.timetable.number(state["entry"])
        text = f"{self.timetable.phases[entry[0]].name} epoch {number}"
        self.stepper.begin(entry, number, self.running)
        for b in range(state["batch"], per_epoch):
            loss = self.stepper.step(b)
            state["batch"] = b + 1
            now = time.monotonic()
            if now - self.shown > 0.25:
                self.shown = now
                self.display.advance(self.done, float(loss), text)
            if settings.log_every and ((number - 1) * per_epoch + b + 1) % settings.log_every == 0:
                self._log()
            if self.interrupt.asked:
                self._save()
                raise KeyboardInterrupt(self._interrupted())
            if now - self.saved > settings.checkpoint_seconds:
                self._save()

    def _after_epoch(self) -> None:
        entry, stretch = self.entry, self.stretch
        if any(m.phases[i].count for m in self.running for i in entry):
            self._log()
        for m in self.running:
            with self._guard(m), m.averaged():
                if m.validation is not None:
                    phases = [m.phases[i] for i in entry]
                    results = [c.evaluate(m.validation) for c in phases]
                    for c, result in zip(phases, results, strict=True):
                        self._write(m, c, "validation", result)
                    if entry[0] == stretch and phases[0].judged:
                        if not math.isfinite(results[0]["loss"]):
                            phases[0].check(results[0])
                        m.evaluate(stretch, results[0]["loss"])
                self._probe_between(m)

    def _probe_between(self, m: GridMember) -> None:
        """Asks the probe between epochs of the main phase; its end has the row of final weights."""
        if self.probe is None or not self.probe.every or self.entry[0] or 0 in m.state["stopped"]:
            return
        number = self.timetable.number(self.state["entry"])
        last = self.timetable.total(0) // self.timetable.per_epoch
        if number % self.probe.every == 0 and number < last:
            self._ask(m, self.probe)

    def _end(self) -> None:
        """Ends a stretch with the average weights or the best ones."""
        stretch = self.stretch
        for m in self.members:
            if m.lost:
                continue
            for i, c in enumerate(m.phases):
                if c.average is not None and self.timetable.stretch(i) == stretch:
                    c.average.apply_average()
            if self.probe is None or stretch:
                m.end(stretch)
            elif m.settings.keep is None:
                m.end(stretch)
                self._ask(m, self.probe)
            else:  # the last weights may be the best; the last row is that of the weights kept
                self._ask(m, self.probe)
                m.end(stretch)
                kept = m.state["kept"]
                if kept is not None and kept["step"] < m.phases[0].step:
                    self._write(m, m.phases[0], "probe", kept["found"], kept["step"])

    def _ask(self, m: GridMember, probe: Probe) -> None:
        step = m.phases[0].step
        found = probe(m.model, mix(m.settings.seed, TASK, step))
        self._write(m, m.phases[0], "probe", found, step)
        m.choose(found, step)

    # what is written

    def _log(self) -> None:
        for m, c, means in self.stepper.means():
            if not m.lost:
                with self._guard(m):
                    c.check(means)
                    self._write(m, c, "train", means)

    def _write(
        self,
        m: GridMember,
        c: PhaseState,
        split: str,
        means: dict[str, float],
        step: int | None = None,
    ) -> None:
        step = c.step if step is None else step
        row = {
            "phase": c.phase.name,
            "split": split,
            "epoch": step / self.timetable.per_epoch,
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
        for m in self.members:
            if not m.lost:
                with self._guard(m):
                    m.finite()
        tensors, meta = self.stepper.state()
        meta |= {**self.state, "seconds": self._seconds(), "fingerprint": self.fingerprint}
        self.folder.save_checkpoint({**tensors, "rng": torch.random.get_rng_state()}, meta)
        self.saved = time.monotonic()

    def _restore(self, folder: RunFolder) -> None:
        tensors, meta = folder.read_checkpoint()
        if meta["fingerprint"] != self.fingerprint:
            raise RunError(
                f"{folder.path} was trained on other data; give the same arrays to continue it, or"
                " another folder"
            )
        self.stepper.load(tensors, meta)
        self.state, self.rng = {k: meta[k] for k in self.state}, tensors["rng"]

    # ways to stop

    @contextmanager
    def _guard(self, m: GridMember) -> Iterator[None]:
        """Leaves a member out whose loss stops being a number; with one model the training ends."""
        try:
            yield
        except Diverged as e:
            lose(self.members, m, e)

    def _where(self, e: Diverged) -> Diverged:
        if self.folder is None or not self.folder.has_checkpoint:
            return e
        return Diverged(f"{e}. The last good checkpoint is in {self.folder.path}")

    def _interrupted(self) -> str:
        if self.folder is None:
            return "interrupted; nothing was saved because no folder (out=) was given"
        return (
            "interrupted and saved; continue with resume=True, or: wyner train --resume"
            f" {self.folder.path}"
        )
