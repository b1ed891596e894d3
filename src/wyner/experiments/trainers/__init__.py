"""What trains the rows of a study, by name; a new way is a class in this list."""

from wyner.experiments.trainers.base import Job, Trainer, probed
from wyner.experiments.trainers.cca import ByCCA
from wyner.experiments.trainers.estimate import Estimate
from wyner.experiments.trainers.fit import Fit

TRAINERS: dict[str, Trainer] = {"fit": Fit(), "cca": ByCCA(), "estimate": Estimate()}
"""As in `trainer` of a row."""
