"""Rows to train on: the user's arrays as tensors on the device, checked once."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from wyner.arrays import to_tensor
from wyner.errors import DataError, refuse_unknown
from wyner.ragged import Ragged, bucketed
from wyner.sparse import SparseRows, is_sparse
from wyner.variables import Real, Sequence, check_finite, unit, within

if TYPE_CHECKING:
    from wyner.models.base import Model

Tensors = dict[str, Tensor]
Batch = tuple[Tensors, Tensors | None]
"""Values `(B, *event)` and masks `(B,)` by modality; no masks if all rows are complete."""
EXTRA = ("label", "labels")
"""Arrays that may stand beside the modalities and are not trained on."""

RAW = 10.0
"""Means or standard deviations above which columns are raw: nobody has standardised them."""


@dataclass(frozen=True)
class Rows:
    """Values by modality, `(N, *event)`, and masks by modality, `(N,)`, 1 where the row has it.

    There are no masks if all rows are complete. 8-bit pictures stay 8-bit, also memory-mapped ones;
    `take` makes floats of the rows of a batch, on the device. Sequences may be `Ragged`; `take`
    fills a batch up to its longest row.
    """

    values: dict[str, Any]
    masks: Tensors | None
    count: int
    index: Tensor | None = None
    """The rows that count, if not all; several parts share their values."""
    dtype: torch.dtype | None = None
    """Of the floats that `take` makes of pictures."""
    terms: Mapping[str, int] = field(default_factory=dict)
    """Rows that can answer each divergence, by law, where some lack a modality."""

    def part(self, index: Tensor) -> Rows:
        """Some of the rows, without a copy of them."""
        device = next(iter(self.values.values())).device
        place = self.where(index.to(device))
        return Rows(self.values, self.masks, len(index), place, self.dtype)

    def own(self) -> Batch:
        """The values and masks of these rows, as they are stored."""
        if self.index is None:
            return self.values, self.masks
        pick = lambda d: {k: v.index_select(0, self.index) for k, v in d.items()}
        return pick(self.values), None if self.masks is None else pick(self.masks)

    def where(self, index: Tensor) -> Tensor:
        """Places of rows in the values."""
        return index if self.index is None else self.index[index]

    def to(self, device: torch.device, dtype: torch.dtype) -> Rows:
        """The same rows on a device."""
        kind = lambda v: v.dtype if v.dtype is torch.uint8 else dtype
        moved = lambda d: {k: v.to(device, kind(v)) for k, v in d.items()}
        masks = None if self.masks is None else moved(self.masks)
        index = None if self.index is None else self.index.to(device)
        return Rows(moved(self.values), masks, self.count, index, dtype)

    def take(self, index: Tensor) -> Batch:
        """Values and masks of some rows."""
        index = self.where(index)
        masks = None if self.masks is None else self._gather(self.masks, index)
        return self._gather(self.values, index), masks

    def _gather(self, part: Mapping[str, Tensor], index: Tensor) -> Tensors:
        return {k: unit(v.index_select(0, index), self.dtype) for k, v in part.items()}

    def batches(self, index: Tensor) -> tuple[Tensors, Tensors]:
        """Values `(..., *event)` and masks `(...,)`, if any, of rows by their places, `(...)`."""
        flat, shape = index.reshape(-1), index.shape
        gather = lambda d: {k: v.unflatten(0, shape) for k, v in self._gather(d, flat).items()}
        return gather(self.values), gather(self.masks or {})

    def turn(self, order: Tensor, batch: int, generator: torch.Generator) -> Tensor:
        """Cuts windows anew for an epoch, and lets its batches hold rows of similar lengths."""
        for value in self.values.values():
            if isinstance(value, Ragged):
                value.turn(generator)
                lengths = value.lengths if self.index is None else value.lengths[self.index]
                if bool((lengths != lengths[0]).any()):
                    order = bucketed(order, lengths.cpu(), batch, generator)
        return order

    def fingerprint(self) -> str:
        """A short hash of all values, so that a run is not resumed on other data."""
        h = hashlib.blake2b(digest_size=8)
        raw = lambda t: t.cpu().contiguous().flatten().view(torch.uint8).numpy().data
        for part in (self.values, self.masks or {}):
            for name in sorted(part):
                h.update(name.encode())
                value: Any = part[name]
                if not isinstance(value, (Ragged, SparseRows)):
                    h.update(raw(value if self.index is None else value[self.index]))
                    continue
                h.update(value.bytes())
                h.update(b"" if self.index is None else raw(self.index))
        return h.hexdigest()


def rows_of(
    model: Model, data: Mapping[str, Any], needs: tuple[str, ...], what: str = "data"
) -> Rows:
    """Checks arrays `{modality: (N, *event)}` against a model.

    `x_mask` `(N,)` marks the rows that have x; rows without it may hold anything in x. `label` is
    left alone.

    Raises:
        DataError: a modality that is missing, unknown, empty, of another length, or no numbers.
        ShapeError: wrong trailing axes.
    """
    known = {*model.observed, *(f"{k}_mask" for k in model.observed), *EXTRA}
    refuse_unknown("array", data, known, what, DataError)
    if missing := [k for k in needs if k not in data]:
        raise DataError(
            f"{what}: {model.title} needs {', '.join(needs)}; {', '.join(missing)} is missing"
        )
    arrays: dict[str, Any] = {k: _array(model, data[k], k) for k in model.observed if k in data}
    counts = {k: len(a) if a.ndim else 0 for k, a in arrays.items()}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{n} of {k}" for k, n in counts.items())
        raise DataError(f"{what}: expected the same number of rows, got {found}")
    count = next(iter(counts.values()))
    whole = {k: a for k, a in arrays.items() if not isinstance(a, (Ragged, SparseRows))}
    if count == 0 or any(a.numel() == 0 for a in whole.values()):
        shapes = ", ".join(f"{k} {tuple(a.shape)}" for k, a in arrays.items())
        raise DataError(f"{what}: the arrays are empty: {shapes}")
    if count == 1 and what == "data":
        raise DataError(f"{what}: one row is not enough to train on; expected at least 2")
    masks = _masks(data, arrays, count, what)
    if masks is not None and len(whole) < len(arrays):
        raise DataError(
            f"{what}: sequences of different lengths and sparse rows have no mask of missing rows;"
            " leave such rows out"
        )
    values: dict[str, Any] = {}
    dtype = next(model.parameters()).dtype
    for name, array in arrays.items():
        if masks is not None and not bool(masks[name].all()):
            # a value that the space holds, so that no density of it is infinite
            there = masks[name] > 0
            array = array.clone()
            array[~there] = model.observed[name].fill.to(array.dtype)
        if isinstance(array, (Ragged, SparseRows)):
            values[name] = array
            continue
        space = model.observed[name]
        values[name] = _own(within(space.store(array, name), dtype, name), data[name])
        if len(values[name]) != count or values[name].ndim != len(space.event_shape) + 1:
            raise DataError(
                f"{what}: {name} needs shape (rows, *{space.event_shape}), got {tuple(array.shape)}"
            )
    return Rows(values, masks, count)


def _own(value: Tensor, given: Any) -> Tensor:
    """The values, copied if they are the caller's own memory, which may change while a model
    learns; but not large ones: 8-bit pictures and files that are mapped into memory.
    """
    if isinstance(given, np.memmap) or value.dtype is torch.uint8:
        return value
    shared = isinstance(given, (Tensor, np.ndarray)) and torch.as_tensor(given).data_ptr()
    return value.clone() if value.data_ptr() == shared else value


def _array(model: Model, value: Any, name: str) -> Any:
    """A tensor; sequences of different lengths and sparse rows as they are, their numbers
    checked.
    """
    if is_sparse(value):
        value = SparseRows(value)
    if isinstance(value, SparseRows):
        model.observed[name].prepare(value.index_select(0, torch.arange(min(2, len(value)))), name)
        check_finite(torch.from_numpy(value.matrix.data), f"{name}: entries")
        return value
    if not isinstance(value, Ragged):
        return to_tensor(value, name)
    space = model.observed[name]
    if not isinstance(space, Sequence):
        raise DataError(
            f"{name}: expected an array for {space!r}; sequences of different lengths are for a"
            " Sequence(T, d)"
        )
    space.prepare(value.index_select(0, value.lengths.argmax()[None]), name)
    check_finite(value.frames, f"{name}: frames")
    return value


def warn_constant(model: Model, rows: Rows) -> list[str]:
    """Warns of real columns that never change, which are learned as constants."""
    found = []
    for name in (k for k in rows.values if isinstance(model.observed[k], Real)):
        value = rows.values[name]
        if isinstance(value, SparseRows):
            constant = value.constant().tolist()
        else:
            flat = value.reshape(rows.count, -1)
            constant = (flat == flat[0]).all(0).nonzero().flatten().tolist()
        if constant:
            shown = ", ".join(map(str, constant[:5])) + ", ..." * (len(constant) > 5)
            columns = f"{len(constant)} constant column{'s' * (len(constant) > 1)} ({shown})"
            found.append(f"{name}: {columns}; they carry no information")
    for text in found:
        warnings.warn(text, stacklevel=5)
    return found


def warn_raw(model: Model, rows: Rows) -> None:
    """Warns of real columns that nobody has standardised."""
    for name, value in rows.values.items():
        if type(model.observed[name]) is not Real or value.ndim != 2:
            continue
        some = torch.arange(min(1000, len(value)))  # of sparse rows the first say enough
        flat = value.index_select(0, some) if isinstance(value, SparseRows) else value
        if rows.masks is not None:
            flat = flat[rows.masks[name] > 0]
        if len(flat) < 2:
            continue
        mean, deviation = float(flat.mean(0).abs().max()), float(flat.std(0).max())
        if max(mean, deviation) > RAW:
            warnings.warn(
                f"{name}: columns with standard deviations up to {deviation:.3g} and means up to"
                f" {mean:.3g}; standardise them (subtract the mean, divide by the standard"
                " deviation), or training is slow and small columns count nothing",
                stacklevel=5,
            )


def check_terms(model: Model, masks: Tensors) -> dict[str, int]:
    """Rows that can answer each divergence, by law; warns of divergences that none can.

    Raises:
        DataError: a phase in which no row can answer any.
    """
    counts: dict[str, int] = {}
    for phase in model.phases:
        answers = model.program(phase.objective).answers(masks)
        found = {law: int(rows.sum()) for law, rows in answers.items()}
        counts |= found
        empty = [law for law, count in found.items() if not count]
        if not empty:
            continue
        data = {law: model.data_of(model.laws[law][0]) for law in empty}
        reads = ", ".join(f"{law} reads {','.join(sorted(data[law]))}" for law in empty)
        text = f"phase {phase.name!r}: no row has what these terms need: {reads}"
        if len(empty) == len(found):
            raise DataError(
                f"{text}; give rows in which these are together, or take a model that learns from"
                " any subset, such as WynerVAE(posterior='experts')"
            )
        warnings.warn(f"{text}; they learn nothing", stacklevel=5)
    return counts


def _masks(
    data: Mapping[str, Any], arrays: Mapping[str, Tensor], count: int, what: str
) -> Tensors | None:
    masks = {}
    for name in (k for k in arrays if data.get(f"{k}_mask") is not None):
        mask = to_tensor(data[f"{name}_mask"], f"{name}_mask").reshape(-1)
        if len(mask) != count:
            raise DataError(
                f"{what}: {name}_mask needs {count} entries, one a row, got {len(mask)}"
            )
        if not bool(((mask == 0) | (mask == 1)).all()):
            raise DataError(f"{what}: {name}_mask must hold 0 (missing) and 1 (there)")
        masks[name] = mask.to(torch.get_default_dtype())
    if all(bool(m.all()) for m in masks.values()):
        return None
    full = torch.ones(count)
    whole = {name: masks.get(name, full) for name in arrays}
    nothing = (torch.stack(list(whole.values())).sum(0) == 0).nonzero().flatten().tolist()
    if nothing:
        shown = ", ".join(map(str, nothing[:5])) + ", ..." * (len(nothing) > 5)
        raise DataError(
            f"{what}: {len(nothing)} row{'s' * (len(nothing) > 1)} ({shown}) without any"
            " modality; leave them out"
        )
    return whole
