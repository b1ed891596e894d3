"""From terms to operations: which values a critic sees on either side, and which are compared in a
reconstruction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from wyner.errors import LawError, unknown
from wyner.laws import Law, Planner, is_data, read_conditional
from wyner.objectives.measures import Dependence, Distance, Matching, Ratio
from wyner.objectives.terms import Measured

Laws = Mapping[str, tuple[Law, Law]]


@dataclass(frozen=True)
class Duel:
    """A critic's two sides: for each variable it sees, the operation that makes it under P and
    under Q.
    """

    name: str
    ratio: Ratio
    sees: tuple[str, ...]
    first: tuple[int, ...]
    second: tuple[int, ...]
    moved: tuple[str, ...] = ()
    """Variables whose values come from other rows under Q."""
    detached: bool = False
    """Whether the critic reads features that others train."""


@dataclass(frozen=True)
class Compared:
    """A reconstruction: a value and the distribution that should return it."""

    name: str
    variable: str
    norm: str | None
    value: int
    dist: int


def seen_by(
    term: Measured, laws: Laws, variables: Sequence[str], observed: Collection[str]
) -> tuple[str, ...]:
    """Variables that the critic of a term reads, in the order of the model; none for a
    reconstruction.

    For a matching: the variables of both laws, without those that the ratio cannot depend on,
    because both laws draw them last and with the same factor.

    Raises:
        LawError: no such law or variable.
    """
    q, p = _pair(term, laws)
    measure = term.measure
    if isinstance(measure, Distance):
        return ()
    if isinstance(measure, Dependence):
        law = q if measure.side == "q" else p
        wanted, there = {*measure.left, *measure.right}, set(law.variables)
        where = f"{term.law}: {measure.side}"
    else:
        there, where = set(q.variables) & set(p.variables), f"{term.law}: both laws"
        wanted = set(measure.sees) or there - _cancelled(q, p, observed)
    for name in sorted(wanted - there):
        raise LawError(f"{term.name}: {where}: {unknown('variable', name, there)}")
    if not wanted:
        raise LawError(
            f"{term.name}: both laws draw the same with the same factors, so there is nothing to"
            " match"
        )
    return tuple(v for v in variables if v in wanted)


def _cancelled(q: Law, p: Law, observed: Collection[str]) -> set[str]:
    """Variables that both laws draw with one factor and that no other factor reads, again and
    again.
    """
    left = [{t for t in law.terms if not is_data(t, observed)} for law in (q, p)]
    gone: set[str] = set()
    while True:
        read = {g for side in left for t in side for g in t.given}
        last = {t for t in left[0] & left[1] if not read.intersection(t.of)}
        if not last:
            return gone
        gone |= {v for t in last for v in t.of}
        left = [side - last for side in left]


def duel(term: Measured, laws: Laws, planner: Planner) -> Duel:
    """The two sides of a matching or a dependence, added to the plan."""
    q, p = _pair(term, laws)
    sees = seen_by(term, laws, list(planner.variables), planner.observed)
    measure = term.measure
    if isinstance(measure, Matching):
        first, second = planner.values(q, f"{term.law}: q"), planner.values(p, f"{term.law}: p")
        return Duel(term.name, measure.ratio, sees, _pick(first, sees), _pick(second, sees))
    assert isinstance(measure, Dependence)
    law = q if measure.side == "q" else p
    first = planner.values(law, f"{term.law}: {measure.side}")
    moved, second = measure.right, first
    if measure.prior is not None:
        if measure.prior not in planner.factors:
            raise LawError(
                f"{term.name}: it needs the prior {measure.prior}, which no law of the model names"
            )
        dist = planner.dist(read_conditional(measure.prior), {}, term.law)
        second = {**first, measure.right[0]: planner.plan.add("draw", measure.right[0], dist)}
        moved = ()
    return Duel(
        term.name, measure.ratio, sees, _pick(first, sees), _pick(second, sees), moved, True
    )


def compared(term: Measured, laws: Laws, planner: Planner) -> Compared:
    """The value and the distribution of a reconstruction, added to the plan.

    Raises:
        LawError: the pair of laws cannot give the variable back.
    """
    q, p = _pair(term, laws)
    assert isinstance(term.measure, Distance)
    name, norm = term.measure.variable, term.measure.norm
    if name in planner.observed:
        values = planner.values(q, f"{term.law}: q")
        back = next(
            (t for t in p.terms if t.of == (name,) and not is_data(t, planner.observed)), None
        )
        if name not in values or back is None or not set(back.given) <= set(values):
            raise LawError(
                f"{term.name}: expected a law q that holds {name} and the parents of p's factor of"
                f" it; q is {q.text!r}, p is {p.text!r}"
            )
        return Compared(term.name, name, norm, values[name], planner.dist(back, values, term.law))
    values = planner.values(p, f"{term.law}: p")
    again = {
        v: values[v] for t in q.terms if is_data(t, planner.observed) for v in t.of if v in values
    }
    for t in (t for t in q.terms if not is_data(t, planner.observed)):
        if not set(t.given) <= set(again):
            break
        dist = planner.dist(t, again, term.law)
        if t.of == (name,) and name in values:
            return Compared(term.name, name, norm, values[name], dist)
        again[t.of[0]] = planner.plan.add("draw", t.of[0], dist)
    raise LawError(
        f"{term.name}: expected a law p that draws {name} and what q reads to infer it; q is"
        f" {q.text!r}, p is {p.text!r}"
    )


def _pair(term: Measured, laws: Laws) -> tuple[Law, Law]:
    if term.law not in laws:
        raise LawError(f"objective: {unknown('pair of laws', term.law, laws)}")
    return laws[term.law]


def _pick(values: Mapping[str, int], names: Sequence[str]) -> tuple[int, ...]:
    return tuple(values[n] for n in names)
