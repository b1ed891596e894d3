"""The models that the oracle examines: every model of `wyner.models.TABLE`, and models declared on
the spot.

A new model in the table needs one entry in `TABLE_CASES`: its latents, its options, and the laws
    whose exact posterior its
q-factors can hold when every latent has one coordinate. The same entry builds it with categorical
variables for the sums of `test_pmfs.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

import wyner
from oracle.gaussian import Joint, is_mixture, joint_of, random_joint
from wyner import KL, Model, Real
from wyner.families import Fixed, Gaussian, Mixture
from wyner.families.distributions import Delta
from wyner.laws import Conditional, parse
from wyner.laws.factor import Combined
from wyner.models import TABLE, MMVAEPlus, MoPoE, WynerVAE
from wyner.networks import MLPs
from wyner.variables import Space

AFFINE = MLPs(hidden=())
HALF = Gaussian(Fixed(0.5))


@dataclass(frozen=True)
class Case:
    """A model to examine. `make(size)` builds it with latents of this size; `exact` names the laws
    with reachable posteriors."""

    make: Callable[..., Model]
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


def _of_table(name: str, latent: str, exact: tuple[str, ...], **options: Any) -> Case:
    """A model of the table over a pair, its latents all of one size or space."""

    def make(size: int | Space, x: Space = Real(2), y: Space = Real(3)) -> Model:  # noqa: B008
        space = size if isinstance(size, Space) else Real(size)
        return TABLE[name](x=x, y=y, networks=AFFINE, **dict.fromkeys(latent, space), **options)

    return Case(make, exact)


BOTH = ("joint", "x2x", "y2y", "x2y", "y2x")
SUBSETS = ("joint", "x2x", "x2y", "y2y", "y2x")
"""The same laws in the order of models with experts."""

ELSEWHERE = {"DSAE", "PixelCNNVAE"}
"""Models of one observed variable that is no vector; tests of their own examine them."""

TABLE_CASES: dict[str, Case] = {
    name: _of_table(name, latent, exact, **options)
    for name, latent, exact, options in [
        (
            "WynerVAE",
            "zuv",
            BOTH,
            {"lam": 0.3, "alpha": {"x2x": 0.5, "y2y": 2.0, "x2y": 1.0, "y2x": 0.7}},
        ),
        ("JVAE", "w", BOTH, {}),
        ("JMVAE", "w", BOTH, {"c": 0.2}),
        ("CVAE", "v", ("x2y",), {}),
        ("VCCAPrivate", "zuv", (), {}),
        ("BiVCCAPrivate", "zuv", (), {"mu": 0.3}),
        ("VIB", "z", (), {"beta": 0.3}),
        ("JointBetaVAE", "zuv", BOTH, {"beta": 1.7}),
        ("SSVAE", "v", ("labelled", "classify", "x2y"), {"alpha": 2.0, "unlabelled": 0.7}),
        ("ADGM", "zv", (), {"alpha": 2.0, "unlabelled": 0.7}),
        ("BCDE", "z", ("x2y", "joint", "x2x", "y2y"), {"mu": 0.3}),
        ("WVAE", "zuv", (), {"lam": 0.4, "variance": 0.5}),
        ("IIAE", "zuv", (), {"beta": 0.4, "lam": 0.8, "warm": 3.0}),
        ("MVAE", "z", SUBSETS, {}),
        ("MMVAE", "z", ("x2x", "y2y"), {}),
        ("MoPoE", "z", ("x2x", "y2y"), {"tight": True}),
        ("MVTCAE", "z", SUBSETS, {"alpha": 0.8, "beta": 1.5}),
        ("DMVAE", "zuv", (), {"cross": 0.6}),
        ("MMVAEPlus", "zuv", (), {}),
        (
            "VariationalWyner",
            "zuv",
            (),
            {
                "lam": 0.3,
                "match": {"joint": 1.0, "x2y": 0.5, "y2x": 2.0},
                "rec": {"x2y": 3.0, "z": 0.5},
            },
        ),
    ]
}

OTHER_CASES: dict[str, Case] = {
    "WynerVAE-3": Case(
        lambda n: WynerVAE(
            {"a": Real(2), "b": Real(1), "c": Real(2)},
            z=n,
            local=n,
            lam=0.2,
            alpha=0.5,
            networks=AFFINE,
        ),
        ("joint", "a2a", "b2b", "c2c", "a2rest", "b2rest", "c2rest"),
    ),
    "WynerVAE-no-local": Case(
        lambda n: WynerVAE(
            x=Real(2), y=Real(2), z=n, u=0, v=0, lam=0.1, alpha=1.0, networks=AFFINE
        ),
        BOTH,
    ),
    "VAE": Case(_declare(("x",), "z", {"elbo": ("q(x) q(z|x)", "p(z) p(x|z)")}, ("z",)), ("elbo",)),
    "VCCA": Case(
        lambda n: TABLE["VCCAPrivate"](x=Real(2), y=Real(2), z=n, u=0, v=0, networks=AFFINE),
        ("x2x",),
    ),
    "MoPoE-3": Case(
        lambda n: MoPoE({"a": Real(1), "b": Real(2), "c": Real(1)}, z=n, networks=AFFINE),
        ("a2a", "b2b", "c2c"),
    ),
    "MMVAEPlus-3": Case(
        lambda n: MMVAEPlus(
            {"a": Real(1), "b": Real(2), "c": Real(1)}, z=n, local={"a": n, "c": n}, networks=AFFINE
        ),
        ("b2b",),
    ),
    "PixelCNNVAE-gaussian": Case(
        lambda n: TABLE["PixelCNNVAE"](
            x=Real(3),
            z=n,
            objective="beta",
            gamma=0.3,
            watch=False,
            families={"x": HALF},
            networks=AFFINE,
        ),
        ("elbo",),
    ),
    "hierarchy": Case(
        _declare(("x",), "zw", {"elbo": ("q(x) q(z|x) q(w|z)", "p(w) p(z|w) p(x|z)")}, ()),
        ("elbo",),
    ),
    "product-of-data": Case(
        _declare(
            ("x", "y", "t"),
            "z",
            {"bound": ("q(x,y,t) q(z|x,y,t)", "q(x) q(y) p(z|x) p(t|z,y)")},
            (),
        ),
        ("bound",),
    ),
}

CASES = {**TABLE_CASES, **OTHER_CASES}
NAMES = [*CASES]


def implicit(model: Model, *laws: str) -> bool:
    """Whether a factor of some laws (of any, by default) is a function, which has no density."""
    names = {t.name for law in laws or model.laws for side in model.laws[law] for t in side.terms}
    return any(model.factors[n].head.distribution is Delta for n in names if n in model.factors)


IMPLICIT = [name for name in NAMES if implicit(CASES[name].make(1))]
"""Models whose laws can be drawn and not scored; test_implicit.py examines them."""
DENSE = [name for name in NAMES if name not in IMPLICIT]


def build(name: str, size: int, seed: int = 1, **spaces: Space) -> tuple[Model, Joint]:
    """A model with random affine factors of constant variance, and a Gaussian law of its data. Call
    with float64 as default."""
    model = CASES[name].make(size, **spaces)
    randomise(model, seed)
    return model.eval(), random_joint({k: s.size for k, s in model.observed.items()}, seed + 100)


@torch.no_grad()
def randomise(model: Model, seed: int) -> None:
    """Random matrices and offsets; variances that do not depend on the parents, those of latents
    between 0.6 and 1.5."""
    g = torch.Generator().manual_seed(seed)
    uniform = lambda shape, low, high: low + (high - low) * torch.rand(shape, generator=g)
    for factor in model.factors.values():
        if factor.network is not None:
            (layer,) = factor.network.layers
            layer.weight.copy_(
                torch.randn(layer.weight.shape, generator=g) / layer.weight.shape[1] ** 0.5
            )
            layer.bias.copy_(0.4 * torch.randn(layer.bias.shape, generator=g))
            if factor.head.parameters_per_coordinate == 2:
                half = len(layer.bias) // 2
                layer.weight[half:] = 0
                layer.bias[half:] = uniform(half, 0.05, 0.2)
        for name, p in factor.head.named_parameters():
            if name == "log_scale":
                p.copy_(uniform(p.shape, -0.25, 0.0))


def leaves(model: Model, name: str) -> list[str]:
    """The factors with networks or priors that a factor is made of: itself, or the members of a
    combination."""
    factor = model.factors[name]
    return (
        [n for m in factor.family.members for n in leaves(model, m)]
        if isinstance(factor, Combined)
        else [name]
    )


@torch.no_grad()
def set_posteriors(model: Model, law: str, data: Joint, widen: float = 1.0) -> bool:
    """Writes the exact posterior of the p-law into the q-factors that p does not share; variances
    times `widen`.

    Experts of a product share the natural parameters that the fixed ones leave; components of a
    mixture each get the posterior given their own parents, which for several is not the posterior
    of the mixture.

    Returns:
        Whether that was possible: the posterior is diagonal and depends on the parents of the
            factors only.
    """
    q, p = model.laws[law]
    if is_mixture(model, p):
        return False
    joint, shared = joint_of(model, p, data), {t.name for t in p.terms}
    fixed = {n for t in p.terms if t.name in model.factors for n in leaves(model, t.name)}
    before, possible = [], True
    for term in q.terms:
        if len(term.of) == 1 and term.name in model.factors and term.name not in shared:
            possible &= _write(model, term, joint, before, fixed, widen)
        elif term.name in shared and term.name in model.factors:
            # p's own factor draws it: exact only if nothing else is known of it
            a, *_ = joint.regression(list(term.of), before)
            columns = dict(zip(before, a.split([joint.sizes[n] for n in before], 1), strict=True))
            possible &= all(
                bool((c.abs() < 1e-10).all()) for n, c in columns.items() if n not in term.given
            )
        before.extend(term.of)
    return possible


def _write(
    model: Model, term: Conditional, joint: Joint, before: list[str], fixed: set[str], widen: float
) -> bool:
    factor = model.factors[term.name]
    if isinstance(factor, Combined) and isinstance(factor.family, Mixture):
        each = [parse(m).terms[0] for m in factor.family.members]
        found = [_write(model, m, joint, list(m.given), fixed, widen) for m in each]
        return found[0] and len(each) == 1 and _write(model, each[0], joint, before, fixed, widen)
    (name,) = term.of
    a, b, s = joint.regression([name], before)
    columns = dict(zip(before, a.split([joint.sizes[n] for n in before], 1), strict=True))
    if any(bool((c.abs() > 1e-10).any()) for n, c in columns.items() if n not in term.given):
        _write(
            model, term, joint, [n for n in before if n in term.given], fixed, widen
        )  # wider: less is known
        return False
    possible = bool(((s - torch.diag(s.diag())).abs() < 1e-10).all())
    parts = leaves(model, term.name)
    free = [n for n in parts if n not in fixed and model.factors[n].network is not None]
    precision = 1 / s.diag()
    slope = {
        n: precision[:, None] * columns.get(n, torch.zeros(len(b), joint.sizes[n]))
        for n in term.given
    }
    constant = precision * b
    for n in parts if len(parts) > 1 else ():
        if n not in fixed and n not in free:  # a prior that this law does not score: almost flat
            model.factors[n].head.log_scale.fill_(2.0)
    for part in (parse(n).terms[0] for n in parts if n not in free):
        d = model.factors[part.name](*(torch.zeros(1, joint.sizes[g]) for g in part.given))
        more = 1 / d.variance.reshape(-1)
        for g in part.given:
            at = model.factors[part.name](
                *(
                    (
                        torch.eye(joint.sizes[g])
                        if k == g
                        else torch.zeros(joint.sizes[g], joint.sizes[k])
                    )
                    for k in part.given
                )
            )
            slope[g] = slope[g] - more[:, None] * (at.mean - d.mean).T
        precision, constant = precision - more, constant - more * d.mean.reshape(-1)
    if not free:
        return False
    if bool(
        (precision <= 0.02).any()
    ):  # the fixed experts are too narrow already: the free ones stay almost flat
        precision, constant = torch.full_like(precision, 0.02), torch.zeros_like(constant)
        slope, possible = {n: torch.zeros_like(c) for n, c in slope.items()}, False
    for part in (parse(n).terms[0] for n in free):
        (layer,) = model.factors[part.name].network.layers
        layer.weight.zero_()
        share = precision / len(free)
        layer.weight[: len(b)] = (
            torch.cat([slope.pop(g, torch.zeros(len(b), joint.sizes[g])) for g in part.given], 1)
            / share[:, None]
        )
        mean, variance = constant / precision, widen / share
        if model.factors[part.name].head.parameters_per_coordinate == 2:
            layer.bias.copy_(torch.cat([mean, 0.5 * torch.log(variance)]))
        else:  # its variance is not the network's
            layer.bias.copy_(mean)
            possible &= bool(
                torch.allclose(model.factors[part.name].head(layer.bias).variance, variance)
            )
    return possible and all(bool((c.abs() < 1e-10).all()) for c in slope.values())


def scored(model: Model, law: str) -> tuple[list[str], list[str]] | None:
    """What the pair of laws scores: (targets, given), or None if its weights are no likelihood of
    data."""
    if implicit(model, law):
        return None
    q, p = model.laws[law]
    data = lambda side: {
        v
        for t in side.terms
        if t.head == "q" and not t.given and set(t.of) <= set(model.observed)
        for v in t.of
    }
    inferred = {v for t in q.terms for v in t.of} - data(q)
    targets = [
        v for v in p.variables if v in model.observed and v not in data(p) and v not in inferred
    ]
    given = [v for v in p.variables if v in data(p)]
    return (targets, given) if targets and data(q) == {*targets, *given} else None


def questions(model):
    """`{law: (targets, given)}`: the first pair of laws that answers each question, which is the
    one the library uses."""
    found = {}
    for law in model.laws:
        asked = scored(model, law)
        if asked and asked not in found.values():
            found[law] = asked
    return found
