"""Training: settings, phases, the loop behind `wyner.fit`."""

from wyner.objectives.phases import After, Alternating, Jointly, Phase, TwoPlayer
from wyner.training.settings import Settings

__all__ = ["After", "Alternating", "Jointly", "Phase", "Settings", "TwoPlayer"]
