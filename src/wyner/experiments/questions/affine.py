"""What the laws of an affine model are, exactly: covariances and information of a Gaussian pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from wyner.data import Dataset
from wyner.errors import TaskError
from wyner.experiments.questions.base import Column, Question, held_out
from wyner.tasks.affine import covariance, information, stacked

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

    @torch.no_grad()
    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, float]:
        rows = torch.cat([torch.as_tensor(data.train[k]) for k in data.modalities], 1)
        out, given = dict[str, float](), torch.cov(rows.T)
        for name in LAWS:
            found = covariance(model, model.laws[name][1], given)
            out[f"error {name}"] = float((stacked(found, ["x", "y"]) - given).norm() / given.norm())
            out[f"I(X,Y;Z) {name}"] = information(found, ["x", "y"], ["z"])
            if name == "joint":
                out["I(X;Y) joint"] = information(found, ["x"], ["y"])
        try:
            critics = model.common_information(**held_out(data, part, None), seed=seed)
        except TaskError:
            return out
        return out | {f"critic {k}": v for k, v in critics.items()}
