"""How the members of a training take their steps: the protocol, and the steps of one model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, final

import torch
from torch import Tensor

from wyner.training.member import GridMember
from wyner.training.optimiser import Dump
from wyner.training.phase_state import PhaseState
from wyner.training.rows import Tensors
from wyner.training.timetable import Timetable
from wyner.training.trainer import Trainer

Means = list[tuple[GridMember, PhaseState, dict[str, float]]]


class Stepper(Protocol):
    """What the loop asks of whatever moves the parameters."""

    def begin(self, entry: tuple[int, ...], number: int, running: Sequence[GridMember]) -> None:
        """Gets ready for an epoch of some phases, the `number`-th of the first of them."""

    def step(self, b: int) -> Tensor:
        """One step of every phase of the epoch on its b-th batch; returns a loss to show."""

    def means(self) -> Means:
        """Mean loss and terms since the last call, by member and phase of the epoch."""

    def state(self) -> Dump:
        """Members and optimisers, for a checkpoint."""

    def load(self, tensors: Tensors, meta: dict[str, Any]) -> None:
        """The inverse of `state`."""

    def release(self) -> None:
        """Leaves the models with tensors of their own."""


@final
class Single:
    """Steps of one model."""

    def __init__(self, fabric: Any, members: Sequence[GridMember], table: Timetable) -> None:
        (self.member,) = members
        self.fabric, self.table, self.entry = fabric, table, tuple[int, ...]()
        self.trainers = [Trainer(state) for state in self.member.phases]
        self.order = torch.empty(0, dtype=torch.long)

    def begin(self, entry: tuple[int, ...], number: int, running: Sequence[GridMember]) -> None:
        order = self.member.order(entry[0], number, self.table.batch)
        self.entry, self.order = entry, order.to(self.fabric.device)
        self.trainers[entry[0]].state.activate()

    def step(self, b: int) -> Tensor:
        index = self.order[b * self.table.batch : (b + 1) * self.table.batch]
        if (world := self.fabric.world_size) > 1:
            index = index[self.fabric.global_rank :: world]
        batch = self.member.rows.take(index)
        for i in self.entry:
            if len(self.entry) > 1:
                self.trainers[i].state.activate()
            loss = self.trainers[i].train(batch)
        return loss

    def means(self) -> Means:
        return [(self.member, t.state, t.means()) for t in (self.trainers[i] for i in self.entry)]

    def state(self) -> Dump:
        return self.member.dump(self.trainers)

    def load(self, tensors: Tensors, meta: dict[str, Any]) -> None:
        self.member.load(self.trainers, tensors, meta)

    def release(self) -> None:
        """Nothing: the model never gave its tensors away."""
