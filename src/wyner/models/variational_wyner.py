"""Variational Wyner model: "Learning with Succinct Common Representation Based on Wyner's Common
Information", and its workshop abstract.

Four laws over (x,y,z,u,v), matched pairwise by the symmetric KL = KL(. || .) + KL( . || .)
exchanged, from density ratios:

    D_joint    SKL( q(x,y) q(z|x,y) q(u|z,x) q(v|z,y)                                  joint
                    ||  p(z) p(u) p(v) p(x|z,u) p(y|z,v) )
    D_x->y     SKL( q(x,y) q(z|x,y) q(v|z,y)  ||  q(x) q(z|x) p(v) p(y|z,v) )          x2y, y2x
    D_x<->y    SKL( q(x) q(z|x) p(v) p(y|z,v) q(u|z,x)                                 cross
                    ||  q(y) q(z|y) p(u) p(x|z,u) q(v|z,y) )
    M_x->y     SKL( q(x) q(z|x)  ||  p(z) ) on z                                       x2z, y2z
               SKL( q(x) q(z|x)  ||  q(y) q(z|y) ) on z                                meet
    M_x        SKL( q(x) q(z|x) p(v) p(y|z,v) q(u|z,x)                                 mx, my
                    ||  p(z) p(u) p(v) p(x|z,u) p(y|z,v) )
    I_joint    I(X,Y;Z) under p of joint, x2y, y2x; under q of joint (I_var)           lam

D_x->y is written without u, which both of its laws draw from q(u|z,x). Encoders and decoders are
functions; noise at the critics' inputs stands for randomness of theirs. Specification, sections 1
and 2.

symbol    meaning                           shape        code
x, y      the pair                          (B, *event)  "x", "y"
z         common to x and y                 (B, dz)      "z"
u, v      local to x, local to y            (B, du)      "u", "v"
lambda    price of I(X,Y;Z) per nat         number       lam
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Unpack

from wyner.codec import stored
from wyner.errors import OptionError, unknown
from wyner.families import Deterministic, Fixed, Gaussian
from wyner.laws import parse
from wyner.models.base import Model, chosen
from wyner.models.experts import Families
from wyner.models.parts import (
    Laws,
    Pair,
    Size,
    TwoPlayerOptions,
    latents,
    main_phase,
    needed,
    pair,
    without,
)
from wyner.objectives import Information, Objective, Ratio, Reconstruction, SymmetricKL
from wyner.schedules import Schedule
from wyner.variables import Image, Real, Space

VARIATIONAL = "q(x,y) q(z|x,y) q(u|z,x) q(v|z,y)"
JOINT = "p(z) p(u) p(v) p(x|z,u) p(y|z,v)"
X2Y, Y2X = "q(x) q(z|x) p(v) p(y|z,v)", "q(y) q(z|y) p(u) p(x|z,u)"

LAWS = {
    "joint": (VARIATIONAL, JOINT),
    "x2y": ("q(x,y) q(z|x,y) q(v|z,y)", X2Y),
    "y2x": ("q(x,y) q(z|x,y) q(u|z,x)", Y2X),
    "x2x": ("q(x) q(z|x) q(u|z,x)", "p(z) p(u) p(x|z,u)"),
    "y2y": ("q(y) q(z|y) q(v|z,y)", "p(z) p(v) p(y|z,v)"),
    "x2y_pair": ("q(x,y) q(z|x) q(v|z,y)", X2Y),  # R_x->y: z of x alone, v of the paired y
    "y2x_pair": ("q(x,y) q(z|y) q(u|z,x)", Y2X),
    "cross": (f"{X2Y} q(u|z,x)", f"{Y2X} q(v|z,y)"),
    "x2z": ("q(x) q(z|x)", "p(z)"),
    "y2z": ("q(y) q(z|y)", "p(z)"),
    "meet": ("q(x) q(z|x)", "q(y) q(z|y)"),
    "mx": (f"{X2Y} q(u|z,x)", JOINT),
    "my": (f"{Y2X} q(v|z,y)", JOINT),
}
MATCH = ("joint", "x2y", "y2x", "cross", "x2z", "y2z", "meet", "mx", "my")
"""Pairs of laws that can be matched."""
INFORM = {"joint": "p", "x2y": "p", "y2x": "p", "var": "q"}
"""Laws under which I(X,Y;Z) can have a price; "var" is q of the joint pair."""
RECONSTRUCT = {
    **{f"xy2{m}": ("joint", m) for m in "xy"},
    **{
        "x2y": ("x2y_pair", "y"),
        "y2x": ("y2x_pair", "x"),
        "x2x": ("x2x", "x"),
        "y2y": ("y2y", "y"),
    },
    **{m: ("joint", m) for m in "zuv"},
}
"""R_xy->x, R_xy->y, R_x->y, R_y->x, R_x->x, R_y->y and the three parts of R_zuv->zuv: the pair of
laws and what comes back."""

ADD_ONE: dict[str, Any] = {
    "match": {"joint": 1.0, "x2y": 1.0, "y2x": 1.0},
    "inform": {"joint": 1.0, "x2y": 1.0, "y2x": 1.0},
    "rec": {"xy2x": 1.0, "xy2y": 1.0, "x2y": 1.0, "y2x": 1.0},
}
"""Weights of the workshop paper's objective for MNIST-SVHN add-one; specification, section 2.3."""
RETRIEVAL: dict[str, Any] = {
    "match": {"x2y": 1.0, "y2x": 1.0, "cross": 1.0},
    "inform": {"x2y": 1.0, "y2x": 1.0},
    "rec": {"x2y": 8.0, "y2x": 8.0, "x2x": 8.0, "y2y": 8.0},
    "lam": 0.1,
    "norm": "l2",
    **dict.fromkeys("zuv", 64),
}
"""The same for sketch-based retrieval: no joint model, lambda_CI = 0.1, lambda_rec = 8."""

