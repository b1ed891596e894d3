"""An objective whose laws are compared by their draws: the model's loss with critics held fixed,
and the critics' loss.

Divergences with densities may stand beside the others; all share one plan, so a draw that both need
is made once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wyner.errors import DataError, LawError
from wyner.laws import Law, Planner, run
from wyner.math import sum_last
from wyner.objectives.critic_inputs import Compared, Duel, compared, duel
from wyner.objectives.critics import CriticSet
from wyner.objectives.measures import Distance, Matching
from wyner.objectives.program import Program, aligned, check_gradients, drawn_by, noise_of
from wyner.objectives.ratio import TRAIN, js, plug_in
from wyner.objectives.terms import Measured, Objective
from wyner.schedules import Schedule
from wyner.variables import Image, Space


class RatioProgram(nn.Module):
    """Loss of the model and loss of the critics, for an objective with terms that are computed from
    draws.

    Critics see their values with instance noise; the product law of a dependence has one side moved
    to other rows by a random cycle through the batch, so that no row keeps its own.

    Args:
        objective: what the model minimises.
        laws: pairs (q, p) by name.
        planner: knows the variables and the factors.
        factors, features: the modules; shared with the model, not copied.
        critics: of every matching and dependence of the objective.
        spaces: of the variables, by name.
    """

    def __init__(
        self,
        objective: Objective,
        laws: Mapping[str, tuple[Law, Law]],
        planner: Planner,
        factors: nn.ModuleDict,
        features: nn.ModuleDict,
        critics: CriticSet | None,
        spaces: Mapping[str, Space],
    ) -> None:
        super().__init__()
        self.objective, self.factors, self.features, self.critics = (
            objective,
            factors,
            features,
            critics,
        )
        self.plan, self.spaces, self.laws = planner.plan, dict(spaces), laws
        scored = Objective(tuple(t for t in objective.active if not isinstance(t, Measured)))
        self.bound = Program(scored, laws, planner, factors, features) if scored.terms else None
        self.duels: list[Duel] = []
        self.distances: list[Compared] = []
        for term in objective.measured:
            if isinstance(term.measure, Distance):
                self.distances.append(compared(term, laws, planner))
            else:
                self.duels.append(duel(term, laws, planner))
        for d in self.duels:
            if critics is None or d.name not in critics.heads:
                raise LawError(
                    f"objective: there is no critic for {d.name}; name the term in the model's"
                    " objective or phases"
                )
        self._drawable()
        self.drawn = drawn_by(self.plan, factors)
        self.noisy = sorted({op for d in self.duels for op in (*d.first, *d.second)})
        self.contested = self._before(self.noisy)
        self.variable = {
            op: v
            for d in self.duels
            for side in (d.first, d.second)
            for v, op in zip(d.sees, side, strict=True)
        }
        # the objective's order: divergences, and then what is measured, in the order of their
        # evaluation
        kl = [i for i, t in enumerate(objective.active) if not isinstance(t, Measured)]
        where = {t.name: i for i, t in enumerate(objective.active)}
        measured = [d.name for d in self.duels] + [d.name for d in self.distances]
        self.order = kl + [where[name] for name in measured]
        self.weighed = [not objective.active[where[d.name]].zero for d in self.duels]
        self.divergences = [t.law for t in objective.active]
        self.names = ([] if self.bound is None else self.bound.names) + measured

    def _before(self, ops: Sequence[int]) -> list[tuple[int, ...]]:
        """Operations that some depend on, and these, in order: what critics need, without decoders
        that only score.
        """
        found, left = set[int](), list(ops)
        while left:
            op = left.pop()
            if op not in found:
                found.add(op)
                left += self.plan.ops[op].args
        return [(op,) for op in sorted(found)]

    def _drawable(self) -> None:
        """Refuses draws that no gradient passes."""
        for name in self.plan.draws:
            kind = check_gradients(self.factors, name, "objective")
            if kind.summed and self.duels:
                raise LawError(
                    f"objective: {name} is summed over, and a density ratio needs draws; use"
                    " Categorical()"
                )

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
        """Whether the loss says how good the model is: not where laws are matched by critics that
        learn as well.
        """
        return all(d.detached for d in self.duels)

    def noise(
        self, lead: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None
    ) -> list[Tensor | None]:
        """Noise of the draws, of the critics' inputs, and uniform numbers that order the rows of
        each product law.
        """
        options: Any = {"dtype": like.dtype, "device": like.device, "generator": generator}
        out = noise_of(self.drawn, lead, like, generator)
        if self.critics is not None and self.critics.made.noise:
            out += [
                torch.randn(*lead, *self.spaces[self.variable[op]].event_shape, **options)
                for op in self.noisy
            ]
        return out + [torch.rand(lead[-1], **options) for d in self.duels if d.moved]

    def forward(
        self,
        given: Mapping[str, Tensor],
        noise: Sequence[Tensor | None],
        weights: Tensor,
        masks: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The model's loss and its terms: plug-ins of the ratios with the critics as they are.

        Args:
            given: observed values, `(B, *event)`.
            noise: from `noise`.
            weights: of the active terms, in their order, `(D,)`.
            masks: must be None; a density ratio is learned from complete rows.

        Returns:
            The weighted loss, a scalar, and the terms in the order of `names`; nats, distances in
            units of the data.
        """
        if masks is not None:
            raise DataError(
                "rows with missing modalities cannot be matched by a density ratio; leave them out"
            )
        results, eps, cycles = self._drawn(given, noise)
        weights = weights[self.order] if self.order != sorted(self.order) else weights
        k = 0 if self.bound is None else len(self.bound.divergences)
        quiet = self.critics is not None and self.critics.made.quiet
        sides = self._ratios(results, None if quiet else eps, cycles, False)
        found = [plug_in(d.ratio, *side) for d, side in zip(self.duels, sides, strict=True)]
        found = [f if w else f.detach() for f, w in zip(found, self.weighed, strict=True)]
        found += [self._distance(d, results) for d in self.distances]
        terms = torch.stack(found) if found else weights.new_zeros(0)
        loss = (weights[k:] * terms).sum()
        if self.bound is None:
            return loss, terms
        batch = next(iter(given.values())).shape[0]
        below, means = self.bound.reduce(results, batch, weights[:k])
        return loss + below, torch.cat([means, terms])

    def contest(
        self, given: Mapping[str, Tensor], noise: Sequence[Tensor | None]
    ) -> tuple[Tensor, Tensor]:
        """The critics' loss, unweighted, and how they stand.

        Returns:
            Minus the sum of the bounds, a scalar; and `(duels, 2)`: the value of the logistic bound
            in nats, between 0 (the two laws cannot be told apart) and 2 log 2 = 1.386 (always), and
            the standard deviation of T over both laws.
        """
        with torch.no_grad():
            results, eps, cycles = self._drawn(given, noise, self.contested)
        sides = self._ratios(results, eps, cycles, True)
        loss = -torch.stack(
            [TRAIN[d.ratio.train](*side) for d, side in zip(self.duels, sides, strict=True)]
        ).sum()
        with torch.no_grad():
            stand = [torch.stack([js(*side), torch.cat(side).std()]) for side in sides]
        return loss, torch.stack(stand)

    def ratios(
        self, given: Mapping[str, Tensor], noise: Sequence[Tensor | None]
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """T at draws of P and at draws of Q, `(N,)` each, by the name of the term."""
        sides = self._ratios(*self._drawn(given, noise, self.contested), False)
        return {d.name: side for d, side in zip(self.duels, sides, strict=True)}

    def _drawn(
        self,
        given: Mapping[str, Tensor],
        noise: Sequence[Tensor | None],
        schedule: Sequence[tuple[int, ...]] | None = None,
    ) -> tuple[list, dict[int, Tensor] | None, dict[str, Tensor]]:
        """Results of the plan, noise by noisy value, and the row that each row of a product law
        gets its moved side from.
        """
        left = list(noise)
        results = run(
            self.plan,
            self.factors,
            self.features,
            given,
            left[: len(self.drawn)],
            schedule=schedule,
        )
        left = left[len(self.drawn) :]
        eps: dict[int, Tensor] | None = None
        if self.critics is not None and self.critics.made.noise:
            eps = dict(zip(self.noisy, left, strict=False))  # type: ignore[arg-type]
            left = left[len(self.noisy) :]
        moved = [d.name for d in self.duels if d.moved]
        return results, eps, {n: _cycle(u) for n, u in zip(moved, left, strict=True)}  # type: ignore[arg-type]

    def _ratios(
        self,
        results: list,
        eps: dict[int, Tensor] | None,
        cycles: Mapping[str, Tensor],
        learning: bool,
    ) -> list[tuple[Tensor, Tensor]]:
        """T of every critic on both sides. While critics learn, those of dependences do not reach
        the shared features.
        """
        critics = self.critics
        assert critics is not None or not self.duels
        lead = _lead(
            results,
            self.noisy,
            {op: len(self.spaces[self.variable[op]].event_shape) for op in self.noisy},
        )
        values: dict[int, Tensor] = {}
        for op in self.noisy:
            event = self.spaces[self.variable[op]].event_shape
            value = results[op].expand(*lead, *event)
            if eps is not None and critics is not None:
                value = value + critics.sigma(self.variable[op]) * eps[op]
            values[op] = value
        known: dict[tuple[int, ...], Tensor] = {}

        def flat(op: int, cycle: Tensor | None) -> Tensor:
            value = values[op]
            if cycle is not None:
                value = value.index_select(len(lead) - 1, cycle)
            return value.flatten(0, len(lead) - 1)

        def inputs(
            d: Duel, side: tuple[int, ...], moved: bool
        ) -> tuple[Tensor | None, list[Tensor]]:
            """Shared features, and what else the critic sees, on one side."""
            assert critics is not None
            shared = critics.shared(d.name)
            pairs = list(zip(d.sees, side, strict=True))
            take = lambda v, op: flat(op, cycles[d.name] if moved and v in d.moved else None)
            rest = [take(v, op) for v, op in pairs if v not in shared]
            if not shared:
                return None, rest
            if moved and set(d.moved) & set(shared):
                return (
                    critics.features(d.name, [take(v, op) for v, op in pairs if v in shared]),
                    rest,
                )
            key = tuple(op for v, op in pairs if v in shared)
            if key not in known:
                found = critics.features(d.name, [flat(op, None) for op in key])
                assert found is not None
                known[key] = found
            return known[key], rest

        def by_parts(d: Duel, parts: nn.ModuleList) -> tuple[Tensor, Tensor]:
            """T of a critic that is made of a map of each value: a value that both sides have goes
            through it once.
            """
            mapped: dict[int, Tensor] = {}

            def side(ops: tuple[int, ...], moved: bool) -> Tensor:
                found = []
                for part, v, op in zip(parts, d.sees, ops, strict=True):
                    if op not in mapped:
                        mapped[op] = part(flat(op, None))
                    e = mapped[op]
                    if moved and v in d.moved:
                        e = (
                            e.unflatten(0, lead)
                            .index_select(len(lead) - 1, cycles[d.name])
                            .flatten(0, len(lead) - 1)
                        )
                    found.append(e)
                return critics.heads[d.name].compare(*found)  # type: ignore[union-attr, operator]

            return side(d.first, False), side(d.second, True)

        def ratio(d: Duel) -> tuple[Tensor, Tensor]:
            assert critics is not None
            if isinstance(parts := getattr(critics.heads[d.name], "parts", None), nn.ModuleList):
                return by_parts(d, parts)
            (h_p, p), (h_q, q) = inputs(d, d.first, False), inputs(d, d.second, True)
            if learning and d.detached:
                h_p, h_q = (None if h is None else h.detach() for h in (h_p, h_q))
            if d.name in critics.own:  # which may look at the batch
                return critics(d.name, None, p), critics(d.name, None, q)
            h = None if h_p is None or h_q is None else torch.cat([h_p, h_q])
            t_p, t_q = critics(
                d.name, h, [torch.cat(pair) for pair in zip(p, q, strict=True)]
            ).chunk(2)
            return t_p, t_q

        return [ratio(d) for d in self.duels]

    def _distance(self, d: Compared, results: list) -> Tensor:
        if d.norm == "log":
            return -results[d.dist].log_prob(results[d.value]).mean()
        space = self.spaces[d.variable]
        off = results[d.dist].mean - results[d.value]
        each = off.abs() if self._norm(d) == "l1" else off.square()
        return (sum_last(each, len(space.event_shape)) / space.size).mean()

    def _norm(self, d: Compared) -> str:
        return d.norm or ("l1" if isinstance(self.spaces[d.variable], Image) else "l2")

    def __str__(self) -> str:
        lines = []
        for t in self.objective.terms:
            weight = "schedule" if isinstance(t.weight, Schedule) else f"{t.weight:g}"
            if t.off:
                lines.append((weight, t.name, "(off)", ""))
            elif isinstance(t, Measured):
                lines.append((weight, t.name, self._text(t), ""))
            elif self.bound is not None:
                lines.append((weight, t.name, self.bound.text(t.law), self.plan.constants[t.law]))
        return aligned(lines)

    def _text(self, t: Measured) -> str:
        q, p = (law.text for law in self.laws[t.law])
        if isinstance(t.measure, Distance):
            (c,) = (c for c in self.distances if c.name == t.name)
            back = self.plan.ops[c.dist].name
            if c.norm == "log":
                return f"E[-log {back}]"
            return f"mean |{c.variable} - {back}|" + ("" if self._norm(c) == "l1" else "^2")
        (d,) = (d for d in self.duels if d.name == t.name)
        by = f"   by T({','.join(d.sees)})" + (
            f", trained by {d.ratio.train}" if d.ratio.train != "js" else ""
        )
        if isinstance(t.measure, Matching):
            symbol = t.measure.name(t.law).partition("(")[0]
            return f"{symbol}( {q} || {p} ){by}"
        a, b = ",".join(t.measure.left), ",".join(t.measure.right)
        what = (
            f"I({a};{b})"
            if t.measure.prior is None
            else f"KL( ({b},{a}) || {t.measure.prior} ({a}) )"
        )
        return f"{what} under {q if t.measure.side == 'q' else p}{by}" + (
            "   [watched]" if t.zero else ""
        )


def _cycle(uniform: Tensor) -> Tensor:
    """For each row another one: the rows in the order of random numbers, each followed by the next."""
    order = uniform.argsort()
    return torch.empty_like(order).scatter_(0, order, order.roll(1))


def _lead(results: list, ops: Sequence[int], ranks: Mapping[int, int]) -> tuple[int, ...]:
    """Leading shape of the draws."""
    return tuple(
        torch.broadcast_shapes(*(results[op].shape[: results[op].ndim - ranks[op]] for op in ops))
    )
