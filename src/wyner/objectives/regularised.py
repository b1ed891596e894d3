"""Objectives that decide how much a global latent z holds, and how much of it s may repeat.

[CMI] "Information Theoretic Regularization for Learning Global Features by Sequential VAE":
equations (2)-(6), (9)-(14), (26). All of them add a multiple of an information to a bound of the
likelihood; to be minimised, in nats per sequence:

    "elbo"   KL(elbo)
    "beta"   KL(elbo) - gamma KL(rate)
    "mi"     KL(elbo) - gamma [ KL(rate) - KL(q(z)||p(z)) ]
    "cmi"    KL(elbo) - gamma [ KL(rate) - KL(q(z)||p(z)) - alpha I(z;s) ]

"beta" rewards a bound of I(x;z), "mi" I(x;z), "cmi" I(x;z) - alpha I(z;s) <= I(x;z|s). KL(rate) = E
KL(q(z|x)||p(z)). With alpha = 1 the last two terms of "cmi" are one, I'(z;s) =
KL(q(z,s)||p(z)q(s)), and one critic learns it, as in the paper; with another alpha there are two
critics. alpha = 0 is "mi".
"""

from __future__ import annotations

from wyner.errors import OptionError, refuse_unknown
from wyner.objectives.terms import KL, Information, Objective, RatioKL, Redundancy

KINDS = ("elbo", "beta", "mi", "cmi")


def regularised(
    kind: str = "cmi",
    gamma: float = 0.0,
    alpha: float = 1.0,
    *,
    bound: str = "elbo",
    rate: str = "rate",
    aggregate: str = "aggregate",
    between: str = "z;s",
    under: str = "elbo",
    watch: bool = True,
) -> Objective:
    """A bound of the likelihood, and the reward `gamma` for what z says about x.

    Args:
        kind: "elbo", "beta", "mi" or "cmi", as above.
        gamma: nats of the bound that a nat of information is worth, in [0, 1); beta = 1 - gamma is
            the price that is left on the rate. With 0 every kind is the ELBO.
        alpha: price of I(z;s) in units of gamma; the bound of I(x;z|s) needs alpha >= 1.
        bound: pair of laws of the ELBO, such as `("q(x) q(z|x) q(s|x,z)", "p(z) p(s) p(x|s,z)")`.
        rate: pair of laws whose KL is that of z alone: `("q(x) q(z|x)", "q(x) p(z)")`.
        aggregate: pair of laws that "mi" (and "cmi" with alpha other than 1) matches: `("q(x)
            q(z|x)", "p(z)")`.
        between: the global latent and the local variable; the prior of the first is p(z).
        under: pair of laws whose q draws both.
        watch: add I(z;s) under q with weight 0: a critic of its own, with negatives from q(z)q(s),
            learns beside the model and reports it, equations (15), (16); nothing else depends on
            it.

    Raises:
        OptionError: an unknown kind, a gamma outside [0, 1), a negative alpha.
    """
    refuse_unknown("objective", kind, KINDS)
    if not 0 <= gamma < 1:
        raise OptionError(
            "gamma: expected a number from 0 up and below 1, beta = 1 - gamma being a price, got"
            f" {gamma!r}"
        )
    if not alpha >= 0:
        raise OptionError(f"alpha: expected a number from 0 up, got {alpha!r}")
    objective = KL(bound)
    if kind != "elbo" and gamma > 0:
        objective = objective + -gamma * KL(rate)
        if kind == "cmi" and alpha == 1:
            objective = objective + gamma * Redundancy(between, under=under)
        elif kind in ("mi", "cmi"):
            objective = objective + gamma * RatioKL(aggregate)
    priced = kind == "cmi" and gamma * alpha > 0 and alpha != 1
    if priced or watch:
        objective = objective + (gamma * alpha if priced else 0.0) * Information(
            between, under=under, side="q"
        )
    return objective