Weights = Mapping[str, float | Schedule]


class VariationalOptions(Pair, TwoPlayerOptions, total=False):
    """How the variational Wyner model compares and infers.

    Keys:
        norm: "l1" or "l2" distance of reconstructions of x and y; by default l1 for images, l2 for
            everything else.
        own: the ablation: q(u|x) and q(v|y) in place of q(u|z,x) and q(v|z,y).
        ratio: how the ratios of the matching terms are learned and plugged in.
    """

    norm: str | None
    own: bool
    ratio: Ratio | None


@stored("variational-wyner")
class VariationalWyner(Model):
    """A common latent and two local ones, learned by matching laws that can only be drawn.

    `VariationalWyner(x=..., y=..., **ADD_ONE)` and `**RETRIEVAL` are the workshop paper's two
    objectives; the first is the default.

    Args:
        z: size of the common latent, or a space.
        u, v: sizes of the local latents; 0 for none.
        lam: lambda_CI, multiplies the weights in `inform`; 0 watches I(X,Y;Z) without a price, None
            leaves its critics out.
        match: weights of the matching terms, by the names of `MATCH`.
        inform: weights of the common-information terms, by the names of `INFORM`.
        rec: weights of the reconstruction terms, by the names of `RECONSTRUCT`.
        options: as in `Pair`, `TwoPlayerOptions` (by default one step of the critics, at the
            model's learning rate) and `VariationalOptions`.

    Example:
        >>> from wyner import Real
        >>> from wyner.models import VariationalWyner
        >>> sizes = dict(x=Real(4), y=Real(3), z=2, u=1, v=1)
        >>> print(VariationalWyner(**sizes, match={"x2y": 1}, inform={"x2y": 1}, rec={}).objective)
          1 * SKL(x2y)       = SKL( q(x,y) q(z|x,y) q(v|z,y) || q(x) q(z|x) p(v) p(y|z,v) )   by
                             T(x,y,z,v)
        0.1 * I(x,y;z) p x2y = I(x,y;z) under q(x) q(z|x) p(v) p(y|z,v)   by T(x,y,z)
    """

    def __init__(
        self,
        *,
        z: Size = 16,
        u: Size = 8,
        v: Size = 8,
        lam: float | Schedule | None = 0.1,
        match: Weights | None = None,
        inform: Weights | None = None,
        rec: Weights | None = None,
        **options: Unpack[VariationalOptions],
    ) -> None:
        latent = needed(z=z) | latents(u=u, v=v)
        back = _weights("rec", rec, RECONSTRUCT)
        weights = {
            "match": _weights("match", match, MATCH),
            "inform": _weights("inform", inform, INFORM),
            "rec": {k: w for k, w in back.items() if RECONSTRUCT[k][1] in {"x", "y", *latent}},
        }
        ratio, norm = options.get("ratio") or Ratio(), options.get("norm")
        objective = _objective(weights, lam, ratio, norm)
        pairs = {t.law for t in objective.terms} | {"x2y", "y2x", "x2x", "y2y"}
        laws: Laws = {k: LAWS[k] for k in LAWS if k in pairs}
        if options.get("own"):
            laws = {k: (_own(q), _own(p)) for k, (q, p) in laws.items()}
        laws = without(laws, {"u", "v"} - set(latent))
        observed, own = pair(options), options.get("families") or {}
        super().__init__(
            observed=observed,
            latent=latent,
            objective=objective,
            common=("z",),
            laws=laws,
            phases=main_phase(objective, options.get("steps", 1), options.get("critic_lr")),
            **chosen(options, _functions(laws, observed | latent, own)),
        )


