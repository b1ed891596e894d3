"""MVAE (Wu and Goodman 2018): a product of experts, trained on the whole and on its parts.

    q(z|x_S) ~ p(z) prod_{i in S} e(z|x_i)                              for every subset S of the
        modalities
    L = KL( q(x_1..M) q(z|x_1..M)  ||  p(z) prod_i p(x_i|z) )                             joint
      + sum_S KL( q(x_S) q(z|x_S)  ||  p(z) prod_{i in S} p(x_i|z) )                      S2S

    over the single modalities, or over all proper subsets (the paper: the single ones and some
        random others).

symbol   meaning                       shape        code
z        shared by all modalities      (B, dz)      "z"
e        experts, one a modality       (B, dz)      "e(z|x)"
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from wyner.families import Combination, Family, Gaussian
from wyner.models.base import Model
from wyner.models.experts import common_laws, products, subset_name
from wyner.models.parts import modalities_of, needed, subsets, total
from wyner.networks import Builder
from wyner.variables import Space


class MVAE(Model):
    """One shared latent with a product-of-experts posterior; any subset of the modalities encodes.

    A row that lacks modalities (masks) trains the terms of the subsets that it has.

    Args:
        modalities: spaces by name, two or more; or `x` and `y`.
        z: size of the shared latent.
        every_subset: train all proper subsets in place of the single modalities; there are 2^M - 2.
        networks, families, modules: as in `Model`.
    """

    def __init__(
        self,
        modalities: Mapping[str, Space] | None = None,
        *,
        x: Space | None = None,
        y: Space | None = None,
        z: int | Space = 10,
        every_subset: bool = False,
        networks: Builder | None = None,
        families: Mapping[str, Family | Combination] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        observed = modalities_of("MVAE", modalities, x, y)
        names = list(observed)
        parts = subsets(names)[:-1] if every_subset else [(n,) for n in names]
        chosen: dict[str, Family | Combination] = {
            **products(names, prior=True),
            "p(z)": Gaussian(),
        }
        super().__init__(
            observed=observed,
            latent=needed(z=z),
            laws=common_laws(names, {}, {}),
            common=("z",),
            objective=total(
                {"joint": 1.0, **{f"{subset_name(s)}2{subset_name(s)}": 1.0 for s in parts}}
            ),
            networks=networks,
            families={**chosen, **(families or {})},
            modules=modules,
        )
