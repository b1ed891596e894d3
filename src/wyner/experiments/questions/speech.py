"""What z and s say of recordings: [CMI], Tables 1 to 3. Specification of metrics, sections 4 and
6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from wyner.data import Dataset
from wyner.data.corpus import Recording, segments
from wyner.errors import OptionError
from wyner.estimation.shared import shared_information
from wyner.experiments.questions.base import Column, Question
from wyner.experiments.questions.bound import BLOCK, divergences
from wyner.laws import noise_for, parse, run
from wyner.metrics import (
    Verification,
    conversion_accuracy,
    crossed_pairs,
    linear_probe,
    recording_codes,
    verification,
)
from wyner.models import Model
from wyner.networks import SequenceCritics
from wyner.seeds import TASK, forked, mix

LOCAL = "q(x) q(z|x) p(s)"
"""The law that s is measured against: the model's own up to z, then the prior of s."""


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
        x, owners = stretches(data.sides[part], steps)
        train, _ = stretches(data.sides["train"], steps)
        x, train = x.to(like), train.to(like)
        with forked(mix(seed, TASK)):
            found: dict[str, Any] = bound(model, x)
        for name, verified in verify(model, x, owners).items():
            found[f"eer_{name}"] = verified.eer_percent
        genders = np.array([r.gender for r in owners])
        return (
            found | self._shared(model, train, x, seed) | self.conversion(model, x, genders, seed)
        )

    def _shared(self, model: Model, train: Tensor, x: Tensor, seed: int) -> dict[str, float]:
        """I(z;s) by a critic that learns on draws for training stretches."""
        with forked(mix(seed, TASK, 1)):
            made = SequenceCritics(channels=self.channels)
            critic = Critic(made.head(0, [model.latent[k] for k in ("z", "s")])).to(x)
            four = *draws(model, train), *draws(model, x)
            found = shared_information(critic, *four, steps=self.report, seed=seed)
        out = {"information": found.value, "information_se": found.error}
        return {**out, "information_fitted": found.fitted}

    def conversion(
        self, model: Model, x: Tensor, genders: np.ndarray, seed: int = 0
    ) -> dict[str, float]:
        """VC-mCAS; nothing unless there are two genders. The stretches that are converted are not
        among those that test the classifier.
        """
        if len(set(genders)) != 2:
            return {}
        first, second = crossed_pairs(genders, self.pairs, seed)
        used = np.concatenate([first, second])
        rest = np.setdiff1d(np.arange(len(x)), used)
        source, real = x[torch.from_numpy(used)], x[torch.from_numpy(rest)].cpu().numpy()
        made = exchanged(model, source).cpu().numpy()
        plain = linear_probe(
            source.mean(1).cpu().numpy(), genders[used], real.mean(1), genders[rest]
        )
        share = conversion_accuracy(made, genders[used], real, genders[rest])
        return {"conversion": 100 * share, "conversion_real": 100 * plain}


class Critic(nn.Module):
    """The head of a critic as a function of what it sees."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, z: Tensor, s: Tensor) -> Tensor:
        return self.head(None, z, s)


def stretches(recordings: Sequence[Recording], steps: int) -> tuple[Tensor, list[Recording]]:
    """Consecutive stretches `(N, T, d)`, and the recording of each."""
    cut = [(segments(r.frames, steps), r) for r in recordings if len(r.frames) >= steps]
    return torch.from_numpy(np.concatenate([w for w, _ in cut])), [r for w, r in cut for _ in w]


def bound(model: Model, x: Tensor) -> dict[str, float]:
    """ELBO and its parts in nats a stretch, with one draw each."""
    q, p = model.laws["elbo"]
    laws = {"elbo": (q, p), "rate": model.laws["rate"], "local": (q, parse(LOCAL, "local"))}
    total, kl_z, kl_s = (float(v.mean()) for v in divergences(model, laws, x).values())
    return {"elbo": -total, "kl_z": kl_z, "kl_s": kl_s, "recon": total - kl_z - kl_s}


@torch.no_grad()
def verify(model: Model, x: Tensor, owners: Sequence[Recording]) -> Mapping[str, Verification]:
    """Equal error rates over all pairs of recordings of the codes z, the mean of q(z|x) over the
    stretches of a recording, and s, the mean of q(s|x,z) over their frames.
    """
    speakers = {r.name: r.speaker for r in owners}
    parts = [{k: d.mean for k, d in model.encode(x=rows).items()} for rows in x.split(BLOCK)]
    found = {}
    for k in ("z", "s"):
        codes = recording_codes(torch.cat([p[k] for p in parts]), [r.name for r in owners])
        rows = torch.stack(list(codes.values())).cpu().numpy()
        found[k] = verification(rows, [speakers[name] for name in codes])
    return found


@torch.no_grad()
def draws(model: Model, x: Tensor) -> tuple[Tensor, Tensor]:
    """One draw of z and s from q(z,s|x) for every stretch."""
    planner, parts = model.planner(), []
    value = planner.values(model.laws["elbo"][0], "elbo")
    for rows in x.split(BLOCK):
        noise = noise_for(planner.plan, model.factors, (len(rows),), rows)
        made = run(planner.plan, model.factors, model.features, {"x": rows}, noise)
        parts.append((made[value["z"]], made[value["s"]]))
    return torch.cat([z for z, _ in parts]), torch.cat([s for _, s in parts])


@torch.no_grad()
def exchanged(model: Model, x: Tensor) -> Tensor:
    """Means of p(x|s,z) `(2 n, T, d)` at z of every stretch and s of its partner: n stretches of
    one voice stand before their n partners of another.
    """
    latent = model.encode(x=x)
    other = latent["s"].mean.roll(len(x) // 2, 0)
    return model.factors["p(x|s,z)"](other, latent["z"].mean).mean
