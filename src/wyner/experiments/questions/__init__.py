"""Questions by the name of their section in a study file; a new number is a class in this list."""

from collections.abc import Mapping
from typing import Any

from wyner.experiments.questions.affine import Affine
from wyner.experiments.questions.base import Column, Question, answer_of, held_out
from wyner.experiments.questions.estimates import Estimates
from wyner.experiments.questions.likelihood import NLL, Information, Likelihood
from wyner.experiments.questions.pictures import Attributes, Frechet, Labels, Pairs, Probes
from wyner.experiments.questions.pixels import Pixels
from wyner.experiments.questions.retrieval import Retrieval
from wyner.experiments.questions.speech import Speech

QUESTIONS: dict[str, type[Question]] = {
    "likelihood": Likelihood,
    "information": Information,
    "labels": Labels,
    "pairs": Pairs,
    "attributes": Attributes,
    "probes": Probes,
    "frechet": Frechet,
    "retrieval": Retrieval,
    "speech": Speech,
    "pixels": Pixels,
    "estimates": Estimates,
    "affine": Affine,
}
"""In the order of the columns of a table."""


def question_of(name: str, options: Mapping[str, Any]) -> Question:
    """A question from the plain values of its section."""
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    return QUESTIONS[name](**plain)
