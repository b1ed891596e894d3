"""Families of distributions, their closed-form KLs, and the heads that make them from outputs."""

from wyner.families.autoregressive import Autoregressive, FeatureOf
from wyner.families.defaults import default
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
)
from wyner.families.sequences import Recurrent, StepGaussian

__all__ = [
    "Autoregressive",
    "Bernoulli",
    "Categorical",
    "Combination",
    "Deterministic",
    "Distribution",
    "Family",
    "FeatureOf",
    "Fixed",
    "Gaussian",
    "Head",
    "Mixture",
    "Predicted",
    "Product",
    "Recurrent",
    "StepGaussian",
    "Trainable",
    "default",
    "kl",
]
