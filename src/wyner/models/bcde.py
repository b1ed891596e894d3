"""BCDE (Shu et al. 2017): a conditional model through a bottleneck, tied to a joint one.

    L = (1 - mu) KL( q(x,y) q(z|x,y)  ||  q(x) q(z|x) p(y|z) )                 conditional: x2y
      + mu [ KL( q(x,y) q(z|x,y)  ||  p(z) p(x|z) p(y|z) )                     joint
             + KL( q(x) q(z|x)  ||  p(z) p(x|z) )                              x2x
             + KL( q(y) q(z|y)  ||  p(z) p(y|z) ) ]                            y2y

All of x's information about y goes through z. The joint part also learns from rows that have only
one side (masks). In Shu et al. the parts are tied softly or not; here q(z|x) is at once the prior
of the conditional model and the encoder of the joint one (our choice; their "hybrid" model with one
set of parameters).

symbol   meaning                    shape        code
z        the bottleneck             (B, dz)      "z"
mu       share of the joint model   number       mu
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.errors import OptionError
from wyner.models.base import Model, chosen
from wyner.models.parts import Pair, Size, needed, pair, total


@stored("bcde")
class BCDE(Model):
    """The law of y given x through a bottleneck z, regularised by a joint model of the pair.

    Args:
        x, y: spaces of the condition and of the output.
        z: size of the bottleneck.
        mu: share of the joint model, in [0, 1); 0 is the conditional model alone.
        options: as in `Pair`.
    """

    def __init__(self, *, z: Size = 10, mu: float = 0.5, **options: Unpack[Pair]) -> None:
        if not 0 <= mu < 1:
            raise OptionError(f"mu: expected a share from 0 up and below 1, got {mu}")
        super().__init__(
            observed=pair(options),
            latent=needed(z=z),
            common=("z",),
            objective=total({"x2y": 1 - mu, "joint": mu, "x2x": mu, "y2y": mu}),
            laws={
                "x2y": ("q(x,y) q(z|x,y)", "q(x) q(z|x) p(y|z)"),
                "joint": ("q(x,y) q(z|x,y)", "p(z) p(x|z) p(y|z)"),
                "x2x": ("q(x) q(z|x)", "p(z) p(x|z)"),
                "y2y": ("q(y) q(z|y)", "p(z) p(y|z)"),
            },
            **chosen(options),
        )
