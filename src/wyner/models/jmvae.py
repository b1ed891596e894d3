"""JMVAE (Suzuki et al. 2016): a JVAE trained at once; (42), (43) of the Wyner VAE paper.

    L = KL( q(x,y) q(w|x,y)  ||  p(w) p(x|w) p(y|w) )                      (42)  joint
      + c KL( q(x,y) q(w|x,y)  ||  q(x,y) q(w|x) )  + the same for y       (43)  to_x, to_y

symbol   meaning                          shape        code
w        everything about the pair        (B, dw)      "w"
c        pull of the encoders of a side   number       c  (JMVAE-kl's alpha; the paper gives none)
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.models.base import Model, chosen
from wyner.models.jvae import LAWS
from wyner.models.parts import Pair, Size, needed, pair
from wyner.objectives import KL
from wyner.schedules import Schedule

TO = {f"to_{m}": ("q(x,y) q(w|x,y)", f"q(x,y) q(w|{m})") for m in "xy"}


@stored("jmvae")
class JMVAE(Model):
    """A joint VAE whose encoders of one side are pulled to the joint one, in the same training.

    Args:
        w: size of the latent.
        c: weight of (43); 0.1 is our choice, it trades joint likelihood for translation.
        options: as in `Pair`.
    """

    def __init__(self, *, w: Size = 30, c: float | Schedule = 0.1, **options: Unpack[Pair]) -> None:
        super().__init__(
            observed=pair(options),
            latent=needed(w=w),
            laws=LAWS | TO,
            common=("w",),
            objective=KL("joint") + c * KL("to_x") + c * KL("to_y"),
            **chosen(options),
        )
