"""Adam, and its state by the names of the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from wyner.training.settings import Settings


def optimiser(
    parameters: Sequence[Tensor],
    settings: Settings,
    device: torch.device,
    betas: tuple[float, float] | None = None,
) -> torch.optim.Adam:
    """Fused Adam, or AdamW if weights decay."""
    kind = torch.optim.AdamW if settings.weight_decay else torch.optim.Adam
    return kind(
        list(parameters),
        lr=settings.lr,
        betas=betas or settings.betas,
        amsgrad=settings.amsgrad,
        weight_decay=settings.weight_decay,
        fused=device.type in ("cpu", "cuda"),
    )


def moments(adam: torch.optim.Adam, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An optimiser's state by the name of the parameter, for a checkpoint."""
    return {
        f"adam.{name}.{key}": torch.as_tensor(value)
        for name, p in parameters.items()
        for key, value in adam.state.get(p, {}).items()
    }


def set_moments(
    adam: torch.optim.Adam, parameters: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> None:
    """The inverse of `moments`."""
    for name, p in parameters.items():
        if found := under(tensors, f"adam.{name}."):
            adam.state[p] = {k: _laid_out(v, p) for k, v in found.items()}


def _laid_out(value: Tensor, like: Tensor) -> Tensor:
    """A copy on the parameter's device, in its layout in memory (counts of steps have none)."""
    if value.shape != like.shape:
        return value.to(like.device).clone()
    return torch.empty_like(like, dtype=value.dtype).copy_(value)


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries below a prefix, without it."""
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
