"""Common information: exact where it is known, numerical for tables, estimated from samples.

What estimates from samples lives in `wyner.estimation`, above models and training; its names can be
used from here and are loaded when they are first asked for.
"""

import importlib
from typing import Any

from wyner.information.gaussian import GaussianInformation, canonical_correlations, gaussian
from wyner.information.lagrangian import Lagrangian
from wyner.information.pmf import PmfInformation, pmf

ESTIMATION = ("Estimate", "Estimates", "estimate", "tasks")
"""Names of `wyner.estimation`."""


def __getattr__(name: str) -> Any:
    """What estimates from samples, by name."""
    if name in ESTIMATION:
        return getattr(importlib.import_module("wyner.estimation"), name)
    raise AttributeError(f"module 'wyner.information' has no attribute {name!r}")


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
