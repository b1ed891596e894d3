"""How far estimates of common information are from the truth: the chosen one of each quantity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wyner.data import Dataset
from wyner.experiments.questions.base import Column, Question
from wyner.report.estimates import inside

KINDS = ("J", "I", "C_GK")


@dataclass(frozen=True)
class Estimates(Question):
    """The answers of `wyner.information.estimate` from the largest sample, and their errors.

    NAME = estimate,   NAME_error = estimate - truth,   NAME_inside = whether the interval holds it
    """

    @property
    def columns(self) -> Mapping[str, Column]:
        errors = {f"{k}_error": Column(f"estimate - true {k}") for k in KINDS}
        inside = {f"{k}_inside": Column(f"interval holds {k}", 0) for k in KINDS}
        return {k: Column(k) for k in KINDS} | errors | inside

    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, float]:
        largest, out = max(e["n"] for e in model), dict[str, float]()
        for e in model:
            if e["n"] == largest and e["estimator"] == "best":
                k = e["quantity"]
                out |= {k: e["value"], f"{k}_error": e["value"] - e["truth"]}
                out[f"{k}_inside"] = float(inside(e))
        return out
