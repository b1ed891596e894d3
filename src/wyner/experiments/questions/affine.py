"""What the laws of an affine model are, exactly: covariances and information of a Gaussian pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wyner.data import Dataset
from wyner.errors import TaskError
from wyner.experiments.questions.base import Column, Question, held_out
from wyner.laws import Law, System, is_data

LAWS = ("joint", "x2y", "y2x")


@dataclass(frozen=True)
class Affine(Question):
    """Relative errors of the covariance of (x, y) under each law, the information of its z, and what
    the model's critics say of it.

        error = |S_law - S| / |S|,   S the covariance of the training rows
    """

    @property
    def columns(self) -> Mapping[str, Column]:
        names = [f"{what} {law}" for what in ("error", "I(X,Y;Z)") for law in LAWS]
        return {k: Column(k) for k in (*names, "I(X;Y) joint")}

    @torch.no_grad()
    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, float]:
        rows = torch.cat([torch.as_tensor(data.train[k]) for k in data.modalities], 1)
        out, given = dict[str, float](), torch.cov(rows.T)
        for name in LAWS:
            found = covariance(model, model.laws[name][1], given)
            out[f"error {name}"] = float((stacked(found, ["x", "y"]) - given).norm() / given.norm())
            out[f"I(X,Y;Z) {name}"] = information(found, ["x", "y"], ["z"])
            if name == "joint":
                out["I(X;Y) joint"] = information(found, ["x"], ["y"])
        try:
            critics = model.common_information(**held_out(data, part, None), seed=seed)
        except TaskError:
            return out
        return out | {f"critic {k}": v for k, v in critics.items()}


def covariance(model: System, law: Law, data: Tensor) -> dict[tuple[str, str], Tensor]:
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
