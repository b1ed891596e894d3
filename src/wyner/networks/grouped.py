"""Encoders that tell many values apart, of which a latent keeps groups."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from wyner.errors import OptionError
from wyner.networks.mlp import MLP
from wyner.variables import Shape

LEAST = 1e-8
"""Added to the probability of a group, so that its logarithm is finite."""


class Grouped(MLP):
    """An MLP for `fine` values, whose probabilities are summed in the groups that a latent keeps.

        log q(z = j | .) = log sum_{i in group j} q(i | .)

    Its weights have the names and shapes of an MLP for `fine` values, so that it can start from a
    model whose latent has these. Groups are i mod k until they are found when training starts:
    values that the other side cannot tell apart are one (`wyner.objectives.grouping`).

    Args:
        inputs, hidden, act: as of `MLP`.
        output: (1, k).
        fine: how many values are told apart, at least k.

    Raises:
        OptionError: fewer values than groups, or a latent of several variables.
    """

    groups: Float[Tensor, "fine k"]

    def __init__(
        self,
        inputs: Sequence[Shape],
        output: Shape,
        hidden: Sequence[int] = (),
        act: str = "relu",
        fine: int = 100,
    ) -> None:
        if output[0] != 1 or fine < output[1]:
            raise OptionError(
                "fine: expected a latent of one categorical variable and at least as many values"
                f" as it has, got {fine} for Categorical{tuple(output)}"
            )
        super().__init__(inputs, (1, fine), hidden, act)
        self.register_buffer("groups", _one_hot(torch.arange(fine) % output[1], output[1]))

    def fine(self, *parents: Tensor) -> Float[Tensor, "*lead one fine"]:
        """Probabilities of the values before they are grouped."""
        return torch.softmax(super().forward(*parents), -1)

    def forward(self, *parents: Tensor) -> Float[Tensor, "*lead one k"]:
        return torch.log(self.fine(*parents) @ self.groups + LEAST)

    @property
    def found(self) -> bool:
        """Whether the groups are others than those at the start."""
        n, k = self.groups.shape
        return not torch.equal(self.groups, _one_hot(torch.arange(n) % k, k).to(self.groups))

    def regroup(self, groups: Int[Tensor, " fine"]) -> None:
        """Keeps these groups, by value."""
        self.groups.copy_(_one_hot(groups, self.groups.shape[1]).to(self.groups))


def _one_hot(groups: Tensor, k: int) -> Tensor:
    return F.one_hot(groups, k).float()


def merged(table: Float[Tensor, "n m"], k: int) -> Int[Tensor, " n"]:
    """Groups of rows of a joint law that keep the most information about its columns: pairs are
    merged one after the other.

    The agglomerative information bottleneck (Slonim and Tishby, 1999). Merging rows i and j loses
    p_i KL(p(.|i) || m) + p_j KL(p(.|j) || m) nats, with m their weighted mean.

    Args:
        table: probabilities; rows without any are put with the others at no loss.
        k: how many groups are left.

    Returns:
        The group of each row, from 0 to k - 1, the most probable group first.
    """
    rows, members = table.double().clone(), [[i] for i in range(len(table))]
    own = lambda r: torch.special.xlogy(r, r).sum(-1) - torch.special.xlogy(r.sum(-1), r.sum(-1))
    while len(members) > k:
        each = own(rows)
        loss = each[:, None] + each - own(rows[:, None] + rows)
        loss[torch.tril_indices(len(rows), len(rows)).unbind()] = torch.inf
        i, j = divmod(int(loss.argmin()), len(rows))
        rows[i] += rows[j]
        members[i] += members.pop(j)
        rows = torch.cat([rows[:j], rows[j + 1 :]])
    found = torch.empty(len(table), dtype=torch.long)
    for group, at in enumerate(rows.sum(1).argsort(descending=True).tolist()):
        found[members[at]] = group
    return found
