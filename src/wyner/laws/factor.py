"""Factors: conditional distributions as modules, values of the parents in, a distribution out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from wyner.errors import LawError, ShapeError
from wyner.families import Combination, Distribution, Head
from wyner.networks import flattened
from wyner.variables import Shape


class AnyFactor(nn.Module):
    """A conditional distribution. Abstract: `Factor`, `Combined` or `Inner`.

    Attributes:
        name: canonical text of the factor.
        head: what draws and scores: it has the kind of the `distribution` and its `event`.
        network: what maps the parents to the head's parameters, or None.
    """

    name: str
    head: Any
    network: Any

    def each(self, calls: Sequence[Sequence[Tensor]]) -> list[Distribution]:
        """The distribution for each of several values of the parents."""
        return [self(*parents) for parents in calls]


class Factors(nn.ModuleDict):
    """Factors by name."""

    if TYPE_CHECKING:

        def __getitem__(self, name: str) -> AnyFactor: ...


class Factor(AnyFactor):
    """`q(z|x,y)`: a network followed by the head of its family.

    Args:
        name: canonical text of the factor, for errors.
        head: turns network outputs into a distribution.
        network: from the parents, in the order written, to `(*leading, *head.raw_shape)`; None for
            a prior.
        ranks: number of event axes of each parent as the network sees it.
    """

    def __init__(
        self, name: str, head: Head, network: nn.Module | None, ranks: Sequence[int]
    ) -> None:
        super().__init__()
        self.name, self.head, self.network, self.ranks = name, head, network, tuple(ranks)

    def forward(self, *parents: Tensor) -> Distribution:
        network = self.network
        if network is None:
            return self.head(None)
        if getattr(network, "any_leading", False) or not parents:
            raw = network(*parents)
        else:
            raw = flattened(network, parents, self.ranks)
        return self._distribution(raw)

    def _distribution(self, raw: Tensor) -> Distribution:
        if raw.dtype is torch.bfloat16 or raw.dtype is torch.float16:
            raw = raw.float()  # products may be short, densities and their sums may not
        return self.head(raw)

    def each(self, calls: Sequence[Sequence[Tensor]]) -> list[Distribution]:
        """The same from one pass, through a network that works row by row, if all shapes agree."""
        leads = {
            p.shape[: p.ndim - n]
            for parents in calls
            for p, n in zip(parents, self.ranks, strict=True)
        }
        if len(leads) > 1 or not next(iter(leads)):
            return super().each(calls)
        raw = self.network(*(torch.cat(values) for values in zip(*calls, strict=True)))
        return [self._distribution(part) for part in raw.chunk(len(calls))]

    def probe(self, events: Sequence[Shape], like: Tensor) -> None:
        """Calls the network once on zeros, so that a wrong shape is found when the model is built.

        Raises:
            ShapeError: what the network returns is not what the family reads.
        """
        if self.network is None:
            return
        self.eval()
        zeros = [like.new_zeros(2, *e) for e in events]
        with torch.no_grad():
            raw = self.network(*zeros)
        self.train()
        want = self.head.raw_shape
        got = tuple(raw.shape) if isinstance(raw, Tensor) else type(raw).__name__
        if got != ((2, *want) if zeros else want):
            m = self.head.parameters_per_coordinate
            raise ShapeError(
                f"{self.name}: its network must return (..., {', '.join(map(str, want))}): {m}"
                f" parameter{'s' * (m > 1)} per coordinate of {self.head.event}, stacked along the"
                f" first axis; it returned {got}"
            )


class Combined(AnyFactor):
    """A factor made of other factors: a product or mixture of experts.

    Args:
        name: canonical text of the factor.
        family: how the members' distributions become one.
        members: the factors that it is made of, with the positions of their parents among this
            factor's parents.
        event: event shape of the variable.

    Raises:
        LawError: members that the family cannot combine.
    """

    network = None
    inner_shape = None

    def __init__(
        self,
        name: str,
        family: Combination,
        members: Sequence[tuple[AnyFactor, Sequence[int]]],
        event: Shape,
    ) -> None:
        super().__init__()
        family.check(name, [m.head.distribution for m, _ in members])
        self.name, self.family, self.event = name, family, event
        self.distribution: type[Distribution] = family.distribution
        # not submodules: their parameters belong to the members
        self.members: tuple[tuple[AnyFactor, tuple[int, ...]], ...]
        object.__setattr__(self, "members", tuple((m, tuple(at)) for m, at in members))

    @property
    def head(self) -> Combined:
        """What draws and scores: this factor itself."""
        return self

    def combine(self, *members: Distribution, there: Tensor | None = None) -> Distribution:
        """The distribution made of those of the members, in order.

        Args:
            members: their distributions.
            there: `(k, B)`, 1 where a row has what a member reads; None if every row has all.
        """
        return self.family.combine(members, *(() if there is None else (there,)))

    def forward(self, *parents: Tensor) -> Distribution:
        return self.combine(*(m(*(parents[i] for i in at)) for m, at in self.members))


class Inner(AnyFactor):
    """A function that another factor computes on its way to a density.

    Args:
        name: canonical text of the factor.
        of: the factor that computes it, whose head has `inner` and `inner_shape`.
        variable: of which variable.
        head: a point mass.
        owner: head of that factor.

    Raises:
        LawError: that factor has no such function. ShapeError: of another shape.
    """

    network = None

    def __init__(self, name: str, of: str, variable: str, head: Head, owner: Head) -> None:
        super().__init__()
        if owner.inner_shape is None:
            raise LawError(
                f"{name}: {of} computes no feature that it could be; its family must be"
                " Autoregressive"
            )
        if head.event != owner.inner_shape:
            raise ShapeError(
                f"{name}: the feature of {of} has shape {owner.inner_shape}, the variable"
                f" {head.event}"
            )
        self.name, self.of, self.variable, self.head = name, of, variable, head

    def forward(self, inner: Sequence[Tensor]) -> Distribution:
        return self.head(inner[-1])
