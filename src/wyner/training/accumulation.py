"""A batch in parts: gradients of a large batch in the memory of a small one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from wyner.errors import Diverged


def backward_in_parts(
    fabric: Any,
    module: Callable[..., tuple[Tensor, Tensor]],
    drawn: Sequence[tuple[str | None, tuple[int, ...]]],
    values: dict[str, Tensor],
    noise: Sequence[Tensor | None],
    weights: Tensor,
    masks: dict[str, Tensor] | None,
    parts: int,
) -> tuple[Tensor, Tensor]:
    """Adds the gradient of the mean loss over parts of a batch, with the noise of the whole.

        grad L = 1/n sum_k grad L_k

    Args:
        fabric: a launched Lightning Fabric.
        module: the program, from `(values, noise, weights, masks)` to loss and terms.
        drawn: kind and event of each noise, as `Program.drawn`.
        values, noise, weights, masks: as `Program.forward` takes them, of the whole batch.
        parts: n; where it does not divide the rows, parts are weighted by theirs.

    Returns:
        Loss and terms, in nats per row, averaged over the parts.
    """
    rows = len(next(iter(values.values())))
    places = torch.arange(rows).chunk(parts)
    loss, terms = None, None
    for k, place in enumerate(places):
        a, b = int(place[0]), int(place[-1]) + 1
        share = (b - a) / rows
        pick = lambda d, a=a, b=b: None if d is None else {name: v[a:b] for name, v in d.items()}
        own = [
            _noise(e, kind, len(event), a, b) for e, (kind, event) in zip(noise, drawn, strict=True)
        ]
        # several processes exchange gradients once a batch, after its last part
        alone = k + 1 == len(places) or fabric.world_size == 1
        with nullcontext() if alone else fabric.no_backward_sync(module):
            piece, each = module(pick(values), own, weights, pick(masks))
            fabric.backward(share * piece)
        piece, each = share * piece.detach(), share * each.detach()
        loss = piece if loss is None else loss + piece
        terms = each if terms is None else terms + each
    if loss is None or terms is None:
        raise Diverged("a batch without rows has no loss")
    return loss, terms


def _noise(noise: Tensor | None, kind: str | None, rank: int, a: int, b: int) -> Tensor | None:
    """Noise `(*leading, B, *event)` of some rows; values that are summed over serve all rows."""
    if noise is None or kind == "values":
        return noise
    return noise.narrow(noise.ndim - rank - 1, a, b - a)
