"""MVTCAE (Hwang et al. 2021): total correlation as a bound, with a product of experts.

    q(z|x_S) ~ prod_{i in S} e(z|x_i)                                   no prior among the experts
    L = (M - alpha)/M  E_q(z|x) [ - sum_i log p(x_i|z) ]
      + beta [ (1 - alpha) KL( q(z|x) || p(z) )  +  alpha/M sum_i KL( q(z|x) || e(z|x_i) ) ]

written as divergences between laws, a = (M - alpha)/M:

      a KL( q(x) q(z|x)  ||  p(z) prod_i p(x_i|z) )                                       joint
    + (beta (1 - alpha) - a) KL( q(x) q(z|x)  ||  q(x) p(z) )                             rate
    + beta alpha/M  sum_i KL( q(x) q(z|x)  ||  q(x) e(z|x_i) )                            to_i

symbol   meaning                            shape        code
z        shared by all modalities           (B, dz)      "z"
alpha    total correlation against rate     number       alpha, in (0, 1]
beta     price of the bottlenecks           number       beta
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.errors import OptionError
from wyner.families import Gaussian
from wyner.models.experts import Experts, ViewOptions, Views, posterior, products
from wyner.models.parts import Size, Spaces


@stored("mvtcae")
class MVTCAE(Experts):
    """One shared latent; the loss pulls the product of the experts towards each of them.

    Args:
        modalities: spaces by name, two or more; or `x` and `y` of the options.
        z: size of the shared latent.
        alpha: in (0, 1]; 5/6 for PolyMNIST in the paper, 0.9 elsewhere.
        beta: price of the bottlenecks.
        options: as in `ViewOptions`.
    """

    def __init__(
        self,
        modalities: Spaces | None = None,
        *,
        z: Size = 10,
        alpha: float = 0.9,
        beta: float = 1.0,
        **options: Unpack[ViewOptions],
    ) -> None:
        if not 0 < alpha <= 1:
            raise OptionError(f"alpha: expected a number in (0, 1], got {alpha}")
        views = Views("MVTCAE", modalities, options)
        m, infer = len(views.names), f"{views.data} {posterior(views.names)}"
        laws = {"rate": (infer, f"{views.data} p(z)")}
        laws |= {f"to_{n}": (infer, f"{views.data} e(z|{n})") for n in views.names}
        share = (m - alpha) / m
        weights = {"joint": share, "rate": beta * (1 - alpha) - share}
        weights |= {f"to_{n}": beta * alpha / m for n in views.names}
        families = products(views.names, prior=False) | {"p(z)": Gaussian()}
        super().__init__(views, z, laws, weights, families, among=("to",))
