"""The models that the oracle examines: every model of `wyner.models.TABLE`, and models declared on the spot.

A new model in the table needs one entry in `TABLE_CASES`: its constructor with affine networks, for latents of a given size,
and the laws whose exact posterior its q-factors can hold when that size is 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

import wyner
from oracle.gaussian import Joint, joint_of, random_joint
from wyner import KL, Model, Real
from wyner.models import WynerVAE
from wyner.networks import MLPs

AFFINE = MLPs(hidden=())


@dataclass(frozen=True)
class Case:
    """A model to examine. `make(size)` builds it with latents of this size; `exact` names the laws with reachable posteriors."""

    make: Callable[[int], Model]
    exact: tuple[str, ...]


Laws = dict[str, tuple[str, str]]


def _declare(
    observed: tuple[str, ...], latent: str, laws: Laws, common: tuple[str, ...] = ()
) -> Callable[[int], Model]:
    def make(size: int) -> Model:
        objective = KL(next(iter(laws)))
        for i, name in enumerate(list(laws)[1:], 2):
            objective = objective + (1 / i) * KL(name)
        spaces = {n: Real(2 + i) for i, n in enumerate(observed)}
        return wyner.Model(
            observed=spaces,
            latent={n: Real(size) for n in latent},
            laws=laws,
            objective=objective,
            common=common,
            networks=AFFINE,
        )

    return make


TABLE_CASES: dict[str, Case] = {
    "WynerVAE": Case(
        lambda n: WynerVAE(
            x=Real(2), y=Real(3), z=n, u=n, v=n, lam=0.3, alpha={"x2x": 0.5, "y2y": 2.0, "x2y": 1.0, "y2x": 0.7}, networks=AFFINE
        ),
        ("joint", "x2x", "y2y", "x2y", "y2x"),
    ),
}  # fmt: skip

OTHER_CASES: dict[str, Case] = {
    "WynerVAE-3": Case(
        lambda n: WynerVAE({"a": Real(2), "b": Real(1), "c": Real(2)}, z=n, local=n, lam=0.2, alpha=0.5, networks=AFFINE),
        ("joint", "a2a", "b2b", "c2c", "a2rest", "b2rest", "c2rest"),
    ),
    "WynerVAE-no-local": Case(
        lambda n: WynerVAE(x=Real(2), y=Real(2), z=n, u=0, v=0, lam=0.1, alpha=1.0, networks=AFFINE), ("joint", "x2x", "y2y", "x2y", "y2x")
    ),
    "VAE": Case(_declare(("x",), "z", {"elbo": ("q(x) q(z|x)", "p(z) p(x|z)")}, ("z",)), ("elbo",)),
    "CVAE": Case(_declare(("x", "y"), "v", {"cond": ("q(x,y) q(v|y,x)", "q(x) p(v|x) p(y|v,x)")}), ("cond",)),
    "JMVAE": Case(
        _declare(
            ("x", "y"), "w",
            {
                "joint": ("q(x,y) q(w|x,y)", "p(w) p(x|w) p(y|w)"),
                "x": ("q(x,y) q(w|x,y)", "q(x,y) q(w|x)"),
                "y": ("q(x,y) q(w|x,y)", "q(x,y) q(w|y)"),
                "x2y": ("q(x,y) q(w|x,y)", "q(x) q(w|x) p(y|w)"),
                "x2x": ("q(x) q(w|x)", "p(w) p(x|w)"),
            },
            ("w",),
        ),
        ("joint", "x2y", "x2x"),
    ),
    "VCCA-private": Case(
        _declare(
            ("x", "y"), "zuv",
            {
                "joint": ("q(x,y) q(z|x) q(u|x) q(v|y)", "p(z) p(u) p(v) p(x|z,u) p(y|z,v)"),
                "x2y": ("q(x,y) q(z|x) q(v|y)", "q(x) q(z|x) p(v) p(y|z,v)"),
            },
        ),
        (),
    ),
    "VIB": Case(_declare(("x", "y"), "z", {"fit": ("q(x,y) q(z|x)", "q(x) q(z|x) p(y|z)"), "rate": ("q(x) q(z|x)", "q(x) p(z)")}, ()), ()),
    "SSVAE": Case(
        _declare(
            ("x", "y"), "v",
            {"unlabelled": ("q(y) q(x|y) q(v|y,x)", "p(x) p(v) p(y|v,x)"), "labelled": ("q(x,y) q(v|y,x)", "p(x) p(v) p(y|v,x)")},
        ),
        ("labelled",),
    ),
    "hierarchy": Case(_declare(("x",), "zw", {"elbo": ("q(x) q(z|x) q(w|z)", "p(w) p(z|w) p(x|z)")}, ()), ("elbo",)),
    "product-of-data": Case(
        _declare(("x", "y", "t"), "z", {"bound": ("q(x,y,t) q(z|x,y,t)", "q(x) q(y) p(z|x) p(t|z,y)")}, ()), ("bound",)
    ),
}  # fmt: skip

CASES = {**TABLE_CASES, **OTHER_CASES}
NAMES = [*CASES]


def build(name: str, size: int, seed: int = 1) -> tuple[Model, Joint]:
    """A model with random affine factors of constant variance, and a Gaussian law of its data. Call with float64 as default."""
    model = CASES[name].make(size)
    randomise(model, seed)
    return model.eval(), random_joint({k: s.size for k, s in model.observed.items()}, seed + 100)


@torch.no_grad()
def randomise(model: Model, seed: int) -> None:
    """Random matrices and offsets; variances that do not depend on the parents, those of latents between 0.6 and 1.5."""
    g = torch.Generator().manual_seed(seed)
    uniform = lambda shape, low, high: low + (high - low) * torch.rand(shape, generator=g)
    for factor in model.factors.values():
        if factor.network is not None:
            (layer,) = factor.network.layers
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=g) / layer.weight.shape[1] ** 0.5)
            layer.bias.copy_(0.4 * torch.randn(layer.bias.shape, generator=g))
            if factor.head.parameters_per_coordinate == 2:
                half = len(layer.bias) // 2
                layer.weight[half:] = 0
                layer.bias[half:] = uniform(half, 0.05, 0.2)
        for name, p in factor.head.named_parameters():
            if name == "log_scale":
                p.copy_(uniform(p.shape, -0.25, 0.0))


@torch.no_grad()
def set_posteriors(model: Model, law: str, data: Joint, widen: float = 1.0) -> bool:
    """Writes the exact posterior of the p-law into the q-factors that p does not share; variances times `widen`.

    Returns:
        Whether that was possible: the posterior is diagonal and depends on the parents of the factors only.
    """
    q, p = model.laws[law]
    joint, shared = joint_of(model, p, data), {t.name for t in p.terms}
    before, possible = [], True
    for term in q.terms:
        (*_, name) = term.of
        own = len(term.of) == 1 and term.name in model.factors and term.name not in shared
        if own:
            a, b, s = joint.regression([name], before)
            columns = dict(zip(before, a.split([joint.sizes[n] for n in before], 1), strict=True))
            strangers = [c for n, c in columns.items() if n not in term.given]
            possible &= all(bool((c.abs() < 1e-10).all()) for c in strangers) and bool(
                ((s - torch.diag(s.diag())).abs() < 1e-10).all()
            )
            (layer,) = model.factors[term.name].network.layers
            layer.weight.zero_()
            layer.weight[: len(b)] = torch.cat([columns[g] for g in term.given], 1)
            layer.bias.copy_(torch.cat([b, 0.5 * torch.log(widen * s.diag())]))
        elif term.name in shared and term.name in model.factors:
            a, _, s = joint.regression(
                [name], before
            )  # p's own factor draws it: exact only if nothing else is known of it
            columns = dict(zip(before, a.split([joint.sizes[n] for n in before], 1), strict=True))
            possible &= all(bool((c.abs() < 1e-10).all()) for n, c in columns.items() if n not in term.given)
        before.extend(term.of)
    return possible


def scored(model: Model, law: str) -> tuple[list[str], list[str]] | None:
    """What the pair of laws scores: (targets, given), or None if its weights are no likelihood of data."""
    q, p = model.laws[law]
    data = lambda side: {
        v for t in side.terms if t.head == "q" and not t.given and set(t.of) <= set(model.observed) for v in t.of
    }
    targets = [v for v in p.variables if v in model.observed and v not in data(p)]
    given = [v for v in p.variables if v in data(p)]
    return (targets, given) if targets and data(q) == {*targets, *given} else None
