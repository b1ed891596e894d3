"""Held-out likelihood of RNA counts beside surface proteins: families of counts and Gaussians.

    WYNER_DATA_DIR=... python benchmarks/counts.py       # about two and a half minutes of one core

500 cells, 1,000 genes, 49 proteins (CITE-seq of blood, `omics/citefuse_pbmc500.npz`). MVAE with
one latent of both views; the arms differ in the family of the genes alone. Gaussians on log1p are
densities of continuous numbers. So that they stand on the scale of counts, a count k is scored by
their mass between k - 1/2 and k + 1/2, the whole tail for k = 0:

    P(k) = Phi( (log1p(k + 1/2) - m) / s ) - Phi( (log1p(k - 1/2) - m) / s )

They are trained by their density, as is usual, or by that mass, which is the best they can do, from
the best Gaussian of each gene.
Families that are given the total l of a cell read log1p(k c / l), c the median total, and are
compared with counts of which l is given, not with the others.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import Tensor, nn

import wyner
from wyner.data.fetch import local
from wyner.families import NegativeBinomial, ZeroInflatedNegativeBinomial
from wyner.families.distributions import Distribution, Normal
from wyner.families.heads import Family, Head
from wyner.models import MVAE
from wyner.networks import MLPs

FLOOR = 1e-2
"""Smallest deviation of a Gaussian on log1p, so that genes that are 0 in a split stay finite."""


class RoundedLog(Distribution):
    """Counts as rounded numbers that are Gaussian after log1p, of the count or of its share."""

    parameter, noise, differentiable = "loc", "normal", False

    def __init__(self, log: Normal, typical: Tensor | None, mass: bool) -> None:
        self.loc, self.log, self.event = log.loc, log, log.event
        self.typical, self.mass = typical, mass

    def log_prob(self, value: Tensor) -> Tensor:
        total = value.sum(-1, keepdim=True).clamp_min(1)
        factor = torch.ones_like(total) if self.typical is None else self.typical / total
        if not self.mass:
            jacobian = factor.log() - torch.log1p(value * factor)
            return self.log.log_prob(torch.log1p(value * factor)) + jacobian.sum(-1)
        place = lambda v: (torch.log1p(v * factor) - self.loc) * torch.exp(-self.log.log_scale)
        low, high = place((value - 0.5).clamp_min(0)), place(value + 0.5)
        low = torch.where(value == 0, -1e4, low)
        low, high = torch.where(low > 0, -high, low), torch.where(low > 0, -low, high)
        a, b = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
        return (b + torch.log(-torch.expm1((a - b).clamp_max(-1e-6)))).sum(-1)


class RoundedHead(Head):
    distribution = RoundedLog

    def __init__(self, space: wyner.variables.Space, family: GaussianLog1p) -> None:
        super().__init__(space)
        self.given, self.mass = family.library, family.mass
        self.log_scale = nn.Parameter(torch.zeros(self.event))
        self.register_buffer("centre", torch.zeros(self.event))
        self.register_buffer("typical", torch.ones(()))

    def fit(self, rows: Tensor) -> None:
        total = rows.sum(-1, keepdim=True).clamp_min(1)
        self.typical.copy_(total.median())
        log = torch.log1p(rows * self.typical / total if self.given else rows)
        self.centre.copy_(log.mean(0))
        self.log_scale.data.copy_(log.std(0).clamp_min(FLOOR).log())
        if self.mass:  # whose best is far from the moments where most counts are 0
            centre = nn.Parameter(torch.zeros(self.event))
            descend(lambda: self(centre).log_prob(rows), [centre, self.log_scale])
            self.centre += centre.detach()

    def forward(self, raw: Tensor) -> RoundedLog:
        scale = self.log_scale.clamp_min(float(np.log(FLOOR)))
        typical = self.typical if self.given else None
        return RoundedLog(Normal(raw + self.centre, scale, self.event), typical, self.mass)


@dataclass(frozen=True)
class GaussianLog1p(Family):
    """Gaussian after log1p with a trained variance a gene, trained by its density or its mass."""

    library: bool = False
    mass: bool = False
    distribution: ClassVar[type[Distribution]] = RoundedLog

    def head(self, space: Any) -> Head:
        return RoundedHead(space, self)


def descend(log_prob: Callable[[], Tensor], parameters: list[nn.Parameter]) -> None:
    """Raises the mean log-likelihood by forty steps of Adam."""
    adam = torch.optim.Adam(parameters, lr=0.1)
    for _ in range(40):
        adam.zero_grad()
        (-log_prob().mean()).backward()
        adam.step()


ARMS: dict[str, Family] = {
    "Gaussian on log1p": GaussianLog1p(),
    "Gaussian on log1p, trained by its mass": GaussianLog1p(mass=True),
    "negative binomial": NegativeBinomial(),
    "zero-inflated negative binomial": ZeroInflatedNegativeBinomial(),
    "Gaussian on log1p, given the total": GaussianLog1p(library=True),
    "Gaussian on log1p, given the total, trained by its mass": GaussianLog1p(True, True),
    "negative binomial, given the total": NegativeBinomial(library=True),
    "zero-inflated negative binomial, given the total": ZeroInflatedNegativeBinomial(library=True),
}


def nll(family: Family, train: dict, test: dict, seed: int, epochs: int) -> np.ndarray:
    """-log p(x) of the genes of each test cell in nats, by 50 importance samples."""
    torch.manual_seed(seed)
    spaces = {k: wyner.Counts(v.shape[1]) for k, v in train.items()}
    model = MVAE(**spaces, z=8, networks=MLPs(hidden=(64,)), families={"x": family})
    options = {"epochs": epochs, "batch_size": 50, "lr": 2e-3, "validation": 0.15, "patience": 10}
    wyner.fit(model, train, seed=seed, progress=False, **options)
    if isinstance(family, GaussianLog1p):
        model.factors["p(x|z)"].head.mass = True
    with torch.no_grad():
        return -np.asarray(model.log_likelihood(x=test["x"], samples=50, seed=0).value)


def independent(family: Family, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The same without latents, every gene by itself: gradient descent from its moments."""
    space = wyner.Counts(train.shape[1])
    head = family.head(space)
    head.fit(torch.as_tensor(train))
    raw = nn.Parameter(torch.zeros(head.raw_shape))
    descend(lambda: head(raw).log_prob(torch.as_tensor(train)), [raw, *head.parameters()])
    if isinstance(family, GaussianLog1p):
        head.mass = True
    with torch.no_grad():
        return -head(raw).log_prob(torch.as_tensor(test)).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/counts.json"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    path = local("omics", "citefuse_pbmc500.npz")
    if path is None:
        raise SystemExit("there is no omics/citefuse_pbmc500.npz in the folder of WYNER_DATA_DIR")
    with np.load(path) as z:
        table = {"x": z["rna"].astype(np.float32), "y": z["adt"].astype(np.float32)}
    began, each, alone = time.process_time(), {}, {}
    for seed in range(asked.seeds):
        order = np.random.default_rng(seed).permutation(len(table["x"]))
        test, train = ({k: v[i] for k, v in table.items()} for i in (order[:100], order[100:]))
        for name, family in ARMS.items():
            each.setdefault(name, []).append(nll(family, train, test, seed, asked.epochs))
            alone.setdefault(name, []).append(independent(family, train["x"], test["x"]))
            shown = f"{each[name][-1].mean():9.2f}  (genes alone {alone[name][-1].mean():9.2f})"
            print(f"split {seed}  {name:56} {shown}", flush=True)
        result = {
            "what": "-log p of the counts of 1,000 genes, nats per held-out cell",
            "cells": "400 to train on (15 % of them to choose the step), 100 held out, by split",
            "splits": seed + 1,
            "epochs": asked.epochs,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "core_seconds": round(time.process_time() - began),
            "families": {name: row(name, each, alone) for name in ARMS},
        }
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(result, indent=1) + "\n")


def row(name: str, each: dict[str, list], alone: dict[str, list]) -> dict[str, Any]:
    """Means over splits and cells, and the gain over the Gaussians that are given as much."""
    base = "Gaussian on log1p" + ", given the total" * ("given the total" in name)
    found = np.stack(each[name])
    gain = {b: np.stack(each[b]) - found for b in (base, f"{base}, trained by its mass")}
    return {
        "nll": round(float(found.mean()), 3),
        "nll_by_split": [round(float(v), 3) for v in found.mean(1)],
        "genes_alone": round(float(np.stack(alone[name]).mean()), 3),
        "nats_gained_over": {
            b: [round(float(g.mean()), 3), round(float(g.std(ddof=1) / g.size**0.5), 3)]
            for b, g in gain.items()
            if b != name
        },
    }


if __name__ == "__main__":
    main()
