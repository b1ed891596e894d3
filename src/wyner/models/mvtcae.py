"""MVTCAE (Hwang et al. 2021): total correlation as a bound with a product of experts and a
conditional bottleneck.

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

from collections.abc import Mapping

from torch import nn

from wyner.errors import OptionError
from wyner.families import Combination, Family, Gaussian
from wyner.models.base import Model
from wyner.models.experts import common_laws, posterior, products
from wyner.models.parts import modalities_of, needed, total
from wyner.networks import Builder
from wyner.variables import Space


class MVTCAE(Model):
    """One shared latent; the loss pulls the product of the experts towards each of them.

    Args:
        modalities: spaces by name, two or more; or `x` and `y`.
        z: size of the shared latent.
        alpha: in (0, 1]; 5/6 for PolyMNIST in the paper, 0.9 elsewhere.
        beta: price of the bottlenecks.
        networks, families, modules: as in `Model`.
    """

    def __init__(
        self,
        modalities: Mapping[str, Space] | None = None,
        *,
        x: Space | None = None,
        y: Space | None = None,
        z: int | Space = 10,
        alpha: float = 0.9,
        beta: float = 1.0,
        networks: Builder | None = None,
        families: Mapping[str, Family | Combination] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        if not 0 < alpha <= 1:
            raise OptionError(f"alpha: expected a number in (0, 1], got {alpha}")
        observed = modalities_of("MVTCAE", modalities, x, y)
        names = list(observed)
        m, everything = len(names), ",".join(names)
        infer = f"q({everything}) {posterior(names)}"
        laws = common_laws(names, {}, {})
        laws["rate"] = (infer, f"q({everything}) p(z)")
        laws |= {f"to_{n}": (infer, f"q({everything}) e(z|{n})") for n in names}
        share = (m - alpha) / m
        weights = {
            "joint": share,
            "rate": beta * (1 - alpha) - share,
            **{f"to_{n}": beta * alpha / m for n in names},
        }
        chosen: dict[str, Family | Combination] = {
            **products(names, prior=False),
            "p(z)": Gaussian(),
        }
        super().__init__(
            observed=observed,
            latent=needed(z=z),
            laws=laws,
            objective=total(weights),
            common=("z",),
            networks=networks,
            families={**chosen, **(families or {})},
            modules=modules,
        )
