"""Tables of clusters of learned features."""

from __future__ import annotations

import numpy as np

from wyner.estimation.clusters import centres, nearest
from wyner.estimation.crossfit import Fold
from wyner.estimation.table import count

CODES, SUBSET = 12, 3000
"""Clusters of features; rows that they are fitted to."""


def table_of_fold(fold: Fold, seed: int, codes: int = CODES) -> np.ndarray:
    """Joint counts of clusters of features, found on the rows the critic saw, counted on others."""
    cx = centres(fold.f_seen[:SUBSET], codes, seed)
    cy = centres(fold.g_seen[:SUBSET], codes, seed + 1)
    return count(nearest(fold.f, cx), nearest(fold.g, cy), len(cx), len(cy))
