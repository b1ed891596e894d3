"""Bottleneck conditional density estimation, BCDE (Shu et al. 2017): a joint and a conditional
model that share their parts.

    L = (1 - mu) KL( q(x,y) q(z|x,y)  ||  q(x) q(z|x) p(y|z) )
                                      conditional: x2y
      + mu [ KL( q(x,y) q(z|x,y)  ||  p(z) p(x|z) p(y|z) )                                joint
             + KL( q(x) q(z|x)  ||  p(z) p(x|z) )  +  KL( q(y) q(z|y)  ||  p(z) p(y|z) ) ]  x2x, y2y

    All of x's information about y goes through z. The joint part also learns from rows that have
    only one side (masks); in Shu et al. the parts are tied softly or not, here q(z|x) is at once
    the prior of the conditional model and the encoder of the joint one (our choice; their "hybrid"
    model with one set of parameters).

symbol   meaning                    shape        code
z        the bottleneck             (B, dz)      "z"
mu       share of the joint model   number       mu
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from wyner.errors import OptionError
from wyner.families import Combination, Family
from wyner.models.base import Model
from wyner.models.parts import needed, total
from wyner.networks import Builder
from wyner.variables import Space


class BCDE(Model):
    """P(y|x) through a bottleneck z, regularised by a joint model of the pair.

    Args:
        x, y: spaces of the condition and of the output.
        z: size of the bottleneck.
        mu: share of the joint model, in [0, 1); 0 is the conditional model alone.
        networks, families, modules: as in `Model`.
    """

    def __init__(
        self,
        *,
        x: Space,
        y: Space,
        z: int | Space = 10,
        mu: float = 0.5,
        networks: Builder | None = None,
        families: Mapping[str, Family | Combination] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        if not 0 <= mu < 1:
            raise OptionError(f"mu: expected a share from 0 up and below 1, got {mu}")
        super().__init__(
            observed={"x": x, "y": y},
            latent=needed(z=z),
            common=("z",),
            objective=total({"x2y": 1 - mu, "joint": mu, "x2x": mu, "y2y": mu}),
            laws={
                "x2y": ("q(x,y) q(z|x,y)", "q(x) q(z|x) p(y|z)"),
                "joint": ("q(x,y) q(z|x,y)", "p(z) p(x|z) p(y|z)"),
                "x2x": ("q(x) q(z|x)", "p(z) p(x|z)"),
                "y2y": ("q(y) q(z|y)", "p(z) p(y|z)"),
            },
            networks=networks,
            families=families,
            modules=modules,
        )
