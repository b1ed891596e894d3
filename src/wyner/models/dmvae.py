"""DMVAE (Lee and Pavlovic 2021): shared and private latents; the shared one a product of experts.

    q(z|x_S) ~ p(z) prod_{i in S} q(z|x_i)              for |S| > 1; one alone has no prior beside
                                                        it
    L = KL( q(x) q(z|x) prod_i q(u_i|x_i)  ||  p(z) prod_i p(u_i) p(x_i|z,u_i) )          joint
      + sum_k KL( q(x) q(z|x_k) prod_i q(u_i|x_i)  ||  p(z) prod_i p(u_i) p(x_i|z,u_i) )  from_k

Every term says all modalities: k alone must suffice for the shared part of the others. That single
experts have no prior is as in the public code.

symbol   meaning                        shape        code
z        shared by all modalities       (B, dz)      "z"
u_i      private to modality i          (B, du)      "u", "v" for x, y; "u_a", ... for a, ...
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from wyner.codec import stored
from wyner.families import Gaussian, Product
from wyner.models.experts import Experts, Families, ViewOptions, Views, posterior
from wyner.models.parts import Size, Spaces


@stored("dmvae")
class DMVAE(Experts):
    """A shared latent, a product of experts, and a private one for each modality.

    Args:
        modalities: spaces by name, two or more; or `x` and `y` of the options.
        z: size of the shared latent.
        u, v: sizes of the private latents of a pair; 0 for none.
        local: sizes of the private latents by modality, instead of `u` and `v`; one number for all.
        cross: weight of the terms from one modality.
        options: as in `ViewOptions`.
    """

    def __init__(
        self,
        modalities: Spaces | None = None,
        *,
        z: Size = 10,
        u: Size = 10,
        v: Size = 10,
        local: Size | Mapping[str, Size] | None = None,
        cross: float = 1.0,
        **options: Unpack[ViewOptions],
    ) -> None:
        views = Views("DMVAE", modalities, options, u, v, local)
        names, p = views.names, f"p(z) {views.decode(views.names)}"
        laws = {
            f"from_{n}": (f"{views.data} {posterior([n])} {views.infer(names)}", p) for n in names
        }
        families: Families = {"p(z)": Gaussian()}
        for s in views.subsets:
            if len(s) > 1:
                families[posterior(s)] = Product(*(posterior([n]) for n in s), "p(z)")
        weights = {"joint": 1.0, **dict.fromkeys(laws, cross)}
        super().__init__(views, z, laws, weights, families)
