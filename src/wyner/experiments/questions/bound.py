"""A bound and its parts, each as the divergence of a pair of laws."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from wyner.laws import Law
from wyner.models import Model
from wyner.objectives import KL, Objective, Program

BLOCK = 512
"""Rows that are scored at a time."""


@torch.no_grad()
def divergences(
    model: Model, laws: Mapping[str, tuple[Law, Law]], x: Tensor, block: int = BLOCK
) -> dict[str, Tensor]:
    """KL(q || p) of pairs of laws by name, at one draw a row that all of them share: `(N,)` each,
    in nats, constants of the data dropped.
    """
    objective = Objective(tuple(t for name in laws for t in KL(name).terms))
    program = Program(objective, laws, model.planner())
    parts, sums = [], program.incidence.double().to(x.device)
    for rows in x.split(block):
        scores = program.scores({"x": rows}, program.noise((len(rows),), rows))
        parts.append(sums @ torch.stack(list(scores.values())).double())
    return dict(zip(program.divergences, torch.cat(parts, 1), strict=True))
