"""Families of distributions, their closed-form KLs, and the heads that make them from outputs."""

from wyner.families.autoregressive import Autoregressive, FeatureOf
from wyner.families.columns import Columns
from wyner.families.counts import NegativeBinomial, Poisson, ZeroInflatedNegativeBinomial
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
from wyner.families.positive import LogNormal
from wyner.families.sequences import Recurrent, StepGaussian

__all__ = [
    "Autoregressive",
    "Bernoulli",
    "Categorical",
    "Columns",
    "Combination",
    "Deterministic",
    "Distribution",
    "Family",
    "FeatureOf",
    "Fixed",
    "Gaussian",
    "Head",
    "LogNormal",
    "Mixture",
    "NegativeBinomial",
    "Poisson",
    "Predicted",
    "Product",
    "Recurrent",
    "StepGaussian",
    "Trainable",
    "ZeroInflatedNegativeBinomial",
    "default",
    "kl",
]