def _functions(laws: Laws, spaces: Mapping[str, Space], given: Collection[str]) -> Families:
    """Every factor a function of its parents and standard normal priors, where the user says
    nothing of the variable.
    """
    found: Families = {}
    for term in (t for law in laws.values() for text in law for t in parse(text).terms):
        name = term.of[0]
        if len(term.of) == 1 and name not in given and isinstance(spaces[name], (Real, Image)):
            if term.given:
                found[term.name] = Deterministic()
            elif term.head == "p":
                found[term.name] = Gaussian(Fixed(1.0))
    return found


def _weights(
    what: str, given: Weights | None, names: Collection[str]
) -> dict[str, float | Schedule]:
    found = dict(ADD_ONE[what] if given is None else given)
    for name in found:
        if name not in names:
            raise OptionError(f"{what}: {unknown('term', name, names)}")
    return {k: found[k] for k in names if k in found}


def _objective(
    weights: Mapping[str, Weights], lam: float | Schedule | None, ratio: Ratio, norm: str | None
) -> Objective:
    found = [w * SymmetricKL(k, ratio) for k, w in weights["match"].items() if w != 0]
    for k, w in weights["inform"].items() if lam is not None else ():
        term = Information("x,y;z", under="joint" if k == "var" else k, side=INFORM[k])
        found.append(_product(lam, w) * term)
    for k, w in weights["rec"].items():
        if w != 0:
            law, variable = RECONSTRUCT[k]
            found.append(w * Reconstruction(variable, law, norm if variable in "xy" else None))
    if not found:
        raise OptionError("match, inform, rec: expected at least one term with a weight")
    return Objective(tuple(t for part in found for t in part.terms))


def _product(lam: float | Schedule | None, weight: float | Schedule) -> float | Schedule:
    if lam is None or lam == 1:
        return weight
    if isinstance(weight, Schedule) or (isinstance(lam, Schedule) and weight != 1):
        raise OptionError("inform: one of lam and the weight can be a schedule if the other is 1")
    return lam if isinstance(lam, Schedule) else lam * weight


def _own(text: str) -> str:
    return text.replace("q(u|z,x)", "q(u|x)").replace("q(v|z,y)", "q(v|y)")
