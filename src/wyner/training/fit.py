"""Training, from arrays to a run: one model, or a grid of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.errors import DataError, OptionError
from wyner.models.base import Model
from wyner.ragged import Ragged
from wyner.runs import RunFolder
from wyner.seeds import SPLIT, mix
from wyner.training.fabric import launch
from wyner.training.loop import Loop
from wyner.training.member import Member, Probe
from wyner.training.rows import Rows, rows_of, warn_constant
from wyner.training.run import Run, described
from wyner.training.settings import Settings
from wyner.training.start import Start, begin


def fit(
    model: Model | Callable[..., Model],
    data: Any,
    *,
    grid: Mapping[str, Iterable[Any]] | Sequence[Mapping[str, Any]] | None = None,
    launcher: str = "auto",
    probe: Callable[[Model], dict[str, float]] | None = None,
    probe_every: int = 0,
    epochs: int = 50,
    batch_size: int = 100,
    lr: float = 1e-3,
    seed: int = 0,
    out: str | Path | None = None,
    validation: Mapping[str, Any] | float | None = None,
    resume: bool = False,
    progress: bool = True,
    loggers: Sequence[Any] | None = None,
    about: Mapping[str, Any] | None = None,
    start: Start | None = None,
    **settings: Any,
) -> Run:
    """Trains a model in place, or a copy of it for every point of a grid.

    Minimises the objective of every phase of the model, in nats per row, with fused Adam over
    batches that are gathered from tensors on the device. Equal seeds give bit-identical runs on a
    CPU, also across interruptions.

    Args:
        model: a `wyner.Model`; its parameters change.
        data: `{modality: (N, *event)}` as NumPy arrays or tensors, optionally `x_mask` `(N,)` for
            rows without x; or a record from `wyner.data.load`, whose validation rows are then used.
        grid: `{"seed": range(10), "lam": [0.0, 0.05]}` (all combinations) or a list of points
            `[{"seed": 0, "lam": 0.1}, ...]`; the names are settings or arguments of the model. Each
            point gets a model of its own with fresh weights, made from `model`'s arguments or by
            `model(**point)` if that is a function, and small models train together as one batched
            program. A member of a grid equals the single run of its point, but for rounding in
            float32.
        launcher: for a grid: "batched", "sequential", "auto" (batched where it can be), or "ray"
            (one task a point, on the machines of a Ray cluster that share the file system; needs
            `wyner[ray]`).
        probe: `probe(model) -> {name: number}`, called every `probe_every` epochs of the main phase
            and at its end, without gradients, on the model in evaluation mode; the numbers become
            rows of the history with `split` "probe".
        probe_every: epochs between calls; 0 for the one at the end.
        epochs, batch_size, lr, seed: as in `wyner.training.Settings`.
        out: a new or empty folder for the run; None to keep everything in memory. Of a grid: the
            folder with `grid.json` and an ordinary run in a folder of its own for every point.
        validation: arrays like `data`, or the share of the rows to set aside.
        resume: continue the run in `out` from its checkpoint, exactly; a finished run is returned
            as it is.
        progress: show a bar (or lines where there is no terminal).
        loggers: Lightning Fabric loggers; by default TensorBoard in the run's folder, if
            TensorBoard is installed.
        about: anything to keep in the run's configuration, such as where the data came from.
        start: a trained model, its run or its folder; factors of equal names, parameters and shapes
            start from its weights (of a grid also a function from the point to one of these). With
            `freeze=("q(z|x,y)", ...)` they keep them: what is common is learned first, then what is
            private.
        **settings: further fields of `wyner.training.Settings`: schedule, clip, patience, compile,
            precision, devices, ...

    Returns:
        A `Run` with `.model`, `.history` (logged rows) and `.folder`. Of a grid: those of the
            member with the lowest last
        validation loss (the first if there are no validation rows), with all in `.members`, each
        with its `.point`.

    Raises:
        DataError, ShapeError, OptionError, RunError: bad input. Diverged: the loss stopped being a
            number; the last good
        checkpoint is kept; of a grid, such members are left out with a warning, and the error comes
        if none is left.
        KeyboardInterrupt: after saving a checkpoint.

    Example:
        >>> import torch, wyner
        >>> x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
        >>> model = wyner.models.WynerVAE(x=wyner.Real(3), y=wyner.Real(3), z=2, u=1, v=1)
        >>> run = wyner.fit(model, {"x": x, "y": x}, epochs=2, progress=False)
        >>> [row["phase"] for row in run.history]
        ['joint', 'joint', 'marginal']
        >>> run = wyner.fit(model, {"x": x, "y": x}, grid={"seed": [0, 1], "lam": [0.0, 0.1]}, epochs=2, progress=False)
        >>> [member.point for member in run.members][1:3]
        [{'seed': 0, 'lam': 0.1}, {'seed': 1, 'lam': 0.0}]
    """
    options = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "seed": seed, **settings}
    if hasattr(data, "source"):
        about = {"data": data.source, **getattr(data, "about", {}), **(about or {})}
    about = dict(about or {})
    job = Job(
        data,
        validation,
        None if probe is None else Probe(probe, probe_every),
        resume,
        progress,
        about,
        start,
    )
    if grid is not None:
        from wyner.training.grid import fit_grid

        if loggers:
            raise OptionError(
                "loggers: a grid has no loggers; read metrics.jsonl of its members, or train the"
                " points singly"
            )
        return fit_grid(model, job, grid, options, launcher, None if out is None else Path(out))
    if not isinstance(model, Model):
        raise OptionError(
            f"model: expected a wyner.Model (or a function, with grid=), got {type(model).__name__}"
        )
    if start is not None:
        begin(model, start, Settings.of(options).freeze)
    return train(model, job, Settings.of(options), None if out is None else Path(out), loggers)


@dataclass(frozen=True)
class Job:
    """What all points of a grid have in common: arguments of `fit` that are neither a model nor a
    setting.
    """

    data: Any
    validation: Mapping[str, Any] | float | None
    probe: Probe | None
    resume: bool
    progress: bool
    about: dict[str, Any]
    start: Start | None = None


def train(
    model: Model,
    job: Job,
    settings: Settings,
    out: Path | None,
    loggers: Sequence[Any] | None = None,
    point: dict[str, Any] | None = None,
) -> Run:
    """Trains one model in place."""
    arrays, held = split(job.data, job.validation)
    if isinstance(held, float):
        count = len(next(iter(arrays.values())))
        first, second = shares(count, held, settings.seed)
        arrays, held = _pick(arrays, first), _pick(arrays, second)
    rows, held_rows = rows_for(model, arrays, held)
    fingerprint, folder = rows.fingerprint(), None if out is None else RunFolder(out)
    if folder is None and job.resume:
        raise OptionError("resume: expected out= with the folder of the run to continue")
    fabric = launch(settings, loggers, folder)
    if folder is not None and fabric.is_global_zero:
        folder.open(*described(model, settings, fingerprint, job.about), job.resume)
    fabric.barrier()
    if settings.batch_size % fabric.world_size:
        raise OptionError(
            f"batch_size: expected a multiple of the {fabric.world_size} processes, got"
            f" {settings.batch_size}"
        )
    model.to(fabric.device)
    if settings.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    like = next(model.parameters())
    rows = rows.to(fabric.device, like.dtype)
    held_rows = None if held_rows is None else held_rows.to(fabric.device, like.dtype)
    member = Member(model, rows, held_rows, settings, folder, point)
    Loop(fabric, [member], folder, fingerprint, job.progress, job.probe).run()
    if settings.channels_last:
        model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return Run(model, member.history, out, point=member.point)


def split(data: Any, validation: Any) -> tuple[Mapping[str, Any], Mapping[str, Any] | float | None]:
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
    if validation is None or isinstance(validation, Mapping):
        return data, validation or None
    if not 0 < validation < 1:
        raise OptionError(
            f"validation: expected arrays or a share between 0 and 1, got {validation!r}"
        )
    return data, float(validation)


def shares(count: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of the rows to train on and to set aside, in order: a function of the seed."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(mix(seed, SPLIT)))
    cut = max(1, round(share * count))
    return order[cut:].sort().values, order[:cut].sort().values


def rows_for(
    model: Model, arrays: Mapping[str, Any], held: Mapping[str, Any] | None
) -> tuple[Rows, Rows | None]:
    """Checked rows to train and to validate on; warns of columns that never change."""
    terms = [t for p in model.phases for t in p.objective.active]
    measured = {
        t.law for p in model.phases for t in p.objective.measured
    }  # their critics see draws of both laws
    laws = [law for t in terms for law in model.laws[t.law][: 2 if t.law in measured else 1]]
    needs = tuple(sorted(frozenset().union(*(model.data_of(q) for q in laws))))
    rows = rows_of(model, arrays, needs)
    if measured and rows.masks is not None:
        raise DataError(
            f"{model.title} compares laws by their draws, which needs complete rows; leave out"
            " those that lack a modality"
        )
    warn_constant(model, rows)
    return rows, None if held is None else rows_of(model, held, needs, "validation")


def _pick(arrays: Mapping[str, Any], index: Tensor) -> dict[str, Any]:
    if any(isinstance(v, Ragged) for v in arrays.values()):
        raise OptionError(
            "validation: sequences of different lengths are not split by a share; give validation"
            " arrays of their own"
        )
    return {k: (v if isinstance(v, Tensor) else np.asarray(v))[index] for k, v in arrays.items()}
