"""Common information: exact where it is known, numerical for tables, estimated from samples."""

from wyner.information import tasks
from wyner.information.estimate import Estimates, estimate
from wyner.information.estimators import Estimate
from wyner.information.gaussian import (
    GaussianInformation,
    Lagrangian,
    canonical_correlations,
    gaussian,
)
from wyner.information.pmf import PmfInformation, pmf

__all__ = [
    "Estimate",
    "Estimates",
    "GaussianInformation",
    "Lagrangian",
    "PmfInformation",
    "canonical_correlations",
    "estimate",
    "gaussian",
    "pmf",
    "tasks",
]
