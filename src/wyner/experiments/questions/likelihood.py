"""Likelihoods by importance sampling, and estimates of the information in z."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from wyner.data import Dataset
from wyner.errors import TaskError
from wyner.experiments.questions.base import Column, Question, held_out
from wyner.metrics.likelihood import scored_likelihood

NLL = ("nll_joint", "nll_conditional")
"""Likelihoods with published scales and floors of their own."""


@dataclass(frozen=True)
class Likelihood(Question):
    """Negative log-likelihoods in nats a row, importance-sampled, all models on the same rows.

        nll_joint = -log p(x,y),   nll_conditional = -log r(y|x),   nll_back = -log r(x|y)

    Where the best density of any model is known, an nll is its floor plus the mean excess over that
    density on the same rows: the rows' own luck, which all models share, is taken out (a control
    variate); the plain mean stands beside it (`_plain`). With more than two modalities the
    conditional is that of the last given the others.

    Args:
        samples: S.
        rows: how many of the part; all by default.
        offset: nats a coordinate from the proper density to the published scale.
        back: score the first modality given the others as well.
    """

    samples: int = 100
    rows: int | None = None
    offset: float = 0.0
    back: bool = False
    flags: ClassVar = {"samples": "samples", "test_rows": "rows"}

    @property
    def columns(self) -> dict[str, Column]:
        found = {
            "nll_joint": Column("joint nll"),
            "nll_conditional": Column("conditional nll", short="nll of y given x"),
        }
        back = {"nll_back": Column("conditional nll of x given y")} if self.back else {}
        return found | back

    def caption(self, part: str, facts: Any) -> str:
        rows = facts.sizes.get(part, 0)
        return (
            f"Likelihoods: importance sampling, S = {self.samples}, the first"
            f" {min(self.rows or rows, rows)} {part} rows, the same for all models. "
        )

    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, Any]:
        rows = held_out(data, part, self.rows, model)
        out: dict[str, Any] = {}
        for name, (targets, given) in self.asked(rows).items():
            try:
                found = scored_likelihood(model, data, name, targets, given, self.samples, seed)
            except TaskError:
                continue
            out |= found
            if self.offset:
                sizes = [data.spaces[k].size for k in targets]
                out[f"{name}_published"] = out[name] + self.offset * sum(sizes)
        return out

    def asked(self, rows: Mapping[str, Tensor]) -> dict[str, tuple[dict[str, Tensor], ...]]:
        """What is scored and what is given, by the name of the number."""
        first, last = next(iter(rows)), list(rows)[-1]
        one = lambda name: ({name: rows[name]}, {k: v for k, v in rows.items() if k != name})
        back = {"nll_back": one(first)} if self.back and first != last else {}
        return {"nll_joint": (dict(rows), {}), "nll_conditional": one(last), **back}


@dataclass(frozen=True)
class Information(Question):
    """Estimates of I(X,Y;Z) in nats: I41, I40 and by the aggregate posterior.

    Args:
        rows: how many of the part; all by default, at most 2,000 are looked at.
    """

    rows: int | None = None
    flags: ClassVar = {"test_rows": "rows"}
    COLUMNS: ClassVar = dict(
        I41=Column("I41", short="I41 (rate of z)"), I40=Column("I40"), aggregate=Column("aggregate")
    )

    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, Any]:
        rows = held_out(data, part, self.rows, model)
        found = model.common_information(**rows, limit=2000, seed=seed)
        return {**found, **{f"{k}_capped": 1.0 for k in getattr(found, "capped", ())}}
