"""One model in training: what is its own when several train together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wyner.errors import Diverged, OptionError
from wyner.models.base import Model
from wyner.runs import RunFolder
from wyner.seeds import ROWS, mix
from wyner.training.optimiser import under
from wyner.training.rows import Rows
from wyner.training.settings import Settings
from wyner.training.trainer import Course


@dataclass(frozen=True)
class Probe:
    """Numbers of the user's own, `function(model) -> {name: float}`, every `every` epochs of the
    main phase and at its end.
    """

    function: Callable[[Model], dict[str, float]]
    every: int = 0

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise OptionError(f"probe: expected a function of the model, got {self.function!r}")
        if not isinstance(self.every, int) or self.every < 0:
            raise OptionError(
                f"probe_every: expected a number of epochs from 0 up, got {self.every!r}"
            )

    @torch.no_grad()
    def __call__(self, model: Model, seed: int) -> dict[str, float]:
        """The numbers, from a random state of their own; the model is in evaluation mode
        meanwhile.
        """
        modes = [(m, m.training) for m in model.modules()]
        model.eval()
        with forked(seed):
            found = self.function(model)
        for m, mode in modes:
            m.training = mode
        try:
            return {str(k): float(v) for k, v in found.items()}
        except (TypeError, AttributeError, ValueError):
            raise OptionError(
                f"probe: expected a dictionary of numbers by name, got {found!r}"
            ) from None


@contextmanager
def forked(seed: int) -> Iterator[None]:
    """A random state of its own, so that the caller's stream is untouched."""
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


class Member:
    """One model in training: its rows, its log, its best weights and its patience.

    Args:
        model: whose parameters change.
        rows, held: to train on and to validate on, on the device.
        settings: its own; members of one training differ in the seed only.
        folder: of its run; None to keep everything in memory.
        point: where it stands in a grid.
    """

    def __init__(
        self,
        model: Model,
        rows: Rows,
        held: Rows | None,
        settings: Settings,
        folder: RunFolder | None = None,
        point: dict[str, Any] | None = None,
    ) -> None:
        self.model, self.rows, self.held, self.settings, self.folder = (
            model,
            rows,
            held,
            settings,
            folder,
        )
        self.point = point or {}
        self.courses: list[Course] = []
        self.history: list[dict[str, Any]] = []
        self.state: dict[str, Any] = {"best": {}, "waited": {}, "stopped": []}
        self.best: dict[str, dict[str, Tensor]] = {}
        self.lost = ""
        """Why this member was dropped from the training; empty while it is in it."""

    def order(self, phase: int, number: int, batch: int) -> Tensor:
        """Order of the rows in an epoch, `(N,)`: a function of the seed, the phase, the number of
        the epoch and the rows a batch.
        """
        generator = torch.Generator().manual_seed(mix(self.settings.seed, ROWS, phase, number))
        order = torch.randperm(self.rows.count, generator=generator)
        return self.rows.turn(order, batch, generator)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model has the averages of its weights meanwhile, if it keeps any."""
        with ExitStack() as stack:
            for c in self.courses:
                if c.average is not None:
                    stack.enter_context(c.average.inside())
            yield

    def judge(self, group: int, course: Course, result: dict[str, float]) -> None:
        """Keeps the weights if they are the best so far, or loses patience.

        Raises:
            Diverged: the validation loss is not a number.
        """
        key, value, state = str(group), result["loss"], self.state
        if not math.isfinite(value):
            course.refuse(result)
        if value < state["best"].get(key, math.inf):
            state["best"][key], state["waited"][key] = value, 0
            if self.settings.keep_best:
                self.best = {
                    key: {k: v.detach().clone() for k, v in self.model.state_dict().items()}
                }
            return
        state["waited"][key] = state["waited"].get(key, 0) + 1
        if self.settings.patience is not None and state["waited"][key] >= self.settings.patience:
            state["stopped"].append(group)

    def end(self, group: int) -> None:
        """Returns to the best weights when a stretch of phases is over."""
        if str(group) in self.best:
            self.model.load_state_dict(self.best.pop(str(group)))

    def finite(self) -> None:
        """Raises `Diverged` if a weight is not a number."""
        if not all(bool(torch.isfinite(p).all()) for p in self.model.parameters()):
            raise Diverged(
                "the weights are not numbers any more; the checkpoint before stays as it was. Try a"
                " smaller lr or clip=1.0"
            )

    def dump(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights, best weights, patience and length of the log, for a checkpoint."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for key, weights in self.best.items():
            tensors |= {f"best.{key}.{k}": v for k, v in weights.items()}
        return tensors, {
            **self.state,
            "lost": self.lost,
            "metrics_bytes": 0 if self.folder is None else self.folder.logged,
        }

    def load(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """The inverse of `dump`; rows that were logged after it are cut off."""
        self.state, self.lost = {k: meta[k] for k in self.state}, meta.get("lost", "")
        assert self.folder is not None
        self.history = self.folder.cut(meta["metrics_bytes"])
        if self.lost:
            return
        self.model.load_state_dict(under(tensors, "model."))
        device = next(self.model.parameters()).device
        self.best = {
            key: {k: v.to(device) for k, v in found.items()}
            for key in meta["best"]
            if (found := under(tensors, f"best.{key}."))
        }
