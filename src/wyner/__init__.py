"""wyner: write a latent-variable model as two factorisations and an equation."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from wyner import families, models, networks, schedules
from wyner.errors import WynerError
from wyner.models import Model
from wyner.objectives import KL, Information, Objective, Reconstruction, Redundancy, SymmetricKL
from wyner.variables import Binary, Categorical, Counts, Image, Mixed, Positive, Real, Sequence

if TYPE_CHECKING:
    from wyner import data, information
    from wyner.models.stored import load
    from wyner.training.fit import fit

__version__ = version("wyner")

_LAZY = {
    "fit": ("wyner.training.fit", "fit"),
    "load": ("wyner.models.stored", "load"),
    "data": ("wyner.data", None),
    "information": ("wyner.information", None),
}


def __getattr__(name: str) -> Any:
    """Loads training, data and information when first used, so that importing stays quick."""
    if name not in _LAZY:
        raise AttributeError(f"module 'wyner' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    loaded = importlib.import_module(module)
    value = getattr(loaded, attribute) if attribute else loaded
    globals()[name] = value
    return value


__all__ = [
    "KL",
    "Binary",
    "Categorical",
    "Counts",
    "Image",
    "Information",
    "Mixed",
    "Model",
    "Objective",
    "Positive",
    "Real",
    "Reconstruction",
    "Redundancy",
    "Sequence",
    "SymmetricKL",
    "WynerError",
    "data",
    "families",
    "fit",
    "information",
    "load",
    "models",
    "networks",
    "schedules",
]
