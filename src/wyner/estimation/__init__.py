"""Common information from samples: estimators, one idea a file, and tasks with exact answers.

samples       what the two sides are: categories or columns of numbers
table         counts without what could be chance; plug_in: I, J, C_GK of a table, exactly
gaussian_fit  canonical correlations, tested; J of a Gaussian copula; density: entropies for the
              Gaussian lower bound
critic        a separable critic and its bounds of I; crossfit: its features as a smaller pair with
              the same J
neural        a Wyner VAE on these features
runners       the estimators as rows of a table; estimate: runs those that fit the data
tasks         pairs whose information is known
"""

from wyner.estimation import tasks
from wyner.estimation.estimate import Estimates, estimate
from wyner.estimation.rows import Estimate

__all__ = ["Estimate", "Estimates", "estimate", "tasks"]
