"""SSVAE (Kingma et al. 2014, model M2): semi-supervised; (46), (47) of the Wyner VAE paper.

    L = KL( q(x,y) q(v|y,x)       ||  p(x) p(v) p(y|v,x) )              (46)  labelled
      + KL( q(y) q(x|y) q(v|y,x)  ||  p(x) p(v) p(y|v,x) )              (47)  unlabelled
      + alpha KL( q(x,y)          ||  q(y) q(x|y) )                           classify: -log q(x|y)

A discrete x is summed over: E_q(x|y) f(x) = sum_x q(x|y) f(x), no draw and no relaxation.

symbol   meaning                              shape        code
x        the label, or whatever y is given    (B, n, k)    "x"
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


@stored("ssvae")
class SSVAE(Model):
    """The law of y given a label x, and a classifier, from rows with and without labels (`x_mask`).

    Args:
        x: space of the label, for example `Categorical(1, 10)`.
        y: space of the data.
        v: size of the style.
        alpha: weight of -log q(x|y) on labelled rows; the unlabelled bound alone does not train it
            on them.
        unlabelled: weight of (47), which is taken over all rows that have y, labelled or not.
        options: as in `Pair`.
    """

    def __init__(
        self, *, v: Size = 10, alpha: float = 1.0, unlabelled: float = 1.0, **options: Unpack[Pair]
    ) -> None:
        discrete = {"q(x|y)": Categorical(summed=True)} if isinstance(options["x"], Labels) else {}
        super().__init__(
            observed=pair(options),
            latent=needed(v=v),
            objective=KL("labelled") + unlabelled * KL("unlabelled") + alpha * KL("classify"),
            laws={
                "labelled": ("q(x,y) q(v|y,x)", "p(x) p(v) p(y|v,x)"),
                "unlabelled": ("q(y) q(x|y) q(v|y,x)", "p(x) p(v) p(y|v,x)"),
                "classify": ("q(x,y)", "q(y) q(x|y)"),
                "x2y": ("q(x,y) q(v|y,x)", "q(x) p(v) p(y|v,x)"),
            },
            **chosen(options, discrete),
        )
