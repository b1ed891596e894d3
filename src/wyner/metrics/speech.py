"""What z and s of a model of sequences say of recordings. Metrics, sections 4 and 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from wyner.data.corpus import Recording, segments
from wyner.estimation.shared import shared_information
from wyner.laws import noise_for, parse, run
from wyner.metrics.bound import BLOCK, divergences
from wyner.metrics.conversion import conversion_accuracy, crossed_pairs
from wyner.metrics.probes import linear_probe
from wyner.metrics.verification import Verification, recording_codes, verification
from wyner.models import Model
from wyner.networks import SequenceCritics
from wyner.seeds import TASK, forked, mix

LOCAL = "q(x) q(z|x) p(s)"
"""The law that s is measured against: the model's own up to z, then the prior of s."""


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
    """Equal error rates over all pairs of recordings of the codes z and s: means of q(z|x) over the
    stretches of a recording, and of q(s|x,z) over their frames.
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


class Critic(nn.Module):
    """The head of a critic as a function of what it sees."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, z: Tensor, s: Tensor) -> Tensor:
        return self.head(None, z, s)


def critic_information(
    model: Model, train: Tensor, x: Tensor, channels: int = 32, steps: int = 400, seed: int = 0
) -> dict[str, float]:
    """I(z;s) in nats by a critic that learns on draws for training stretches, its error, and the
    value on these (`_fitted`).
    """
    with forked(mix(seed, TASK, 1)):
        made = SequenceCritics(channels=channels)
        critic = Critic(made.head(0, [model.latent[k] for k in ("z", "s")])).to(x)
        four = *draws(model, train), *draws(model, x)
        found = shared_information(critic, *four, steps=steps, seed=seed)
    out = {"information": found.value, "information_se": found.error}
    return {**out, "information_fitted": found.fitted}


@torch.no_grad()
def exchanged(model: Model, x: Tensor) -> Tensor:
    """Means of p(x|s,z) `(2 n, T, d)` at z of every stretch and s of its partner: n stretches of
    one voice stand before their n partners of another.
    """
    latent = model.encode(x=x)
    other = latent["s"].mean.roll(len(x) // 2, 0)
    return model.factors["p(x|s,z)"](other, latent["z"].mean).mean


def conversion(
    model: Model, x: Tensor, genders: np.ndarray, pairs: int = 250, seed: int = 0
) -> dict[str, float]:
    """VC-mCAS in percent, and that of a classifier that learned on the real stretches which are
    converted; nothing unless there are two genders. What is converted does not test.
    """
    if len(set(genders)) != 2:
        return {}
    used = np.concatenate(crossed_pairs(genders, pairs, seed))
    rest = np.setdiff1d(np.arange(len(x)), used)
    source, real = x[torch.from_numpy(used)], x[torch.from_numpy(rest)].cpu().numpy()
    known, asked = genders[used], genders[rest]
    share = conversion_accuracy(exchanged(model, source).cpu().numpy(), known, real, asked)
    plain = linear_probe(source.mean(1).cpu().numpy(), known, real.mean(1), asked)
    return {"conversion": 100 * share, "conversion_real": 100 * plain}
