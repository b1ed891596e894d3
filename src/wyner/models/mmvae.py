"""MMVAE (Shi et al. 2019): a mixture of experts. The bound with one stratified draw from each
expert.

    q(z|x) = 1/M sum_i q(z|x_i)
    L = KL( q(x) q(z|x) || p(z) prod_i p(x_i|z) )
      = 1/M sum_i [ KL( q(x) q(z|x_i)  ||  p(z) prod_j p(x_j|z) )                         from_i
                    - KL( q(x) q(z|x_i)  ||  q(x) q(z|x) ) ]                              mixed_i

    Their training objective is an importance-weighted bound with Laplace latents; this is its case
    of one sample, with
    Gaussians unless `families` says otherwise (our choice: a KL, as all objectives here).

symbol   meaning                       shape        code
z        shared by all modalities      (B, dz)      "z"
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from wyner.families import Combination, Family, Mixture
from wyner.models.base import Model
from wyner.models.experts import common_laws, decode, posterior
from wyner.models.parts import modalities_of, needed, subsets, total
from wyner.networks import Builder
from wyner.variables import Space


class MMVAE(Model):
    """One shared latent with a mixture-of-experts posterior; every expert learns to say all
    modalities.

    Args:
        modalities: spaces by name, two or more; or `x` and `y`.
        z: size of the shared latent.
        networks, families, modules: as in `Model`.
    """

    def __init__(
        self,
        modalities: Mapping[str, Space] | None = None,
        *,
        x: Space | None = None,
        y: Space | None = None,
        z: int | Space = 10,
        networks: Builder | None = None,
        families: Mapping[str, Family | Combination] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        observed = modalities_of("MMVAE", modalities, x, y)
        names = list(observed)
        m, everything = len(names), ",".join(names)
        laws = common_laws(names, {}, {})
        for n in names:
            laws[f"from_{n}"] = (f"q({everything}) q(z|{n})", f"p(z) {decode(names, {})}")
            laws[f"mixed_{n}"] = (
                f"q({everything}) q(z|{n})",
                f"q({everything}) {posterior(names)}",
            )
        weights = {f"from_{n}": 1 / m for n in names} | {f"mixed_{n}": -1 / m for n in names}
        mixtures = {
            posterior(s): Mixture(*(f"q(z|{n})" for n in s)) for s in subsets(names) if len(s) > 1
        }
        super().__init__(
            observed=observed,
            latent=needed(z=z),
            laws=laws,
            objective=total(weights),
            common=("z",),
            networks=networks,
            families={**mixtures, **(families or {})},
            modules=modules,
        )
