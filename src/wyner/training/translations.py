"""How well a model predicts one modality from another: what a table is asked most."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import torch
from torch import Tensor

from wyner.errors import TaskError
from wyner.models.base import Model
from wyner.variables import unit


@torch.no_grad()
def translation_error(
    model: Model, values: Mapping[str, Tensor], masks: Mapping[str, Tensor] | None
) -> float:
    """Mean squared error of translations between single modalities, each in shares of the variance.

    Args:
        model: in any mode; directions that it has no law for are left out.
        values: rows by modality, `(N, *event)`.
        masks: rows that have a modality, `(N,)`; a direction needs both.

    Returns:
        The mean over all directions; 0 if there is none.
    """
    found = []
    for a, b in permutations(values, 2):
        rows = slice(None) if masks is None else (masks[a] * masks[b]).nonzero().flatten()
        x, y = unit(values[a][rows]), unit(values[b][rows])
        if not len(y):
            continue
        try:
            made = model.translate({a: x}, to=b, means=True)[0]
        except TaskError:
            continue
        spread = (y - y.mean(0)).square().sum().clamp_min(1e-12)
        found.append(float((made - y).square().sum() / spread))
    return sum(found) / len(found) if found else 0.0
