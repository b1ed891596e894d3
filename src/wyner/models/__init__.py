"""Models, one file per paper, and the table that lists them."""

from wyner.models.base import Model
from wyner.models.wyner_vae import WynerVAE

TABLE: dict[str, type[Model]] = {"WynerVAE": WynerVAE}
"""Every model by the name that configurations and the command line use."""

__all__ = ["TABLE", "Model", "WynerVAE"]
