"""Tasks: what a user asks of a trained model, as functions of its laws alone."""

from wyner.tasks.information import common_information, rate_per_dimension
from wyner.tasks.likelihood import Likelihood, log_likelihood
from wyner.tasks.queries import abilities
from wyner.tasks.redraw import redraw
from wyner.tasks.retrieval import Hits, Index, index
from wyner.tasks.sampling import encode, generate, reconstruct, restyle, translate
from wyner.tasks.walks import Traversal, decode, interpolate, traverse

__all__ = [
    "Hits",
    "Index",
    "Likelihood",
    "Traversal",
    "abilities",
    "common_information",
    "decode",
    "encode",
    "generate",
    "index",
    "interpolate",
    "log_likelihood",
    "rate_per_dimension",
    "reconstruct",
    "redraw",
    "restyle",
    "translate",
    "traverse",
]
