"""MoPoE-VAE (Sutter et al. 2021): a mixture over all subsets, each a product of experts.

    r(z|x_S) ~ p(z) prod_{i in S} e(z|x_i),      q(z|x) = 1/(2^M - 1) sum_S r(z|x_S)
    L = 1/(2^M - 1) sum_S [ KL( q(x) r(z|x_S)  ||  p(z) prod_j p(x_j|z) )                 from_S
                            - KL( q(x) r(z|x_S)  ||  q(x) q(z|x) ) ]            mixed_S, if `tight`

Without the second term the KL of the mixture is replaced by the mean of the KLs of its parts, as in
the paper's bound. Unlike there, p(z) stands among the experts of every product, as in the MVAE (our
choice).

symbol   meaning                       shape        code
z        shared by all modalities      (B, dz)      "z"
e        experts, one a modality       (B, dz)      "e(z|x)"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from wyner.codec import stored
from wyner.families import Gaussian, Mixture, Product
from wyner.models.experts import Experts, Families, ViewOptions, Views, posterior, subset_name
from wyner.models.parts import Size, Spaces


@stored("mopoe")
class MoPoE(Experts):
    """One shared latent whose posterior is a mixture of the products of all subsets.

    Args:
        modalities: spaces by name, two to five; or `x` and `y` of the options.
        z: size of the shared latent.
        tight: subtract the divergence of the parts from the mixture; off in the paper.
        options: as in `ViewOptions`.
    """

    def __init__(
        self,
        modalities: Spaces | None = None,
        *,
        z: Size = 10,
        tight: bool = False,
        **options: Unpack[ViewOptions],
    ) -> None:
        views = Views("MoPoE", modalities, options)
        parts, everything = views.subsets, posterior(views.names)
        laws, weights, families = {}, {}, Families({"p(z)": Gaussian()})
        for s in parts:
            name = f"from_{subset_name(s)}"
            laws[name] = f"{views.data} {_part(s)}", f"p(z) {views.decode(views.names)}"
            weights[name] = 1 / len(parts)
        for s in parts if tight else ():
            name = f"mixed_{subset_name(s)}"
            laws[name] = f"{views.data} {_part(s)}", f"{views.data} {everything}"
            weights[name] = -1 / len(parts)
        for s in parts:
            families[_part(s)] = Product(*(f"e(z|{n})" for n in s), "p(z)")
            within = [_part(t) for t in parts if set(t) <= set(s)]
            families[posterior(s)] = Mixture(*within) if len(within) > 1 else families[_part(s)]
        super().__init__(views, z, laws, weights, families, among=("from", "mixed"))


def _part(subset: Sequence[str]) -> str:
    """The product of the experts of a subset."""
    return f"r(z|{','.join(subset)})"
