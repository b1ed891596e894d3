"""JVAE (Vedantam et al. 2018): one latent for everything; (42), (44) of the Wyner VAE paper.

    L = KL( q(x,y) q(w|x,y)  ||  p(w) p(x|w) p(y|w) )                      (42)  joint
    then, the joint model frozen,
        KL( q(x) q(w|x)      ||  p(w) p(x|w) )  + the same for y           (44)  x2x, y2y

symbol   meaning                     shape        code
w        everything about the pair   (B, dw)      "w"
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.models.base import Model, chosen
from wyner.models.parts import Pair, Size, When, needed, pair, two_stage
from wyner.objectives import KL

LAWS = {
    "joint": ("q(x,y) q(w|x,y)", "p(w) p(x|w) p(y|w)"),
    "x2x": ("q(x) q(w|x)", "p(w) p(x|w)"),
    "y2y": ("q(y) q(w|y)", "p(w) p(y|w)"),
    # asked, never trained: log r(y|x) and its samples
    "x2y": ("q(x,y) q(w|x,y)", "q(x) q(w|x) p(y|w)"),
    "y2x": ("q(x,y) q(w|x,y)", "q(y) q(w|y) p(x|w)"),
}


@stored("jvae")
class JVAE(Model):
    """A joint VAE with one latent w, and encoders of one side fitted to it afterwards.

    It cannot keep a style: w holds what is common and what is private together.

    Args:
        w: size of the latent; in the paper's comparisons dim z + dim u + dim v of the Wyner VAE.
        marginals: when q(w|x), q(w|y) are fitted: `After(share)`, `Alternating(every, epochs)`,
            `Jointly()`.
        options: as in `Pair`.
    """

    def __init__(
        self, *, w: Size = 30, marginals: When | None = None, **options: Unpack[Pair]
    ) -> None:
        super().__init__(
            observed=pair(options),
            latent=needed(w=w),
            laws=LAWS,
            objective=KL("joint"),
            common=("w",),
            phases=two_stage(KL("joint"), ("x2x", "y2y"), ("q(w|x)", "q(w|y)"), marginals),
            **chosen(options),
        )
