"""Adam, its state by the names of the parameters, and gradients of a batch in parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from wyner.training.rows import Batch, Tensors
from wyner.training.settings import Settings

Dump = tuple[Tensors, dict[str, Any]]
"""Tensors by name and JSON values: what a part of a training adds to a checkpoint."""


def optimiser(
    parameters: Mapping[str, Tensor],
    settings: Settings,
    device: torch.device,
    betas: tuple[float, float] | None = None,
) -> torch.optim.Adam:
    """Fused Adam, or AdamW if weights decay."""
    kind = torch.optim.AdamW if settings.weight_decay else torch.optim.Adam
    return kind(
        list(parameters.values()),
        lr=settings.lr,
        betas=betas or settings.betas,
        amsgrad=settings.amsgrad,
        weight_decay=settings.weight_decay,
        fused=device.type in ("cpu", "cuda"),
    )


def moments(adam: torch.optim.Adam, parameters: Mapping[str, Tensor]) -> Tensors:
    """An optimiser's state by the name of the parameter, for a checkpoint."""
    return {
        f"adam.{name}.{key}": torch.as_tensor(value)
        for name, p in parameters.items()
        for key, value in adam.state.get(p, {}).items()
    }


def set_moments(adam: torch.optim.Adam, parameters: Tensors, tensors: Tensors) -> None:
    """The inverse of `moments`."""
    for name, p in parameters.items():
        if found := under(tensors, f"adam.{name}."):
            adam.state[p] = {k: _laid_out(v, p) for k, v in found.items()}


def _laid_out(value: Tensor, like: Tensor) -> Tensor:
    """A copy on the parameter's device, in its layout in memory (counts of steps have none)."""
    if value.shape != like.shape:
        return value.to(like.device).clone()
    return torch.empty_like(like, dtype=value.dtype).copy_(value)


def under(tensors: Tensors, prefix: str) -> Tensors:
    """The entries below a prefix, without it."""
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}


def backward_in_parts(
    fabric: Any,
    module: Callable[..., tuple[Tensor, Tensor]],
    drawn: Sequence[tuple[str | None, tuple[int, ...]]],
    batch: Batch,
    noise: Sequence[Tensor | None],
    weights: Tensor,
    parts: int,
) -> tuple[Tensor, Tensor]:
    """Adds the gradient of the mean loss over parts of a batch, with the noise of the whole.

        grad L = sum_k share_k grad L_k

    Args:
        fabric: a launched Lightning Fabric.
        module: the program, from `(values, noise, weights, masks)` to loss and terms.
        drawn: kind and event of each noise, as `Program.drawn`.
        batch, noise, weights: as `Program.forward` takes them, of the whole batch.
        parts: how many; where it does not divide the rows, parts are weighted by theirs.

    Returns:
        Loss and terms, in nats per row, averaged over the parts.
    """
    rows = len(next(iter(batch[0].values())))
    cuts = [(int(c[0]), int(c[-1]) + 1) for c in torch.arange(rows).chunk(parts)]
    found = []
    for a, b in cuts:
        values, masks = (d if d is None else {k: v[a:b] for k, v in d.items()} for d in batch)
        own = [_part(e, kind, len(event), a, b) for e, (kind, event) in zip(noise, drawn)]
        # several processes exchange gradients once a batch, after its last part
        last = b == rows or fabric.world_size == 1
        with nullcontext() if last else fabric.no_backward_sync(module):
            loss, terms = module(values, own, weights, masks)
            share = (b - a) / rows
            fabric.backward(share * loss)
        found.append((share * loss.detach(), share * terms.detach()))
    losses, means = zip(*found)
    return sum(losses[1:], losses[0]), sum(means[1:], means[0])


def _part(noise: Tensor | None, kind: str | None, rank: int, a: int, b: int) -> Tensor | None:
    """Noise `(*leading, B, *event)` of some rows; values that are summed over serve all rows."""
    if noise is None or kind == "values":
        return noise
    return noise.narrow(noise.ndim - rank - 1, a, b - a)
