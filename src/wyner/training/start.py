"""Starting from what another model has learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from wyner.errors import OptionError, refuse_unknown
from wyner.models.base import Model
from wyner.models.stored import load
from wyner.training.run import Run

Source = Model | Run | str | Path
"""A trained model, its run, or its folder."""
Start = Source | Callable[[dict[str, Any]], Source]
"""A trained model, its run, its folder, or a function from a point of a grid to one of these."""


def adopt(model: Model, source: Source, factors: Sequence[str] | None = None) -> list[str]:
    """Copies weights of another model into the factors of the same name; the others stay.

    Args:
        model: changes in place.
        source: a trained model, its run, or the folder of its run.
        factors: names of factors (`"q(z|x)"`) and of observed variables (`"x"`, for features that
            its encoders share); by default everything that has the same name, the same parameters
            and the same shapes in both.

    Returns:
        What was copied, by name.

    Raises:
        OptionError: a name that one of the models lacks, other shapes, or nothing in common.
        RunError: no run in the folder.
    """
    other = _model_of(source)
    mine, theirs = _parts(model), _parts(other)
    for name in factors or ():
        for parts, title in ((mine, model.title), (theirs, f"{other.title} to start from")):
            refuse_unknown(f"factor of {title}", name, parts, "start")
    shapes = lambda part: {k: p.shape for k, p in part.named_parameters()}
    both = [name for name in (mine if factors is None else factors) if name in theirs]
    copied = [name for name in both if shapes(mine[name]) == shapes(theirs[name])]
    if factors and (other_ones := [name for name in factors if name not in copied]):
        raise OptionError(
            f"start: {other_ones[0]} has other networks in the two models, so its weights cannot"
            " be copied"
        )
    if not copied:
        raise OptionError(
            f"start: {model.title} and the {other.title} to start from have no factor in common;"
            " expected equal names and networks"
        )
    for name in copied:
        _copy(mine[name], theirs[name])
    return copied


def begin(
    model: Model, start: Start, freeze: Sequence[str], point: dict[str, Any] | None = None
) -> None:
    """Copies everything that fits, for a training that may keep some of it as it is.

    Args:
        model: changes in place.
        start: what to copy from.
        freeze: factors that will not be trained.
        point: of a grid, for a `start` that depends on it.

    Raises:
        OptionError: as `adopt`; or a frozen factor was not copied.
    """
    if callable(start) and not isinstance(start, Model):  # a model is callable as well
        if point is None:
            raise OptionError("start: a function of the point is for a grid; pass a model")
        start = start(point)
    copied = adopt(model, start)
    if missed := [name for name in freeze if name not in copied]:
        raise OptionError(
            f"freeze: {', '.join(missed)} would stay as it was made, because the model to start"
            f" from has other networks for it; copied were {', '.join(copied)}"
        )


@torch.no_grad()
def _copy(mine: torch.nn.Module, theirs: torch.nn.Module) -> None:
    """Copies parameters, running statistics and what is fitted to rows, but no head's schedules."""
    owners = {n: m for n, m in theirs.named_modules() if hasattr(m, "fit")}
    kept = lambda name: not name.startswith("head.") or name.rpartition(".")[0] in owners
    buffers = {k: b for k, b in theirs.named_buffers() if kept(k)}
    found = dict(theirs.named_parameters()) | buffers
    for name, value in [*mine.named_parameters(), *mine.named_buffers()]:
        if name in found and found[name].shape == value.shape:
            value.copy_(found[name])


def _parts(model: Model) -> dict[str, torch.nn.Module]:
    return {**dict(model.factors.items()), **dict(model.features.items())}


def _model_of(source: Source) -> Model:
    if isinstance(source, Model):
        return source
    if isinstance(source, Run):
        return source.model
    if not isinstance(source, (str, Path)):
        raise OptionError(
            f"start: expected a model, a run or the folder of one, got {type(source).__name__}"
        )
    return load(source)
