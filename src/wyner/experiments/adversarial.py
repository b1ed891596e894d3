"""The Gaussian pair learned by density ratios, for several prices of I(X,Y;Z): what the affine
model's laws are, exactly.

python -m wyner.experiments.adversarial results/gaussian-adversarial --lam 0 0.1 0.3
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wyner.experiments.spec import read
from wyner.files import write_json
from wyner.laws import Law, is_data
from wyner.models import Model
from wyner.runs import versions
from wyner.training.fit import fit

NAME = "gaussian-adversarial"


def covariance(model: Model, law: Law, data: Tensor) -> dict[tuple[str, str], Tensor]:
    """Covariances of all pairs of variables of a law whose factors are affine, with variances that
    do not depend on the parents.

    Args:
        model: with such factors.
        law: one of its laws.
        data: covariance of the data, `(dx + dy, dx + dy)`, in the order of the modalities.
    """
    sizes = [s.size for s in model.observed.values()]
    cut = dict(zip(model.observed, torch.arange(sum(sizes)).split(sizes), strict=True))
    found: dict[tuple[str, str], Tensor] = {}
    known: list[str] = []
    for term in law.terms:
        if is_data(term, model.observed):
            found |= {(a, b): data[cut[a][:, None], cut[b]] for a in term.of for b in term.of}
            known += term.of
            continue
        (name,) = term.of
        factor = model.factors[term.name]
        zeros = [torch.zeros(1, model.variables[g].size) for g in term.given]
        d = factor(*zeros)
        slopes = {}
        for k, g in enumerate(term.given):
            eye = torch.eye(model.variables[g].size)
            at = factor(*(eye if i == k else z.expand(len(eye), -1) for i, z in enumerate(zeros)))
            slopes[g] = (at.mean - d.mean).T
        zero = torch.zeros(model.variables[name].size, 1)
        for other in known:
            cross = sum(
                (w @ found[g, other] for g, w in slopes.items()),
                start=zero.expand(-1, model.variables[other].size),
            )
            found[name, other], found[other, name] = cross, cross.T
        own = sum(
            (w @ found[g, name] for g, w in slopes.items()),
            start=torch.diag(d.variance.reshape(-1)),
        )
        found[name, name] = own
        known.append(name)
    return found


def stacked(found: dict[tuple[str, str], Tensor], names: Sequence[str]) -> Tensor:
    """The covariance of some variables side by side."""
    return torch.cat([torch.cat([found[a, b] for b in names], 1) for a in names])


def information(
    found: dict[tuple[str, str], Tensor], left: Sequence[str], right: Sequence[str]
) -> float:
    """I(left; right) of jointly Gaussian variables, in nats."""
    logdet = lambda names: float(torch.logdet(stacked(found, names).double()))
    return 0.5 * (logdet(left) + logdet(right) - logdet([*left, *right]))


@torch.no_grad()
def measure(model: Model, data: Tensor) -> dict[str, float]:
    """Relative errors of the laws' covariances of (x, y), and I(X,Y;Z) and I(X;Y|Z) of the joint
    law in nats, all exact.
    """
    out: dict[str, float] = {}
    for name in ("joint", "x2y", "y2x"):
        found = covariance(model, model.laws[name][1], data)
        error = stacked(found, ["x", "y"]) - data
        out[f"error {name}"] = float(error.norm() / data.norm())
        out[f"I(X,Y;Z) {name}"] = information(found, ["x", "y"], ["z"])
        if name == "joint":
            out["I(X;Y) joint"] = information(found, ["x"], ["y"])
    return out


def train(lam: float, seed: int, epochs: int | None, progress: bool) -> dict[str, Any]:
    """One model: its settings and what it learned."""
    experiment = read(NAME).changed(
        model={"lam": lam}, fit={"seed": seed, **({} if epochs is None else {"epochs": epochs})}
    )
    dataset = experiment.load()
    model = experiment.build(dataset)
    rows = torch.cat([torch.as_tensor(dataset.train[k]) for k in ("x", "y")], 1)
    start = time.monotonic()
    history = fit(model, dataset.train, progress=progress, **experiment.fit).history
    critics = model.common_information(x=dataset.test["x"], y=dataset.test["y"])
    found = {**measure(model, torch.cov(rows.T)), **{f"critic {k}": v for k, v in critics.items()}}
    found |= {k: v for k, v in history[-1]["terms"].items() if k.startswith("SKL")}
    return {
        "model": "VariationalWyner",
        "settings": {"lam": lam},
        "seed": seed,
        "seconds": round(time.monotonic() - start, 1),
        "epochs": experiment.fit["epochs"],
        "metrics": {k: round(v, 5) for k, v in found.items()},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains a model for every lambda and seed, and writes what they learned after each of them."""
    parser = argparse.ArgumentParser(description="The Gaussian pair learned by density ratios.")
    parser.add_argument("out", type=Path, help="folder for results.json")
    parser.add_argument(
        "--lam", type=float, nargs="+", default=[0.0, 0.1, 0.3], help="prices of I(X,Y;Z)"
    )
    parser.add_argument("--seeds", type=int, default=1, help="seeds of each")
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--quiet", action="store_true")
    given = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    start = time.monotonic()
    command = " ".join(
        [
            "python -m wyner.experiments.adversarial",
            str(given.out),
            "--lam",
            *(f"{v:g}" for v in given.lam),
            "--seeds",
            str(given.seeds),
        ]
    )
    for seed in range(given.seeds):
        for lam in given.lam:
            rows.append(train(lam, seed, given.epochs, not given.quiet))
            about = {
                "experiment": NAME,
                "protocol": "short",
                "command": command,
                "versions": versions(),
                "device": "cpu",
            }
            write_json(
                given.out / "short.json",
                {**about, "wall_s": round(time.monotonic() - start, 1), "rows": rows},
            )
            print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
