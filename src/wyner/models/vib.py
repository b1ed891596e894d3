"""Variational information bottleneck, VIB (Alemi et al. 2017): equations (50)-(52) of the Wyner VAE
paper.

    L = KL( q(x,y) q(z|x)  ||  q(x) q(z|x) p(y|z) )  +  beta KL( q(x) q(z|x)  ||  q(x) p(z) )
    (51)  x2y, rate

    an upper bound of beta I(X;Z) - I(Y;Z) + h(Y) for the law q(x,y) q(z|x)

symbol   meaning                        shape        code
z        what of x is kept to say y     (B, dz)      "z"
beta     price of a nat of I(X;Z)       number       beta
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from wyner.families import Combination, Family
from wyner.models.base import Model
from wyner.models.parts import needed
from wyner.networks import Builder
from wyner.objectives import KL
from wyner.schedules import Schedule
from wyner.variables import Space


class VIB(Model):
    """A bottleneck z of x that predicts y. No law of x and no style: it cannot generate pairs or
    keep a style.

    Args:
        x, y: spaces of the input and of what is predicted.
        z: size of the bottleneck.
        beta: price of a nat in z; 0.1 for the mixture data, 0.001 for add-1 in the paper.
        networks, families, modules: as in `Model`.
    """

    def __init__(
        self,
        *,
        x: Space,
        y: Space,
        z: int | Space = 10,
        beta: float | Schedule = 0.1,
        networks: Builder | None = None,
        families: Mapping[str, Family | Combination] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__(
            observed={"x": x, "y": y},
            latent=needed(z=z),
            objective=KL("x2y") + beta * KL("rate"),
            laws={
                "x2y": ("q(x,y) q(z|x)", "q(x) q(z|x) p(y|z)"),
                "rate": ("q(x) q(z|x)", "q(x) p(z)"),
            },
            networks=networks,
            families=families,
            modules=modules,
        )
