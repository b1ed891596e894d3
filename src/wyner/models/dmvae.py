"""DMVAE (Lee and Pavlovic 2021): shared and private latents; the shared one a product of experts.

    q(z|x_S) ~ p(z) prod_{i in S} q(z|x_i) for two and more; one expert alone has no prior beside it
    (as the public code)
    L = KL( q(x) q(z|x) prod_i q(u_i|x_i)  ||  p(z) prod_i p(u_i) p(x_i|z,u_i) )          joint
      + sum_k KL( q(x) q(z|x_k) prod_i q(u_i|x_i)  ||  p(z) prod_i p(u_i) p(x_i|z,u_i) )  from_k

    Every term says all modalities: k alone must suffice for the shared part of the others.

symbol   meaning                        shape        code
z        shared by all modalities       (B, dz)      "z"
u_i      private to modality i          (B, du)      "u", "v" for a pair, "u_a", "u_b", ... for
         names a, b, ...
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from wyner.families import Combination, Family, Gaussian, Product
from wyner.models.base import Model
from wyner.models.experts import common_laws, decode, posterior
from wyner.models.parts import latents, local_sizes, modalities_of, needed, subsets, total
from wyner.networks import Builder
from wyner.variables import Space


class DMVAE(Model):
    """A shared latent, a product of experts, and a private one for each modality.

    Args:
        modalities: spaces by name, two or more; or `x` and `y`.
        z: size of the shared latent.
        u, v: sizes of the private latents of a pair; 0 for none.
        local: sizes of the private latents by modality, instead of `u` and `v`; one number for all.
        cross: weight of the terms from one modality.
        networks, families, modules: as in `Model`.
    """

    def __init__(
        self,
        modalities: Mapping[str, Space] | None = None,
        *,
        x: Space | None = None,
        y: Space | None = None,
        z: int | Space = 10,
        u: int | Space = 10,
        v: int | Space = 10,
        local: int | Mapping[str, int | Space] | None = None,
        cross: float = 1.0,
        networks: Builder | None = None,
        families: Mapping[str, Family | Combination] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        observed = modalities_of("DMVAE", modalities, x, y)
        names = list(observed)
        style, sizes = local_sizes(names, u, v, local)
        own = " ".join(f"q({style[n]}|{n})" for n in style)
        laws = common_laws(names, style, {style[n]: f"q({style[n]}|{n})" for n in style})
        everything = ",".join(names)
        for n in names:
            laws[f"from_{n}"] = (
                f"q({everything}) {posterior([n])} {own}",
                f"p(z) {decode(names, style)}",
            )
        several = [s for s in subsets(names) if len(s) > 1]
        chosen: dict[str, Family | Combination] = {
            posterior(s): Product(*(posterior([n]) for n in s), "p(z)") for s in several
        }
        chosen["p(z)"] = Gaussian()
        super().__init__(
            observed=observed,
            latent=needed(z=z) | latents(**sizes),
            laws=laws,
            common=("z",),
            objective=total({"joint": 1.0, **{f"from_{n}": cross for n in names}}),
            networks=networks,
            families={**chosen, **(families or {})},
            modules=modules,
        )
