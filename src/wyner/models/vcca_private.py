"""VCCA-private and bi-VCCA-private (Wang et al. 2016): (48), (49) of the Wyner VAE paper.

    L = mu KL( q(x,y) q(z|x) q(u|x) q(v|y)                                     (48)  from_x
               ||  p(z) p(u) p(v) p(x|z,u) p(y|z,v) )
      + (1 - mu) KL( q(x,y) q(z|y) q(u|x) q(v|y)                               (49)  from_y,
                     ||  p(z) p(u) p(v) p(x|z,u) p(y|z,v) )                          bi-VCCA only

symbol   meaning                          shape        code
z        common, inferred from one side   (B, dz)      "z"
u, v     local to x, local to y           (B, du)      "u", "v"
mu       share of the encoder of x        number       mu
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.errors import OptionError
from wyner.models.base import Model, chosen
from wyner.models.parts import Pair, Size, latents, needed, pair, total, without
from wyner.objectives import KL

DECODERS = "p(z) p(u) p(v) p(x|z,u) p(y|z,v)"
FROM_X = {
    "from_x": ("q(x,y) q(z|x) q(u|x) q(v|y)", DECODERS),
    "x2y": ("q(x,y) q(z|x) q(v|y)", "q(x) q(z|x) p(v) p(y|z,v)"),
    "x2x": ("q(x) q(z|x) q(u|x)", "p(z) p(u) p(x|z,u)"),
}
FROM_Y = {
    "from_y": ("q(x,y) q(z|y) q(u|x) q(v|y)", DECODERS),
    "y2x": ("q(x,y) q(z|y) q(u|x)", "q(y) q(z|y) p(u) p(x|z,u)"),
    "y2y": ("q(y) q(z|y) q(v|y)", "p(z) p(v) p(y|z,v)"),
}
STYLE = {"style": ("q(y) q(v|y)", "q(y) p(v)")}
"""Never trained by itself: says that the style of y can be read from y alone."""


@stored("vcca-private")
class VCCAPrivate(Model):
    """Two local latents and a common one that is inferred from x alone, equation (48).

    Args:
        z: size of the common latent.
        u, v: sizes of the local latents; 0 for none (without both it is VCCA).
        options: as in `Pair`.
    """

    def __init__(
        self, *, z: Size = 10, u: Size = 10, v: Size = 10, **options: Unpack[Pair]
    ) -> None:
        latent = needed(z=z) | latents(u=u, v=v)
        super().__init__(
            observed=pair(options),
            latent=latent,
            objective=KL("from_x"),
            common=("z",),
            laws=without(FROM_X | (STYLE if "v" in latent else {}), {"u", "v"} - set(latent)),
            **chosen(options),
        )


@stored("bi-vcca-private")
class BiVCCAPrivate(Model):
    """The same with an encoder of z for either side: a convex combination of (48) and (49).

    Args:
        z: size of the common latent.
        u, v: sizes of the local latents; 0 for none.
        mu: share of (48), in (0, 1).
        options: as in `Pair`.
    """

    def __init__(
        self, *, z: Size = 10, u: Size = 10, v: Size = 10, mu: float = 0.5, **options: Unpack[Pair]
    ) -> None:
        if not 0 < mu < 1:
            raise OptionError(
                f"mu: expected a share between 0 and 1, got {mu}; for the encoder of x alone use"
                " VCCAPrivate"
            )
        latent = needed(z=z) | latents(u=u, v=v)
        super().__init__(
            observed=pair(options),
            latent=latent,
            objective=total({"from_x": mu, "from_y": 1 - mu}, among=("from",)),
            common=("z",),
            laws=without(FROM_X | FROM_Y, {"u", "v"} - set(latent)),
            **chosen(options),
        )
