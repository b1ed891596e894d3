"""The compiler: laws in, a flat list of operations out. No string is parsed and no rule searched
after this.

Rules, for KL(q || p) = E_q[ log q - log p ]:

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
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wyner.errors import LawError
from wyner.families import Distribution
from wyner.families.distributions import CLOSED_FORMS, STEPWISE, Delta, draw_noise, kl, kl_at
from wyner.laws.factor import Combined, Inner
from wyner.laws.notation import Conditional, Law, check, is_data, read_conditional


class Op(NamedTuple):
    """One operation on earlier results. `kind` is given, feature, inner, dist, combine, draw, nll,
    kl, steps or ratio.
    """

    kind: str
    name: str
    args: tuple[int, ...]


class Score(NamedTuple):
    """One printed term of a divergence and the operation that computes it."""

    text: str
    op: int


@dataclass
class Plan:
    """Operations in order, the scores of each divergence, the noise that the draws need, and the
    constants that dropped.
    """

    ops: list[Op] = field(default_factory=list)
    scores: dict[str, list[Score]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Observed variables that each divergence reads."""

    def add(self, kind: str, name: str, *args: int) -> int:
        """Index of this operation, which is new only if no equal one exists."""
        op = Op(kind, name, args)
        if op not in self.ops:
            self.ops.append(op)
        return self.ops.index(op)

    def after(self, draw: int) -> set[int]:
        """Operations whose result depends on the value of a draw. A closed-form KL does not depend
        on the draw it is for.
        """
        found = {draw}
        for i, op in enumerate(self.ops):
            args = op.args[:2] if op.kind == "kl" else op.args
            if found.intersection(args):
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
        variables: every name.
        observed: those that data exist for.
        factors: a module per factor name.
        features: a module per observed variable whose factors read features instead of the values.
    """

    def __init__(
        self,
        variables: Collection[str],
        observed: Collection[str],
        factors: nn.ModuleDict,
        features: nn.ModuleDict,
    ) -> None:
        self.variables, self.observed, self.factors, self.features = (
            variables,
            observed,
            factors,
            features,
        )
        self.plan = Plan()

    def dist(self, term: Conditional, value: Mapping[str, int], where: str) -> int:
        """The operation that makes the distribution of a factor from the values of its parents."""
        if term.name not in self.factors:
            raise LawError(
                f"{where}: no network for {term.name}; there is"
                f" {', '.join(sorted(self.factors)) or 'none'}"
            )
        factor = self.factors[term.name]
        if isinstance(factor, Combined):
            members = [self.dist(read_conditional(m), value, where) for m in factor.family.members]
            return self.plan.add("combine", term.name, *members)
        if isinstance(factor, Inner):
            return self.plan.add(
                "dist", term.name, self.plan.add("inner", factor.of, value[factor.variable])
            )
        args = [
            self.plan.add("feature", g, value[g]) if g in self.features else value[g]
            for g in term.given
        ]
        return self.plan.add("dist", term.name, *args)

    def sample(
        self,
        law: Law,
        where: str,
        given: Collection[str],
        targets: Collection[str],
        draw_targets: bool = True,
    ) -> dict[str, tuple[int, int | None]]:
        """Ancestral sampling of `targets` with some variables known; factors that no target depends
        on are left out.

        A latent that is given is kept; an observed variable that is given and drawn again is an
        output (a reconstruction).

        Returns:
            `{variable: (distribution, value)}` for each variable drawn; the value of a target that
            nothing depends on is None unless `draw_targets`.
        """
        check(law, self.variables, self.observed, where, given)
        terms = [
            t
            for t in law.terms
            if not is_data(t, self.observed)
            and not (t.of[0] in given and t.of[0] not in self.observed)
        ]
        if missing := {v for t in law.terms if is_data(t, self.observed) for v in t.of} - set(
            given
        ):
            raise LawError(f"{where}: needs values of {', '.join(sorted(missing))}")
        needed, read_later, parents = set(targets), set[str](), set[str]()
        for term in reversed(terms):
            if term.of[0] in needed:
                if (
                    term.of[0] in read_later
                ):  # by a factor after it; a factor before it reads the given value
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
            if draw_targets or name in parents:
                value[name] = self.plan.add("draw", name, dist)
            drawn[name] = dist, value.get(name) if draw_targets or name in parents else None
        return drawn

    def values(self, law: Law, where: str) -> dict[str, int]:
        """A draw of a whole law: the operation that makes the value of each of its variables, the
        data given.
        """
        data = [t for t in law.terms if is_data(t, self.observed)]
        if len(data) > 1:
            raise LawError(
                f"{where}: {' '.join(t.name for t in data)} are independent of each other, but rows"
                " of the data are not; draw the data of a law with one factor"
            )
        given = [v for t in data for v in t.of]
        drawn = self.sample(law, where, given, [v for v in law.variables if v not in given])
        return {
            **{v: self.plan.add("given", v) for v in given},
            **{k: v for k, (_, v) in drawn.items() if v is not None},
        }

    def kl(self, where: str, q: Law, p: Law) -> None:
        """Adds the terms of KL(q || p) to the plan."""
        for law, side in ((q, "q"), (p, "p")):
            check(law, self.variables, self.observed, f"{where}: {side}")
        _same_variables(where, q, p)
        data_q = [t for t in q.terms if is_data(t, self.observed)]
        data_p = [t for t in p.terms if is_data(t, self.observed)]
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
        term_of = {t.of[0]: t for t in q.terms if not is_data(t, self.observed)}
        for term in term_of.values():
            (name,) = term.of
            before[name] = set(value)
            dist[name] = self.dist(term, value, where)
            value[name] = self.plan.add("draw", name, dist[name])
        scores = []
        for term in p.terms:
            if is_data(term, self.observed):
                continue
            (name,) = term.of
            if name in term_of and term.name == term_of[name].name:
                continue
            target = self.dist(term, value, where)
            self._scorable(term, where)
            if name not in term_of:
                inner = (
                    [self.plan.add("inner", term.name, value[name])]
                    if self._has_inner(term)
                    else []
                )
                scores.append(
                    Score(
                        f"-log {term.name}", self.plan.add("nll", "", target, value[name], *inner)
                    )
                )
                continue
            own = term_of[name]
            self._scorable(own, where)
            known = set(term.given) <= before[name]
            if known and self._pair(own, term) in STEPWISE:
                text = f"KL({own.name} || {term.name}), step by step"
                scores.append(
                    Score(text, self.plan.add("steps", "", dist[name], target, value[name]))
                )
            elif known and self._pair(own, term) in CLOSED_FORMS:
                scores.append(
                    Score(
                        f"KL({own.name} || {term.name})",
                        self.plan.add("kl", "", dist[name], target, value[name]),
                    )
                )
            else:
                scores.append(
                    Score(
                        f"log {own.name} - log {term.name}",
                        self.plan.add("ratio", "", dist[name], target, value[name]),
                    )
                )
        self.plan.scores[where], self.plan.needs[where] = scores, read
        self.plan.constants[where] = _entropies(read, [t.of for t in data_p])

    def _family(self, term: Conditional) -> type[Distribution]:
        return self.factors[term.name].head.distribution  # type: ignore[union-attr, return-value]

    def _has_inner(self, term: Conditional) -> bool:
        """Whether a density begins with something that others may read as well."""
        return hasattr(self.factors[term.name].head, "inner")

    def _scorable(self, term: Conditional, where: str) -> None:
        if self._family(term) is Delta:
            raise LawError(
                f"{where}: {term.name} is deterministic and has no density; match the laws by a"
                " density ratio instead of KL"
            )

    def _pair(
        self, q: Conditional, p: Conditional
    ) -> tuple[type[Distribution], type[Distribution]]:
        return self._family(q), self._family(p)


def _same_variables(where: str, q: Law, p: Law) -> None:
    in_q, in_p = set(q.variables), set(p.variables)
    if in_q == in_p:
        return
    show = lambda names: ",".join(sorted(names))
    lacks = [
        f"{side} lacks a factor for {show(rest)}"
        for side, rest in (("p", in_q - in_p), ("q", in_p - in_q))
        if rest
    ]
    raise LawError(
        f"{where}: q is a law of ({show(in_q)}) but p of ({show(in_p)}); {' and '.join(lacks)}"
    )


def _entropies(read: tuple[str, ...], data_p: Sequence[tuple[str, ...]]) -> str:
    """What E[log q(data) - log p(data)] is called: -h(x,y), -h(y|x), I(x;y); empty if nothing is
    left.
    """
    left = [v for v in read if not any(v in d for d in data_p)]
    if not data_p:
        return f"-h({','.join(read)})" if read else ""
    if len(data_p) == 1:
        return f"-h({','.join(left)}|{','.join(data_p[0])})" if left else ""
    gain = f"I({';'.join(','.join(d) for d in data_p)})"
    return gain + (
        f" - h({','.join(left)}|{','.join(v for d in data_p for v in d)})" if left else ""
    )


def run(
    plan: Plan,
    factors: nn.ModuleDict,
    features: nn.ModuleDict,
    given: Mapping[str, Tensor],
    noise: Sequence[Tensor | None],
    pointwise: bool = False,
    means: bool = False,
    schedule: Sequence[tuple[int, ...]] | None = None,
) -> list:
    """Evaluates every operation of a plan; returns the results in the order of the operations.

    Args:
        given: values by variable, `(*leading, *event)`.
        noise: one array per draw, as `noise_for` makes them.
        pointwise: densities at exact draws instead of closed-form KLs of relaxed ones: then minus
            the sum of a divergence's scores is a log importance weight.
        means: every draw is replaced by the mean of its distribution.
        schedule: the order, from `wyner.laws.order.schedule`; by default that of the plan, each
            operation by itself.
    """
    r: list = [None] * len(plan.ops)
    eps = dict(zip((i for i, op in enumerate(plan.ops) if op.kind == "draw"), noise, strict=False))
    for step in schedule or [(i,) for i in range(len(plan.ops))]:
        i, (kind, name, a) = step[0], plan.ops[step[0]]
        if len(step) > 1:
            calls = [[r[k] for k in plan.ops[j].args] for j in step]
            for j, dist in zip(step, factors[name].each(calls), strict=True):  # type: ignore[operator]
                r[j] = dist
        elif kind == "given":
            r[i] = given[name]
        elif kind == "feature":
            r[i] = _featured(features[name], r[a[0]])
        elif kind == "inner":
            r[i] = factors[name].head.inner(r[a[0]])  # type: ignore[operator]
        elif kind == "dist":
            r[i] = factors[name](*[r[k] for k in a])
        elif kind == "combine":
            r[i] = factors[name].combine(*[r[k] for k in a])  # type: ignore[operator]
        elif kind == "draw":
            q = r[a[0]]
            r[i] = q.mean if means else q.exact(eps[i]) if pointwise else q.rsample(eps[i])
        elif kind == "nll":
            r[i] = -r[a[0]].log_prob(*[r[k] for k in a[1:]])
        elif kind == "kl" and not pointwise:
            r[i] = kl(r[a[0]], r[a[1]])
        elif kind == "steps" and not pointwise:
            r[i] = kl_at(r[a[0]], r[a[1]], r[a[2]])
        else:
            r[i] = r[a[0]].log_prob(r[a[2]]) - r[a[1]].log_prob(r[a[2]])
    return r


def _featured(module: nn.Module, value: Tensor) -> Tensor:
    rank = len(module.event)  # type: ignore[arg-type]
    lead = value.shape[: value.ndim - rank]
    if len(lead) == 1:
        return module(value)
    out = module(value.reshape(-1, *value.shape[value.ndim - rank :]))
    return out.reshape(*lead, *out.shape[1:])


def noise_for(
    plan: Plan,
    factors: nn.ModuleDict,
    lead: tuple[int, ...],
    like: Tensor,
    generator: torch.Generator | None = None,
) -> list[Tensor | None]:
    """Fresh noise for every draw of a plan, with leading shape `lead`, in the order in which `run`
    uses it.
    """
    heads: list[Any] = [factors[name].head for name in plan.draws]
    return [draw_noise(h.distribution.noise, (*lead, *h.event), like, generator) for h in heads]
