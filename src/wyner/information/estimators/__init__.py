"""Estimators of common information from pairs, one idea a file; `wyner.information.estimate` runs
those that fit the data.

samples       what the two sides are: categories or columns of numbers
table         counts without what could be chance; plug_in: I, J, C_GK of a table, exactly
gaussian_fit  canonical correlations, tested; J of a Gaussian copula; density: entropies for the
Gaussian lower bound
critic        a separable critic and its bounds of I; crossfit: its features as a smaller pair with
              the same J
neural        a Wyner VAE on these features
"""

from wyner.information.estimators.rows import Estimate

__all__ = ["Estimate"]
