"""The compiler: laws in, a flat list of operations out.

No string is parsed and no rule searched after this. Rules, for KL(q || p) = E_q[ log q - log p ]:

1. both laws cover the same variables; factors that stand on both sides cancel;
2. the data's own factors are constants and drop: their entropies are kept by name;
3. a variable drawn by q and scored by p gives KL(q-factor || p-factor) in closed form if the
   families have one and the parents of the p-factor are drawn before the variable in q; step by
   step at the draw if p's steps depend on those before them; otherwise log q - log p at the draw;
4. an observed variable of q's data that p scores gives -log p.

Equal operations are one operation: two divergences that draw z from q(z|x,y) share the draw.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import nn

from wyner.errors import LawError
from wyner.families.distributions import CLOSED_FORMS, STEPWISE, Delta
from wyner.laws.factor import Combined, Factors, Inner
from wyner.laws.notation import Conditional, Law, check, is_data, names_of, read_conditional
from wyner.variables import Space

COMPARED = dict(
    kl="KL({q} || {p})", steps="KL({q} || {p}), step by step", ratio="log {q} - log {p}"
)
"""Kinds of operations that compare two factors of a variable, and how they are printed."""


class Op(NamedTuple):
    """One operation on earlier results; what each kind does stands in `evaluate.OPERATIONS`."""

    kind: str
    name: str
    args: tuple[int, ...]


class Score(NamedTuple):
    """One printed term of a divergence and the operation that computes it."""

    text: str
    op: int


class Node(NamedTuple):
    """A variable of p in a divergence, and the operation that a row must be able to carry out.

    That is its score, or its draw if its factor stands on both sides and cancels.
    """

    variable: str
    given: tuple[str, ...]
    op: int
    data: bool


@dataclass
class Plan:
    """Operations in order, and what they compute.

    Attributes:
        ops: the operations.
        scores: printed terms of each divergence.
        constants: what dropped from it.
        needs: observed variables that it reads.
        nodes: variables of its p that are no data there.
    """

    ops: list[Op] = field(default_factory=list)
    scores: dict[str, list[Score]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    nodes: dict[str, list[Node]] = field(default_factory=dict)

    def add(self, kind: str, name: str, *args: int) -> int:
        """Index of this operation, which is new only if no equal one exists."""
        op = Op(kind, name, args)
        if op not in self.ops:
            self.ops.append(op)
        return self.ops.index(op)

    def after(self, draw: int) -> set[int]:
        """Operations that depend on the value of a draw: not the closed-form KL that it is for."""
        found = {draw}
        for i, op in enumerate(self.ops):
            if found.intersection(op.args[:2] if op.kind == "kl" else op.args):
                found.add(i)
        return found

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the factors that are evaluated, in order."""
        return tuple(dict.fromkeys(op.name for op in self.ops if op.kind in ("dist", "inner")))

    @property
    def draws(self) -> list[str]:
        """Factors drawn from, one entry per draw, in order: the noise that `run` needs."""
        return [self.ops[op.args[0]].name for op in self.ops if op.kind == "draw"]


