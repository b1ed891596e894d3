"""The family of a variable where the user names none."""

from __future__ import annotations

from wyner.families.heads import (
    Bernoulli,
    Categorical,
    Family,
    Fixed,
    Gaussian,
    Predicted,
    Trainable,
)
from wyner.families.sequences import StepGaussian
from wyner.variables import Binary, Image, Sequence, Space
from wyner.variables import Categorical as Codes


def default(space: Space, observed: bool) -> Family:
    """The family of a variable where the user names none.

    Latent: Gaussian with predicted variance, or categorical. Observed: `Real` a Gaussian of fixed
    variance 1/2 (so that -log p is the squared error plus a constant), `Image` a Gaussian with one
    trained variance per channel, `Binary` Bernoulli. Sequences: the same step by step, an observed
    one with one trained variance per coordinate.
    """
    if isinstance(space, Sequence):
        return StepGaussian(Trainable() if observed else Predicted())
    if isinstance(space, Codes):
        return Categorical()
    if isinstance(space, Binary):
        return Bernoulli()
    if not observed:
        return Gaussian()
    return Gaussian(Trainable() if isinstance(space, Image) else Fixed(0.5))
