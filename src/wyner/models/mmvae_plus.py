"""MMVAE+ (Palumbo et al. 2023): MMVAE with private latents that cannot cross.

    q(z|x) = 1/M sum_i q(z|x_i)
    L = 1/M sum_i [ KL( q(x) q(z|x_i) q(u_i|x_i) prod_{j/=i} r(u_j)
                        ||  p(z) p(u_i) p(x_i|z,u_i) prod_{j/=i} r(u_j) p(x_j|z,u_j) )    from_i
                    - KL( q(x) q(z|x_i)  ||  q(x) q(z|x) ) ]                              mixed_i

When expert i says modality j, the private u_j is drawn from an auxiliary prior r and knows nothing
of x_j: what crosses must be in z. r cancels. As in MMVAE the bound is that of one sample (theirs is
importance-weighted, with Laplace latents).

symbol   meaning                        shape        code
z        shared by all modalities       (B, dz)      "z"
u_i      private to modality i          (B, du)      "u", "v" for x, y; "u_a", ... for a, ...
r(u_i)   auxiliary prior                             "r(u)"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from wyner.codec import stored
from wyner.models.experts import Experts, ViewOptions, Views
from wyner.models.parts import Size, Spaces


@stored("mmvae-plus")
class MMVAEPlus(Experts):
    """A shared latent, a mixture of experts, and private ones that cannot cross.

    Args:
        modalities: spaces by name, two or more; or `x` and `y` of the options.
        z: size of the shared latent.
        u, v: sizes of the private latents of a pair; 0 for none.
        local: sizes of the private latents by modality, instead of `u` and `v`; one number for all.
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
        **options: Unpack[ViewOptions],
    ) -> None:
        views = Views("MMVAEPlus", modalities, options, u, v, local)
        start = {}
        for n in views.names:
            others = [k for k in views.names if k != n]
            q = f"{views.data} q(z|{n}) {views.infer([n])} {views.priors(others, 'r')}"
            start[n] = q, f"p(z) {views.decode([n])} {views.decode(others, 'r')}"
        super().__init__(views, z, *views.mixture(start), among=("from", "mixed"))
