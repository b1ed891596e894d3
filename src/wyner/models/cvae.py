"""CVAE (Sohn et al. 2015): a VAE of y whose every part sees x. Equation (45) of the Wyner VAE paper.

    L = KL( q(x,y) q(v|y,x)  ||  q(x) p(v|x) p(y|v,x) )                             (45)  x2y

symbol   meaning                      shape        code
v        what x does not say of y     (B, dv)      "v"
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.models.base import Model, ModelOptions
from wyner.models.parts import needed
from wyner.objectives import KL
from wyner.variables import Space


@stored("cvae")
class CVAE(Model):
    """A conditional VAE: y given x, without a law of x, so that it cannot generate pairs.

    For x given y exchange the arrays.

    Args:
        x, y: spaces of the condition and of the output.
        v: size of the latent.
        options: as in `Model`.
    """

    def __init__(
        self, *, x: Space, y: Space, v: int | Space = 10, **options: Unpack[ModelOptions]
    ) -> None:
        super().__init__(
            observed={"x": x, "y": y},
            latent=needed(v=v),
            objective=KL("x2y"),
            laws={"x2y": ("q(x,y) q(v|y,x)", "q(x) p(v|x) p(y|v,x)")},
            **options,
        )
