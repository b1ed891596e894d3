"""IIAE (Hwang et al. 2020): interaction-information autoencoder, as its public code states it.

    L = (beta + lam) [ -log p(x|u,z) - log p(y|v,z) ]
      + reg (beta + lam) [ KL(q(u|x) || p(u)) + KL(q(v|y) || p(v)) ]
      + reg beta KL(q(z|x,y) || p(z))
      + lam [ KL(q(z|x,y) || q(z|x)) + KL(q(z|x,y) || q(z|y)) ],        reg(t) = 1 - exp(-t / ar)

written as divergences between laws (specification, section 8):

      (beta + lam) KL( q(x,y) q(z|x,y) q(u|x) q(v|y)                                     joint
                       ||  p(z) p(u) p(v) p(x|u,z) p(y|v,z) )
    + (beta + lam) (reg - 1) KL( q(x,y) q(u|x) q(v|y)  ||  q(x,y) p(u) p(v) )            local
    + (beta (reg - 1) - lam) KL( q(x,y) q(z|x,y)       ||  q(x,y) p(z) )                 rate
    + lam KL( q(x,y) q(z|x,y)  ||  q(x,y) q(z|x) )  + the same for y                     to_x, to_y

symbol   meaning                                    shape        code
z        shared, z^s                                (B, dz)      "z"
u, v     exclusive, z^x and z^y                     (B, du)      "u", "v"
q(z|x)   auxiliary encoder r^x; retrieval uses it   (B, dz)      "q(z|x)"
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.families import Fixed, Gaussian
from wyner.models.base import Model, chosen
from wyner.models.parts import Pair, Size, latents, needed, pair, without
from wyner.objectives import KL
from wyner.schedules import Decay
from wyner.variables import Real

LAWS = {
    "joint": ("q(x,y) q(z|x,y) q(u|x) q(v|y)", "p(z) p(u) p(v) p(x|u,z) p(y|v,z)"),
    "local": ("q(x,y) q(u|x) q(v|y)", "q(x,y) p(u) p(v)"),
    "rate": ("q(x,y) q(z|x,y)", "q(x,y) p(z)"),
    "to_x": ("q(x,y) q(z|x,y)", "q(x,y) q(z|x)"),
    "to_y": ("q(x,y) q(z|x,y)", "q(x,y) q(z|y)"),
    "x2y": ("q(x,y) q(z|x,y) q(v|y)", "q(x) q(z|x) p(v) p(y|v,z)"),
    "y2x": ("q(x,y) q(z|x,y) q(u|x)", "q(y) q(z|y) p(u) p(x|u,z)"),
    "x2x": ("q(x) q(z|x) q(u|x)", "p(z) p(u) p(x|u,z)"),
    "y2y": ("q(y) q(z|y) q(v|y)", "p(z) p(v) p(y|v,z)"),
}


@stored("iiae")
class IIAE(Model):
    """Shared and exclusive codes; the shared one is pulled to what either side alone says of it.

    The public code's reconstruction of a vector, 10 times the mean squared error over d
    coordinates, is -log p for the decoder variance d / 20: `families={"x": Gaussian(Fixed(d / 20)),
    ...}`.

    Args:
        z: size of the shared latent.
        u, v: sizes of the exclusive latents; 0 for none.
        lam: weight of the interaction-information terms.
        beta: weight of the joint bound.
        warm: steps of the training divided by the time constant ar of reg(t); 0 for reg = 1
            throughout.
        options: as in `Pair`.
    """

    def __init__(
        self,
        *,
        z: Size = 64,
        u: Size = 64,
        v: Size = 64,
        lam: float = 1.0,
        beta: float = 0.5,
        warm: float = 5.0,
        **options: Unpack[Pair],
    ) -> None:
        latent = needed(z=z) | latents(u=u, v=v)
        both = beta + lam
        objective = both * KL("joint") + lam * KL("to_x") + lam * KL("to_y")
        objective = objective + (Decay(-both, -lam, warm) if warm else -lam) * KL("rate")
        laws = without(LAWS, {"u", "v"} - set(latent))
        if {"u", "v"} & set(latent):
            objective = objective + (Decay(-both, 0.0, warm) if warm else 0.0) * KL("local")
        else:
            del laws["local"]
        normal = [k for k, space in latent.items() if isinstance(space, Real)]
        super().__init__(
            observed=pair(options),
            latent=latent,
            objective=objective,
            common=("z",),
            laws=laws,
            **chosen(options, {f"p({k})": Gaussian(Fixed(1.0)) for k in normal}),
        )
