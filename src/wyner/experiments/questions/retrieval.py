"""What is found when one side is searched by the other, on classes that no training has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from wyner.data import Dataset
from wyner.data.zero_shot import Sides
from wyner.errors import OptionError
from wyner.estimation.linear import Linear
from wyner.experiments.questions.base import Column, Question
from wyner.metrics import chance_scores
from wyner.metrics.retrieval import both_ways
from wyner.tasks.retrieval import common_codes


@dataclass(frozen=True)
class Retrieval(Question):
    """mAP and precision of y searched by x, and of x searched by y (`_back`).

    Attributes:
        k: items that are looked at.
        distance: of the codes of the common latents, "cosine" or "euclidean".
    """

    k: tuple[int, ...] = (1,)
    distance: str = "cosine"

    @property
    def columns(self) -> Mapping[str, Column]:
        first = {"map": "mAP", "map_interpolated": "mAP, interpolated", "precision_1": "P@1"}
        at = {f"precision_{n}": f"P@{n}" for n in self.k}
        back = {"map_back": "mAP, y to x", "precision_1_back": "P@1, y to x"}
        return {k: Column(title) for k, title in {**first, **at, **back}.items()}

    def check(self, data: Dataset, part: str) -> None:
        if part not in data.sides:
            raise OptionError(
                f"[questions.retrieval]: {data.name} has no classes to search in its {part} part"
            )

    def reference(self, data: Dataset, part: str) -> dict[str, float]:
        """Exact expectations of a random order."""
        s, out = data.sides[part], dict[str, float]()
        for k in (1, *self.k):
            found = chance_scores(s.x_labels, s.y_labels, k=min(k, len(s.y)))
            out |= {f"precision_{k}": found["precision"], "map": found["map"]}
        back = chance_scores(s.y_labels, s.x_labels, k=1)
        return out | {"map_back": back["map"], "precision_1_back": back["precision_1"]}

    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, float]:
        s = data.sides[part]
        return both_ways(*codes(model, s), s.x_labels, s.y_labels, self.k, self.distance)


def codes(model: Any, sides: Sides) -> tuple[np.ndarray, np.ndarray]:
    """Codes of both sides."""
    if isinstance(model, Linear):
        return model.codes("x", sides.x), model.codes("y", sides.y)
    pairs = (("x", sides.x), ("y", sides.y))
    x, y = (torch.cat(list(common_codes(model, k, v))).cpu().numpy() for k, v in pairs)
    return x, y
