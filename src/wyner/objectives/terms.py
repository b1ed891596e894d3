"""Objectives: weighted sums of divergences between laws, and of what draws of the laws can tell.

    objective = KL("joint") + lam * KL("rate") + KL("x2y")
    objective = SymmetricKL("joint") + lam * Information("x,y;z", "joint") + Reconstruction("x",
    "joint")

Weights are numbers or schedules. An objective is data; a `Program` evaluates it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from wyner.codec import stored
from wyner.errors import LawError
from wyner.objectives.measures import Dependence, Distance, Matching, Measure, Ratio
from wyner.schedules import Schedule, at

SYMMETRIC, FORWARD = Ratio(), Ratio(minimise="forward")


@stored("weighted")
@dataclass(frozen=True)
class Weighted:
    """A divergence with its weight.

    Attributes:
        law: name of the pair.
        weight: a number or a schedule.
        among: a name that terms share of which each is a part of one expectation, such as one draw
            from each expert of a mixture: where a row can answer some of them only, these have the
            weight of all.
    """

    law: str
    weight: float | Schedule = 1.0
    among: str = ""

    @property
    def name(self) -> str:
        """What tells this term from the others of an objective."""
        return self.law

    @property
    def zero(self) -> bool:
        """Whether the weight is the number 0."""
        return not isinstance(self.weight, Schedule) and self.weight == 0

    @property
    def off(self) -> bool:
        """Whether the term need not be computed."""
        return self.zero

    def times(self, weight: float | Schedule) -> Weighted:
        """The same term with another weight.

        Raises:
            LawError: a schedule times something that is not 1.
        """
        if isinstance(weight, Schedule):
            if isinstance(self.weight, Schedule) or self.weight != 1:
                raise LawError(
                    "objective: a schedule can weigh a divergence that has no other weight"
                )
            return replace(self, weight=weight)
        if isinstance(self.weight, Schedule):
            raise LawError(
                "objective: put the number into the schedule that weighs this divergence"
            )
        return replace(self, weight=self.weight * at(weight, 0.0))


@stored("measured")
@dataclass(frozen=True)
class Measured(Weighted):
    """A term that is computed from draws of the laws, not from their densities."""

    measure: Measure = field(default_factory=Matching)

    @property
    def name(self) -> str:
        return self.measure.name(self.law)

    @property
    def off(self) -> bool:
        """A dependence of weight 0 is watched: its critic learns and its value is logged."""
        return self.zero and not isinstance(self.measure, Dependence)


@stored("objective")
@dataclass(frozen=True)
class Objective:
    """A sum of weighted divergences; add them with `+`, scale them with `*`."""

    terms: tuple[Weighted, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", tuple(self.terms))
        names = [t.name for t in self.terms]
        if twice := {n for n in names if names.count(n) > 1}:
            raise LawError(
                f"objective: {', '.join(sorted(twice))} stands in it twice; add up the weights"
            )

    def __add__(self, other: Objective) -> Objective:
        return Objective(self.terms + other.terms)

    def __mul__(self, weight: float | Schedule) -> Objective:
        return Objective(tuple(t.times(weight) for t in self.terms))

    __rmul__ = __mul__

    @property
    def active(self) -> tuple[Weighted, ...]:
        """Divergences whose weight is not the number 0."""
        return tuple(t for t in self.terms if not t.off)

    @property
    def measured(self) -> tuple[Measured, ...]:
        """Active terms that are computed from draws."""
        return tuple(t for t in self.active if isinstance(t, Measured))

    def weights(self, progress: float) -> list[float]:
        """Weights of the active divergences at a share of the training."""
        return [at(t.weight, progress) for t in self.active]


def KL(law: str, among: str = "") -> Objective:
    """The term KL(q || p) = E_q[ log q - log p ] of the named pair of laws, in nats per example.

    Constants of the data (entropies) are dropped and kept by name.

    Args:
        law: name of the pair.
        among: a name for terms that are parts of one expectation, one draw from each expert of a
            mixture: in rows that can answer some of them only, these take the weight of all.
    """
    return Objective((Weighted(law, among=among),))


def SymmetricKL(law: str, ratio: Ratio = SYMMETRIC, sees: Sequence[str] = ()) -> Objective:
    """The term KL(q || p) + KL(p || q) of a pair of laws, in nats, by density ratio.

        E_q[T] - E_p[T],   T = log q/p

    T is a critic that learns to tell draws of the two laws apart, so the laws need no densities.
    The plug-in's gradient is that of KL(q || p) in what draws q and that of KL(p || q) in what
    draws p (docs/theory/density_ratios.md). Specification of the variational Wyner model, section
    2.

    Args:
        law: name of the pair.
        ratio: how T is trained and what is minimised.
        sees: variables that T reads; by default those of both laws, less what a shared last factor
            draws, whose ratio is 1. One latent matches aggregates: the pair `("q(x) q(z|x)",
            "p(z)")` compares qbar(z) with p(z).
    """
    return _measured(law, Matching(ratio, tuple(sees)))


def RatioKL(law: str, sees: Sequence[str] = ()) -> Objective:
    """The term KL(q || p) = E_q[T], by density ratio; MI-VAE's for `("q(x) q(z|x)", "p(z)")`."""
    return SymmetricKL(law, FORWARD, sees)


