"""Joint beta-VAE: all latents pay, not the common one alone. Appendix B.2 of the Wyner VAE paper.

    L = KL( q(x,y) q(z|x,y) q(u|z,x) q(v|z,y)  ||  p(z) p(u) p(v) p(x|z,u) p(y|z,v) )    joint
      + (beta - 1) KL( q(x,y) q(z|x,y) q(u|z,x) q(v|z,y)                           (38)
                       ||  q(x,y) p(z) p(u) p(v) )                                       rate

Equations (37)-(39). The rate bounds I(X,Y;Z,U,V); in the Wyner VAE it bounds I(X,Y;Z).

symbol   meaning                      shape        code
z        common to x and y            (B, dz)      "z"
u, v     local to x, local to y       (B, du)      "u", "v"
beta     price of a nat in z, u, v    number       beta
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.models.base import Model, chosen
from wyner.models.parts import Pair, Size, When, latents, needed, pair, two_stage, without
from wyner.objectives import KL

INFER = "q(x,y) q(z|x,y) q(u|z,x) q(v|z,y)"
LAWS = {
    "joint": (INFER, "p(z) p(u) p(v) p(x|z,u) p(y|z,v)"),
    "rate": (INFER, "q(x,y) p(z) p(u) p(v)"),
    "x2x": ("q(x) q(z|x) q(u|z,x)", "p(z) p(u) p(x|z,u)"),
    "y2y": ("q(y) q(z|y) q(v|z,y)", "p(z) p(v) p(y|z,v)"),
    "x2y": ("q(x,y) q(z|x,y) q(v|z,y)", "q(x) q(z|x) p(v) p(y|z,v)"),
    "y2x": ("q(x,y) q(z|x,y) q(u|z,x)", "q(y) q(z|y) p(u) p(x|z,u)"),
}


@stored("joint-beta-vae")
class JointBetaVAE(Model):
    """The Wyner VAE's joint model with a price on the whole bottleneck (z, u, v).

    Its encoders of one side come afterwards.

    Args:
        z: size of the common latent.
        u, v: sizes of the local latents; 0 for none.
        beta: weight of all three rates; 1 is the Wyner VAE at lambda = 0.
        marginals: when q(z|x), q(z|y) are fitted: `After(share)`, `Alternating(every, epochs)`,
            `Jointly()`.
        options: as in `Pair`.
    """

    def __init__(
        self,
        *,
        z: Size = 10,
        u: Size = 10,
        v: Size = 10,
        beta: float = 1.1,
        marginals: When | None = None,
        **options: Unpack[Pair],
    ) -> None:
        latent = needed(z=z) | latents(u=u, v=v)
        objective = KL("joint") + (beta - 1) * KL("rate")
        super().__init__(
            observed=pair(options),
            latent=latent,
            objective=objective,
            common=("z",),
            laws=without(LAWS, {"u", "v"} - set(latent)),
            phases=two_stage(objective, ("x2x", "y2y"), ("q(z|x)", "q(z|y)"), marginals),
            **chosen(options),
        )
