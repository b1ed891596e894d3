"""Exact common information, where it is known."""

from wyner.information.gaussian import GaussianInformation, Lagrangian, canonical_correlations, gaussian

__all__ = ["GaussianInformation", "Lagrangian", "canonical_correlations", "gaussian"]
