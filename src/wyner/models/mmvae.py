"""MMVAE (Shi et al. 2019): a mixture of experts.

    q(z|x) = 1/M sum_i q(z|x_i)
    L = KL( q(x) q(z|x) || p(z) prod_i p(x_i|z) )
      = 1/M sum_i [ KL( q(x) q(z|x_i)  ||  p(z) prod_j p(x_j|z) )                         from_i
                    - KL( q(x) q(z|x_i)  ||  q(x) q(z|x) ) ]                              mixed_i

One stratified draw from each expert. Their training objective is an importance-weighted bound with
Laplace latents; this is its case of one sample, with Gaussians unless `families` says otherwise
(our choice: a KL, as all objectives here).

symbol   meaning                       shape        code
z        shared by all modalities      (B, dz)      "z"
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.models.experts import Experts, ViewOptions, Views
from wyner.models.parts import Size, Spaces


@stored("mmvae")
class MMVAE(Experts):
    """One shared latent with a mixture-of-experts posterior; every expert learns to say all.

    Args:
        modalities: spaces by name, two or more; or `x` and `y` of the options.
        z: size of the shared latent.
        options: as in `ViewOptions`.
    """

    def __init__(
        self, modalities: Spaces | None = None, *, z: Size = 10, **options: Unpack[ViewOptions]
    ) -> None:
        views = Views("MMVAE", modalities, options)
        p = f"p(z) {views.decode(views.names)}"
        start = {n: (f"{views.data} q(z|{n})", p) for n in views.names}
        super().__init__(views, z, *views.mixture(start), among=("from", "mixed"))
