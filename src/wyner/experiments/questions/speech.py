"""What z and s say of recordings: [CMI], Tables 1 to 3; metrics, sections 4 and 6."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wyner.data import Dataset
from wyner.data.corpus import Recording
from wyner.errors import OptionError
from wyner.experiments.questions.base import Column, Question
from wyner.metrics.speech import bound, conversion, critic_information, stretches, verify
from wyner.seeds import TASK, forked, mix


@dataclass(frozen=True)
class Speech(Question):
    """The bound in nats a stretch, equal error rates and VC-mCAS in percent, I(z;s) in nats.

        elbo = -(kl_z + kl_s + recon),   kl_z = KL(q(z|x) || p(z)),   kl_s = KL(q(s|x,z) || p(s))

    eer_z and eer_s are over all pairs of recordings. information is that of a critic that learned
    on training stretches; `_fitted` on these. conversion_real is of a classifier that learned on
    the real stretches which conversion makes over.

    Args:
        report: steps of the critic of I(z;s).
        pairs: stretches of either voice that are converted, at most.
        channels: of the critic.
        published: the corpus of the published values.
    """

    report: int = 400
    pairs: int = 250
    channels: int = 32
    published: str = "timit"
    COLUMNS: ClassVar = {
        "elbo": Column("ELBO", 2),
        "kl_z": Column("KL(z)", 2, "KL(z), nats"),
        "kl_s": Column("KL(s)", 2),
        "recon": Column("Recon", 2),
        "eer_z": Column("EER(z) %", 2, "EER of z, percent (low is better)"),
        "eer_s": Column("EER(s) %", 2, "EER of s, percent (high is better)"),
        "information": Column("I(z;s)", 2, "I(z;s), nats"),
        "conversion": Column("VC-mCAS %", 2),
        "conversion_real": Column("VC-mCAS %, learned on real speech", 2),
    }

    def caption(self, part: str, facts: Any) -> str:
        text = (
            f"Verification: all pairs of the {part} recordings,"
            f" {facts.truth['trials']:,.0f} trials,"
            f" {facts.truth['trials_same']:,.0f} of them with one speaker; cosine of the mean of"
            " q(z|x) over the stretches of a recording (z), of the mean of q(s|x,z) over its frames"
            " (s). "
        )
        if facts.name == self.published:
            return text
        return (
            f"{text}**Published values are of {self.published.upper()}, ours of {facts.name}: the"
            " columns are not comparable**, only which row is above which. "
        )

    def check(self, data: Dataset, part: str) -> None:
        if not all(
            isinstance(r, Recording) for p in ("train", part) for r in data.sides.get(p, [0])
        ):
            raise OptionError(
                f"[questions.speech]: expected recordings of speakers in the {part} part, got"
                f" {data.name}"
            )

    def reference(self, data: Dataset, part: str) -> dict[str, float]:
        """How many pairs of recordings are tried, and how many of them have one speaker."""
        who = [
            r.speaker for r in data.sides[part] if len(r.frames) >= data.spaces["x"].event_shape[0]
        ]
        counts = np.unique(who, return_counts=True)[1]
        pairs = lambda n: float((n * (n - 1) // 2).sum())
        return {"trials": pairs(np.array([len(who)])), "trials_same": pairs(counts)}

    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, Any]:
        model.eval()
        like, steps = next(model.parameters()), data.spaces["x"].event_shape[0]
        cut, owners = stretches(data.sides[part], steps)
        x, train = cut.to(like), stretches(data.sides["train"], steps)[0].to(like)
        with forked(mix(seed, TASK)):
            found: dict[str, Any] = bound(model, x)
        rates = {f"eer_{k}": v.eer_percent for k, v in verify(model, x, owners).items()}
        shared = critic_information(model, train, x, self.channels, self.report, seed)
        genders = np.array([r.gender for r in owners])
        return found | rates | shared | conversion(model, x, genders, self.pairs, seed)
