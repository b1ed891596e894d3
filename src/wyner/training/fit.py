"""Training, from arrays to a run: phases, validation, checkpoints, and a way back from every interruption."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wyner.errors import Diverged, OptionError, RunError
from wyner.models.base import Model
from wyner.runs import Run, RunFolder
from wyner.seeds import GLOBAL, ROWS, SPLIT, mix
from wyner.tasks.choice import data_of
from wyner.training.phases import After, epochs_plan
from wyner.training.rows import Rows, rows_of, warn_constant
from wyner.training.settings import Settings
from wyner.training.show import progress as make_progress
from wyner.training.trainer import Trainer


def fit(
    model: Model,
    data: Any,
    *,
    epochs: int = 50,
    batch_size: int = 100,
    lr: float = 1e-3,
    seed: int = 0,
    out: str | Path | None = None,
    validation: Mapping[str, Any] | float | None = None,
    resume: bool = False,
    progress: bool = True,
    loggers: Sequence[Any] | None = None,
    about: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Run:
    """Trains a model in place.

    Minimises the objective of every phase of the model, in nats per row, with fused Adam over batches that are gathered from
    tensors on the device. Equal seeds give bit-identical runs on a CPU, also across interruptions.

    Args:
        model: a `wyner.Model`; its parameters change.
        data: `{modality: (N, *event)}` as NumPy arrays or tensors, optionally `x_mask` `(N,)` for rows without x; or a record
            from `wyner.data.load`, whose validation rows are then used.
        epochs, batch_size, lr, seed: as in `wyner.training.Settings`.
        out: a new or empty folder for the run; None to keep everything in memory.
        validation: arrays like `data`, or the share of the rows to set aside.
        resume: continue the run in `out` from its checkpoint, exactly; a finished run is returned as it is.
        progress: show a bar (or lines where there is no terminal).
        loggers: Lightning Fabric loggers; by default TensorBoard in the run's folder, if TensorBoard is installed.
        about: anything to keep in the run's configuration, such as where the data came from.
        **settings: further fields of `wyner.training.Settings`: schedule, clip, patience, compile, precision, devices, ...

    Returns:
        A `Run` with `.model`, `.history` (logged rows) and `.folder`.

    Raises:
        DataError, ShapeError, OptionError, RunError: bad input. Diverged: the loss stopped being a number; the last good
        checkpoint is kept. KeyboardInterrupt: after saving a checkpoint.

    Example:
        >>> import torch, wyner
        >>> x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
        >>> model = wyner.models.WynerVAE(x=wyner.Real(3), y=wyner.Real(3), z=2, u=1, v=1)
        >>> run = wyner.fit(model, {"x": x, "y": x}, epochs=2, progress=False)
        >>> [row["phase"] for row in run.history]
        ['joint', 'joint', 'marginal']
    """
    chosen = Settings.of({"epochs": epochs, "batch_size": batch_size, "lr": lr, "seed": seed, **settings})
    train, held = _split(data, validation, chosen.seed)
    laws = [model.laws[t.law][0] for p in model.phases for t in p.objective.active]
    needs = tuple(sorted(frozenset().union(*(data_of(model, q) for q in laws))))
    rows = rows_of(model, train, needs)
    held_rows = None if held is None else rows_of(model, held, needs, "validation")
    warn_constant(model, rows)
    return _Loop(model, rows, held_rows, chosen, out, resume, progress, loggers, dict(about or {})).run()


def _split(data: Any, validation: Any, seed: int) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    if not isinstance(data, Mapping):
        if not hasattr(data, "train"):
            raise OptionError(
                f"data: expected a dictionary of arrays or a record from wyner.data.load, got {type(data).__name__}"
            )
        held = data.validation if validation is None else validation
        data = data.train
    else:
        held = validation
    if held is None or isinstance(held, Mapping):
        return data, held or None
    if not 0 < held < 1:
        raise OptionError(f"validation: expected arrays or a share between 0 and 1, got {held!r}")
    count = len(next(iter(data.values())))
    order = torch.randperm(count, generator=torch.Generator().manual_seed(mix(seed, SPLIT)))
    cut = max(1, round(held * count))
    pick = lambda index: {k: (v if isinstance(v, Tensor) else _array(v))[index] for k, v in data.items()}
    return pick(order[cut:].sort().values), pick(order[:cut].sort().values)


def _array(value: Any) -> Any:
    import numpy as np

    return np.asarray(value)


class _Loop:
    """The state of one training. Everything that decides what happens next is in `state` or in the seeds."""

    def __init__(
        self, model: Model, rows: Rows, held: Rows | None, settings: Settings, out: str | Path | None, resume: bool, progress: bool,
        loggers: Sequence[Any] | None, about: dict[str, Any],
    ) -> None:  # fmt: skip
        from wyner.training.fabric import launch

        self.model, self.settings, self.show, self.about = model, settings, progress, about
        self.folder = RunFolder(Path(out)) if out is not None else None
        self.fingerprint = rows.fingerprint()
        if self.folder is None and resume:
            raise OptionError("resume: expected out= with the folder of the run to continue")
        self.fabric = launch(settings, loggers, self.folder)
        if self.folder is not None and self.fabric.is_global_zero:
            self.folder.open(model, settings, self.fingerprint, about, resume)
        self.fabric.barrier()
        world = self.fabric.world_size
        if settings.batch_size % world:
            raise OptionError(f"batch_size: expected a multiple of the {world} processes, got {settings.batch_size}")
        model.to(self.fabric.device)
        like = next(model.parameters())
        self.rows = rows.to(self.fabric.device, like.dtype)
        self.held = None if held is None else held.to(self.fabric.device, like.dtype)
        self.batch = min(settings.batch_size, rows.count // world * world)
        self.per_epoch = rows.count // self.batch
        epochs = settings.epochs if settings.steps is None else -(-settings.steps // self.per_epoch)
        self.plan = epochs_plan(model.phases, epochs)
        totals = [sum(i in entry for entry in self.plan) * self.per_epoch for i in range(len(model.phases))]
        self.trainers = [Trainer(self.fabric, model, p, i, totals[i], settings) for i, p in enumerate(model.phases)]
        self.state: dict[str, Any] = {
            "entry": 0,
            "batch": 0,
            "seconds": 0.0,
            "best": {},
            "waited": {},
            "stopped": [],
            "finished": False,
        }
        self.best: dict[str, dict[str, Tensor]] = {}
        self.history: list[dict[str, Any]] = []
        self.stop_asked = False

    # what belongs together: phases that run in the same stretch of epochs share their best weights and their patience

    def _group(self, entry: tuple[int, ...]) -> int:
        first = entry[0]
        return first if isinstance(self.model.phases[first].when, After) and first else 0

    def run(self) -> Run:
        if self.folder is not None and self.folder.has_checkpoint:
            self._restore()
        trained = not self.state["finished"]
        if trained:
            cuda = [self.fabric.device] if self.fabric.device.type == "cuda" else []
            with torch.random.fork_rng(cuda), self._interruptible():
                if "rng" in self.state:
                    torch.random.set_rng_state(self.state.pop("rng"))
                else:
                    torch.manual_seed(mix(self.settings.seed, GLOBAL))
                self._train()
        for p in self.model.parameters():
            p.requires_grad_(True)
        self.model.eval()
        if self.folder is not None and self.fabric.is_global_zero and (trained or not self.folder.has_weights):
            self.folder.finish(self.model)
        return Run(self.model, self.history, None if self.folder is None else self.folder.path)

    def _train(self) -> None:
        done = (
            sum(len(e) for e in self.plan[: self.state["entry"]]) * self.per_epoch + self.state["batch"] * self._width()
        )
        bar = make_progress(self.show and self.fabric.is_global_zero, sum(map(len, self.plan)) * self.per_epoch, done)
        self.clock, self.saved, self.shown = time.monotonic(), time.monotonic(), 0.0
        try:
            while self.state["entry"] < len(self.plan):
                entry = self.plan[self.state["entry"]]
                group = self._group(entry)
                if group not in self.state["stopped"]:
                    done = self._epoch(entry, bar, done)
                    self._after_epoch(entry, group)
                else:
                    done += len(entry) * self.per_epoch
                last = (
                    self.state["entry"] + 1 == len(self.plan)
                    or self._group(self.plan[self.state["entry"] + 1]) != group
                )
                self.state["entry"], self.state["batch"] = self.state["entry"] + 1, 0
                if last:
                    self._best_weights(group)
                if last or time.monotonic() - self.saved > self.settings.checkpoint_seconds:
                    self._save()
            self.state["finished"] = True
            self._save()
        except Diverged as e:
            raise self._where(e) from None
        finally:
            bar.close()

    def _width(self) -> int:
        return len(self.plan[self.state["entry"]]) if self.state["entry"] < len(self.plan) else 0

    def _epoch(self, entry: tuple[int, ...], bar: Any, done: int) -> int:
        s = self.settings
        order = torch.randperm(
            self.rows.count,
            generator=torch.Generator().manual_seed(mix(s.seed, ROWS, entry[0], self._epoch_number(entry))),
        )
        order = order.to(self.fabric.device)
        trainers = [self.trainers[i] for i in entry]
        trainers[0].activate()
        world, rank = self.fabric.world_size, self.fabric.global_rank
        for b in range(self.state["batch"], self.per_epoch):
            index = order[b * self.batch : (b + 1) * self.batch]
            values, masks = self.rows.take(index if world == 1 else index[rank::world])
            for trainer in trainers:
                if len(trainers) > 1:
                    trainer.activate()
                loss = trainer.train(values, masks)
            done += len(entry)
            self.state["batch"] = b + 1
            now = time.monotonic()
            if now - self.shown > 0.25:
                self.shown = now
                text = f"{trainers[0].phase.name} epoch {self._epoch_number(entry)}"
                bar.advance(done, float(loss), text)
            if s.log_every and trainers[0].step % s.log_every == 0:
                self._log(trainers, "train")
            if self.stop_asked:
                self._save()
                self._interrupted()
            if now - self.saved > s.checkpoint_seconds:
                self._save()
        return done

    def _epoch_number(self, entry: tuple[int, ...]) -> int:
        return sum(e[0] == entry[0] for e in self.plan[: self.state["entry"] + 1])

    def _after_epoch(self, entry: tuple[int, ...], group: int) -> None:
        trainers = [self.trainers[i] for i in entry]
        if any(t.count for t in trainers):
            self._log(trainers, "train")
        if self.held is None:
            return
        results = [t.evaluate(self.held) for t in trainers]
        for t, r in zip(trainers, results, strict=True):
            self._write(t, "validation", r)
        if entry[0] != group:
            return
        key, value = str(group), results[0]["loss"]
        if not math.isfinite(value):
            trainers[0].refuse(results[0])
        if value < self.state["best"].get(key, math.inf):
            self.state["best"][key], self.state["waited"][key] = value, 0
            if self.settings.keep_best:
                self.best = {key: {k: v.detach().clone() for k, v in self.model.state_dict().items()}}
            return
        self.state["waited"][key] = self.state["waited"].get(key, 0) + 1
        if self.settings.patience is not None and self.state["waited"][key] >= self.settings.patience:
            self.state["stopped"].append(group)

    def _best_weights(self, group: int) -> None:
        if str(group) in self.best:
            self.model.load_state_dict(self.best.pop(str(group)))

    # what is written

    def _log(self, trainers: Sequence[Trainer], split: str) -> None:
        for t in trainers:
            means = t.means()
            if not all(map(math.isfinite, means.values())):
                t.refuse(means)
            self._write(t, split, means)

    def _write(self, t: Trainer, split: str, means: dict[str, float]) -> None:
        means = dict(means)
        row = {
            "phase": t.phase.name, "split": split, "epoch": t.step / self.per_epoch, "step": t.step, "loss": means.pop("loss"),
            "lr": t.adam.param_groups[0]["lr"], "seconds": round(self._seconds(), 3), "terms": means,
        }  # fmt: skip
        self.history.append(row)
        if self.folder is not None and self.fabric.is_global_zero:
            self.folder.log(row)
            tags = {f"{t.phase.name}/{split}/{k}": v for k, v in {"loss": row["loss"], **means}.items()}
            for logger in self.fabric.loggers:
                logger.log_metrics(tags, step=t.step)

    def _seconds(self) -> float:
        return self.state["seconds"] + time.monotonic() - self.clock

    def _save(self) -> None:
        if self.folder is None or not self.fabric.is_global_zero:
            return
        if not all(bool(torch.isfinite(p).all()) for p in self.model.parameters()):
            raise Diverged(
                "the weights are not numbers any more; the checkpoint before stays as it was. Try a smaller lr or clip=1.0"
            )
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors["rng"] = torch.random.get_rng_state()
        for key, weights in self.best.items():
            tensors |= {f"best.{key}.{k}": v for k, v in weights.items()}
        meta: dict[str, Any] = {
            **self.state,
            "seconds": self._seconds(),
            "fingerprint": self.fingerprint,
            "trainers": {},
        }
        for t in self.trainers:
            state, about = t.state()
            tensors |= {f"phase.{t.phase.name}.{k}": v for k, v in state.items()}
            meta["trainers"][t.phase.name] = about
        self.folder.save_checkpoint(tensors, meta)
        self.saved = time.monotonic()

    def _restore(self) -> None:
        assert self.folder is not None
        tensors, meta, self.history = self.folder.read_checkpoint()
        if meta["fingerprint"] != self.fingerprint:
            raise RunError(
                f"{self.folder.path} was trained on other data; give the same arrays to continue it, or another folder"
            )
        pick = lambda prefix: {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
        self.model.load_state_dict(pick("model."))
        self.best = {
            key: {k: v.to(self.fabric.device) for k, v in pick(f"best.{key}.").items()}
            for key in meta["best"]
            if pick(f"best.{key}.")
        }
        for t in self.trainers:
            t.restore(pick(f"phase.{t.phase.name}."), meta["trainers"][t.phase.name])
        self.state = {k: meta[k] for k in self.state}
        self.state["rng"] = tensors["rng"]

    # ways to stop

    def _where(self, e: Diverged) -> Diverged:
        if self.folder is None or not self.folder.has_checkpoint:
            return e
        return Diverged(f"{e}. The last good checkpoint is in {self.folder.path}")

    def _interrupted(self) -> None:
        if self.folder is None:
            raise KeyboardInterrupt("interrupted; nothing was saved because no folder (out=) was given")
        raise KeyboardInterrupt(
            f"interrupted and saved; continue with resume=True, or: wyner train --resume {self.folder.path}"
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
