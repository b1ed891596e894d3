"""Objectives: weighted sums of divergences between named laws.

    objective = KL("joint") + lam * KL("rate") + KL("x2y")

Weights are numbers or schedules. An objective is data; `Program` evaluates it.
"""

from __future__ import annotations

from dataclasses import dataclass

from wyner.errors import LawError
from wyner.schedules import Schedule, at


@dataclass(frozen=True)
class Weighted:
    """A divergence with its weight."""

    law: str
    weight: float | Schedule = 1.0

    @property
    def off(self) -> bool:
        """Whether the weight is the number 0, so that the divergence need not be computed."""
        return not isinstance(self.weight, Schedule) and self.weight == 0


@dataclass(frozen=True)
class Objective:
    """A sum of weighted divergences; add them with `+`, scale them with `*`."""

    terms: tuple[Weighted, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", tuple(self.terms))
        names = [t.law for t in self.terms]
        if twice := {n for n in names if names.count(n) > 1}:
            raise LawError(f"objective: {', '.join(sorted(twice))} stands in it twice; add up the weights")

    def __add__(self, other: Objective) -> Objective:
        return Objective(self.terms + other.terms)

    def __mul__(self, weight: float | Schedule) -> Objective:
        if isinstance(weight, Schedule):
            if any(isinstance(t.weight, Schedule) or t.weight != 1 for t in self.terms):
                raise LawError("objective: a schedule can weigh a divergence that has no other weight")
            return Objective(tuple(Weighted(t.law, weight) for t in self.terms))
        if any(isinstance(t.weight, Schedule) for t in self.terms):
            raise LawError("objective: put the number into the schedule that weighs this divergence")
        return Objective(tuple(Weighted(t.law, t.weight * float(weight)) for t in self.terms))  # type: ignore[operator]

    __rmul__ = __mul__

    @property
    def active(self) -> tuple[Weighted, ...]:
        """Divergences whose weight is not the number 0."""
        return tuple(t for t in self.terms if not t.off)

    def weights(self, progress: float) -> list[float]:
        """Weights of the active divergences at a share of the training."""
        return [at(t.weight, progress) for t in self.active]


def KL(law: str) -> Objective:
    """The term KL(q || p) = E_q[ log q - log p ] of the named pair of laws, in nats per example, weight 1.

    Constants of the data (entropies) are dropped and kept by name.
    """
    return Objective((Weighted(law),))
