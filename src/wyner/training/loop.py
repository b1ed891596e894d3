"""The walk through a training: epochs of phases, validation, patience, checkpoints, and a way back
from every interruption.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from wyner.errors import Diverged, RunError
from wyner.objectives.phases import After, epochs_plan
from wyner.runs import RunFolder
from wyner.seeds import GLOBAL, TASK, mix
from wyner.training.member import Member, Probe, forked
from wyner.training.optimiser import under
from wyner.training.show import progress as make_progress
from wyner.training.trainer import Course, Trainer


class Loop:
    """One training from start to end. Everything that decides what happens next is in `state`, in
    the members or in the seeds.

    This class trains one model; `wyner.training.ensemble.Ensemble` trains many at once.

    Args:
        fabric: a launched Lightning Fabric.
        members: the models, equal in everything but weights, seeds and weights of the objective.
        folder: where checkpoints are kept; None for none.
        fingerprint: of the data, so that a run is not resumed on others.
        show: whether to show progress.
    """

    def __init__(
        self,
        fabric: Any,
        members: Sequence[Member],
        folder: RunFolder | None,
        fingerprint: str,
        show: bool = True,
        probe: Probe | None = None,
    ) -> None:
        self.fabric, self.members, self.folder, self.fingerprint = (
            fabric,
            list(members),
            folder,
            fingerprint,
        )
        self.show, self.probe = show, probe
        first = self.members[0]
        self.settings, self.phases = first.settings, first.model.phases
        count, world = first.rows.count, fabric.world_size
        self.batch = min(self.settings.batch_size, count // world * world)
        self.per_epoch = count // self.batch
        epochs = (
            self.settings.epochs
            if self.settings.steps is None
            else -(-self.settings.steps // self.per_epoch)
        )
        self.plan = epochs_plan(self.phases, epochs)
        self.totals = [
            sum(i in entry for entry in self.plan) * self.per_epoch for i in range(len(self.phases))
        ]
        there = folder is not None and folder.has_checkpoint
        for m in self.members:  # before the trainers are made: they leave out what is frozen
            m.model.prepare(m.rows.values, m.rows.masks, m.settings.seed, there)
        self.trainers: list[Any] = self._prepare()
        self.state: dict[str, Any] = {"entry": 0, "batch": 0, "seconds": 0.0, "finished": False}
        self.rng: Tensor | None = None
        self.stop_asked = False

    def _prepare(self) -> list[Any]:
        """What trains each phase."""
        (m,) = self.members
        trainers = [
            Trainer(self.fabric, m.model, p, i, self.totals[i], m.settings)
            for i, p in enumerate(self.phases)
        ]
        m.courses = list(trainers)
        return trainers

    # what belongs together: phases that run in the same stretch of epochs share their best weights
    # and their patience

    def _group(self, entry: tuple[int, ...]) -> int:
        first = entry[0]
        return first if isinstance(self.phases[first].when, After) and first else 0

    def run(self) -> list[Member]:
        """Trains to the end, from the checkpoint if there is one; returns the members that are
        left.
        """
        if self.folder is not None and self.folder.has_checkpoint:
            self._restore()
        elif self.folder is not None and self.fabric.is_global_zero:
            for m in self.members:  # what was logged before the first checkpoint is logged again
                m.history = [] if m.folder is None else m.folder.cut(0)
        trained = not self.state["finished"]
        if trained:
            with forked(mix(self.settings.seed, GLOBAL)), self._interruptible():
                if self.rng is not None:
                    torch.random.set_rng_state(self.rng)
                self._train()
        for m in self.members:
            for p in m.model.parameters():
                p.requires_grad_(True)
            m.model.eval()
            written = m.folder is None or m.lost or not (trained or not m.folder.has_weights)
            if m.folder is not None and not written and self.fabric.is_global_zero:
                m.folder.finish(m.model)
        return [m for m in self.members if not m.lost]

    def _train(self) -> None:
        state = self.state
        width = len(self.plan[state["entry"]]) if state["entry"] < len(self.plan) else 0
        self.done = (
            sum(len(e) for e in self.plan[: state["entry"]]) * self.per_epoch
            + state["batch"] * width
        )
        total = sum(map(len, self.plan)) * self.per_epoch
        self.bar = make_progress(self.show and self.fabric.is_global_zero, total, self.done)
        self.clock, self.saved, self.shown = time.monotonic(), time.monotonic(), 0.0
        try:
            while state["entry"] < len(self.plan):
                entry = self.plan[state["entry"]]
                group = self._group(entry)
                if self._running(group):
                    self._epoch(entry, group)
                    self._after_epoch(entry, group)
                else:
                    self.done += len(entry) * self.per_epoch
                last = (
                    state["entry"] + 1 == len(self.plan)
                    or self._group(self.plan[state["entry"] + 1]) != group
                )
                if last:
                    self._end(entry, group)
                state["entry"], state["batch"] = state["entry"] + 1, 0
                if last or time.monotonic() - self.saved > self.settings.checkpoint_seconds:
                    self._save()
            state["finished"] = True
            self._save()
        except Diverged as e:
            raise self._where(e) from None
        finally:
            self.bar.close()

    def _running(self, group: int) -> list[Member]:
        """Members that still learn in a stretch of phases."""
        return [m for m in self.members if not m.lost and group not in m.state["stopped"]]

    def _epoch(self, entry: tuple[int, ...], group: int) -> None:
        s, number = self.settings, self._epoch_number(entry)
        self._begin(entry, self._running(group))
        for b in range(self.state["batch"], self.per_epoch):
            loss = self._step(entry, b)
            self.done += len(entry)
            self.state["batch"] = b + 1
            now = time.monotonic()
            if now - self.shown > 0.25:
                self.shown = now
                self.bar.advance(
                    self.done, float(loss), f"{self.phases[entry[0]].name} epoch {number}"
                )
            if s.log_every and self.trainers[entry[0]].step % s.log_every == 0:
                self._log(entry, group)
            if self.stop_asked:
                self._save()
                self._interrupted()
            if now - self.saved > s.checkpoint_seconds:
                self._save()

    def _begin(self, entry: tuple[int, ...], members: Sequence[Member]) -> None:
        """Gets ready for an epoch of some members."""
        self.order = (
            members[0].order(entry[0], self._epoch_number(entry), self.batch).to(self.fabric.device)
        )
        self.trainers[entry[0]].activate()

    def _step(self, entry: tuple[int, ...], b: int) -> Tensor:
        """One step of every phase of an epoch, on the same batch; returns a loss to show."""
        index = self.order[b * self.batch : (b + 1) * self.batch]
        world, rank = self.fabric.world_size, self.fabric.global_rank
        values, masks = self.members[0].rows.take(index if world == 1 else index[rank::world])
        for i in entry:
            if len(entry) > 1:
                self.trainers[i].activate()
            loss = self.trainers[i].train(values, masks)
        return loss

    def _epoch_number(self, entry: tuple[int, ...]) -> int:
        return sum(e[0] == entry[0] for e in self.plan[: self.state["entry"] + 1])

    def _after_epoch(self, entry: tuple[int, ...], group: int) -> None:
        if any(self.trainers[i].count for i in entry):
            self._log(entry, group)
        for m in self._running(group):
            with self._guard(m), m.averaged():
                courses = [m.courses[i] for i in entry]
                if m.held is not None:
                    results = [c.evaluate(m.held) for c in courses]
                    for c, r in zip(courses, results, strict=True):
                        self._write(m, c, "validation", r)
                    if entry[0] == group and courses[0].judged:
                        m.judge(group, courses[0], results[0])
                self._probe(m, entry, group)

    def _end(self, entry: tuple[int, ...], group: int) -> None:
        for m in self.members:
            if not m.lost:
                for i, c in enumerate(m.courses):
                    if c.average is not None and self._group((i,)) == group:
                        c.average.settle()
                m.end(group)
                if self.probe is not None and group == 0:
                    self._write(m, m.courses[0], "probe", self._ask(m))

    def _probe(self, m: Member, entry: tuple[int, ...], group: int) -> None:
        """A row of the probe between the epochs of the main phase; the one at its end comes with
        its final weights.
        """
        if (
            self.probe is None
            or not self.probe.every
            or entry[0] != 0
            or group in m.state["stopped"]
        ):
            return
        number = self._epoch_number(entry)
        if number % self.probe.every == 0 and number < self.totals[0] // self.per_epoch:
            self._write(m, m.courses[0], "probe", self._ask(m))

    def _ask(self, m: Member) -> dict[str, float]:
        assert self.probe is not None
        return self.probe(m.model, mix(m.settings.seed, TASK, m.courses[0].step))

    # what is written

    def _log(self, entry: tuple[int, ...], group: int) -> None:
        for m in self._running(group):
            with self._guard(m):
                for c in (m.courses[i] for i in entry):
                    means = c.means()
                    if not all(map(math.isfinite, means.values())):
                        c.refuse(means)
                    self._write(m, c, "train", means)

    def _write(self, m: Member, c: Course, split: str, means: dict[str, float]) -> None:
        means = dict(means)
        row = {
            "phase": c.phase.name,
            "split": split,
            "epoch": c.step / self.per_epoch,
            "step": c.step,
            **({"loss": means.pop("loss")} if "loss" in means else {}),
            "lr": c.lr,
            "seconds": round(self._seconds(), 3),
            "terms": means,
        }
        m.history.append(row)
        if m.folder is not None and self.fabric.is_global_zero:
            m.folder.log(row)
            tags = {
                f"{c.phase.name}/{split}/{k}": v
                for k, v in {**means, **({"loss": row["loss"]} if "loss" in row else {})}.items()
            }
            for logger in self.fabric.loggers:
                logger.log_metrics(tags, step=c.step)

    def _seconds(self) -> float:
        return self.state["seconds"] + time.monotonic() - self.clock

    def _save(self) -> None:
        if self.folder is None or not self.fabric.is_global_zero:
            return
        for m in self.members:
            if not m.lost:
                with self._guard(m):
                    m.finite()
        tensors, meta = self._dump()
        meta |= {**self.state, "seconds": self._seconds(), "fingerprint": self.fingerprint}
        self.folder.save_checkpoint({**tensors, "rng": torch.random.get_rng_state()}, meta)
        self.saved = time.monotonic()

    def _restore(self) -> None:
        assert self.folder is not None
        tensors, meta = self.folder.read_checkpoint()
        if meta["fingerprint"] != self.fingerprint:
            raise RunError(
                f"{self.folder.path} was trained on other data; give the same arrays to continue"
                " it, or another folder"
            )
        self._load(tensors, meta)
        self.state, self.rng = {k: meta[k] for k in self.state}, tensors["rng"]

    def _dump(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The state of members and optimisers, for a checkpoint."""
        tensors, meta = self.members[0].dump()
        trainers = {}
        for t in self.trainers:
            state, trainers[t.phase.name] = t.state()
            tensors |= {f"phase.{t.phase.name}.{k}": v for k, v in state.items()}
        return tensors, {**meta, "trainers": trainers}

    def _load(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """The inverse of `_dump`."""
        self.members[0].load(tensors, meta)
        for t in self.trainers:
            t.restore(under(tensors, f"phase.{t.phase.name}."), meta["trainers"][t.phase.name])

    # ways to stop

    @contextmanager
    def _guard(self, m: Member) -> Iterator[None]:
        """What happens to a member whose loss stops being a number; with one model that ends the
        training.
        """
        yield

    def _where(self, e: Diverged) -> Diverged:
        if self.folder is None or not self.folder.has_checkpoint:
            return e
        return Diverged(f"{e}. The last good checkpoint is in {self.folder.path}")

    def _interrupted(self) -> None:
        if self.folder is None:
            raise KeyboardInterrupt(
                "interrupted; nothing was saved because no folder (out=) was given"
            )
        raise KeyboardInterrupt(
            "interrupted and saved; continue with resume=True, or: wyner train --resume"
            f" {self.folder.path}"
        )

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first Ctrl-C ends the step, saves and stops; a second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)

        def ask(number: int, frame: Any) -> None:
            self.stop_asked = True
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
