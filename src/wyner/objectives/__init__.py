"""Objectives: weighted divergences between laws, and the programs that evaluate them."""

from wyner.objectives.learner import Learner
from wyner.objectives.measures import Ratio
from wyner.objectives.program import Program
from wyner.objectives.regularised import regularised
from wyner.objectives.terms import (
    KL,
    Information,
    Measured,
    Objective,
    RatioKL,
    Reconstruction,
    Redundancy,
    SymmetricKL,
    Weighted,
)

__all__ = [
    "KL",
    "Information",
    "Learner",
    "Measured",
    "Objective",
    "Program",
    "Ratio",
    "RatioKL",
    "Reconstruction",
    "Redundancy",
    "SymmetricKL",
    "Weighted",
    "regularised",
]
