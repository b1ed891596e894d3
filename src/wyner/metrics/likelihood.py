"""Likelihoods of held-out rows with their errors, less the luck of the rows where it is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wyner.data import Dataset


def scored_likelihood(
    model: Any,
    data: Dataset,
    name: str,
    targets: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    samples: int,
    seed: int = 0,
) -> dict[str, Any]:
    """Importance-sampled -log p(targets | given) in nats a row, its error and effective samples.

    Where the best density of any model is known, it is the floor of that name plus the mean excess
    over the density on the same rows, a control variate; the plain mean stands beside it.

    Returns:
        `{NAME, NAME_se, NAME_ess, NAME_ess_min, NAME_rows}`, and `NAME_plain` with a floor.

    Raises:
        TaskError: the model has no such law.
    """
    found = model.log_likelihood(**targets, given=given, samples=samples, seed=seed)
    value = found.value.double().cpu()
    out: dict[str, Any] = {name: found.nll, f"{name}_se": found.standard_error}
    out |= {f"{name}_ess": float(found.ess.mean()), f"{name}_ess_min": float(found.ess.min())}
    out[f"{name}_rows"] = -value.float().numpy()
    if (best := _best(data, targets, given)) is not None and name in data.truth:
        excess = best - value
        floored = {name: float(data.truth[name]) + float(excess.mean())}
        floored[f"{name}_se"] = float(excess.std()) / len(excess) ** 0.5
        out |= {f"{name}_plain": found.nll, **floored}
    return out


def _best(data: Dataset, targets: Mapping[str, Any], given: Mapping[str, Any]) -> Tensor | None:
    """Log density of the rows under the best model, `(N,)`, where it is known."""
    best = data.truth.get("best_log_density")
    if best is None:
        return None
    ask = lambda rows: torch.from_numpy(best({k: v.numpy() for k, v in rows.items()}))
    return ask({**given, **targets}) - (ask(given) if given else 0.0)
