"""Phases: which objective trains which factors, and when."""

from __future__ import annotations

from dataclasses import dataclass, field

from wyner.codec import stored
from wyner.errors import OptionError
from wyner.objectives.terms import Objective
from wyner.variables import as_tuples


@stored("jointly")
@dataclass(frozen=True)
class Jointly:
    """In every step of the training, on the same batch, after the phases before it."""


@stored("after")
@dataclass(frozen=True)
class After:
    """When the phases before it are finished, for `share` of their epochs (at least one)."""

    share: float = 0.1

    def __post_init__(self) -> None:
        if not self.share > 0:
            raise OptionError(f"After(share={self.share}): expected a positive share of the epochs")


@stored("alternating")
@dataclass(frozen=True)
class Alternating:
    """After every `every` epochs of the main phase, for `epochs` epochs."""

    every: int = 1
    epochs: int = 1

    def __post_init__(self) -> None:
        if self.every < 1 or self.epochs < 1:
            raise OptionError(
                f"Alternating: expected positive whole numbers, got every={self.every},"
                f" epochs={self.epochs}"
            )


@stored("phase")
@dataclass(frozen=True)
class Phase:
    """An objective and the factors that it trains.

    Args:
        name: for logs and checkpoints.
        objective: what is minimised.
        train: names of the factors whose parameters change; None for every factor that the
            objective uses. Shared features of observed variables belong to the phases that train
            everything (`train=None`).
        freeze: names of factors to leave out of `train=None`.
        when: `Jointly()`, `After(share)` or `Alternating(every, epochs)`; the first phase is the
            main one and has no choice.
    """

    name: str
    objective: Objective
    train: tuple[str, ...] | None = None
    freeze: tuple[str, ...] = ()
    when: Jointly | After | Alternating = field(default_factory=Jointly)

    def __post_init__(self) -> None:
        as_tuples(self, "train", "freeze")


@stored("two-player")
@dataclass(frozen=True)
class TwoPlayer(Phase):
    """A phase in which critics learn between the steps of the model.

    Any phase with density ratios is one, with one step each.

    Args:
        critic: steps of the critics before those of the model.
        model: steps of the model in a round.
        fresh: whether every step has a batch of its own; otherwise all steps of a round see the
            same batch, with new draws.
        critic_lr: highest learning rate of the critics; None for the model's.
        critic_betas: of the critics' Adam; None for the model's.
    """

    critic: int = 1
    model: int = 1
    fresh: bool = False
    critic_lr: float | None = None
    critic_betas: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        as_tuples(self, "critic_betas")
        for name in ("critic", "model"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise OptionError(
                    f"phase {self.name!r}: {name}: expected a positive whole number of steps, got"
                    f" {value!r}"
                )
        if self.critic_lr is not None and not self.critic_lr > 0:
            raise OptionError(
                f"phase {self.name!r}: critic_lr: expected a positive number or None, got"
                f" {self.critic_lr!r}"
            )

    @classmethod
    def of(cls, phase: Phase) -> TwoPlayer:
        """The phase itself, or one step of each player for a phase that does not say."""
        if isinstance(phase, TwoPlayer):
            return phase
        return cls(phase.name, phase.objective, phase.train, phase.freeze, phase.when)


def epochs_plan(phases: tuple[Phase, ...], epochs: int) -> list[tuple[int, ...]]:
    """The training epoch by epoch: which phases run in it, by index.

    The main phase gets `epochs` of them, which phases that run jointly share; the others have
    epochs of their own.
    """
    together = tuple(i for i, p in enumerate(phases) if i == 0 or isinstance(p.when, Jointly))
    plan: list[tuple[int, ...]] = []
    for epoch in range(1, epochs + 1):
        plan.append(together)
        for i, phase in enumerate(phases):
            if i and isinstance(phase.when, Alternating) and epoch % phase.when.every == 0:
                plan += [(i,)] * phase.when.epochs
    for i, phase in enumerate(phases):
        if i and isinstance(phase.when, After):
            plan += [(i,)] * max(1, round(phase.when.share * epochs))
    return plan
