"""MoPoE-VAE (Sutter et al. 2021): a mixture over all subsets, each a product of experts.

    r(z|x_S) ~ p(z) prod_{i in S} e(z|x_i),      q(z|x) = 1/(2^M - 1) sum_S r(z|x_S)
    L = 1/(2^M - 1) sum_S [ KL( q(x) r(z|x_S)  ||  p(z) prod_j p(x_j|z) )                 from_S
                            - KL( q(x) r(z|x_S)  ||  q(x) q(z|x) ) ]                      mixed_S,
                              if `tight`

    Without the second term it is the bound of the paper, whose KL of the mixture is replaced by the
    mean of the KLs.

symbol   meaning                       shape        code
z        shared by all modalities      (B, dz)      "z"
e        experts, one a modality       (B, dz)      "e(z|x)"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from wyner.families import Combination, Family, Gaussian, Mixture, Product
from wyner.models.base import Model
from wyner.models.experts import common_laws, decode, posterior, subset_name
from wyner.models.parts import modalities_of, needed, subsets, total
from wyner.networks import Builder
from wyner.variables import Space


class MoPoE(Model):
    """One shared latent whose posterior is a mixture of the products of all subsets.

    Args:
        modalities: spaces by name, two to five; or `x` and `y`.
        z: size of the shared latent.
        tight: subtract the divergence of the parts from the mixture; off in the paper.
        networks, families, modules: as in `Model`.
    """

    def __init__(
        self,
        modalities: Mapping[str, Space] | None = None,
        *,
        x: Space | None = None,
        y: Space | None = None,
        z: int | Space = 10,
        tight: bool = False,
        networks: Builder | None = None,
        families: Mapping[str, Family | Combination] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        observed = modalities_of("MoPoE", modalities, x, y)
        names, parts = list(observed), subsets(list(observed))
        everything = ",".join(names)
        laws, weights = common_laws(names, {}, {}), {}
        for s in parts:
            infer = f"q({everything}) {_part(s)}"
            laws[f"from_{subset_name(s)}"] = (infer, f"p(z) {decode(names, {})}")
            weights[f"from_{subset_name(s)}"] = 1 / len(parts)
        for s in parts if tight else ():
            laws[f"mixed_{subset_name(s)}"] = (
                f"q({everything}) {_part(s)}",
                f"q({everything}) {posterior(names)}",
            )
            weights[f"mixed_{subset_name(s)}"] = -1 / len(parts)
        chosen: dict[str, Family | Combination] = {"p(z)": Gaussian()}
        for s in parts:
            chosen[_part(s)] = Product(*(f"e(z|{n})" for n in s), "p(z)")
            within = [_part(t) for t in parts if set(t) <= set(s)]
            chosen[posterior(s)] = Mixture(*within) if len(within) > 1 else chosen[_part(s)]
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


def _part(subset: Sequence[str]) -> str:
    """The product of the experts of a subset."""
    return f"r(z|{','.join(subset)})"
