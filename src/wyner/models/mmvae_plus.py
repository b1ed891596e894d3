"""MMVAE+ (Palumbo et al. 2023): a mixture of experts for z, private latents, and priors of their
own for cross-generation.

    q(z|x) = 1/M sum_i q(z|x_i)
    L = 1/M sum_i [ KL( q(x) q(z|x_i) q(u_i|x_i) prod_{j/=i} r(u_j)
                        ||  p(z) p(u_i) p(x_i|z,u_i) prod_{j/=i} r(u_j) p(x_j|z,u_j) )    from_i
                    - KL( q(x) q(z|x_i)  ||  q(x) q(z|x) ) ]                              mixed_i

    When expert i says modality j, the private u_j is drawn from an auxiliary prior r and knows
        nothing of x_j: what crosses
    must be in z. r cancels. As in MMVAE the bound is that of one sample (theirs is
    importance-weighted, with Laplace latents).

symbol   meaning                        shape        code
z        shared by all modalities       (B, dz)      "z"
u_i      private to modality i          (B, du)      "u", "v" for a pair, "u_a", "u_b", ... for
         names a, b, ...
r(u_i)   auxiliary prior                             "r(u)"
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from wyner.families import Combination, Family, Mixture
from wyner.models.base import Model
from wyner.models.experts import common_laws, decode, posterior
from wyner.models.parts import latents, local_sizes, modalities_of, needed, subsets, total
from wyner.networks import Builder
from wyner.variables import Space


class MMVAEPlus(Model):
    """A shared latent, a mixture of experts, and private ones that cannot cross.

    Args:
        modalities: spaces by name, two or more; or `x` and `y`.
        z: size of the shared latent.
        u, v: sizes of the private latents of a pair; 0 for none.
        local: sizes of the private latents by modality, instead of `u` and `v`; one number for all.
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
        networks: Builder | None = None,
        families: Mapping[str, Family | Combination] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        observed = modalities_of("MMVAEPlus", modalities, x, y)
        names = list(observed)
        style, sizes = local_sizes(names, u, v, local)
        m, everything = len(names), ",".join(names)
        laws = common_laws(names, style, {style[n]: f"q({style[n]}|{n})" for n in style})
        for n in names:
            others = [k for k in names if k != n]
            own = f"q({style[n]}|{n}) " if n in style else ""
            foreign = " ".join(f"r({style[k]})" for k in others if k in style)
            laws[f"from_{n}"] = (
                f"q({everything}) q(z|{n}) {own}{foreign}",
                f"p(z) {decode([n], style)} {decode(others, style, 'r')}",
            )
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
            latent=needed(z=z) | latents(**sizes),
            laws=laws,
            objective=total(weights),
            common=("z",),
            networks=networks,
            families={**mixtures, **(families or {})},
            modules=modules,
        )
