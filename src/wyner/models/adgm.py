"""Auxiliary deep generative model, ADGM (Maaloe et al. 2016), as appendix C of the Wyner VAE paper
states it.

    L = KL( q(x,y) q(z|y) q(v|z,y,x)         ||  p(x) p(v) p(y|v,x) p(z|v,x,y) )          labelled
      + KL( q(y) q(z|y) q(x|z,y) q(v|z,y,x)  ||  p(x) p(v) p(y|v,x) p(z|v,x,y) )          unlabelled
      + alpha KL( q(x,y) q(z|y)              ||  q(y) q(z|y) q(x|z,y) )                   classify:
                                             -log q(x|z,y)

    A discrete x is summed over exactly. The auxiliary z makes the posterior of x and v richer; it
    is no common variable.

symbol   meaning                              shape        code
x        the label, or whatever y is given    (B, n, k)    "x"
z        auxiliary                            (B, dz)      "z"
v        style of y                           (B, dv)      "v"
alpha    weight of the classifier             number       alpha
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from wyner.families import Categorical, Combination, Family
from wyner.models.base import Model
from wyner.models.parts import needed
from wyner.networks import Builder
from wyner.objectives import KL
from wyner.variables import Categorical as Labels
from wyner.variables import Space


class ADGM(Model):
    """SSVAE with an auxiliary latent z in the posterior, so that q(x|y) = int q(z|y) q(x|z,y) dz is
    a mixture.

    Args:
        x: space of the label, for example `Categorical(1, 10)`.
        y: space of the data.
        z: size of the auxiliary latent.
        v: size of the style.
        alpha: weight of -log q(x|z,y) on labelled rows.
        unlabelled: weight of the bound without labels, which is taken over all rows that have y.
        networks, families, modules: as in `Model`.
    """

    def __init__(
        self,
        *,
        x: Space,
        y: Space,
        z: int | Space = 10,
        v: int | Space = 10,
        alpha: float = 1.0,
        unlabelled: float = 1.0,
        networks: Builder | None = None,
        families: Mapping[str, Family | Combination] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        discrete = {"q(x|z,y)": Categorical(summed=True)} if isinstance(x, Labels) else {}
        generate = "p(x) p(v) p(y|v,x) p(z|v,x,y)"
        super().__init__(
            observed={"x": x, "y": y},
            latent=needed(z=z, v=v),
            objective=KL("labelled") + unlabelled * KL("unlabelled") + alpha * KL("classify"),
            laws={
                "labelled": ("q(x,y) q(z|y) q(v|z,y,x)", generate),
                "unlabelled": ("q(y) q(z|y) q(x|z,y) q(v|z,y,x)", generate),
                "classify": ("q(x,y) q(z|y)", "q(y) q(z|y) q(x|z,y)"),
                "x2y": ("q(x,y) q(z|y) q(v|z,y,x)", "q(x) p(v) p(y|v,x) p(z|v,x,y)"),
            },
            networks=networks,
            families={**discrete, **(families or {})},
            modules=modules,
        )
