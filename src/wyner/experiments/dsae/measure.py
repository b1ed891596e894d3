"""Numbers of a trained model on a corpus: the bound and its parts, verification by z and by s,
I(z;s), VC-mCAS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.data.corpus import Corpus, Recording, segments
from wyner.estimation.shared import shared_information
from wyner.metrics import (
    Verification,
    conversion_accuracy,
    crossed_pairs,
    linear_probe,
    verification,
)
from wyner.models import Model
from wyner.networks import SequenceCritics
from wyner.objectives import KL, Program
from wyner.seeds import TASK, mix

BLOCK = 1024
CHANNELS = 32
"""Of the critic that reports I(z;s)."""
PARTS = {
    "kl_z": "elbo: KL(q(z|x) || p(z))",
    "kl_s": "elbo: KL(q(s|x,z) || p(s)), step by step",
    "recon": "elbo: -log p(x|s,z)",
}


@dataclass(frozen=True)
class Ruler:
    """The questions of the tables, asked of every model on the same recordings with the same random
    numbers.

    Args:
        corpus: with a test part.
        steps: T.
        report: steps of the critic that reports I(z;s).
        pairs: of VC-mCAS; 250 in the paper.
    """

    corpus: Corpus
    steps: int = 20
    report: int = 400
    pairs: int = 250
    seed: int = 0

    @property
    def how(self) -> dict[str, Any]:
        """What the numbers depend on besides the model."""
        return {
            "corpus": self.corpus.source,
            "steps": self.steps,
            "report": self.report,
            "pairs": self.pairs,
            "seed": self.seed,
        }

    def windows(self, part: str) -> tuple[Tensor, list[Recording]]:
        """Consecutive stretches `(N, T, d)` of a part, and the recording of each."""
        cut = [
            (segments(r.frames, self.steps), r)
            for r in self.corpus.part(part)
            if len(r.frames) >= self.steps
        ]
        return torch.from_numpy(np.concatenate([w for w, _ in cut])), [r for w, r in cut for _ in w]

    def measure(self, model: Model) -> dict[str, float]:
        """elbo, kl_z, kl_s, recon in nats a stretch; eer_z, eer_s, conversion in percent;
        information in nats; trials.
        """
        model = model.eval()
        test, owners = self.windows("test")
        found = self.bound(model, test)
        for name, verified in self.verify(model).items():
            found[f"eer_{name}"] = verified.eer_percent
            found |= {"trials": verified.same + verified.different, "trials_same": verified.same}
        found |= self.shared(model, test)
        return found | self.conversion(model, test, np.array([r.gender for r in owners]))

    @torch.no_grad()
    def bound(self, model: Model, windows: Tensor) -> dict[str, float]:
        """ELBO and its parts, one draw a stretch, in nats."""
        program = model.program(KL("elbo"))
        assert isinstance(program, Program)
        generator = torch.Generator().manual_seed(mix(self.seed, TASK))
        sums = dict.fromkeys(PARTS, 0.0)
        for x in windows.split(BLOCK):
            terms = program.scores({"x": x}, program.noise((len(x),), x, generator))
            for name, text in PARTS.items():
                sums[name] += float(terms[text].double().sum())
        parts = {k: v / len(windows) for k, v in sums.items()}
        return {"elbo": -sum(parts.values()), **parts}

    @torch.no_grad()
    def verify(self, model: Model) -> dict[str, Verification]:
        """Equal error rates over all pairs of test recordings of the codes z, the mean of q(z|x)
        over the consecutive stretches of a recording, and s, the mean of q(s|x,z) over their
        frames.
        """
        windows, owners = self.windows("test")
        names = list(dict.fromkeys(r.name for r in owners))
        owner = torch.tensor([names.index(r.name) for r in owners])
        parts = [{k: d.mean for k, d in model.encode(x=x).items()} for x in windows.split(BLOCK)]
        who = {r.name: r.speaker for r in owners}
        found = {}
        for k in ("z", "s"):
            each = torch.cat([p[k] if k == "z" else p[k].mean(1) for p in parts])
            total = torch.zeros(len(names), each.shape[1]).index_add_(0, owner, each)
            found[k] = verification(
                (total / owner.bincount()[:, None]).numpy(), [who[n] for n in names]
            )
        return found

    def shared(self, model: Model, test: Tensor) -> dict[str, float]:
        """I(z;s) by a critic that learns on training stretches; on test stretches, and on those it
        learned from (`_fitted`).
        """
        with torch.random.fork_rng([]):
            torch.manual_seed(mix(self.seed, TASK, 1))
            train, _ = self.windows("train")
            latents = [model.latent[k] for k in ("z", "s")]
            critic = SequenceCritics(channels=CHANNELS).head(0, latents)
            ask = _Critic(critic)
            found = shared_information(
                ask, *_draws(model, train), *_draws(model, test), steps=self.report, seed=self.seed
            )
        return {
            "information": found.value,
            "information_se": found.error,
            "information_fitted": found.fitted,
        }

    @torch.no_grad()
    def conversion(self, model: Model, windows: Tensor, gender: np.ndarray) -> dict[str, float]:
        """VC-mCAS in percent, and what a classifier reaches that learned on the real stretches
        themselves (`_real`).

        The stretches that are converted are not among those that test the classifier.
        """
        if len(set(gender)) != 2:
            return {}
        i, j = crossed_pairs(gender, self.pairs, self.seed)
        used = np.concatenate([i, j])
        x = windows[torch.from_numpy(used)]
        latent = model.encode(x=x)
        z, s = latent["z"].mean, latent["s"].mean
        n = len(i)
        made = model.factors["p(x|s,z)"](
            s.roll(n, 0), z
        ).mean  # z of i with s of j, then z of j with s of i
        rest = np.setdiff1d(np.arange(len(windows)), used)
        real, labels = windows[torch.from_numpy(rest)].numpy(), gender[rest]
        plain = linear_probe(x.mean(1).numpy(), gender[used], real.mean(1), labels)
        return {
            "conversion": 100 * conversion_accuracy(made.numpy(), gender[used], real, labels),
            "conversion_real": 100 * plain,
        }


class _Critic(torch.nn.Module):
    """A head of `Critics` as a function of what it sees."""

    def __init__(self, head: torch.nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, z: Tensor, s: Tensor) -> Tensor:
        return self.head(None, z, s)


@torch.no_grad()
def _draws(model: Model, windows: Tensor) -> tuple[Tensor, Tensor]:
    """One draw of q(z,s|x) for every stretch."""
    parts = []
    for x in windows.split(BLOCK):
        z = model.encode(x=x)["z"].sample()
        seen = model.features["x"](x) if "x" in model.features else x
        s = (
            model.factors["q(s|x,z)"](seen, z)
            if "q(s|x,z)" in model.factors
            else model.factors["q(s|x)"](seen)
        )
        parts.append((z, s.sample()))
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])
