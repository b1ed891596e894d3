"""The family of a variable where the user names none."""

from __future__ import annotations

from wyner.families.columns import Columns, of_column
from wyner.families.heads import Family, Fixed, Gaussian, Predicted, Trainable
from wyner.families.positive import LogNormal
from wyner.families.sequences import StepGaussian
from wyner.variables import Binary, Counts, Image, Mixed, Positive, Sequence, Space
from wyner.variables import Categorical as Codes


def default(space: Space, observed: bool) -> Family:
    """The family of a variable where the user names none.

    Latent: Gaussian with predicted variance, or categorical. Observed: `Real` a Gaussian of fixed
    variance 1/2 (so that -log p is the squared error plus a constant), `Image` a Gaussian with one
    trained variance per channel, `Binary` Bernoulli. Sequences: the same step by step, an observed
    one with one trained variance per coordinate. `Counts` are negative binomial, `Positive`
    log-normal, `Mixed` both of these, Bernoulli, categorical, and Gaussian with one trained
    variance per column.
    """
    if isinstance(space, Sequence):
        return StepGaussian(Trainable() if observed else Predicted())
    if isinstance(space, Mixed):
        return Columns()
    if isinstance(space, Binary | Codes | Counts):
        return of_column(space)
    if isinstance(space, Positive):
        return LogNormal() if observed else LogNormal(Predicted())
    if not observed:
        return Gaussian()
    return Gaussian(Trainable() if isinstance(space, Image) else Fixed(0.5))
