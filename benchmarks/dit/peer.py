"""dit's side. Imports `dit`."""

from __future__ import annotations

import numpy as np
from benchmarks.dit.cases import Case

from dit import Distribution
from dit.multivariate import wyner_common_information
from dit.multivariate.common_informations.wyner_common_information import WynerCommonInformation


def common_information(case: Case, seed: int) -> float:
    """J in bits as dit's own test computes it: by the function, or by the class with the test's
    bound."""
    np.random.seed(seed)  # noqa: NPY002 - the state that dit draws from
    d = Distribution(list(case.cells), list(case.cells.values()))
    rvs = None if case.rvs is None else [[k] for k in case.rvs]
    if not case.direct:
        return float(wyner_common_information(d, rvs, list(case.crvs) or None))
    optimiser = WynerCommonInformation(d, bound=case.bound)
    optimiser.optimize()
    return float(optimiser.objective(optimiser._optima))
