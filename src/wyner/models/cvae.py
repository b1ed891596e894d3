"""CVAE (Sohn et al. 2015): a VAE of y whose every part sees x. Equation (45) of the Wyner VAE
paper.

    L = KL( q(x,y) q(v|y,x)  ||  q(x) p(v|x) p(y|v,x) )                             (45)  x2y

symbol   meaning                      shape        code
v        what x does not say of y     (B, dv)      "v"
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.models.base import Model, chosen
from wyner.models.parts import Pair, Size, needed, pair
from wyner.objectives import KL


@stored("cvae")
class CVAE(Model):
    """A conditional VAE: y given x, without a law of x, so that it cannot generate pairs.

    For x given y exchange the arrays.

    Args:
        x, y: spaces of the condition and of the output.
        v: size of the latent.
        options: as in `Pair`.
    """

    def __init__(self, *, v: Size = 10, **options: Unpack[Pair]) -> None:
        super().__init__(
            observed=pair(options),
            latent=needed(v=v),
            objective=KL("x2y"),
            laws={"x2y": ("q(x,y) q(v|y,x)", "q(x) p(v|x) p(y|v,x)")},
            **chosen(options),
        )
