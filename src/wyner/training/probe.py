"""Numbers of the user's own, measured while a model trains, in a random state of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from wyner.errors import OptionError
from wyner.models.base import Model
from wyner.seeds import forked


@dataclass(frozen=True)
class Probe:
    """A function from a model to numbers, asked every so many epochs of the main phase."""

    function: Callable[[Model], dict[str, float]]
    every: int = 0

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise OptionError(f"probe: expected a function of the model, got {self.function!r}")
        if not isinstance(self.every, int) or self.every < 0:
            raise OptionError(
                f"probe_every: expected a number of epochs from 0 up, got {self.every!r}"
            )

    @torch.no_grad()
    def __call__(self, model: Model, seed: int) -> dict[str, float]:
        """The numbers of a model in evaluation mode, from a random state of their own."""
        modes = [(m, m.training) for m in model.modules()]
        model.eval()
        with forked(seed):
            found = self.function(model)
        for m, mode in modes:
            m.training = mode
        try:
            return {str(k): float(v) for k, v in found.items()}
        except (TypeError, AttributeError, ValueError):
            raise OptionError(
                f"probe: expected a dictionary of numbers by name, got {found!r}"
            ) from None


def check_keep(keep: str | None, probe: Probe | None) -> None:
    """Raises `OptionError` if a probe that chooses the weights is asked too rarely."""
    if keep is not None and (probe is None or not probe.every):
        raise OptionError(
            f"keep: expected a probe that returns {keep.lstrip('-')!r} and probe_every of at least"
            " 1, so that there are weights to choose among"
        )


def best_of(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The lowest nll's of the probes of a training."""
    looks = [r["terms"] for r in history if r.get("split") == "probe"]
    names = dict.fromkeys(k for look in looks for k in look if k.startswith("nll"))
    return {f"{k}_best": min(look[k] for look in looks if k in look) for k in names}


def selection(history: Sequence[Mapping[str, Any]], keep: str) -> dict[str, Any]:
    """What the probe chose by: the best value, its epoch, and the curve, one value an epoch."""
    name, sign = keep.removeprefix("-"), -1 if keep.startswith("-") else 1
    looks = {r["epoch"]: r["terms"][name] for r in history if r.get("split") == "probe"}
    best = max(looks, key=lambda epoch: sign * looks[epoch])
    curve = [round(looks[epoch], 5) for epoch in sorted(looks)]
    return {"validation": round(looks[best], 5), "best_epoch": round(best), "curve": curve}


def curve(
    histories: Sequence[Sequence[Mapping[str, Any]]], name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Epochs, means and deviations of a probe's number over seeds; empty where it was not asked."""
    table: dict[float, list[float]] = {}
    for r in (r for history in histories for r in history if r.get("split") == "probe"):
        if name in r["terms"]:
            table.setdefault(float(r["epoch"]), []).append(r["terms"][name])
    at = sorted(e for e, v in table.items() if len(v) == max(map(len, table.values())))
    std = [np.std(table[e], ddof=1) if len(table[e]) > 1 else 0.0 for e in at]
    return np.array(at), np.array([np.mean(table[e]) for e in at]), np.array(std)
