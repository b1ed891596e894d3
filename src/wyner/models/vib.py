"""VIB (Alemi et al. 2017): variational information bottleneck, (50)-(52) of the Wyner VAE paper.

    L = KL( q(x,y) q(z|x)  ||  q(x) q(z|x) p(y|z) )                                  x2y
      + beta KL( q(x) q(z|x)  ||  q(x) p(z) )                                  (51)  rate

What is printed and trained leaves out the constant -h(y|x) of the first KL:

    E[ -log p(y|z) ] + beta E[ KL( q(z|x) || p(z) ) ]  >=  h(Y) - I(Y;Z) + beta I(X;Z)

for the law q(x,y) q(z|x).

symbol   meaning                        shape        code
z        what of x is kept to say y     (B, dz)      "z"
beta     price of a nat of I(X;Z)       number       beta
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.models.base import Model, chosen
from wyner.models.parts import Pair, Size, needed, pair
from wyner.objectives import KL
from wyner.schedules import Schedule


@stored("vib")
class VIB(Model):
    """A bottleneck z of x that predicts y: no law of x and no style, so no pairs and no restyling.

    Args:
        x, y: spaces of the input and of what is predicted.
        z: size of the bottleneck.
        beta: price of a nat in z; 0.1 for the mixture data, 0.001 for add-1 in the paper.
        options: as in `Pair`.
    """

    def __init__(
        self, *, z: Size = 10, beta: float | Schedule = 0.1, **options: Unpack[Pair]
    ) -> None:
        super().__init__(
            observed=pair(options),
            latent=needed(z=z),
            objective=KL("x2y") + beta * KL("rate"),
            laws={
                "x2y": ("q(x,y) q(z|x)", "q(x) q(z|x) p(y|z)"),
                "rate": ("q(x) q(z|x)", "q(x) p(z)"),
            },
            **chosen(options),
        )
