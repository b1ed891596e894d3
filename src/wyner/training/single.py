"""What a single run and the points of a grid share: checked rows, and the training of one model."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.errors import DataError, OptionError
from wyner.models.base import Model
from wyner.preprocessing import Preprocessing
from wyner.ragged import Ragged
from wyner.runs import RunFolder
from wyner.seeds import SPLIT, mix
from wyner.sparse import SparseRows
from wyner.training.fabric import launch
from wyner.training.linear_start import start_at_linear_optimum
from wyner.training.loop import Loop
from wyner.training.member import GridMember
from wyner.training.probe import Probe, check_keep
from wyner.training.rows import Rows, check_terms, rows_of, warn_constant, warn_raw
from wyner.training.run import Run, described
from wyner.training.settings import Settings
from wyner.training.stepper import Single


@dataclass(frozen=True)
class Folds:
    """Parts of the rows, one for each of several models to validate on."""

    count: int
    seed: int


@dataclass(frozen=True)
class Job:
    """Arguments of `fit` that all points of a grid have in common."""

    data: Any
    validation: Mapping[str, Any] | float | Folds | None
    probe: Probe | None
    resume: bool
    progress: bool
    about: dict[str, Any]
    linear: bool = False
    """Whether models start at the linear optimum of their rows."""
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    """Of the data; models that know one keep it if it is empty."""

    def complete(self) -> dict[str, Any]:
        """The training rows that have every modality."""
        arrays, _ = split(self.data, self.validation)
        masks = [np.asarray(v).reshape(-1) > 0 for k, v in arrays.items() if k.endswith("_mask")]
        if not masks:
            return dict(arrays)
        there = np.flatnonzero(np.logical_and.reduce(masks))
        return {k: v[there] for k, v in arrays.items()}


def train(
    model: Model,
    job: Job,
    settings: Settings,
    out: Path | None,
    loggers: Sequence[Any] | None = None,
    point: dict[str, Any] | None = None,
    number: int = 0,
) -> Run:
    """Trains one model in place, the `number`-th of several."""
    check_keep(settings.keep, job.probe)
    arrays, validation = split(job.data, job.validation)
    if isinstance(validation, (float, Folds)):
        count = len(next(iter(arrays.values())))
        first, second = shares(count, validation, settings.seed, number)
        arrays, validation = pick(arrays, first), pick(arrays, second)
    learn_scale(model, job)
    rows, held = rows_for(model, arrays, validation)
    if job.progress and rows.terms:
        found = rows.terms.items()
        print(f"rows of {rows.count}: {', '.join(f'{n} {k}' for k, n in found)}", file=sys.stderr)
    fingerprint, folder = print_of(rows, held), None if out is None else RunFolder(out)
    if folder is None and job.resume:
        raise OptionError("resume: expected out= with the folder of the run to continue")
    fabric = launch(settings, loggers, folder)
    if folder is not None and fabric.is_global_zero:
        folder.open(*described(model, settings, fingerprint, job.about), job.resume)
        folder.keep_preprocessing(model.preprocessing)
    fabric.barrier()
    if settings.batch_size % fabric.world_size:
        raise OptionError(
            f"batch_size: expected a multiple of the {fabric.world_size} processes, got"
            f" {settings.batch_size}"
        )
    kept = next(model.parameters()).dtype
    if kept not in (torch.float32, torch.float64):
        raise OptionError(f"model: expected weights in float32 or float64, got {kept}")
    model.to(fabric.device, torch.float64 if settings.precision == "64-true" else kept)
    if settings.channels_last:
        _lay_out(model, torch.channels_last)
    like = next(model.parameters())
    rows = rows.to(fabric.device, like.dtype)
    held = None if held is None else held.to(fabric.device, like.dtype)
    if job.linear:
        start_at_linear_optimum(model, rows, settings.seed)
    member = GridMember(model, rows, held, settings, folder, point or {}, watched=job.linear)
    try:
        Loop(fabric, [member], Single, folder, fingerprint, job.progress, job.probe).run()
    finally:
        model.to(kept)
    if settings.channels_last:
        _lay_out(model, torch.contiguous_format)
    return Run(model, member.history, out, point=member.point)


def _lay_out(model: torch.nn.Module, layout: torch.memory_format) -> None:
    options: Any = {"memory_format": layout}
    model.to(**options)


def split(
    data: Any, validation: Any
) -> tuple[Mapping[str, Any], Mapping[str, Any] | float | Folds | None]:
    """Arrays to train on, and arrays to validate on or the share of the rows to set aside.

    Raises:
        OptionError: what is neither.
    """
    if not isinstance(data, Mapping):
        if not hasattr(data, "train"):
            raise OptionError(
                "data: expected a dictionary of arrays or a record from wyner.data.load, got"
                f" {type(data).__name__}"
            )
        data, validation = data.train, data.validation if validation is None else validation
    if isinstance(validation, Folds):
        return data, validation
    if validation is None or isinstance(validation, Mapping):
        return data, validation or None
    if not 0 < validation < 1:
        raise OptionError(
            f"validation: expected arrays or a share between 0 and 1, got {validation!r}"
        )
    return data, float(validation)


def shares(count: int, share: float | Folds, seed: int, number: int = 0) -> tuple[Tensor, Tensor]:
    """Indices of the rows to train on and to set aside, in order: a function of the seed.

    Of folds those of the `number`-th model; all set aside equally many, and together every row.
    """
    seed = share.seed if isinstance(share, Folds) else seed
    order = torch.randperm(count, generator=torch.Generator().manual_seed(mix(seed, SPLIT)))
    if isinstance(share, Folds):
        order, cut = order.roll(-(number * count // share.count)), -(-count // share.count)
    else:
        cut = max(1, round(share * count))
    return order[cut:].sort().values, order[:cut].sort().values


def learn_scale(model: Model, job: Job) -> None:
    """Gives a model the preprocessing of its data, if they have one; else it keeps its own."""
    model.preprocessing = job.preprocessing or model.preprocessing


def print_of(rows: Rows, validation: Rows | None) -> str:
    """A short hash of all rows, those to validate on after a colon."""
    held = "" if validation is None else f":{validation.fingerprint()}"
    return rows.fingerprint() + held


def rows_for(
    model: Model, arrays: Mapping[str, Any], validation: Mapping[str, Any] | None
) -> tuple[Rows, Rows | None]:
    """Checked rows to train and to validate on, preprocessed; warns of columns that never
    change.
    """
    arrays = model.preprocessing.arrays(arrays)
    validation = None if validation is None else model.preprocessing.arrays(validation)
    objectives = [p.objective for p in model.phases]
    measured = {t.law for o in objectives for t in o.measured}
    needs: set[str] = set()
    for law in {t.law for o in objectives for t in o.active}:
        for part in model.laws[law][: 2 if law in measured else 1]:  # critics see draws of both
            needs |= model.data_of(part)
    names = tuple(sorted(needs))
    rows = rows_of(model, arrays, names)
    if measured and rows.masks is not None:
        raise DataError(
            f"{model.title} compares laws by their draws, which needs complete rows; leave out"
            " those that lack a modality"
        )
    if not warn_constant(model, rows):
        warn_raw(model, rows)
    if rows.masks is not None:
        rows = replace(rows, terms=check_terms(model, rows.masks))
    return rows, None if validation is None else rows_of(model, validation, names, "validation")


def pick(arrays: Mapping[str, Any], index: Tensor) -> dict[str, Any]:
    """Some rows of all arrays."""
    if any(isinstance(v, Ragged) for v in arrays.values()):
        raise OptionError(
            "validation: sequences of different lengths are not split by a share; give validation"
            " arrays of their own"
        )
    own = index.numpy()  # a tensor of one index would take an axis away
    as_it_is = lambda v: isinstance(v, (Tensor, SparseRows))
    return {k: v[index] if as_it_is(v) else np.asarray(v)[own] for k, v in arrays.items()}
