"""DSAE (Li and Mandt 2018): disentangled sequential autoencoder, with the objectives of [CMI]
("Information Theoretic Regularization for Learning Global Features by Sequential VAE").

    L = KL( q(x) q(z|x) q(s|x,z)  ||  p(z) p(s) p(x|s,z) )                       (2)   elbo
      - gamma KL( q(x) q(z|x)  ||  q(x) p(z) )                                   (5)   rate
      + gamma KL( q(z,s)  ||  p(z) q(s) )           cmi, by a critic of z and s  (13)
      + gamma KL( q(x) q(z|x)  ||  p(z) ) on z      mi, by a critic of z         (26)  aggregate

z is drawn once a sequence, s once a step: p(s) = prod_t N(s_t; m(s_<t), v(s_<t)) through an LSTM.

symbol   meaning                                     shape        code
x        frames                                      (B, T, dx)   "x"
z        global: what stays the same in a sequence   (B, dz)      "z"
s        local: what changes from step to step       (B, T, ds)   "s"
gamma    worth of a nat of I(x;z), 1 - beta          number       gamma
alpha    price of I(z;s), in units of gamma          number       alpha
"""

from __future__ import annotations

from typing import Unpack

from wyner.codec import stored
from wyner.errors import OptionError, ShapeError
from wyner.families import Fixed, Gaussian, Recurrent
from wyner.models.base import Model, chosen
from wyner.models.experts import Families
from wyner.models.parts import Size, TwoPlayerOptions, main_phase, needed
from wyner.networks import SequenceCritics, Sequences
from wyner.objectives import regularised
from wyner.variables import Sequence, Space

LAWS = {
    "elbo": ("q(x) q(z|x) q(s|x,z)", "p(z) p(s) p(x|s,z)"),
    "rate": ("q(x) q(z|x)", "q(x) p(z)"),
    "aggregate": ("q(x) q(z|x)", "p(z)"),
}


@stored("dsae")
class DSAE(Model):
    """A global and a local latent of a sequence, and a price on what the two share.

    I(z;s) under q is watched by a critic of its own (equations (15), (16)), unless `watch` is off.

    Args:
        x: a `Sequence`; rows may have different lengths.
        z: size of the global latent.
        s: size of the local latent at each step.
        objective: "elbo", "beta", "mi" or "cmi"; `wyner.objectives.regularised`.
        gamma, alpha: of the objective.
        full: q(s|x,z) sees all frames and z; else q(s_t|x_t).
        watch: report I(z;s).
        prior: of s; by default an LSTM of 256 units.
        options: as in `TwoPlayerOptions`; by default steps=2, critic_lr=2e-3, networks
            `Sequences()` and critics `SequenceCritics()`.

    Example:
        >>> from wyner import Sequence, Real
        >>> from wyner.models import DSAE
        >>> print(DSAE(x=Sequence(20, Real(8)), z=4, s=3, gamma=0.4, watch=False).objective)
           1 * elbo          = KL(q(z|x) || p(z)) + KL(q(s|x,z) || p(s)), step by step - log
                             p(x|s,z)   [dropped: -h(x)]
        -0.4 * rate          = KL(q(z|x) || p(z))
         0.4 * R(z;s) q elbo = KL( (z,s) || p(z) (s) ) under q(x) q(z|x) q(s|x,z)   by T(z,s)
    """

    def __init__(
        self,
        *,
        x: Space,
        z: Size = 64,
        s: int = 64,
        objective: str = "cmi",
        gamma: float = 0.4,
        alpha: float = 1.0,
        full: bool = True,
        watch: bool = True,
        prior: Recurrent | None = None,
        **options: Unpack[TwoPlayerOptions],
    ) -> None:
        if not isinstance(x, Sequence):
            raise ShapeError(
                f"DSAE: x is a sequence, for example Sequence(20, Real(201)), got {x!r}"
            )
        if s < 1:
            raise OptionError(f"s needs a positive size, got {s}")
        loss = regularised(objective, gamma, alpha, watch=watch)
        priors: Families = {"p(z)": Gaussian(Fixed(1.0)), "p(s)": prior or Recurrent()}
        q, p = LAWS["elbo"]
        laws = {**LAWS, "elbo": (q if full else q.replace("q(s|x,z)", "q(s|x)"), p)}
        super().__init__(
            observed={"x": x},
            latent={**needed(z=z), "s": Sequence(x.steps, s)},
            laws=laws,
            objective=loss,
            common=("z",),
            phases=main_phase(loss, options.get("steps", 2), options.get("critic_lr", 2e-3)),
            **chosen(options, priors, Sequences(full=full), SequenceCritics()),
        )
