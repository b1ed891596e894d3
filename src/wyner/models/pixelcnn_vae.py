"""PixelCNN-VAE: a global latent and an autoregressive decoder of binary pictures, with the
objectives of [CMI] ("Information Theoretic Regularization for Learning Global Features by
Sequential VAE").

    L = KL( q(x) q(z|x)  ||  p(z) p(x|z) ),   p(x|z) = prod_t p(x_t | s_t(x_{<t}), z)
                                                                                 (3)   elbo
      - gamma KL( q(x) q(z|x)  ||  q(x) p(z) )                                   (6)   rate
      + gamma KL( q(z,s)  ||  p(z) q(s) )           cmi, by a critic of z and s  (14)  features
      + gamma KL( q(x) q(z|x)  ||  p(z) ) on z      mi, by a critic of z         (26)  aggregate

s is not drawn but computed: layer `split` of the decoder, what it knows of the earlier pixels
before it reads z. q(s|x) is that layer, with the decoder's own weights.

symbol   meaning                                     shape                 code
x        a picture of bits                           (B, 1, H, W)          "x"
z        global: what all pixels have in common      (B, dz)               "z"
s        local: a layer of p(x|z), from x_{<t} at t  (B, channels, H, W)   "s"
gamma    worth of a nat of I(x;z), 1 - beta          number                gamma
alpha    price of I(z;s), in units of gamma          number                alpha
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.errors import OptionError
from wyner.families import Autoregressive, FeatureOf, Fixed, Gaussian
from wyner.models.base import Model, chosen
from wyner.models.parts import Size, TwoPlayerOptions, main_phase, needed
from wyner.networks import ImageCritics, ResNets
from wyner.objectives import regularised
from wyner.variables import Real, Space

LAWS = {
    "elbo": ("q(x) q(z|x)", "p(z) p(x|z)"),
    "rate": ("q(x) q(z|x)", "q(x) p(z)"),
    "aggregate": ("q(x) q(z|x)", "p(z)"),
    "features": ("q(x) q(z|x) q(s|x)", "p(z)"),
}


@stored("pixelcnn-vae")
class PixelCNNVAE(Model):
    """A global latent of a picture beside a decoder that could do without one.

    The objective puts a price on what the two share.
    I(z;s) under q is watched by a critic of its own (equations (15), (16)), unless `watch` is off.

    Args:
        x: `Binary(1, height, width)`; a space of another kind needs a family of its own, and then
            there is no s.
        z: size of the global latent.
        objective: "elbo", "beta", "mi" or "cmi"; `wyner.objectives.regularised`.
        gamma, alpha: of the objective.
        watch: report I(z;s).
        pixels: the decoder; by default the paper's 13 layers of 64 channels.
        options: as in `TwoPlayerOptions`; by default steps=2, critic_lr=1e-3, networks `ResNets()`
            and critics `ImageCritics()`.

    Example:
        >>> from wyner import Binary
        >>> from wyner.families import Autoregressive
        >>> from wyner.models import PixelCNNVAE
        >>> few = Autoregressive(channels=4, kernels=(3, 3, 3, 3), split=3)
        >>> print(PixelCNNVAE(x=Binary(1, 8, 8), z=4, gamma=0.3, pixels=few, watch=False).objective)
           1 * elbo              = KL(q(z|x) || p(z)) - log p(x|z)   [dropped: -h(x)]
        -0.3 * rate              = KL(q(z|x) || p(z))
         0.3 * R(z;s) q features = KL( (z,s) || p(z) (s) ) under q(x) q(z|x) q(s|x)   by T(z,s)
    """

    def __init__(
        self,
        *,
        x: Space,
        z: Size = 32,
        objective: str = "cmi",
        gamma: float = 0.3,
        alpha: float = 1.0,
        watch: bool = True,
        pixels: Autoregressive | None = None,
        **options: Unpack[TwoPlayerOptions],
    ) -> None:
        loss = regularised(objective, gamma, alpha, under="features", watch=watch)
        latent, own, used = (
            needed(z=z),
            dict(options.get("families") or {}),
            {t.law for t in loss.terms},
        )
        if isinstance(latent["z"], Real):
            own.setdefault("p(z)", Gaussian(Fixed(1.0)))
        if "x" not in own and "p(x|z)" not in own:
            own["p(x|z)"] = pixels or Autoregressive()
        if "features" in used:
            decoder = own.get("p(x|z)", own.get("x"))
            if not isinstance(decoder, Autoregressive):
                raise OptionError(
                    "PixelCNNVAE: s is a layer of an autoregressive decoder; with another family of"
                    " x, set objective to elbo, beta or mi, and watch=False"
                )
            latent["s"], own["q(s|x)"] = (
                Real(decoder.channels, *x.event_shape[1:]),
                FeatureOf("p(x|z)"),
            )
        laws = {k: v for k, v in LAWS.items() if k in ("elbo", "rate") or k in used}
        super().__init__(
            observed={"x": x},
            latent=latent,
            laws=laws,
            objective=loss,
            common=("z",),
            phases=main_phase(loss, options.get("steps", 2), options.get("critic_lr", 1e-3)),
            **chosen(options, own, ResNets(), ImageCritics()),
        )
