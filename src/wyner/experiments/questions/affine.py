"""What the laws of an affine model are, exactly: covariances and information of a Gaussian pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from wyner.data import Dataset
from wyner.errors import TaskError
from wyner.experiments.questions.base import Column, Question, held_out
from wyner.tasks.affine import law_numbers

LAWS = ("joint", "x2y", "y2x")


@dataclass(frozen=True)
class Affine(Question):
    """Relative errors of the covariance of (x, y) under each law, the information of its z, and
    what the model's critics say of it.

        error = |S_law - S| / |S|,   S the covariance of the training rows
    """

    COLUMNS: ClassVar = {
        k: Column(k)
        for k in (
            *(f"{what} {law}" for what in ("error", "I(X,Y;Z)") for law in LAWS),
            "I(X;Y) joint",
        )
    }

    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, float]:
        given = torch.cov(torch.cat([torch.as_tensor(data.train[k]) for k in data.modalities], 1).T)
        each = {k: law_numbers(model, model.laws[k][1], given) for k in LAWS}
        out = {f"{what} {k}": v for k, found in each.items() for what, v in found.items()}
        out = {k: out[k] for k in self.COLUMNS}
        try:
            critics = model.common_information(**held_out(data, part, None), seed=seed)
        except TaskError:
            return out
        return out | {f"critic {k}": v for k, v in critics.items()}
