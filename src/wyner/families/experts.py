"""Posteriors made of other factors: products and mixtures of experts.

A combination has no network. It names factors of the same variable and some of the same parents,
`families={"q(z|x,y)": Product("e(z|x)", "e(z|y)", "p(z)")}`, which may be combinations themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wyner.codec import extendable, stored
from wyner.errors import LawError, OptionError
from wyner.families import distributions as D


@extendable
@dataclass(frozen=True, init=False)
class Combination(ABC):
    """A distribution made of those of other factors. Abstract: use `Product` or `Mixture`.

    Args:
        members: names of the factors, for example `"q(z|x)"`.
    """

    members: tuple[str, ...]
    distribution: ClassVar[type[D.Distribution]]

    def __init__(self, *members: str) -> None:
        if len(members) == 1 and not isinstance(members[0], str):
            members = tuple(members[0])
        if not members:
            raise OptionError(
                f"{type(self).__name__}: expected the names of its members, for example 'q(z|x)',"
                " 'q(z|y)'"
            )
        object.__setattr__(self, "members", tuple(members))

    def check(self, name: str, members: Sequence[type[D.Distribution]]) -> None:  # noqa: B027
        """Refuses members that cannot be combined, when the model is built.

        Raises:
            LawError: distributions of a kind that the combination cannot take.
        """

    @abstractmethod
    def combine(
        self, members: Sequence[D.Distribution], there: Tensor | None = None
    ) -> D.Distribution:
        """The distribution made of these.

        Args:
            members: their distributions.
            there: `(k, B)`, 1 where a row has what a member reads: the others are left out of it.
        """


@stored("product")
@dataclass(frozen=True, init=False)
class Product(Combination):
    """Product of Gaussian experts, normalised.

        N(m, s^2),   1/s^2 = sum_i 1/s_i^2,   m = s^2 sum_i m_i / s_i^2

    With the prior among the members it is the posterior of MVAE (Wu and Goodman 2018), p(z) prod_i
    e(z|x_i).
    """

    distribution: ClassVar[type[D.Distribution]] = D.Normal

    def check(self, name: str, members: Sequence[type[D.Distribution]]) -> None:
        if any(m is not D.Normal for m in members):
            raise LawError(
                f"{name}: a product of experts needs Gaussian members, got {_kinds(members)}"
            )

    def combine(self, members: Sequence[D.Distribution], there: Tensor | None = None) -> D.Normal:
        normals = [m for m in members if isinstance(m, D.Normal)]
        precisions = [torch.exp(-2 * m.log_scale) for m in normals]
        if there is not None:
            axes = [1] * len(normals[0].event)
            left = _left(there).to(precisions[0])
            precisions = [
                p * own.reshape(-1, *axes) for p, own in zip(precisions, left, strict=True)
            ]
        precision: Tensor = sum(precisions[1:], start=precisions[0])
        weighted = [m.loc * w for m, w in zip(normals, precisions, strict=True)]
        loc: Tensor = sum(weighted[1:], start=weighted[0])
        return D.Normal(loc / precision, -0.5 * torch.log(precision), normals[0].event)


@stored("mixture")
@dataclass(frozen=True, init=False)
class Mixture(Combination):
    """Equal mixture of experts, (1/M) sum_m q_m(z|.).

    The posterior of MMVAE (Shi et al. 2019), and over products that of MoPoE. A KL of a mixture is
    written as a sum over its members, each drawn in a law of its own and scored under the mixture.
    """

    distribution: ClassVar[type[D.Distribution]] = D.Mixture

    def check(self, name: str, members: Sequence[type[D.Distribution]]) -> None:
        if D.Mixture in members:
            raise LawError(
                f"{name}: a member of a mixture is a mixture; write its members out, each has the"
                " same weight"
            )
        if len({m.noise for m in members}) > 1:
            raise LawError(
                f"{name}: the members of a mixture must be of one kind, got {_kinds(members)}"
            )

    def combine(self, members: Sequence[D.Distribution], there: Tensor | None = None) -> D.Mixture:
        return D.Mixture(members, None if there is None else _left(there))


def _left(there: Tensor) -> Tensor:
    """The members that count in each row; all of them where none does: nothing reads that row."""
    return torch.where(there.sum(0) > 0, there, torch.ones_like(there))


def _kinds(members: Sequence[type[D.Distribution]]) -> str:
    return ", ".join(m.__name__ for m in members)