class Planner:
    """Turns laws over declared variables into operations on their factors.

    Args:
        variables: spaces by name.
        observed: those that data exist for.
        factors: a module per factor name.
        features: a module per observed variable whose factors read features instead of the values.
    """

    def __init__(
        self,
        variables: Mapping[str, Space],
        observed: Collection[str],
        factors: Factors,
        features: nn.ModuleDict,
    ) -> None:
        self.variables, self.observed = variables, observed
        self.factors, self.features, self.plan = factors, features, Plan()

    def parts(self, law: Law) -> tuple[list[Conditional], list[Conditional]]:
        """Factors of a law that are data, and those that need a network."""
        data = [t for t in law.terms if is_data(t, self.observed)]
        return data, [t for t in law.terms if t not in data]

    def dist(self, term: Conditional, value: Mapping[str, int], where: str) -> int:
        """The operation that makes the distribution of a factor from the values of its parents."""
        if term.name not in self.factors:
            raise LawError(
                f"{where}: no network for {term.name}; there is"
                f" {', '.join(sorted(self.factors)) or 'none'}"
            )
        factor, add = self.factors[term.name], self.plan.add
        if isinstance(factor, Combined):
            members = [self.dist(read_conditional(m), value, where) for m in factor.family.members]
            return add("combine", term.name, *members)
        if isinstance(factor, Inner):
            return add("dist", term.name, add("inner", factor.of, value[factor.variable]))
        read = lambda g: add("feature", g, value[g]) if g in self.features else value[g]
        return add("dist", term.name, *[read(g) for g in term.given])

    def sample(
        self,
        law: Law,
        where: str,
        given: Collection[str],
        targets: Collection[str],
        draw_targets: bool = True,
    ) -> dict[str, tuple[int, int | None]]:
        """Ancestral sampling of `targets` with some variables known.

        Factors that no target depends on are left out. A latent that is given is kept; an observed
        variable that is given and drawn again is an output (a reconstruction).

        Returns:
            `{variable: (distribution, value)}` for each variable drawn; the value of a target that
            nothing depends on is None unless `draw_targets`.
        """
        check(law, self.variables, self.observed, where, given)
        data, drawn_by = self.parts(law)
        terms = [t for t in drawn_by if t.of[0] not in given or t.of[0] in self.observed]
        if missing := {v for t in data for v in t.of} - set(given):
            raise LawError(f"{where}: needs values of {names_of(missing)}")
        needed, read_later, parents = set(targets), set[str](), set[str]()
        for term in reversed(terms):
            if term.of[0] in needed:
                if term.of[0] in read_later:  # what stands before it reads the given value
                    parents.add(term.of[0])
                read_later.update(term.given)
                needed.update(term.given)
        value = {v: self.plan.add("given", v) for v in sorted(given) if v in needed}
        drawn: dict[str, tuple[int, int | None]] = {}
        for term in terms:
            (name,) = term.of
            if name not in needed:
                continue
            dist = self.dist(term, value, where)
            drawn[name] = dist, None
            if draw_targets or name in parents:
                value[name] = self.plan.add("draw", name, dist)
                drawn[name] = dist, value[name]
        return drawn

    def values(self, law: Law, where: str) -> dict[str, int]:
        """A draw of a whole law, the data given: the operation that makes each variable's value."""
        data, _ = self.parts(law)
        if len(data) > 1:
            raise LawError(
                f"{where}: {' '.join(t.name for t in data)} are independent of each other, but rows"
                " of the data are not; draw the data of a law with one factor"
            )
        given = [v for t in data for v in t.of]
        drawn = self.sample(law, where, given, [v for v in law.variables if v not in given])
        known = {v: self.plan.add("given", v) for v in given}
        return {**known, **{k: v for k, (_, v) in drawn.items() if v is not None}}

    def kl(self, where: str, q: Law, p: Law) -> None:
        """Adds the terms of KL(q || p) to the plan."""
        for law, side in ((q, "q"), (p, "p")):
            check(law, self.variables, self.observed, f"{where}: {side}")
        _same_variables(where, q, p)
        (data_q, own_q), (data_p, own_p) = self.parts(q), self.parts(p)
        read = tuple(v for t in data_q for v in t.of)
        if len(data_q) > 1:
            raise LawError(
                f"{where}: q holds {len(data_q)} data laws; one law draws all its data together:"
                f" write q({','.join(read)})"
            )
        if extra := sorted({v for t in data_p for v in t.of} - set(read)):
            raise LawError(
                f"{where}: the density of the data q({','.join(extra)}) stands in p and does not"
                " cancel: its entropy is unknown; use a density ratio instead of KL"
            )
        value = {v: self.plan.add("given", v) for v in sorted(read)}
        before: dict[str, set[str]] = {}
        dist: dict[str, int] = {}
        for term in own_q:
            (name,) = term.of
            before[name] = set(value)
            dist[name] = self.dist(term, value, where)
            value[name] = self.plan.add("draw", name, dist[name])
        scores, nodes, term_of = [], [], {t.of[0]: t for t in own_q}
        for term in own_p:
            (name,) = term.of
            own = term_of.get(name)
            if own is not None and own.name == term.name:
                nodes.append(Node(name, term.given, value[name], False))
                continue
            target = self.dist(term, value, where)
            self._scorable(term, where)
            if own is None:
                text, args = f"-log {term.name}", [target, value[name]]
                if self.factors[term.name].head.inner_shape is not None:  # others may read it too
                    args.append(self.plan.add("inner", term.name, value[name]))
                scores.append(Score(text, self.plan.add("nll", "", *args)))
            else:
                self._scorable(own, where)
                kind = self._comparison(own, term, set(term.given) <= before[name])
                text = COMPARED[kind].format(q=own.name, p=term.name)
                op = self.plan.add(kind, "", dist[name], target, value[name])
                scores.append(Score(text, op))
            nodes.append(Node(name, term.given, scores[-1].op, own is None))
        self.plan.scores[where], self.plan.needs[where] = scores, read
        self.plan.nodes[where] = nodes
        self.plan.constants[where] = _entropies(read, [t.of for t in data_p])

    def _comparison(self, q: Conditional, p: Conditional, known: bool) -> str:
        """How two factors are compared where the parents of p are drawn before the variable."""
        kinds = (self.factors[q.name].head.distribution, self.factors[p.name].head.distribution)
        if known and kinds in STEPWISE:
            return "steps"
        return "kl" if known and kinds in CLOSED_FORMS else "ratio"

    def _scorable(self, term: Conditional, where: str) -> None:
        if self.factors[term.name].head.distribution is Delta:
            raise LawError(
                f"{where}: {term.name} is deterministic and has no density; match the laws by a"
                " density ratio instead of KL"
            )


def _same_variables(where: str, q: Law, p: Law) -> None:
    in_q, in_p = set(q.variables), set(p.variables)
    if in_q == in_p:
        return
    show = lambda names: ",".join(sorted(names))
    rest = (("p", in_q - in_p), ("q", in_p - in_q))
    lacks = [f"{side} lacks a factor for {show(names)}" for side, names in rest if names]
    raise LawError(
        f"{where}: q is a law of ({show(in_q)}) but p of ({show(in_p)}); {' and '.join(lacks)}"
    )


def _entropies(read: tuple[str, ...], data_p: Sequence[tuple[str, ...]]) -> str:
    """What E[log q(data) - log p(data)] is called: -h(x,y), -h(y|x), I(x;y), or nothing."""
    known = [v for d in data_p for v in d]
    left = ",".join(v for v in read if v not in known)
    if not data_p:
        return f"-h({left})" if left else ""
    rest = f"h({left}|{','.join(known)})" if left else ""
    if len(data_p) == 1:
        return f"-{rest}" if rest else ""
    gain = f"I({';'.join(','.join(d) for d in data_p)})"
    return f"{gain} - {rest}" if rest else gain
