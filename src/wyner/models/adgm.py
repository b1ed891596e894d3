"""ADGM (Maaloe et al. 2016): auxiliary deep generative model, appendix C of the Wyner VAE paper.

    L = KL( q(x,y) q(z|y) q(v|z,y,x)         ||  p(x) p(v) p(y|v,x) p(z|v,x,y) )    labelled
      + KL( q(y) q(z|y) q(x|z,y) q(v|z,y,x)  ||  p(x) p(v) p(y|v,x) p(z|v,x,y) )    unlabelled
      + alpha KL( q(x,y) q(z|y)              ||  q(y) q(z|y) q(x|z,y) )   classify: -log q(x|z,y)

A discrete x is summed over exactly. The auxiliary z makes the posterior of x and v richer; it is no
common variable.

symbol   meaning                              shape        code
x        the label, or whatever y is given    (B, n, k)    "x"
z        auxiliary                            (B, dz)      "z"
v        style of y                           (B, dv)      "v"
alpha    weight of the classifier             number       alpha
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.families import Categorical
from wyner.models.base import Model, chosen
from wyner.models.parts import Pair, Size, needed, pair
from wyner.objectives import KL
from wyner.variables import Categorical as Labels

GENERATE = "p(x) p(v) p(y|v,x) p(z|v,x,y)"


@stored("adgm")
class ADGM(Model):
    """SSVAE with an auxiliary z, so that q(x|y) = int q(z|y) q(x|z,y) dz is a mixture.

    Args:
        x: space of the label, for example `Categorical(1, 10)`.
        y: space of the data.
        z: size of the auxiliary latent.
        v: size of the style.
        alpha: weight of -log q(x|z,y) on labelled rows.
        unlabelled: weight of the bound without labels, which is taken over all rows that have y.
        options: as in `Pair`.
    """

    def __init__(
        self,
        *,
        z: Size = 10,
        v: Size = 10,
        alpha: float = 1.0,
        unlabelled: float = 1.0,
        **options: Unpack[Pair],
    ) -> None:
        discrete = (
            {"q(x|z,y)": Categorical(summed=True)} if isinstance(options["x"], Labels) else {}
        )
        super().__init__(
            observed=pair(options),
            latent=needed(z=z, v=v),
            objective=KL("labelled") + unlabelled * KL("unlabelled") + alpha * KL("classify"),
            laws={
                "labelled": ("q(x,y) q(z|y) q(v|z,y,x)", GENERATE),
                "unlabelled": ("q(y) q(z|y) q(x|z,y) q(v|z,y,x)", GENERATE),
                "classify": ("q(x,y) q(z|y)", "q(y) q(z|y) q(x|z,y)"),
                "x2y": ("q(x,y) q(z|y) q(v|z,y,x)", "q(x) p(v) p(y|v,x) p(z|v,x,y)"),
            },
            **chosen(options, discrete),
        )
