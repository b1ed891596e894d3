"""W-VAE: common and local codes that are categorical, from "Variational Inference via a Joint
Latent Variable Model with Common Information Extraction".

    L1 = KL( q(x,y) q(u|x,y) q(v|x,y) q(z|x,y)  ||  p(z) p(u) p(v) p(x|u,z) p(y|v,z) )   joint
       + lam KL( q(x,y) q(z|x,y)                ||  q(x,y) p(z) )                        rate
    then, the decoders frozen,
    L2 = KL( q(x) q(z|x) q(u|x)  ||  p(z) p(u) p(x|u,z) )  + the same for y              x2x, y2y

Posteriors are factorised and all see the pair. Priors are uniform; decoders are nearly
deterministic, 2 eps^2 = 1e-4.

symbol   meaning                                       shape        code
z        common: N variables of K values, |Z| = (N,K)  (B, N, K)    "z"
u, v     local to x, local to y                        (B, N, K)    "u", "v"
tau      temperature of the Gumbel-softmax             number       temperature
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from wyner.codec import stored
from wyner.families import Categorical, Fixed, Gaussian
from wyner.models.base import Model, chosen
from wyner.models.experts import Families
from wyner.models.parts import Pair, Size, When, latents, needed, pair, two_stage, without
from wyner.objectives import KL
from wyner.schedules import Exponential, Schedule
from wyner.variables import Categorical as Codes
from wyner.variables import Image, Real, Space

DECODERS = "p(z) p(u) p(v) p(x|u,z) p(y|v,z)"
LAWS = {
    "joint": ("q(x,y) q(u|x,y) q(v|x,y) q(z|x,y)", DECODERS),
    "rate": ("q(x,y) q(z|x,y)", "q(x,y) p(z)"),
    "x2x": ("q(x) q(z|x) q(u|x)", "p(z) p(u) p(x|u,z)"),
    "y2y": ("q(y) q(z|y) q(v|y)", "p(z) p(v) p(y|v,z)"),
    "x2y": ("q(x,y) q(z|x,y) q(v|x,y)", "q(x) q(z|x) p(v) p(y|v,z)"),
    "y2x": ("q(x,y) q(z|x,y) q(u|x,y)", "q(y) q(z|y) p(u) p(x|u,z)"),
}


@stored("w-vae")
class WVAE(Model):
    """Common and local codes that are categorical; succinctness is set by the size of z, or by lam.

    Args:
        z: (N, K), or a space; the capacity is N log K nats.
        u, v: (N, K), or a space; (0, 0) for none, the paper's baseline without local randomness.
        lam: weight of the rate; 0 in the paper's experiments.
        variance: eps^2 of `Real` and `Image` decoders; the paper's 2 eps^2 = 1e-4, its baseline
            2 eps^2 = 1. None leaves the default.
        temperature: of the relaxed draws; by default exp(-0.75 share), at least 0.5: tau =
            exp(-3e-5 step) over 25,000 steps.
        marginals: when q(z|x), q(u|x), q(z|y), q(v|y) are fitted.
        options: as in `Pair`.
    """

    def __init__(
        self,
        *,
        z: Sequence[int] | Space = (1, 10),
        u: Sequence[int] | Space = (2, 10),
        v: Sequence[int] | Space = (2, 10),
        lam: float | Schedule = 0.0,
        variance: float | None = 5e-5,
        temperature: float | Schedule | None = None,
        marginals: When | None = None,
        **options: Unpack[Pair],
    ) -> None:
        latent = needed(z=_codes(z)) | latents(u=_codes(u), v=_codes(v))
        relaxed = Categorical(
            temperature if temperature is not None else Exponential(1.0, 0.75, 0.5)
        )
        families: Families = {k: relaxed for k, s in latent.items() if isinstance(s, Codes)}
        for name, space in pair(options).items():
            if variance is not None and isinstance(space, Real | Image):
                families[name] = Gaussian(Fixed(variance))
        style = [f"q({s}|{m})" for m, s in (("x", "u"), ("y", "v")) if s in latent]
        objective = KL("joint") + lam * KL("rate")
        super().__init__(
            observed=pair(options),
            latent=latent,
            objective=objective,
            common=("z",),
            laws=without(LAWS, {"u", "v"} - set(latent)),
            phases=two_stage(objective, ("x2x", "y2y"), ("q(z|x)", "q(z|y)", *style), marginals),
            **chosen(options, families),
        )


def _codes(size: Sequence[int] | Space) -> Size:
    if isinstance(size, Space):
        return size
    n, k = size
    return Codes(n, k) if n and k else 0