def Information(between: str, under: str, side: str = "p", ratio: Ratio = FORWARD) -> Objective:
    """The term I(A; B) under a law, in nats, by density ratio: E[T], T = log P(a,b) / P(a) P(b).

    Draws of the product are those of the law with B moved to other rows of the batch. With weight 0
    the term is watched: its critic is trained and its value logged.

    Args:
        between: the two sides, `"x,y;z"`; what stands behind the semicolon is moved.
        under: name of the pair of laws.
        side: which law of the pair, "p" (the model's) or "q".
        ratio: how T is trained and what is minimised.
    """
    left, right = _two(between)
    return _measured(under, Dependence(left, right, side, None, ratio))


def Redundancy(between: str, under: str, side: str = "q", ratio: Ratio = FORWARD) -> Objective:
    """The term I'(z;s) = KL( q(z,s) || p(z) q(s) ) = I(z;s) + KL(q(z) || p(z)), by density ratio.

    E_q[T] in nats; equations (10), (13), (14) of the CMI paper. Draws of p(z) q(s) take z from its
    prior, s from the law.

    Args:
        between: the two sides, `"z;s"`; the first is the latent whose prior `p(z)` is used.
        under, side, ratio: as for `Information`.
    """
    first, second = _two(between)
    if len(first) != 1:
        raise LawError(
            f"Redundancy({between!r}): expected one latent before the semicolon, for example 'z;s'"
        )
    return _measured(under, Dependence(second, first, side, f"p({first[0]})", ratio))


def Reconstruction(variable: str, under: str, norm: str | None = None) -> Objective:
    """A mean distance per coordinate between a variable and what the other law makes of it.

    An observed variable: E_q d( p's mean of it at the latents of q, the data ). A latent: E_p d(
    what q makes of p's outputs, the latent of p ).

    Args:
        variable: what is compared.
        under: name of the pair of laws.
        norm: "l1" (absolute) or "l2" (squared error), by default l1 for images, l2 for everything
            else; or "log" for minus the log density of the value, in nats per example, neither a
            distance nor averaged over coordinates.
    """
    return _measured(under, Distance(variable, norm))


def _measured(law: str, measure: Measure) -> Objective:
    return Objective((Measured(law, measure=measure),))


def _two(between: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    sides = [tuple(n.strip() for n in part.split(",") if n.strip()) for part in between.split(";")]
    if len(sides) != 2 or not all(sides) or set(sides[0]) & set(sides[1]):
        raise LawError(
            f"expected two sides with different variables, such as 'x,y;z', got {between!r}"
        )
    return sides[0], sides[1]
