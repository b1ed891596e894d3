"""Families of distributions: the values, their closed-form KLs, and the heads that make them from network outputs."""

from wyner.families.distributions import Distribution, kl
from wyner.families.experts import Combination, Mixture, Product
from wyner.families.heads import (
    Bernoulli,
    Categorical,
    Deterministic,
    Family,
    Fixed,
    Gaussian,
    Head,
    Predicted,
    Trainable,
    default,
)

__all__ = [
    "Bernoulli",
    "Categorical",
    "Combination",
    "Deterministic",
    "Distribution",
    "Family",
    "Fixed",
    "Gaussian",
    "Head",
    "Mixture",
    "Predicted",
    "Product",
    "Trainable",
    "default",
    "kl",
]
