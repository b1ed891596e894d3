"""An objective compiled over the factors of a model: one forward pass, every term by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wyner.errors import LawError, unknown
from wyner.families import Distribution
from wyner.families.distributions import Mixture, all_values, draw_noise
from wyner.laws import Law, Plan, Planner, run, schedule
from wyner.objectives.terms import Objective
from wyner.schedules import Schedule


class Program(nn.Module):
    """Loss and terms of an objective, as a module that can be compiled and distributed.

    L = sum_d weight_d * mean over the rows that have the data of d of KL_d, in nats per example,
    constants dropped.

    Args:
        objective: what to minimise.
        laws: pairs (q, p) by name.
        planner: knows the variables and the factors.
        factors, features: the modules; shared with the model, not copied.
    """

    incidence: Tensor

    def __init__(
        self,
        objective: Objective,
        laws: Mapping[str, tuple[Law, Law]],
        planner: Planner,
        factors: nn.ModuleDict,
        features: nn.ModuleDict,
    ) -> None:
        super().__init__()
        self.objective, self.factors, self.features, self.plan = (
            objective,
            factors,
            features,
            planner.plan,
        )
        for term in objective.terms:
            if term.law not in laws:
                raise LawError(f"objective: {unknown('pair of laws', term.law, laws)}")
        for term in objective.active:
            planner.kl(term.law, *laws[term.law])
            for t in laws[term.law][0].terms:
                if t.name in factors:
                    check_gradients(factors, t.name, term.law)
        if not objective.active:
            raise LawError("objective: every weight is 0, so there is nothing to train")
        self.divergences = [t.law for t in objective.active]
        self.ops = sorted({s.op for n in self.divergences for s in self.plan.scores[n]})
        if not self.ops:
            raise LawError(
                f"objective: {', '.join(self.divergences)}: both laws are the same, so there is"
                " nothing to train"
            )
        table = [
            [float(sum(s.op == op for s in self.plan.scores[n])) for op in self.ops]
            for n in self.divergences
        ]
        self.register_buffer("incidence", torch.tensor(table), persistent=False)
        self.owner = [
            next(i for i, row in enumerate(table) if row[k]) for k in range(len(self.ops))
        ]
        self.names = [
            f"{self.divergences[i]}: {self._text(i, op)}"
            for i, op in zip(self.owner, self.ops, strict=True)
        ]

        self.drawn = drawn_by(self.plan, factors)
        self.sums = self._sums()
        self.schedule = schedule(self.plan.ops, factors)

    def _sums(self) -> list[tuple[int, int, frozenset[int]]]:
        """For each variable that is summed over: its distribution, its values, and the scores that
        depend on it.
        """
        draws = [i for i, op in enumerate(self.plan.ops) if op.kind == "draw"]
        found: list[tuple[int, int, frozenset[int]]] = []
        for draw, (kind, _) in zip(draws, self.drawn, strict=True):
            if kind != "values":
                continue
            dist, after = self.plan.ops[draw].args[0], self.plan.after(draw)
            for other, _, theirs in found:
                if after & theirs or other in after:
                    names = " and ".join(self.plan.ops[i].name for i in (other, dist))
                    raise LawError(
                        f"objective: {names} are both summed over in one term; make one variable of"
                        " them: Categorical(2, k)"
                    )
            found.append((dist, draw, frozenset(after) & frozenset(self.ops)))
        return found

    def _expected(self, results: list) -> list:
        """Scores with the summed variables summed out: sum_z q(z) score(z)."""
        for dist, values, scores in self.sums:
            weight = torch.exp(results[dist].log_prob(results[values]))
            for op in scores:
                results[op] = (weight * results[op]).sum(0)
        return results

    def _text(self, divergence: int, op: int) -> str:
        return next(s.text for s in self.plan.scores[self.divergences[divergence]] if s.op == op)

    @property
    def needs(self) -> tuple[str, ...]:
        """Observed variables that the objective reads."""
        return tuple(sorted({v for n in self.divergences for v in self.plan.needs[n]}))

    @property
    def used(self) -> tuple[str, ...]:
        """Factors that the objective evaluates."""
        return self.plan.factors

    def noise(
        self, lead: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None
    ) -> list[Tensor | None]:
        """Noise for one evaluation; drawn outside the compiled function, so that compiled and eager
        steps see the same.
        """
        return noise_of(self.drawn, lead, like, generator)

    def scores(
        self,
        given: Mapping[str, Tensor],
        noise: Sequence[Tensor | None],
        pointwise: bool = False,
        means: bool = False,
    ) -> dict[str, Tensor]:
        """Each term by printed name, `(*leading)` in nats, constants dropped."""
        results = run(self.plan, self.factors, self.features, given, noise, pointwise, means)
        if not pointwise:
            results = self._expected(results)
        return {name: results[op] for name, op in zip(self.names, self.ops, strict=True)}

    def forward(
        self,
        given: Mapping[str, Tensor],
        noise: Sequence[Tensor | None],
        weights: Tensor,
        masks: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Loss and terms.

        Args:
            given: observed values, `(B, *event)`.
            noise: from `noise`, leading shape `(B,)` or `(K, B)`.
            weights: of the active divergences, `(D,)`.
            masks: by observed variable, `(B,)`, 1 where the row has it; None if every row is
                complete.

        Returns:
            The weighted loss, a scalar, and the batch mean of every term in the order of `names`,
            `(terms,)`, in nats.
        """
        results = run(self.plan, self.factors, self.features, given, noise, schedule=self.schedule)
        return self.reduce(results, next(iter(given.values())).shape[0], weights, masks)

    def reduce(
        self, results: list, batch: int, weights: Tensor, masks: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Loss and terms, as `forward` gives them, from the results of the plan's operations for
        `batch` rows.
        """
        results = self._expected(results)
        rows = [results[op] for op in self.ops]
        terms = torch.stack([r if r.shape == (batch,) else _per_row(r).expand(batch) for r in rows])
        incidence = self.incidence.to(terms)
        if masks is None:
            means = terms.mean(1)
            return (
                weights[:, None] * incidence * means
            ).sum(), means  # a matrix product would be taken in bf16 under autocast
        rate = torch.stack(
            [torch.stack([masks[v] for v in self.plan.needs[n]]).prod(0) for n in self.divergences]
        )
        rate = rate / rate.sum(1, keepdim=True).clamp_min(1.0)
        each = (rate[:, None] * terms).sum(-1)
        loss = (weights[:, None] * incidence * each).sum()
        return loss, torch.stack([each[i, k] for k, i in enumerate(self.owner)])

    def __str__(self) -> str:
        lines = []
        for term in self.objective.terms:
            weight = "schedule" if isinstance(term.weight, Schedule) else f"{term.weight:g}"
            text = "(off)" if term.off else self.text(term.law)
            lines.append(
                (weight, term.law, text, "" if term.off else self.plan.constants[term.law])
            )
        return aligned(lines)

    def text(self, law: str) -> str:
        """The terms of a divergence as they are printed."""
        text = ""
        for s in self.plan.scores[law]:
            sign, body = (" - ", s.text[1:]) if s.text.startswith("-") else (" + ", s.text)
            text += (sign + body) if text else s.text
        return text or "0"


def aligned(lines: Sequence[tuple[str, str, str, str]]) -> str:
    """Lines `weight * name = text [dropped: constant]` with their columns below each other."""
    w, n = max(len(a[0]) for a in lines), max(len(a[1]) for a in lines)
    return "\n".join(
        f"{a:>{w}} * {b:<{n}} = {c}" + (f"   [dropped: {d}]" if d else "") for a, b, c, d in lines
    )


Drawn = list[tuple[str | None, tuple[int, ...]]]
"""Kind of noise and event shape of every draw, in order; "values" for a variable that is summed
over."""


def drawn_by(plan: Plan, factors: nn.ModuleDict) -> Drawn:
    """What the draws of a plan need."""
    heads: list[Any] = [factors[name].head for name in plan.draws]
    return [("values" if h.distribution.summed else h.distribution.noise, h.event) for h in heads]


def noise_of(
    drawn: Drawn, lead: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None
) -> list[Tensor | None]:
    """Noise, or all values, for every draw."""
    return [
        (
            all_values(len(lead), event, like)
            if kind == "values"
            else draw_noise(kind, (*lead, *event), like, generator)
        )
        for kind, event in drawn
    ]


def _per_row(term: Tensor) -> Tensor:
    """Mean over the draws, `(K, B)` to `(B,)`; a term of the model alone, `()`, stays."""
    return term if term.ndim < 2 else term.mean(tuple(range(term.ndim - 1)))


def check_gradients(factors: nn.ModuleDict, name: str, where: str) -> type[Distribution]:
    """What a factor draws from.

    Raises:
        LawError: draws that no gradient passes.
    """
    kind: type[Distribution] = factors[name].head.distribution  # type: ignore[union-attr, assignment]
    if not kind.differentiable:
        why = (
            "draws from a mixture, and no gradient passes the choice of the expert; write one law"
            " for each of its members"
            if kind is Mixture
            else "draws bits, which no gradient passes through; use Categorical(n, 2)"
        )
        raise LawError(f"{where}: {name} {why}")
    return kind
