"""Experiments: files that say what to train on what, and the runner that does it."""

from wyner.experiments.runner import evaluate_run, run
from wyner.experiments.spec import Experiment, read, shipped

__all__ = ["Experiment", "evaluate_run", "read", "run", "shipped"]
