"""Training, from arrays to a run: one model, or a grid of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from wyner.data.files import of_user
from wyner.errors import OptionError
from wyner.models.base import Model
from wyner.preprocessing import Preprocessing
from wyner.training.ensemble import fit_ensemble
from wyner.training.grid import fit_grid
from wyner.training.grid_points import Grid, ModelFactory, points_of
from wyner.training.probe import Probe
from wyner.training.recipe import LINEAR, plan
from wyner.training.run import Run
from wyner.training.settings import Settings, SettingsDict
from wyner.training.single import Job, train
from wyner.training.start import Start, begin
from wyner.training.tables import Standardise, as_data


class FitOptions(SettingsDict, total=False):
    """Keyword arguments of `fit`: all settings, and how the training is started and followed."""

    launcher: str
    members: int | None
    probe_every: int
    progress: bool
    loggers: Sequence[Any] | None
    about: Mapping[str, Any] | None


def fit(
    model: Model | Callable[..., Model],
    data: Any,
    *,
    validation: Mapping[str, Any] | float | None = None,
    standardise: Standardise = None,
    grid: Grid | None = None,
    probe: Callable[[Model], dict[str, float]] | None = None,
    start: Start | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    **options: Unpack[FitOptions],
) -> Run:
    """Trains a model in place, or a copy of it for every point of a grid.

    Minimises the objective of every phase of the model, in nats per row, with fused Adam over
    batches that are gathered from tensors on the device. Equal seeds give bit-identical runs on a
    CPU, also across interruptions, whatever was drawn before: the weights of a fresh model are made
    from the seed, those that `torch.manual_seed(seed)` before its construction gives.

    Tables (vectors, with neither `epochs` nor `steps` given) are trained by one recipe, wherever
    the call comes from: a start at the linear optimum, length by rows, a fifth of the rows to
    validate on and patience, five members below 1,000 rows, and for what a fresh model left open a
    linear path beside MLPs of 128, 128, a trained variance per column and `alpha` 1.

    Args:
        model: a `wyner.Model`; its parameters change.
        data: `{modality: (N, *event)}` as NumPy arrays or tensors, optionally `x_mask` `(N,)` for
            rows without x; or a record from `wyner.data.load`, whose validation rows are then used;
            or frames by modality, or whatever else `wyner.data.read` takes, or the table that it
            gives: then rows are paired by their ids, a tenth is set aside for validation, and the
            model takes and gives values in the units of the data.
        validation: arrays, frames or a table like `data`, or the share of the rows to set aside.
        standardise: whether the model standardises real columns, or "log1p" for log(1 + x) before
            that, for all or by modality; by default for tables, and not for arrays.
        grid: `{"seed": range(10), "lam": [0.0, 0.05]}` (all combinations) or a list of points
            `[{"seed": 0, "lam": 0.1}, ...]`; the names are settings or arguments of the model. Each
            point gets a model of its own with fresh weights, made from `model`'s arguments or by
            `model(**point)` if that is a function, and equals the single run of its point from the
            same weights, but for rounding in float32.
        probe: `probe(model) -> {name: number}`, called every `probe_every` epochs of the main phase
            and at its end, without gradients, on the model in evaluation mode; the numbers become
            rows of the history with `split` "probe". With `keep="name"` (the highest is best) or
            `keep="-name"` (the lowest) the main phase ends with the weights of the best of them,
            and so does the list of these rows.
        start: a trained model, its run or its folder; factors of equal names, parameters and shapes
            start from its weights (of a grid also a function from the point to one of these). With
            `freeze=("q(z|x,y)", ...)` they keep them: what is common is learned first, then what is
            private. Or "linear": encoders, decoders and scales begin at the regularised closed form
            of the training rows (`networks.MLPs(linear=True)`); weights are kept only if on the
            validation rows they are better than that, and predict one modality from another no
            worse.
        out: a new or empty folder for the run; None to keep everything in memory. Of a grid: the
            folder with `grid.json` and an ordinary run in a folder of its own for every point.
        resume: continue the run in `out` from its checkpoint, exactly; a finished run is returned
            as it is.
        **options: `epochs`, `batch_size`, `lr`, `seed` and the other fields of
            `wyner.training.Settings`; `members`, how many seeds from `seed` up are trained as one
            program and answer as one `Ensemble`, of which `model` gets the first (of a table each
            sets aside another part of the rows); `probe_every`, epochs between calls of the probe
            (0 for the one at the end); `progress`, whether to show a bar, or lines where there is
            no terminal; `loggers` of Lightning Fabric (by default TensorBoard in the run's folder,
            if it is installed); `about`, anything to keep in the run's configuration; and for a
            grid `launcher`: "batched" (small models as one program), "sequential", "auto" (batched
            where it can be) or "ray" (one task a point, on the machines of a Ray cluster that share
            the file system; needs `wyner[ray]`).

    Returns:
        A `Run` with `.model`, `.history` (logged rows) and `.folder`. Of a grid: those of the
        member with the lowest last validation loss (the first if there are no validation rows),
        with all in `.members`, each with its `.point`.

    Raises:
        DataError, ShapeError, OptionError, RunError: bad input.
        Diverged: the loss stopped being a number; the last good checkpoint is kept. Of a grid, such
            members are left out with a warning, and the error comes if none is left.
        KeyboardInterrupt: after saving a checkpoint.

    Example:
        >>> import torch, wyner
        >>> x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
        >>> model = wyner.models.WynerVAE(x=wyner.Real(3), y=wyner.Real(3), z=2, u=1, v=1)
        >>> run = wyner.fit(model, {"x": x, "y": x}, epochs=2, progress=False)
        >>> [row["phase"] for row in run.history]
        ['joint', 'joint', 'marginal']
        >>> grid = {"seed": [0, 1], "lam": [0.0, 0.1]}
        >>> run = wyner.fit(model, {"x": x, "y": x}, grid=grid, epochs=2, progress=False)
        >>> [member.point for member in run.members][1:3]
        [{'seed': 0, 'lam': 0.1}, {'seed': 1, 'lam': 0.0}]
    """
    given: dict[str, Any] = dict(options)
    about, loggers = given.pop("about", None), given.pop("loggers", None)
    every, launcher = given.pop("probe_every", 0), given.pop("launcher", "auto")
    progress, members = given.pop("progress", True), given.pop("members", None)
    folder = None if out is None else Path(out)
    data, validation = as_data(model, data, validation, standardise, given.get("seed", 0))
    if getattr(data, "source", None):
        about = {"data": data.source, **getattr(data, "about", {}), **(about or {})}
        if of_user(data.source):
            about["rows"] = data.fingerprint()
    asked = None if probe is None else Probe(probe, every)
    scale = getattr(data, "preprocessing", Preprocessing())
    job = Job(data, validation, asked, resume, progress, dict(about or {}), preprocessing=scale)
    if grid is not None:
        if loggers:
            raise OptionError(
                "loggers: a grid has no loggers; read metrics.jsonl of its members, or train the"
                " points singly"
            )
        if members is not None:
            raise OptionError("members: a grid has points; train an ensemble without grid=")
        linear = start == LINEAR
        factory = ModelFactory.of(model, points_of(grid), given, None if linear else start)
        return fit_grid(factory, dataclasses.replace(job, linear=linear), launcher, folder)
    if not isinstance(model, Model):
        raise OptionError(
            f"model: expected a wyner.Model (or a function, with grid=), got {type(model).__name__}"
        )
    planned = plan(model, job, given, start, members)
    if planned.members > 1:
        if loggers:
            raise OptionError("loggers: members have none; read metrics.jsonl, or use members=1")
        return fit_ensemble(model, planned, launcher, folder)
    settings = Settings.of(planned.settings)
    if planned.start is not None:
        begin(model, planned.start, settings.freeze)
    return train(model, planned.job, settings, folder, loggers)
