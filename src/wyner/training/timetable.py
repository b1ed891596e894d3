"""Which phases run in which epoch of a training, in steps of how many rows."""

from __future__ import annotations

from dataclasses import dataclass

from wyner.objectives.phases import After, Phase, epochs_plan
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
    def of(cls, phases: tuple[Phase, ...], s: Settings, rows: int, processes: int) -> Timetable:
        """The timetable of a training on so many rows."""
        batch = min(s.batch_size, rows // processes * processes)
        per_epoch = rows // batch
        epochs = s.epochs if s.steps is None else -(-s.steps // per_epoch)
        return cls(phases, batch, per_epoch, epochs_plan(phases, epochs))

    def total(self, phase: int) -> int:
        """Steps of a phase in the whole training."""
        return sum(phase in entry for entry in self.entries) * self.per_epoch

    def steps(self, at: int | None = None, batches: int = 0) -> int:
        """Steps of all phases before a batch of an entry; of the whole training if at is None."""
        whole = sum(map(len, self.entries[:at])) * self.per_epoch
        return whole + (batches * len(self.entries[at]) if batches and at is not None else 0)

    def number(self, at: int) -> int:
        """Which epoch of its first phase an entry is, from 1."""
        return sum(e[0] == self.entries[at][0] for e in self.entries[: at + 1])

    def last(self, at: int) -> bool:
        """Whether an entry is the last of its first phase."""
        return all(e[0] != self.entries[at][0] for e in self.entries[at + 1 :])

    def stretch(self, phase: int) -> int:
        """The first phase of those that share best weights and patience, as their epochs mix."""
        return phase if isinstance(self.phases[phase].when, After) else 0

    def begins(self, at: int) -> bool:
        """Whether a stretch begins with an entry."""
        return at == 0 or self.ends(at - 1)

    def ends(self, at: int) -> bool:
        """Whether a stretch of such epochs ends with an entry."""
        here = [self.stretch(e[0]) for e in self.entries[at : at + 2]]
        return len(here) == 1 or here[0] != here[1]
