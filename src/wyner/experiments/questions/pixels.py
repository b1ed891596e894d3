"""What z holds beside an autoregressive decoder: [CMI], Tables 4 and 5. Metrics, section 5."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from wyner.data import Dataset
from wyner.experiments.questions.base import Column, Question, held_out
from wyner.experiments.questions.pictures import labelled
from wyner.metrics import code_accuracy, sample_accuracy
from wyner.metrics.bound import divergences, watched_information
from wyner.metrics.checks import share_error
from wyner.seeds import TASK, forked, mix

BLOCK = 250
"""Pictures that are scored at a time."""


@dataclass(frozen=True)
class Pixels(Question):
    """The bound in nats a picture, labels read from codes and from draws in [0, 1], I(z;s) in nats.

        nelbo = kl + recon,   information = E_q T(z,s) by the critic that watches the training

    Args:
        codes: training pictures of each class whose codes are learned from (AoLR, AoSVM).
        each, draws: real pictures of each class, and fresh pictures from the code of each (mCAS).
        rows: how many of the part; all by default.
    """

    codes: int = 100
    each: int = 10
    draws: int = 10
    rows: int | None = None
    flags: ClassVar = {"test_rows": "rows"}
    COLUMNS: ClassVar = {
        "nelbo": Column("-ELBO", 2),
        "kl": Column("KL(z)", 2, "KL(z), nats"),
        "recon": Column("Recon", 2),
        "mCAS": Column("mCAS", short="labels learned from draws (mCAS)"),
        "AoLR": Column("AoLR", short="labels read from z (AoLR)"),
        "mCAS_SVM": Column("mCAS(SVM)"),
        "AoSVM": Column("AoSVM"),
        "information": Column("I(z;s)", 2, "I(z;s), nats"),
    }

    def check(self, data: Dataset, part: str) -> None:
        labelled("pixels", data, part)

    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, Any]:
        model.eval()
        x = held_out(data, part, self.rows)["x"].to(next(model.parameters()).device)
        with forked(mix(seed, TASK)):
            pair = {k: model.laws[k] for k in ("elbo", "rate")}
            found = divergences(model, pair, x, BLOCK)
            found = {"nelbo": found["elbo"], "kl": found["rate"]} | watched_information(
                model, x, BLOCK
            )
        out: dict[str, Any] = {}
        for k, v in found.items():
            out |= {k: float(v.mean()), f"{k}_se": float(v.std()) / len(v) ** 0.5}
            out[f"{k}_rows"] = v.float().cpu().numpy()
        scored = dataclasses.replace(data, test=getattr(data, part))
        shares = code_accuracy(model, scored, self.codes, self.rows) | sample_accuracy(
            model, scored, self.each, self.draws, self.rows, seed
        )
        errors = {f"{k}_se": share_error(v, len(x)) for k, v in shares.items()}
        return {**out, "recon": out["nelbo"] - out["kl"], **shares, **errors}
