"""Laws of affine factors, exactly: their covariances, and the information of Gaussian variables."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wyner.laws import Law, System, is_data


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


@torch.no_grad()
def law_numbers(model: System, law: Law, data: Tensor) -> dict[str, float]:
    """Of a law of z, x and y whose data have this covariance S: |S_law - S| / |S| as `error`,
    `I(X,Y;Z)` and `I(X;Y)` in nats.
    """
    found = covariance(model, law, data)
    error = float((stacked(found, ["x", "y"]) - data).norm() / data.norm())
    mutual = information(found, ["x"], ["y"])
    return {"error": error, "I(X,Y;Z)": information(found, ["x", "y"], ["z"]), "I(X;Y)": mutual}


def stacked(found: dict[tuple[str, str], Tensor], names: Sequence[str]) -> Tensor:
    """The covariance of some variables side by side."""
    return torch.cat([torch.cat([found[a, b] for b in names], 1) for a in names])


def information(
    found: dict[tuple[str, str], Tensor], left: Sequence[str], right: Sequence[str]
) -> float:
    """I(left; right) of jointly Gaussian variables, in nats."""
    logdet = lambda names: float(torch.logdet(stacked(found, names).detach().double()))
    return 0.5 * (logdet(left) + logdet(right) - logdet([*left, *right]))
