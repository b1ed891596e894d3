"""Wyner VAE: equations (7)-(15) of "Wyner VAE: A Variational Autoencoder with Succinct Common
Representation Learning".

    L = KL( q(x,y) q(z|x,y) q(u|z,x) q(v|z,y)  ||  p(z) p(u) p(v) p(x|z,u) p(y|z,v) )    (7)   joint
      + lam  KL( q(x,y) q(z|x,y)               ||  q(x,y) p(z) )                         (11)  rate
      + w    KL( q(x,y) q(z|x,y) q(u|z,x) q(v|z,y)
                                  ||  q(x,y) q(z|x,y) p(u) p(v) )                  ours  private
      + m    KL( q(x,y) q(z|x,y) q(u|z,x)      ||  p(z) p(u) ) on z,u              ours  zu, zv
      + r    E[ -log q(z|x) ]  under p(z) p(u) p(x|z,u)                            ours  x2x, y2y
      + a_xx KL( q(x) q(z|x) q(u|z,x)          ||  p(z) p(u) p(x|z,u) )            (13)  x2x, y2y
      + a_xy KL( q(x,y) q(z|x,y) q(v|z,y)      ||  q(x) q(z|x) p(v) p(y|z,v) )     (14)  x2y, y2x

and, from the fourth line on, the same with x and y exchanged.

With `posterior="experts"`, q(z|x_S) ~ p(z) prod_{i in S} e(z|x_i) for every subset S (ours), so
that rows train and answer by whatever modalities they have.

symbol   meaning                      shape        code
x, y     the pair                     (B, *event)  "x", "y"
z        common to x and y            (B, dz)      "z"
u, v     local to x, local to y       (B, du)      "u", "v"
lam      price of I(X,Y;Z) per nat    number       lam
w        price of u and v per nat     number       local_rate, besides the 1 that they pay in (7)
m        price of what draws from the priors and from the encoders differ in      match_prior
r        price of what q(z|x), q(z|y) do not read back from pictures of the priors      cycle
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

from wyner.codec import stored
from wyner.errors import OptionError, unknown
from wyner.families import Gaussian
from wyner.models.base import CriticOptions, Model, chosen
from wyner.models.experts import Pairs, ViewOptions, Views, products
from wyner.models.experts import posterior as given
from wyner.models.parts import Size, Spaces, When, latents, needed, two_stage
from wyner.networks import Critics
from wyner.objectives import KL, Objective, RatioKL, Reconstruction
from wyner.objectives.phases import Phase
from wyner.schedules import Schedule

Weight = float | Schedule


class WynerOptions(CriticOptions, ViewOptions, total=False):
    """Terms that are not in the paper (our choice), each a weight or a schedule, by default 0.

    Keys:
        local_rate: of the rates of the local latents, besides theirs in (7). A path from above 0
            down to 0 lets z take what is shared before u and v can.
        match_prior: of KL(q(z,u) || p(z) p(u)) and KL(q(z,v) || p(z) p(v)), which critics learn; q
            is the aggregate over the data. (7) holds them with weight 1, beside tens of nats of
            detail: too little to keep what z says out of u and v, and draws of the priors where
            draws of the encoders are, so that conditional samples show what z says. The gradient
            reaches the encoders alone: trained scales of the priors do not see this term.
        cycle: of E[-log q(z|x)] where z, u and x are drawn from p, and of the same for y: what is
            generated must be read as the z that it came from, for every u. It bounds H(Z|X) under p
            from above. Needs a trained q(z|x) and q(z|y), by `alpha` or by the run that a training
            starts from, and these frozen, or the loss is lowest where they are sure; p(u) and p(v)
            frozen as well, whose trained scales would shrink to what is easily read.
    """

    local_rate: Weight
    match_prior: Weight
    cycle: Weight


@stored("wyner-vae", local_rate="private", match_prior="aggregate", cycle="reread")
class WynerVAE(Model):
    """A common latent z and a local latent for each modality, with a price on the information in z.

    With two modalities the names are x, y and u, v. For more, pass `modalities={"a": ..., "b": ...,
    "c": ...}`: the local latents are then `u_a`, `u_b`, ... and the laws `joint`, `rate`, `a2a`,
    `a2rest`, ...

    Args:
        modalities: spaces by name; or `x` and `y` of the options.
        z: size of the common latent, or a space (`Categorical(1, 10)`).
        u, v: sizes of the local latents; 0 for none.
        local: sizes of the local latents by modality, instead of `u` and `v`; one number for all.
        lam: lambda >= 0, the weight of the rate I(X,Y;Z), a number or a schedule. The useful range
            is [0, 1).
        alpha: weights of the marginal and conditional terms, one number for all of them or `{"x2y":
            1.0, ...}`. With all at 0 (the paper's two-stage scheme) the encoders q(z|x), q(z|y) are
            fitted to the frozen joint model.
        marginals: when they are fitted in the two-stage scheme: `After(share)`, `Alternating(every,
            epochs)`, `Jointly()`.
        posterior: "joint": one network for q(z|x,y), one for each q(z|x), as in the paper; a row
            that lacks a modality trains the marginal terms of those that it has. "experts": a
            product of one expert a modality and the prior. Every row trains every term with what it
            has, and any subset of the modalities encodes, translates and is scored.
        options: as in `ViewOptions` and `WynerOptions`; critics by default without noise, of width
            512.

    Example:
        >>> from wyner import Real
        >>> from wyner.models import WynerVAE
        >>> model = WynerVAE(x=Real(4), y=Real(3), z=2, u=1, v=1, lam=0.1, alpha={"x2y": 1.0})
        >>> print(model.objective)
          1 * joint = KL(q(z|x,y) || p(z)) + KL(q(u|z,x) || p(u)) + KL(q(v|z,y) || p(v)) - log
          p(x|z,u) - log p(y|z,v)   [dropped: -h(x,y)]
        0.1 * rate  = KL(q(z|x,y) || p(z))
          0 * x2x   = (off)
          0 * y2y   = (off)
          1 * x2y   = KL(q(z|x,y) || q(z|x)) + KL(q(v|z,y) || p(v)) - log p(y|z,v)   [dropped:
                    -h(y|x)]
          0 * y2x   = (off)
    """

    def __init__(
        self,
        modalities: Spaces | None = None,
        *,
        z: Size = 10,
        u: Size = 10,
        v: Size = 10,
        local: Size | Mapping[str, Size] | None = None,
        lam: Weight = 0.0,
        alpha: float | Mapping[str, Weight] = 0.0,
        marginals: When | None = None,
        posterior: str = "joint",
        **options: Unpack[WynerOptions],
    ) -> None:
        if posterior not in ("joint", "experts"):
            raise OptionError(f"posterior: {unknown('kind', posterior, ('joint', 'experts'))}")
        views = Views("WynerVAE", modalities, options, u, v, local)
        names, style = views.names, views.local
        laws, experts = _laws(views), posterior == "experts"
        matched = [f"z{s}" for s in style.values()]
        own = {"joint", "rate", "private", *matched}
        weights = _alpha(alpha, [n for n in laws if n not in own])
        objective: Objective = KL("joint") + lam * KL("rate")
        if style and (weight := options.get("local_rate", 0.0)) != 0:
            objective = objective + weight * KL("private")
        else:
            del laws["private"]
        for law in matched:
            if (weight := options.get("match_prior", 0.0)) != 0:
                objective = objective + weight * RatioKL(law)
            else:
                del laws[law]
        for law, weight in weights.items():
            objective = objective + weight * KL(law)
        for m in names if (weight := options.get("cycle", 0.0)) != 0 else ():
            objective = objective + weight * Reconstruction("z", f"{m}2{m}", "log")
        asked = views.common_laws("z,") if experts else {}
        super().__init__(
            observed=views.spaces,
            latent=needed(z=z) | latents(**views.sizes),
            laws=asked | laws,
            objective=objective,
            common=("z",),
            phases=_phases(objective, weights, [] if experts else names, marginals),
            **chosen(
                options,
                products(names, prior=True) | {"p(z)": Gaussian()} if experts else {},
                critics=Critics(noise=0.0),
            ),
        )


def _laws(views: Views) -> Pairs:
    """Every pair of laws of equation (15), for any number of modalities."""
    names, data, decode = views.names, views.data, views.decode
    infer = lambda ms: views.infer(ms, "z,")
    q = f"{data} {given(names)}"
    laws = {
        "joint": (f"{q} {infer(names)}", f"p(z) {decode(names)}"),
        "rate": (q, f"{data} p(z)"),
        "private": (f"{q} {infer(names)}", f"{q} {views.priors(names)}"),
    }
    for m, s in views.local.items():
        laws[f"z{s}"] = (f"{q} q({s}|z,{m})", f"p(z) p({s})")
    for m in names:
        laws[f"{m}2{m}"] = (f"q({m}) q(z|{m}) {infer([m])}", f"p(z) {decode([m])}")
    for m in names:
        rest = [k for k in names if k != m]
        name = f"{m}2{rest[0]}" if len(rest) == 1 else f"{m}2rest"
        if rest:
            laws[name] = (f"{q} {infer(rest)}", f"q({m}) q(z|{m}) {decode(rest)}")
    return laws


def _phases(
    objective: Objective, weights: Mapping[str, object], names: Sequence[str], when: When | None
) -> tuple[Phase, ...]:
    """The main phase, and one for the marginal encoders that no term of the objective trains."""
    trained = {law.split("2")[0] for law, weight in weights.items() if weight != 0}
    left = [m for m in names if m not in trained]
    if not left:
        return (Phase("joint", objective),)
    return two_stage(objective, [f"{m}2{m}" for m in left], [f"q(z|{m})" for m in left], when)


def _alpha(alpha: float | Mapping[str, Weight], laws: Sequence[str]) -> dict[str, Weight]:
    if not isinstance(alpha, Mapping):
        return dict.fromkeys(laws, alpha)
    for name in alpha:
        if name not in laws:
            raise OptionError(f"alpha: {unknown('law', name, laws)}")
    return {name: alpha.get(name, 0.0) for name in laws}
