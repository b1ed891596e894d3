"""Which phases run in which epoch of a training, in steps of how many rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wyner.objectives.phases import After, Phase, epochs_plan

if TYPE_CHECKING:
    from wyner.training.settings import Settings


@dataclass(frozen=True)
class Timetable:
    """A training, epoch by epoch.

    Attributes:
        phases: of the model.
        batch: rows per step, over all processes.
        per_epoch: steps per epoch.
        entries: which phases run in each epoch, by index; see `epochs_plan`.
    """

    phases: tuple[Phase, ...]
    batch: int
    per_epoch: int
    entries: list[tuple[int, ...]]

    @classmethod
    def of(
        cls, phases: tuple[Phase, ...], settings: Settings, rows: int, processes: int
    ) -> Timetable:
        """The timetable of a training on so many rows."""
        batch = min(settings.batch_size, rows // processes * processes)
        per_epoch = rows // batch
        epochs = settings.epochs if settings.steps is None else -(-settings.steps // per_epoch)
        return cls(phases, batch, per_epoch, epochs_plan(phases, epochs))

    def total(self, phase: int) -> int:
        """Steps of a phase in the whole training."""
        return sum(phase in entry for entry in self.entries) * self.per_epoch

    def before(self, at: int) -> int:
        """Steps of all phases before an entry."""
        return sum(map(len, self.entries[:at])) * self.per_epoch

    def number(self, at: int) -> int:
        """Which epoch of its first phase an entry is, from 1."""
        return sum(e[0] == self.entries[at][0] for e in self.entries[: at + 1])

    def stretch(self, phase: int) -> int:
        """The first phase of the stretch of epochs that a phase belongs to.

        Phases that run in the same stretch share their best weights and their patience.
        """
        return phase if isinstance(self.phases[phase].when, After) else 0

    def ends(self, at: int) -> bool:
        """Whether a stretch ends with an entry."""
        here = [self.stretch(e[0]) for e in self.entries[at : at + 2]]
        return len(here) == 1 or here[0] != here[1]
