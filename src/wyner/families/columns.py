"""A family for each column of a `Mixed` variable.

    p(x) = prod_j p_j(x_j)

Columns of one kind and one family are one group, with one head: a library of counts is the total
over the group.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wyner.codec import stored
from wyner.errors import OptionError
from wyner.families import distributions as D
from wyner.families.counts import NegativeBinomial
from wyner.families.heads import Annealed, Bernoulli, Categorical, Family, Gaussian, Head, Trainable
from wyner.families.positive import LogNormal
from wyner.math import broadcast_shapes
from wyner.variables import Binary, Counts, Mixed, Positive, Shape, Space, as_tuples
from wyner.variables import Categorical as Codes

Member = tuple["Group", D.Distribution]


class Group(nn.Module):
    """Columns of one kind and family.

    Attributes:
        space: of their values together.
        head: of their family.
        columns: their places, `(n,)`.
    """

    columns: Tensor

    def __init__(self, space: Space, family: Family, columns: Sequence[int]) -> None:
        super().__init__()
        self.space, self.head = space, family.head(space)
        self.register_buffer("columns", torch.tensor(columns), persistent=False)

    def of(self, table: Tensor) -> Tensor:
        """Its values from all columns, `(*leading, *event)`."""
        return self.space.of_columns(table.index_select(-1, self.columns))


class ColumnValues(D.Distribution):
    """Independent groups of columns.

    Args:
        members: groups and their distributions.
        event: `(columns,)`.
    """

    noise, differentiable = "uniform", False
    refusal = "mixed columns have no draw that gradients pass through; use Real(n) for a latent"
    values, instead = "mixed columns", "Real(n)"

    def __init__(self, members: Sequence[Member], event: Shape) -> None:
        self.members, self.event = list(members), event

    @property
    def leading(self) -> Shape:
        return broadcast_shapes(*(d.leading for _, d in self.members))

    @property
    def mean(self) -> Tensor:
        """Expected values of numbers, probabilities of bits, the most probable categories."""
        return self._side_by_side([d.mean for _, d in self.members])

    def log_prob(self, value: Float[Tensor, "*any"]) -> Float[Tensor, "*lead"]:
        first, *rest = (d.log_prob(group.of(value)) for group, d in self.members)
        return sum(rest, start=first)

    def exact(self, noise: D.Noise) -> Tensor:
        """A draw, the noise of each group from a generator whose seed is the noise."""
        generator, lead = D.generator_of(noise), noise.shape[:-1]
        own = lambda d: D.draw_noise(d.noise, (*lead, *d.event), noise, generator)
        return self._side_by_side([d.exact(own(d)) for _, d in self.members])

    def observing(self, value: Tensor) -> ColumnValues:
        return self._with(lambda group, d: d.observing(group.of(value)))

    def with_library(self, total: Tensor) -> D.Distribution:
        counted = [d for _, d in self.members if getattr(d, "library", None) is not None]
        if not counted:
            return super().with_library(total)
        return self._with(lambda group, d: d.with_library(total) if d in counted else d)

    def _with(self, change: Callable[[Group, D.Distribution], D.Distribution]) -> ColumnValues:
        return ColumnValues([(g, change(g, d)) for g, d in self.members], self.event)

    def _side_by_side(self, values: Sequence[Tensor]) -> Tensor:
        groups = [g for g, _ in self.members]
        parts = [g.space.to_columns(v) for g, v in zip(groups, values, strict=True)]
        lead = broadcast_shapes(*(p.shape[:-1] for p in parts))
        order = torch.cat([g.columns for g in groups]).argsort()
        return torch.cat([p.expand(*lead, -1) for p in parts], -1).index_select(-1, order)


@stored("columns")
@dataclass(frozen=True)
class Columns(Family):
    """A family for each part of a `Mixed` variable.

    Args:
        families: one for each part, None for the default of its kind: a Gaussian with a trained
            variance a column, a log-normal, a negative binomial, Bernoulli, categorical. One list
            or None for all defaults.
    """

    families: tuple[Family | None, ...] | None = None
    distribution: ClassVar[type[D.Distribution]] = ColumnValues

    def __post_init__(self) -> None:
        as_tuples(self, "families")

    def head(self, space: Space) -> Head:
        if not isinstance(space, Mixed):
            raise OptionError(f"the Columns family needs a Mixed variable, got {space!r}")
        given = self.families or (None,) * len(space.parts)
        if len(given) != len(space.parts):
            raise OptionError(
                f"Columns: expected a family, or None, for each of the {len(space.parts)} parts of"
                f" {space!r}, got {len(given)}"
            )
        return _Columns(space, [f or of_column(p) for p, f in zip(space.parts, given, strict=True)])


def of_column(space: Space) -> Family:
    """The default family of a column of a table, in a table's own units."""
    if isinstance(space, Codes):
        return Categorical()
    if isinstance(space, Binary):
        return Bernoulli()
    if isinstance(space, Counts):
        return NegativeBinomial()
    return LogNormal() if isinstance(space, Positive) else Gaussian(Trainable(per="coordinate"))


class _Columns(Annealed):
    distribution = ColumnValues

    def __init__(self, space: Mixed, families: Sequence[Family]) -> None:
        super().__init__(space)
        found: dict[tuple[type[Space], Shape, str], tuple[Family, list[int]]] = {}
        for part, family, place in zip(space.parts, families, space.places, strict=True):
            key = type(part), part.shape[1:], repr(family)
            found.setdefault(key, (family, []))[1].extend(range(place.start, place.stop))
        made = [Group(kind(len(at), *rest), f, at) for (kind, rest, _), (f, at) in found.items()]
        self.groups: Any = nn.ModuleList(made)
        self.sizes = [math.prod(g.head.raw_shape) for g in made]

    @property
    def library(self) -> bool:
        """Whether totals of some of the columns may be given."""
        return any(getattr(group.head, "library", False) for group in self.groups)

    def init_last(self, rows: Tensor) -> None:
        for group, own in zip(self.groups, rows.split(self.sizes), strict=True):
            group.head.init_last(own)

    def fit(self, rows: Tensor) -> None:
        """Lets the heads of the groups see the training rows, once."""
        for group in self.groups:
            if hasattr(group.head, "fit"):
                group.head.fit(group.of(rows))

    def anneal(self, progress: float) -> None:
        for group in self.groups:
            if isinstance(group.head, Annealed):
                group.head.anneal(progress)

    @property
    def raw_shape(self) -> Shape:
        return (sum(self.sizes),)

    def forward(self, raw: Tensor) -> ColumnValues:
        parts = zip(self.groups, raw.split(self.sizes, -1), strict=True)
        made = [(g, g.head(r.reshape(*r.shape[:-1], *g.head.raw_shape))) for g, r in parts]
        return ColumnValues(made, self.event)
