"""A bound, its parts and the watched information, row by row, each by the laws of the model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from wyner.laws import Law
from wyner.models import Model
from wyner.objectives import KL, Information, Objective, Program

BLOCK = 512
"""Rows that are scored at a time."""


@torch.no_grad()
def divergences(
    model: Model, laws: Mapping[str, tuple[Law, Law]], x: Tensor, block: int = BLOCK
) -> dict[str, Tensor]:
    """KL(q || p) of pairs of laws by name in nats, `(N,)` each, constants of the data dropped.

    All of them share one draw a row.
    """
    objective = Objective(tuple(t for name in laws for t in KL(name).terms))
    program = Program(objective, laws, model.planner())
    parts, sums = [], program.incidence.double().to(x.device)
    for rows in x.split(block):
        scores = program.scores({"x": rows}, program.noise((len(rows),), rows))
        parts.append(sums @ torch.stack(list(scores.values())).double())
    return dict(zip(program.divergences, torch.cat(parts, 1), strict=True))


@torch.no_grad()
def watched_information(model: Model, x: Tensor, block: int = BLOCK) -> dict[str, Tensor]:
    """T(z,s) `(N,)` in nats, T the critic that tells q(z,s) from q(z) q(s); nothing without one."""
    asked = Information("z;s", under="features", side="q")
    if model.critics is None or asked.terms[0].name not in model.critics.heads:
        return {}
    program, parts = model.program(asked), []
    for rows in x.split(block):
        ((t, _),) = program.ratios({"x": rows}, program.noise((len(rows),), rows)).values()
        parts.append(t.double())
    return {"information": torch.cat(parts)}
