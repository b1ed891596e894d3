"""Tasks: what a user asks of a trained model. Each is a function of the model's laws, none knows a model by name."""

from wyner.tasks.choice import abilities
from wyner.tasks.information import common_information, rate_per_dimension
from wyner.tasks.likelihood import Likelihood, log_likelihood
from wyner.tasks.sampling import encode, generate, reconstruct, restyle, translate

__all__ = [
    "Likelihood",
    "abilities",
    "common_information",
    "encode",
    "generate",
    "log_likelihood",
    "rate_per_dimension",
    "reconstruct",
    "restyle",
    "translate",
]
