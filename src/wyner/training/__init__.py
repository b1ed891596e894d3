"""Training: settings, and what `wyner.fit` does with them."""

from wyner.objectives.phases import After, Alternating, Jointly, Phase, TwoPlayer
from wyner.training.settings import Settings

__all__ = ["After", "Alternating", "Jointly", "Phase", "Settings", "TwoPlayer"]
