"""Numbers of the user's own, measured while a model trains, in a random state of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    """Raises `OptionError` if weights are to be chosen by a probe that is not asked often
    enough.
    """
    if keep is not None and (probe is None or not probe.every):
        raise OptionError(
            f"keep: expected a probe that returns {keep.lstrip('-')!r} and probe_every of at least"
            " 1, so that there are weights to choose among"
        )
