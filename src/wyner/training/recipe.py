"""What a training chooses where its user does not: one recipe for tables, whoever asks.

A table is a model of vectors (`Real(d)`, `Binary(d)`, `Categorical(n, k)`) that is trained without
`epochs` and `steps`. What the user named stays as it is; docs/decisions.md says why the rest is so.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wyner.errors import OptionError
from wyner.families import Gaussian, Trainable
from wyner.models.base import Model
from wyner.models.ensemble import Ensemble
from wyner.networks import MLPs
from wyner.sparse import joined
from wyner.training.linear_start import obstacle
from wyner.training.single import Folds, Job
from wyner.training.start import Start
from wyner.variables import Binary, Categorical, Counts, Mixed, Positive, Real

LINEAR = "linear"
"""Of `start`: the linear optimum."""

HIDDEN = (128, 128)
"""Widths of the MLPs beside the linear paths."""
FEW = 1000
"""Rows below which several models, each with other rows to validate on, are worth their time."""
MEMBERS = 5
"""Models of an ensemble, and parts of the rows."""
SHARE = 0.2
"""Of the rows of one model that it does not train on."""
STEPS, EPOCHS = (2000, 400), (20, 300)
"""Steps to train at most, of one model and of members, and bounds of the epochs that they make."""
LEAST = 10
"""Rows below which none are set aside."""


@dataclass(frozen=True)
class Plan:
    """A training with everything chosen.

    Attributes:
        job: with its validation rows and its start.
        settings: fields of `Settings`.
        start: a trained model to start from, or None.
        members: how many models.
    """

    job: Job
    settings: dict[str, Any]
    start: Start | None
    members: int


def plan(
    model: Model, job: Job, given: dict[str, Any], start: Start | None, members: int | None
) -> Plan:
    """Chooses what was left open, and makes the weights of a fresh model from the seed.

    Args:
        model: takes the arguments that suit a table, if it is fresh and its user gave none.
        job: of the training.
        given: settings that the user gave.
        start, members: as in `fit`.

    Raises:
        OptionError: members of a model that cannot be made again.
    """
    if members is not None and (isinstance(members, bool) or members < 1):
        raise OptionError(f"members: expected a positive whole number, got {members!r}")
    table, linear, fresh = is_table(model, given), start == LINEAR, model.fresh
    if fresh and not model.chosen:
        changed = completed(model) if table and (linear or start is None) else {}
        if linear and not table:
            changed = {k: v for k, v in completed(model).items() if k == "networks"}
        model.initialise(given.get("seed", 0), **changed)
    linear = linear or (table and fresh and start is None and not obstacle(model))
    job, start = dataclasses.replace(job, linear=linear), None if linear else start
    if members is not None and members > 1 and (why := Ensemble.obstacle(model)):
        raise OptionError(f"members: {why}; train it once with members=1")
    if not table:
        return Plan(job, given, start, members or 1)
    rows = _rows(job)
    if rows < LEAST:
        return Plan(job, {**settings_for(rows), **given}, start, members or 1)
    alone = given.get("devices", 1) > 1 or job.probe is not None or not fresh or start is not None
    if members is None:
        small = rows < FEW and _open(job) and not alone and not Ensemble.obstacle(model)
        members = MEMBERS if small else 1
    if _open(job):
        folds = Folds(members, given.get("seed", 0)) if members > 1 else None
        job = dataclasses.replace(job, data=_pooled(job.data), validation=folds or SHARE)
        rows = round((1 - (1 / members if folds else SHARE)) * rows)
    return Plan(job, {**settings_for(rows, members), **given}, start, members)


def is_table(model: Model, given: Mapping[str, Any]) -> bool:
    """Whether the recipe holds for a training with these settings."""
    axes = {Real: 1, Binary: 1, Counts: 1, Positive: 1, Mixed: 1, Categorical: 2}
    vectors = [axes.get(type(s)) == len(s.event_shape) for s in model.observed.values()]
    measured = any(p.objective.measured for p in model.phases)
    return not {"epochs", "steps"} & set(given) and all(vectors) and not measured


def completed(model: Model) -> dict[str, Any]:
    """Arguments that the user of a model left open, as they suit a table.

    Networks with a linear path, the conditional terms (`alpha`), and a trained variance for each
    real column.
    """
    given: dict[str, Any] = model.config["arguments"]
    known = inspect.signature(type(model)).parameters
    found: dict[str, Any] = {}
    if "networks" in known and "networks" not in given:
        found["networks"] = MLPs(HIDDEN, linear=True)
    if "alpha" in known and "alpha" not in given:
        found["alpha"] = 1.0
    named = given.get("families") or {}
    decoders = [n for n in model.factors if n.startswith("p(")]
    open_ = [
        name
        for name, space in model.observed.items()
        if isinstance(space, Real)
        and not {name, *(d for d in decoders if d.startswith(f"p({name}|"))} & set(named)
    ]
    if "families" in known and open_:
        found["families"] = {k: Gaussian(Trainable(per="coordinate")) for k in open_}
    return found


def settings_for(rows: int, members: int = 1) -> dict[str, Any]:
    """Batch, learning rate, length and patience for so many rows to train on."""
    batch = min(64, max(8, rows // 4))
    steps, per_epoch = STEPS[members > 1], max(1, rows // batch)
    epochs = min(EPOCHS[1], max(EPOCHS[0], -(-steps // per_epoch)))
    patience = max(10, epochs // 10)
    return {"batch_size": batch, "lr": 2e-3, "epochs": epochs, "patience": patience}


def _open(job: Job) -> bool:
    """Whether the rows to validate on are still to be chosen: those of a small named set are."""
    if job.validation is not None:
        return False
    held = getattr(job.data, "validation", None)
    return not held or _rows(job) < FEW


def _rows(job: Job) -> int:
    """Rows to train and to validate on together."""
    pooled = _pooled(job.data)
    return len(next(iter(pooled.values()))) if pooled else 0


def _pooled(data: Any) -> Mapping[str, Any]:
    """Arrays of a dictionary, or of the training and validation rows of a record together."""
    if isinstance(data, Mapping) or not hasattr(data, "train"):
        return data if isinstance(data, Mapping) else {}
    if not data.validation:
        return data.train
    return {k: joined(v, data.validation[k]) for k, v in data.train.items() if k in data.validation}
