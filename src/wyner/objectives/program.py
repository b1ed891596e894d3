"""An objective compiled over the factors of a model: one forward pass, every term by name.

Divergences with densities may stand beside terms that are computed from draws of the laws, by
critics that are held fixed in the model's loss and learn by a loss of their own. All share one
plan, so a draw that several need is made once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wyner.errors import DataError, LawError
from wyner.families.distributions import Mixture, Noise, all_values, draw_noise
from wyner.laws import Factors, Planner, Presence, presence, run, schedule
from wyner.math import broadcast_shapes, sum_last
from wyner.objectives.critic_inputs import CriticInputs, Laws, Sides, cycle, pair_of
from wyner.objectives.critics import CriticSet
from wyner.objectives.measures import Compared, CriticPair
from wyner.objectives.ratio import TRAIN, js, plug_in
from wyner.objectives.terms import Measured, Objective
from wyner.schedules import Schedule
from wyner.variables import Shape

Scalar = Float[Tensor, ""]
Order = Sequence[tuple[int, ...]] | None
Drawing = tuple[list, dict[int, Tensor] | None, dict[str, Tensor]]
"""Results of a plan, noise by the value that it blurs, and a cycle of the rows by term."""


PATTERNS = 8
"""Observed variables up to which all patterns of missing ones are worked out once."""


class Rates(NamedTuple):
    """How much each score counts in each row of a batch, `(S, B)`: in the loss, and in its mean."""

    loss: Tensor
    mean: Tensor


class Program(nn.Module):
    """Loss and terms of an objective, as a module that can be compiled and distributed.

    L = sum_d weight_d * mean over the rows that can answer d of KL_d, in nats per example,
    constants dropped, and what is measured from draws: plug-ins of density ratios, distances. What
    is left of KL_d in a row that lacks variables is said in `wyner.laws.presence`; terms that are
    parts of one expectation (`Weighted.among`) are averaged together, with the weight of all.

    Critics see their values with instance noise; the product law of a dependence has one side moved
    to other rows by a random cycle through the batch, so that no row keeps its own.

    Args:
        objective: what to minimise.
        laws: pairs (q, p) by name.
        planner: knows the variables and the factors, which are shared with the model, not copied.
        critics: of every matching and dependence of the objective.

    Attributes:
        names: of all terms, in order: scores of the divergences, critics' terms, distances.
        drawn: kind of noise and event of every draw; "values" for one that is summed over.
        divergences: laws of the active terms, in the objective's order; the weights have this one.
        pairs: what critics tell apart.
        distances: reconstructions.
    """

    incidence: Tensor
    groups: Tensor
    answered: Tensor
    counted: Tensor

    def __init__(
        self, objective: Objective, laws: Laws, planner: Planner, critics: CriticSet | None = None
    ) -> None:
        super().__init__()
        self.objective, self.critics, self.plan = objective, critics, planner.plan
        self.factors, self.features = planner.factors, planner.features
        self.spaces = planner.variables
        active, measured = objective.active, objective.measured
        for term in active if measured else objective.terms:
            pair_of(term.law, laws)
        if not active:
            raise LawError("objective: every weight is 0, so there is nothing to train")
        self.divergences = [t.law for t in active]
        self.scored = [t.law for t in active if not isinstance(t, Measured)]
        for law in self.scored:
            planner.kl(law, *laws[law])
            for t in laws[law][0].terms:
                if t.name in self.factors:
                    check_gradients(self.factors, t.name, law)
        self._table()
        self._patterns([t.among for t in active if not isinstance(t, Measured)])
        self.sums = self._sums()
        planned = [t.measure.plan(t.law, pair_of(t.law, laws), planner) for t in measured]
        self.pairs = [d for d in planned if isinstance(d, CriticPair)]
        self.distances = [d for d in planned if isinstance(d, Compared)]
        self.texts = {d.name: d.text for d in planned}
        self._drawable()
        heads = [self.factors[name].head for name in self.plan.draws]
        self.drawn = [
            ("values" if h.distribution.summed else h.distribution.noise, h.event) for h in heads
        ]
        self.names += [d.name for d in self.pairs] + [d.name for d in self.distances]
        self.schedule = None if measured else schedule(self.plan.ops, self.factors)
        # values with noise of their own, and what must be computed for critics alone
        self.variable = {
            op: v
            for d in self.pairs
            for side in (d.first, d.second)
            for v, op in zip(d.sees, side, strict=True)
        }
        self.noisy = sorted(self.variable)
        self.contested = self._before(self.noisy)
        # weights come in the objective's order; divergences are evaluated before what is measured
        where = {t.name: i for i, t in enumerate(active)}
        self.order = [where[n] for n in (*self.scored, *(d.name for d in self.pairs))]
        self.order += [where[d.name] for d in self.distances]
        self.weighed = [not active[where[d.name]].zero for d in self.pairs]

    def _table(self) -> None:
        """Which scores belong to which divergences, and what they are called."""
        scores = [self.plan.scores[law] for law in self.scored]
        self.ops = sorted({s.op for own in scores for s in own})
        if self.scored and not self.ops:
            raise LawError(
                f"objective: {', '.join(self.scored)}: both laws are the same, so there is nothing"
                " to train"
            )
        table = [[float(sum(s.op == op for s in own)) for op in self.ops] for own in scores]
        self.register_buffer("incidence", torch.tensor(table), persistent=False)
        first = lambda k: next(i for i, row in enumerate(table) if row[k])
        self.owner = [first(k) for k in range(len(self.ops))]
        text = lambda i, op: next(s.text for s in scores[i] if s.op == op)
        owners = zip(self.owner, self.ops, strict=True)
        self.names = [f"{self.scored[i]}: {text(i, op)}" for i, op in owners]

    def _patterns(self, among: Sequence[str]) -> None:
        """Which divergences share their weights; what is left of them in each pattern of rows."""
        d = len(among)
        alike = lambda i, j: i == j or (among[i] != "" and among[i] == among[j])
        groups = [[float(alike(i, j)) for j in range(d)] for i in range(d)]
        self.register_buffer("groups", torch.tensor(groups), persistent=False)
        n = len(self.needs)
        self.combined: tuple[int, ...] | None = None
        if n <= PATTERNS and d:
            codes = torch.arange(2**n)
            left = self._present({v: codes >> i & 1 > 0 for i, v in enumerate(self.needs)})
            # buffers, so that they lie where the model does and no step copies them
            self.combined = tuple(left.members)
            self.register_buffer("answered", left.answers, persistent=False)
            self.register_buffer("counted", left.counts, persistent=False)
            for i, there in left.members.items():
                self.register_buffer(f"members_{i}", there, persistent=False)

    @property
    def known(self) -> Presence | None:
        """What is left in every pattern of rows; None for more variables than are listed."""
        if self.combined is None:
            return None
        members = {i: getattr(self, f"members_{i}") for i in self.combined}
        return Presence(self.answered, self.counted, members)

    def _present(self, there: Mapping[str, Tensor]) -> Presence:
        found = presence(self.plan, self.scored, self.ops, there)
        return found._replace(counts=found.counts * self.incidence[..., None].to(found.counts))

    def _rows(self, masks: Mapping[str, Tensor]) -> tuple[Presence, Tensor]:
        """What is left in each pattern, and the pattern of each row, `(B,)`."""
        there = {v: masks[v] > 0 for v in self.needs}
        first = next(iter(there.values()))
        if (known := self.known) is None:
            return self._present(there), torch.arange(len(first), device=first.device)
        return known, torch.stack([t.long() << i for i, t in enumerate(there.values())]).sum(0)

    def answers(self, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rows that can answer each divergence, `(B,)` truth values by law."""
        left, code = self._rows(masks)
        return {law: left.answers[i, code] for i, law in enumerate(self.scored)}

    def _rates(self, left: Presence, code: Tensor, weights: Tensor) -> Rates:
        """How much each score counts in each row."""
        answers, counts = left.answers.to(weights), left.counts.to(weights)
        groups = self.groups.to(weights)
        own = weights[:, None] * answers
        # rows that can answer some of several terms only give these the weight of all
        whole, some = (groups @ weights)[:, None], groups @ own
        own = own * torch.where(some == 0, torch.zeros_like(some), whole / _nonzero(some))
        rows = ((groups @ answers) > 0).to(weights)[:, code].sum(1)
        loss = ((own / rows.clamp_min(1.0)[:, None])[:, None] * counts).sum(0)
        first = torch.stack([counts[i, k] for k, i in enumerate(self.owner)])[:, code] > 0
        mean = first / first.sum(1, keepdim=True).clamp_min(1)
        return Rates(loss[:, code], mean.to(weights))

    def _sums(self) -> list[tuple[int, int, frozenset[int]]]:
        """Distribution and values of each summed variable, and the scores that depend on it."""
        found: list[tuple[int, int, frozenset[int]]] = []
        for draw, op in enumerate(self.plan.ops):
            if op.kind != "draw":
                continue
            dist = op.args[0]
            if not self.factors[self.plan.ops[dist].name].head.distribution.summed:
                continue
            after = self.plan.after(draw)
            for other, _, theirs in found:
                if after & theirs or other in after:
                    names = " and ".join(self.plan.ops[i].name for i in (other, dist))
                    raise LawError(
                        f"objective: {names} are both summed over in one term; make one variable of"
                        " them: Categorical(2, k)"
                    )
            found.append((dist, draw, frozenset(after) & frozenset(self.ops)))
        return found

    def _drawable(self) -> None:
        """Refuses critics that are not there and draws that no gradient passes."""
        for d in self.pairs:
            if self.critics is None or d.name not in self.critics.heads:
                raise LawError(
                    f"objective: there is no critic for {d.name}; name the term in the model's"
                    " objective or phases"
                )
        for name in self.plan.draws if self.texts else ():
            check_gradients(self.factors, name, "objective")
            if self.factors[name].head.distribution.summed and self.pairs:
                raise LawError(
                    f"objective: {name} is summed over, and a density ratio needs draws; use"
                    " Categorical()"
                )

    def _before(self, ops: Sequence[int]) -> list[tuple[int, ...]]:
        """Operations that some depend on, and these: no decoders that only score."""
        found, left = set[int](), list(ops)
        while left:
            op = left.pop()
            if op not in found:
                found.add(op)
                left += self.plan.ops[op].args
        return [(op,) for op in sorted(found)]

    @property
    def needs(self) -> tuple[str, ...]:
        """Observed variables that the objective reads."""
        return tuple(sorted({op.name for op in self.plan.ops if op.kind == "given"}))

    @property
    def used(self) -> tuple[str, ...]:
        """Factors that the objective evaluates."""
        return self.plan.factors

    @property
    def judged(self) -> bool:
        """Whether the loss says how good the model is: not if critics that learn match its laws."""
        return all(d.detached for d in self.pairs)

    @property
    def _blurred(self) -> bool:
        return self.critics is not None and bool(self.critics.made.noise)

    def noise(
        self, lead: Shape, like: Tensor, generator: torch.Generator | None = None
    ) -> list[Noise]:
        """Noise for one evaluation, drawn outside the compiled function.

        Returns:
            Noise of the draws, with leading shape `lead`, then of the critics' inputs, and uniform
            numbers that order the rows of each product law.
        """
        fresh = lambda kind, shape: draw_noise(kind, shape, like, generator)
        out = [
            all_values(len(lead), e, like) if kind == "values" else fresh(kind, (*lead, *e))
            for kind, e in self.drawn
        ]
        if self._blurred:
            shapes = [self.spaces[self.variable[op]].event_shape for op in self.noisy]
            out += [fresh("normal", (*lead, *e)) for e in shapes]
        return out + [fresh("uniform", lead[-1:]) for d in self.pairs if d.moved]

    def scores(
        self,
        given: Mapping[str, Tensor],
        noise: Sequence[Noise],
        pointwise: bool = False,
        means: bool = False,
    ) -> dict[str, Tensor]:
        """Each score by printed name, `(*leading)` in nats, constants dropped."""
        own = noise[: len(self.drawn)]
        results = run(self.plan, self.factors, self.features, given, own, pointwise, means)
        if not pointwise:
            results = self._expected(results)
        return {name: results[op] for name, op in zip(self.names, self.ops, strict=False)}

    def forward(
        self,
        given: Mapping[str, Tensor],
        noise: Sequence[Noise],
        weights: Float[Tensor, " D"],
        masks: Mapping[str, Tensor] | None = None,
    ) -> tuple[Scalar, Float[Tensor, " terms"]]:
        """Loss and terms, with the critics as they are.

        Args:
            given: observed values, `(B, *event)`.
            noise: from `noise`, leading shape `(B,)` or `(K, B)`.
            weights: of the active terms, in their order.
            masks: by observed variable, `(B,)`, 1 where the row has it; None if every row is
                complete, which density ratios need.

        Returns:
            The weighted loss, and the batch mean of every term in the order of `names`; in nats,
            distances in units of the data.
        """
        if masks is not None and self.texts:
            raise DataError(
                "rows with missing modalities cannot be matched by a density ratio; leave them out"
            )
        batch, k = next(iter(given.values())).shape[0], len(self.scored)
        if masks is not None:
            left, code = self._rows(masks)
            members = {i: there[:, code] for i, there in left.members.items()}
            results, _, _ = self._drawn(given, noise, self.schedule, members)
            return self.reduce(results, batch, weights, self._rates(left, code, weights))
        results, eps, cycles = self._drawn(given, noise, self.schedule)
        if not self.texts:
            return self.reduce(results, batch, weights)
        weights = weights[self.order] if self.order != sorted(self.order) else weights
        quiet = self.critics is not None and self.critics.made.quiet
        sides = self._ratios(results, None if quiet else eps, cycles, False)
        found = [plug_in(d.ratio, *side) for d, side in zip(self.pairs, sides, strict=True)]
        found = [f if w else f.detach() for f, w in zip(found, self.weighed, strict=True)]
        terms = torch.stack(found + [self._distance(d, results) for d in self.distances])
        loss = (weights[k:] * terms).sum()
        if not self.scored:
            return loss, terms
        below, means = self.reduce(results, batch, weights[:k])
        return loss + below, torch.cat([means, terms])

    def reduce(
        self, results: list, batch: int, weights: Tensor, rates: Rates | None = None
    ) -> tuple[Scalar, Float[Tensor, " scores"]]:
        """Loss and scores of the divergences, from the results of the plan for `batch` rows."""
        results = self._expected(results)
        rows = [results[op] for op in self.ops]
        terms = torch.stack([r if r.shape == (batch,) else _per_row(r).expand(batch) for r in rows])
        if rates is None:
            means = terms.mean(1)
            # a matrix product would be taken in bf16 under autocast
            return (weights[:, None] * self.incidence.to(terms) * means).sum(), means
        return (rates.loss * terms).sum(), (rates.mean * terms).sum(1)

    def critic_loss(
        self, given: Mapping[str, Tensor], noise: Sequence[Noise]
    ) -> tuple[Scalar, Float[Tensor, "pairs 2"]]:
        """The critics' loss, unweighted, and how they stand.

        Returns:
            Minus the sum of the bounds; and for each critic the value of the logistic bound in
            nats, between 0 (the two laws cannot be told apart) and 2 log 2 = 1.386 (always), and
            the standard deviation of T over both laws.
        """
        with torch.no_grad():
            drawn = self._drawn(given, noise, self.contested)
        sides = self._ratios(*drawn, True)
        bounds = [TRAIN[d.ratio.train](*side) for d, side in zip(self.pairs, sides, strict=True)]
        with torch.no_grad():
            stand = [torch.stack([js(*side), torch.cat(side).std()]) for side in sides]
        return -torch.stack(bounds).sum(), torch.stack(stand)

    def ratios(self, given: Mapping[str, Tensor], noise: Sequence[Noise]) -> dict[str, Sides]:
        """T at draws of P and at draws of Q, `(N,)` each, by the name of the term."""
        sides = self._ratios(*self._drawn(given, noise, self.contested), False)
        return {d.name: side for d, side in zip(self.pairs, sides, strict=True)}

    def _expected(self, results: list) -> list:
        """Scores with the summed variables summed out: sum_z q(z) score(z)."""
        for dist, values, scores in self.sums:
            weight = torch.exp(results[dist].log_prob(results[values]))
            for op in scores:
                results[op] = (weight * results[op]).sum(0)
        return results

    def _drawn(
        self,
        given: Mapping[str, Tensor],
        noise: Sequence[Noise],
        order: Order,
        members: Mapping[int, Tensor] | None = None,
    ) -> Drawing:
        n = len(self.drawn)
        own, left = noise[:n], list(noise[n:])
        results = run(
            self.plan, self.factors, self.features, given, own, schedule=order, members=members
        )
        eps: dict[int, Tensor] | None = None
        if self._blurred:
            eps = dict(zip(self.noisy, left, strict=False))
            left = left[len(self.noisy) :]
        moved = [d.name for d in self.pairs if d.moved]
        return results, eps, {n: cycle(u) for n, u in zip(moved, left, strict=True)}

    def _ratios(
        self,
        results: list,
        eps: dict[int, Tensor] | None,
        cycles: Mapping[str, Tensor],
        learning: bool,
    ) -> list[Sides]:
        """T of every critic on both sides."""
        critics = self.critics
        if critics is None or not self.pairs:
            return []
        events = {op: self.spaces[self.variable[op]].event_shape for op in self.noisy}
        lead = tuple(
            broadcast_shapes(
                *(results[op].shape[: results[op].ndim - len(e)] for op, e in events.items())
            )
        )
        values = {op: results[op].expand(*lead, *e) for op, e in events.items()}
        if eps is not None:
            sigma = {op: critics.sigma(self.variable[op]) for op in values}
            values = {op: v + sigma[op] * eps[op] for op, v in values.items()}
        inputs = CriticInputs(critics, values, lead, cycles, learning)
        return [inputs.ratio(d) for d in self.pairs]

    def _distance(self, d: Compared, results: list) -> Scalar:
        if d.norm == "log":
            return -results[d.dist].log_prob(results[d.value]).mean()
        space = self.spaces[d.variable]
        off = results[d.dist].mean - results[d.value]
        each = off.abs() if d.norm == "l1" else off.square()
        return (sum_last(each, len(space.event_shape)) / space.size).mean()

    def __str__(self) -> str:
        lines = []
        for t in self.objective.terms:
            weight = "schedule" if isinstance(t.weight, Schedule) else f"{t.weight:g}"
            if t.off:
                text, dropped = "(off)", ""
            elif isinstance(t, Measured):
                text, dropped = self.texts[t.name] + ("   [watched]" if t.zero else ""), ""
            else:
                text, dropped = self.text(t.law), self.plan.constants[t.law]
            lines.append((weight, t.name, text, f"   [dropped: {dropped}]" if dropped else ""))
        w, n = (max(len(line[i]) for line in lines) for i in (0, 1))
        return "\n".join(f"{a:>{w}} * {b:<{n}} = {c}{d}" for a, b, c, d in lines)

    def text(self, law: str) -> str:
        """The terms of a divergence as they are printed."""
        text = ""
        for s in self.plan.scores[law]:
            sign, body = (" - ", s.text[1:]) if s.text.startswith("-") else (" + ", s.text)
            text += (sign + body) if text else s.text
        return text or "0"


def _nonzero(a: Tensor) -> Tensor:
    return torch.where(a == 0, torch.ones_like(a), a)


def _per_row(term: Tensor) -> Tensor:
    """Mean over the draws, `(K, B)` to `(B,)`; a term of the model alone, `()`, stays."""
    return term if term.ndim < 2 else term.mean(tuple(range(term.ndim - 1)))


def check_gradients(factors: Factors, name: str, where: str) -> None:
    """Refuses a factor whose draws no gradient passes.

    Raises:
        LawError: it draws bits or counts, or from a mixture.
    """
    kind = factors[name].head.distribution
    if not kind.differentiable:
        why = (
            "draws from a mixture, and no gradient passes the choice of the expert; write one law"
            " for each of its members"
            if kind is Mixture
            else f"draws {kind.values}, which no gradient passes through; use {kind.instead}"
        )
        raise LawError(f"{where}: {name} {why}")
