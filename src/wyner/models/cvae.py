"""CVAE (Sohn et al. 2015): equation (45) of the Wyner VAE paper. A VAE of y whose every part sees
x.

    L = KL( q(x,y) q(v|y,x)  ||  q(x) p(v|x) p(y|v,x) )                                   (45)  x2y

symbol   meaning                      shape        code
v        what x does not say of y     (B, dv)      "v"
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from wyner.families import Combination, Family
from wyner.models.base import Model
from wyner.models.parts import needed
from wyner.networks import Builder
from wyner.objectives import KL
from wyner.variables import Space


class CVAE(Model):
    """A conditional VAE: y given x. It has no law of x, so it cannot generate pairs; for x given y
    exchange the arrays.

    Args:
        x, y: spaces of the condition and of the output.
        v: size of the latent.
        networks, families, modules: as in `Model`.
    """

    def __init__(
        self,
        *,
        x: Space,
        y: Space,
        v: int | Space = 10,
        networks: Builder | None = None,
        families: Mapping[str, Family | Combination] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__(
            observed={"x": x, "y": y},
            latent=needed(v=v),
            objective=KL("x2y"),
            laws={"x2y": ("q(x,y) q(v|y,x)", "q(x) p(v|x) p(y|v,x)")},
            networks=networks,
            families=families,
            modules=modules,
        )
