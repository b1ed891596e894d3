"""One model in training: what is its own when several train together."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, final

import torch
from torch import Tensor

from wyner.errors import Diverged, refuse_unknown
from wyner.models.base import Model
from wyner.runs import RunFolder
from wyner.seeds import ROWS, mix
from wyner.training.optimiser import Dump, under
from wyner.training.phase_state import PhaseState
from wyner.training.rows import Rows, Tensors
from wyner.training.settings import Settings
from wyner.training.timetable import Timetable
from wyner.training.translations import translation_error

Numbers = dict[str, float]


class Dumped(Protocol):
    """Steps of a phase that a checkpoint keeps."""

    def dump(self) -> Dump: ...

    def load(self, tensors: Tensors, meta: dict[str, Any]) -> None: ...


@final
@dataclass(eq=False)
class GridMember:
    """One model in training: its rows, its log, its best weights and its patience.

    Args:
        model: whose parameters change.
        rows, validation: to train on and to validate on, on the device.
        settings: its own; members of one training differ in the seed only.
        folder: of its run; None to keep everything in memory.
        point: where it stands in a grid, as the `number`-th of it.
        watched: whether its weights are validated before the first step, and may be the best.
        lost: why it was dropped from the training; empty while it is in it.
    """

    model: Model
    rows: Rows
    validation: Rows | None
    settings: Settings
    folder: RunFolder | None = None
    point: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    lost: str = ""
    watched: bool = False
    phases: list[PhaseState] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Tensors] = field(default_factory=dict)
    state: dict[str, Any] = field(
        default_factory=lambda: {
            "best": {},
            "waited": {},
            "stopped": [],
            "kept": None,
            "first": None,
        }
    )

    def begin(self, fabric: Any, table: Timetable) -> None:
        """Makes what each phase computes."""
        make = lambda i, p: PhaseState(fabric, self.model, p, i, table.total(i), self.settings)
        self.phases = [make(i, p) for i, p in enumerate(self.model.phases)]

    def order(self, phase: int, number: int, batch: int) -> Tensor:
        """Order of the rows in an epoch, `(N,)`: a function of the seed and these numbers."""
        generator = torch.Generator().manual_seed(mix(self.settings.seed, ROWS, phase, number))
        order = torch.randperm(self.rows.count, generator=generator)
        return self.rows.turn(order, batch, generator)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Gives the model the averages of its weights meanwhile, if it keeps any."""
        with ExitStack() as stack:
            for c in self.phases:
                if c.average is not None:
                    stack.enter_context(c.average.inside())
            yield

    def evaluate(self, stretch: int, loss: float) -> None:
        """Keeps the weights if their validation loss is the lowest so far, or loses patience.

        Of a watched member they must also predict one modality from another as well as at first.
        """
        key, state, patience = str(stretch), self.state, self.settings.patience
        if loss < state["best"].get(key, math.inf) and self._predicts():
            state["best"][key], state["waited"][key] = loss, 0
            if self.settings.keep_best and (stretch or self.settings.keep is None):
                self._keep(stretch)
            return
        state["waited"][key] = state["waited"].get(key, 0) + 1
        if patience is not None and state["waited"][key] >= patience:
            state["stopped"].append(stretch)

    def _predicts(self) -> bool:
        """Whether the error of translations of validation rows is at most what it was at first."""
        if not self.watched or self.validation is None:
            return True
        error = self.phases[0].fabric.broadcast(
            translation_error(self.model, *self.validation.own())
        )
        first = self.state["first"]
        if first is None:
            self.state["first"] = first = error
        return error <= first

    def choose(self, found: Numbers, step: int) -> None:
        """Keeps the weights if the probe's number that `settings.keep` names is the best so far.

        Raises:
            OptionError: the probe has no number of that name.
        """
        if (name := self.settings.keep) is None:
            return
        sign = 1
        if name not in found and name.startswith("-"):
            name, sign = name[1:], -1
        refuse_unknown("number of the probe", name, found, "keep")
        kept = self.state["kept"]
        if sign * found[name] > (-math.inf if kept is None else sign * kept["found"][name]):
            self.state["kept"] = {"found": found, "step": step}
            self._keep(0)

    def _keep(self, stretch: int) -> None:
        weights = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.best = {str(stretch): weights}

    def end(self, stretch: int) -> None:
        """Returns to the best weights when a stretch of phases is over."""
        if str(stretch) in self.best:
            self.model.load_state_dict(self.best.pop(str(stretch)))

    def finish(self, write: bool) -> None:
        """Leaves a model that answers, and its weights in the folder."""
        for p in self.model.parameters():
            p.requires_grad_(True)
        self.model.eval()
        if write and self.folder is not None and not self.lost:
            self.folder.finish(self.model)

    def finite(self) -> None:
        """Raises `Diverged` if a weight is not a number."""
        if not all(bool(torch.isfinite(p).all()) for p in self.model.parameters()):
            raise Diverged(
                "the weights are not numbers any more; the checkpoint before stays as it was. Try a"
                " smaller lr or clip=1.0"
            )

    def dump(self, parts: Sequence[Dumped]) -> Dump:
        """Weights, best weights, patience, length of the log, phases' states, for a checkpoint."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for key, weights in self.best.items():
            tensors |= {f"best.{key}.{k}": v for k, v in weights.items()}
        logged = 0 if self.folder is None else self.folder.logged
        meta = {**self.state, "lost": self.lost, "metrics_bytes": logged, "trainers": {}}
        for phase, part in zip(self.model.phases, parts, strict=True):
            found, meta["trainers"][phase.name] = part.dump()
            tensors |= {f"phase.{phase.name}.{k}": v for k, v in found.items()}
        return tensors, meta

    def load(self, parts: Sequence[Dumped], tensors: Tensors, meta: dict[str, Any]) -> None:
        """The inverse of `dump`; rows that were logged after it are cut off."""
        self.state, self.lost = {k: meta.get(k) for k in self.state}, meta.get("lost", "")
        if self.folder is not None:
            self.history = self.folder.cut(meta["metrics_bytes"])
        if self.lost:
            return
        self.model.load_state_dict(under(tensors, "model."))
        device = next(self.model.parameters()).device
        for name, value in under(tensors, "best.").items():
            key, _, rest = name.partition(".")
            self.best.setdefault(key, {})[rest] = value.to(device)
        for phase, part in zip(self.model.phases, parts, strict=True):
            part.load(under(tensors, f"phase.{phase.name}."), meta["trainers"][phase.name])


def lose(members: Sequence[GridMember], m: GridMember, e: Diverged) -> None:
    """Leaves a member out with a warning.

    Raises:
        Diverged: it was alone, or none is left.
    """
    if len(members) == 1:
        raise e
    if m.lost:
        return
    m.lost = str(e)
    shown = ", ".join(f"{k}={v}" for k, v in m.point.items())
    warnings.warn(f"member {shown or m.number} is left out: {e}", stacklevel=2)
    if all(m.lost for m in members):
        raise Diverged(f"every member diverged; the first: {members[0].lost}")
