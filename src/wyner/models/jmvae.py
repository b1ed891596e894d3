"""JMVAE (Suzuki et al. 2016): equations (42), (43) of the Wyner VAE paper. One latent, three
encoders trained together.

    L = KL( q(x,y) q(w|x,y)  ||  p(w) p(x|w) p(y|w) )                                     (42)
                             joint
      + c KL( q(x,y) q(w|x,y)  ||  q(x,y) q(w|x) )  + the same for y                      (43)
                               to_x, to_y

symbol   meaning                          shape        code
w        everything about the pair        (B, dw)      "w"
c        pull of the encoders of a side   number       c      (JMVAE-kl's alpha; the paper gives
         none)
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from wyner.families import Combination, Family
from wyner.models.base import Model
from wyner.models.jvae import LAWS
from wyner.models.parts import needed
from wyner.networks import Builder
from wyner.objectives import KL
from wyner.schedules import Schedule
from wyner.variables import Space


class JMVAE(Model):
    """A joint VAE whose encoders of one side are pulled to the joint one, in the same training.

    Args:
        x, y: spaces of the pair.
        w: size of the latent.
        c: weight of (43); 0.1 is our choice, it trades joint likelihood for translation.
        networks, families, modules: as in `Model`.
    """

    def __init__(
        self,
        *,
        x: Space,
        y: Space,
        w: int | Space = 30,
        c: float | Schedule = 0.1,
        networks: Builder | None = None,
        families: Mapping[str, Family | Combination] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        laws = {
            **LAWS,
            "to_x": ("q(x,y) q(w|x,y)", "q(x,y) q(w|x)"),
            "to_y": ("q(x,y) q(w|x,y)", "q(x,y) q(w|y)"),
        }
        super().__init__(
            observed={"x": x, "y": y},
            latent=needed(w=w),
            laws=laws,
            common=("w",),
            objective=KL("joint") + c * KL("to_x") + c * KL("to_y"),
            networks=networks,
            families=families,
            modules=modules,
        )
