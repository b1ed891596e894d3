"""MVAE (Wu and Goodman 2018): a product of experts, trained on the whole and on its parts.

    q(z|x_S) ~ p(z) prod_{i in S} e(z|x_i)              for every subset S of the modalities
    L = KL( q(x_1..M) q(z|x_1..M)  ||  p(z) prod_i p(x_i|z) )                             joint
      + sum_S KL( q(x_S) q(z|x_S)  ||  p(z) prod_{i in S} p(x_i|z) )                      S2S

over the single modalities, or over all proper subsets (the paper: the single ones and some random
others).

symbol   meaning                       shape        code
z        shared by all modalities      (B, dz)      "z"
e        experts, one a modality       (B, dz)      "e(z|x)"
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.families import Gaussian
from wyner.models.experts import Experts, ViewOptions, Views, products, subset_name
from wyner.models.parts import Size, Spaces


@stored("mvae")
class MVAE(Experts):
    """One shared latent with a product-of-experts posterior; any subset of the modalities encodes.

    A row that lacks modalities (masks) trains the terms of the subsets that it has.

    Args:
        modalities: spaces by name, two or more; or `x` and `y` of the options.
        z: size of the shared latent.
        every_subset: train all proper subsets in place of the single modalities; there are 2^M - 2.
        options: as in `ViewOptions`.
    """

    def __init__(
        self,
        modalities: Spaces | None = None,
        *,
        z: Size = 10,
        every_subset: bool = False,
        **options: Unpack[ViewOptions],
    ) -> None:
        views = Views("MVAE", modalities, options)
        parts = views.subsets[:-1] if every_subset else [(n,) for n in views.names]
        own = {f"{subset_name(s)}2{subset_name(s)}": 1.0 for s in parts}
        families = products(views.names, prior=True) | {"p(z)": Gaussian()}
        super().__init__(views, z, {}, {"joint": 1.0, **own}, families)
