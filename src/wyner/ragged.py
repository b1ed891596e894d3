"""Sequences of different lengths without padding: whole rows, or windows, cut every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.errors import DataError, ShapeError

CHUNK = 50
"""Batches whose rows are sorted by length together (our choice)."""


class Ragged:
    """Rows `(t_i, d)` as one array of frames `(sum t_i, d)`, which `fit` takes for `(N, T, d)`.

    With `window = T` a row is a stretch of T frames: every sequence is cut into consecutive windows
    from a random offset, which changes from epoch to epoch; sequences shorter than T are left out.
    Without, rows are whole, and a batch is filled up with NaN to its longest row
    (`wyner.variables.Sequence`).

    Args:
        sequences: arrays `(t_i, d)`, NumPy or PyTorch.
        window: T, or None.

    Raises:
        DataError: no sequence, or none that is long enough. ShapeError: not `(t, d)` with one d.
    """

    def __init__(self, sequences: Sequence[Any], window: int | None = None) -> None:
        parts = [
            torch.as_tensor(np.asarray(s) if not isinstance(s, Tensor) else s) for s in sequences
        ]
        for i, p in enumerate(parts):
            if p.ndim != 2 or p.shape[1] != parts[0].shape[-1] or not len(p):
                raise ShapeError(
                    f"sequence {i}: expected shape (steps, {parts[0].shape[-1]}), got"
                    f" {tuple(p.shape)}"
                )
        kept = [p for p in parts if window is None or len(p) >= window]
        if not kept:
            raise DataError(
                f"expected sequences{f' of at least {window} steps' if window else ''}, got"
                f" {len(parts)} others"
            )
        self.frames = torch.cat(kept).to(torch.get_default_dtype())
        self.window = window
        lengths = torch.tensor([len(p) for p in kept])
        starts = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)[:-1]])
        if window is None:
            self.owner, self.first, self.lengths = torch.arange(len(kept)), starts, lengths
            self.slack = torch.zeros_like(lengths)
        else:
            # so that any offset below T leaves as many windows
            count = ((lengths - window + 1) // window).clamp_min(1)
            self.owner = torch.repeat_interleave(torch.arange(len(kept)), count)
            within = torch.arange(len(self.owner)) - (count.cumsum(0) - count)[self.owner]
            self.first = starts[self.owner] + window * within
            self.lengths = torch.full_like(self.owner, window)
            self.slack = (lengths - window * count).clamp_max(window - 1)
        self.offset = torch.zeros_like(self.owner)

    def __len__(self) -> int:
        return len(self.owner)

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(N, T, d)`, T the most steps of a row."""
        return len(self), int(self.lengths.max()), self.frames.shape[1]

    @property
    def ndim(self) -> int:
        return 3

    @property
    def dtype(self) -> torch.dtype:
        return self.frames.dtype

    @property
    def device(self) -> torch.device:
        return self.frames.device

    def turn(self, generator: torch.Generator) -> None:
        """Cuts windows anew: one offset from 0 to T - 1 for every sequence."""
        if self.window is not None:
            share = torch.rand(len(self.slack), generator=generator)
            drawn = (share * (self.slack.cpu() + 1)).long()
            self.offset = drawn.to(self.owner.device)[self.owner]

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> Ragged:
        """The same rows on a device."""
        made = object.__new__(Ragged)
        moved = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(self).items()}
        made.__dict__.update(moved, frames=self.frames.to(device, dtype or self.dtype))
        return made

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Rows as an array `(len(index), t, d)`, filled up with NaN to the longest of them."""
        if dim != 0:
            raise ShapeError(f"rows of different lengths can be taken along axis 0, not {dim}")
        lengths = self.lengths[index]
        steps = torch.arange(int(lengths.max()), device=index.device)
        start = self.first[index] + self.offset[index]
        there = steps < lengths[:, None]
        found = self.frames[(start[:, None] + steps).clamp_max(len(self.frames) - 1)]
        return found if bool(there.all()) else torch.where(there[..., None], found, torch.nan)

    def bytes(self) -> memoryview:
        """All frames and where rows begin and end, for a fingerprint."""
        places = torch.stack([self.first, self.lengths])
        raw = [a.cpu().contiguous().flatten().view(torch.uint8) for a in (self.frames, places)]
        return torch.cat(raw).numpy().data


def bucketed(order: Tensor, lengths: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    """An order in which batches hold rows of similar lengths.

    `order` is sorted by length, `CHUNK` batches at a time, and the batches are shuffled.

    Args:
        order: of the rows, `(N,)`; what does not fill a batch is left at the end.
        lengths: of the rows.
        batch: rows a batch.
    """
    whole = len(order) // batch * batch
    kept, rest = order[:whole], order[whole:]
    chunks = [c[lengths[c].argsort(stable=True)] for c in kept.split(CHUNK * batch)]
    batches = torch.cat(chunks).reshape(-1, batch) if chunks else kept.reshape(-1, batch)
    return torch.cat([batches[torch.randperm(len(batches), generator=generator)].flatten(), rest])


def waste(order: Tensor, lengths: Tensor, batch: int) -> float:
    """Share of the steps of all full batches that padding adds, in [0, 1)."""
    batches = lengths[order[: len(order) // batch * batch]].reshape(-1, batch)
    padded = batches.max(1).values * batch
    return 1 - float(batches.sum()) / float(padded.sum())
