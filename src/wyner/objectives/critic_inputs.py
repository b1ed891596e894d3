"""Which values the critics of a step see on either side, and what they say of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from wyner.errors import LawError, refuse_unknown
from wyner.laws import Law
from wyner.objectives.critics import CriticSet
from wyner.objectives.measures import CriticPair
from wyner.objectives.terms import Measured

Laws = Mapping[str, tuple[Law, Law]]
Sides = tuple[Float[Tensor, " N"], Float[Tensor, " N"]]
"""T of every row at draws of P, and at draws of Q."""


def pair_of(law: str, laws: Laws) -> tuple[Law, Law]:
    """The pair of laws of this name.

    Raises:
        LawError: there is none.
    """
    refuse_unknown("pair of laws", law, laws, "objective", LawError)
    return laws[law]


def seen_by(
    term: Measured, laws: Laws, variables: Sequence[str], observed: Collection[str]
) -> tuple[str, ...]:
    """Variables that the critic of a term reads, in the order of the model; see `Measure.reads`."""
    return term.measure.reads(term.law, pair_of(term.law, laws), variables, observed)


def cycle(uniform: Float[Tensor, " B"]) -> Int[Tensor, " B"]:
    """For each row another one: rows in the order of random numbers, each followed by the next."""
    order = uniform.argsort()
    return torch.empty_like(order).scatter_(0, order, order.roll(1))


@dataclass
class CriticInputs:
    """The values that critics see in one step.

    Args:
        critics: the networks.
        values: by operation, with their noise, `(*lead, *event)`.
        lead: leading shape of all of them; the last axis is the batch.
        cycles: by term, the row that each row of a product law gets its moved side from.
        learning: whether critics learn: then those of dependences do not reach shared features.
    """

    critics: CriticSet
    values: Mapping[int, Tensor]
    lead: tuple[int, ...]
    cycles: Mapping[str, Tensor]
    learning: bool
    known: dict[tuple[int, ...], Tensor | None] = field(default_factory=dict)
    """Shared features that were computed already, by the operations that they are made of."""

    def ratio(self, d: CriticPair) -> Sides:
        """T of a critic on both sides."""
        critics = self.critics
        head: Any = critics.heads[d.name]
        if isinstance(getattr(head, "parts", None), nn.ModuleList):
            return self._by_parts(d, head)
        (h_p, p), (h_q, q) = self._inputs(d, d.first, False), self._inputs(d, d.second, True)
        if d.name in critics.own:  # which may look at the batch
            return critics(d.name, None, p), critics(d.name, None, q)
        h = None if h_p is None or h_q is None else torch.cat([h_p, h_q])
        if h is not None and self.learning and d.detached:
            h = h.detach()
        rest = [torch.cat(pair) for pair in zip(p, q, strict=True)]
        t_p, t_q = critics(d.name, h, rest).chunk(2)
        return t_p, t_q

    def _moved(self, value: Tensor, d: CriticPair) -> Tensor:
        return value.index_select(len(self.lead) - 1, self.cycles[d.name])

    def _flat(self, value: Tensor) -> Tensor:
        return value.flatten(0, len(self.lead) - 1)

    def _inputs(
        self, d: CriticPair, side: tuple[int, ...], second: bool
    ) -> tuple[Tensor | None, list[Tensor]]:
        """Shared features, and what else the critic sees, on one side."""
        moved, shared = d.moved if second else (), self.critics.shared(d.name)
        take = lambda v, op: self._flat(
            self._moved(self.values[op], d) if v in moved else self.values[op]
        )
        pairs = list(zip(d.sees, side, strict=True))
        rest = [take(v, op) for v, op in pairs if v not in shared]
        if not shared:
            return None, rest
        own = [(v, op) for v, op in pairs if v in shared]
        if set(moved) & set(shared):
            return self.critics.features(d.name, [take(v, op) for v, op in own]), rest
        key = tuple(op for _, op in own)
        if key not in self.known:
            self.known[key] = self.critics.features(d.name, [take(v, op) for v, op in own])
        return self.known[key], rest

    def _by_parts(self, d: CriticPair, head: Any) -> Sides:
        """T of a critic with a map of each value: what both sides have goes through it once."""
        mapped: dict[int, Tensor] = {}

        def side(ops: tuple[int, ...], moved: tuple[str, ...]) -> Tensor:
            found = []
            for part, v, op in zip(head.parts, d.sees, ops, strict=True):
                if op not in mapped:
                    mapped[op] = part(self._flat(self.values[op]))
                e = mapped[op]
                found.append(
                    self._flat(self._moved(e.unflatten(0, self.lead), d)) if v in moved else e
                )
            return head.compare(*found)

        return side(d.first, ()), side(d.second, d.moved)
