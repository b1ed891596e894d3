"""Ensembles: several seeds of one model trained as one program, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wyner.errors import OptionError
from wyner.models.base import Model
from wyner.models.ensemble import Ensemble
from wyner.runs import RunFolder
from wyner.training.grid import fit_grid
from wyner.training.grid_points import ModelFactory
from wyner.training.recipe import Plan
from wyner.training.run import Run, described
from wyner.training.settings import Settings

MEMBERS = "members"
"""Folder of the members in that of their ensemble: a grid of ordinary runs."""


def fit_ensemble(model: Model, plan: Plan, launcher: str, out: Path | None) -> Run:
    """Trains copies of a model from seeds that follow each other, as one batched program.

    Args:
        model: gets the weights of the first member.
        plan: what to train.
        launcher: as in `fit`.
        out: folder of the run; the members' runs lie in `members`.

    Returns:
        A run whose model is an `Ensemble`, with the runs of the members in `.members`.
    """
    if launcher == "ray":
        raise OptionError("launcher: members train together on one machine; expected 'auto'")
    seed = Settings.of(plan.settings).seed
    points = [{"seed": seed + k} for k in range(plan.members)]
    factory = ModelFactory.of(model, points, plan.settings, plan.start)
    made, folder = Ensemble(member=model.config, size=plan.members), None
    if out is not None:
        folder = RunFolder(out)
        about = described(made, factory.settings[0], "", plan.job.about)
        folder.open(*about, plan.job.resume)
    run = fit_grid(factory, plan.job, launcher, None if out is None else out / MEMBERS)
    trained = [m.model for m in run.members]
    made = Ensemble.of(trained, plan.job.complete())
    model.load_state_dict(trained[0].state_dict())
    model.preprocessing = made.preprocessing
    model.eval()
    history = averaged([m.history for m in run.members])
    if folder is not None:
        folder.cut(0)
        for row in history:
            folder.log(row)
        folder.describe(made.config)
        folder.keep_preprocessing(made.preprocessing)
        folder.finish(made)
    return Run(made, history, out, run.members)


def averaged(histories: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Logged rows of several runs as one: means over those that were still training."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for history in histories:
        for row in history:
            found.setdefault((row["phase"], row["split"], row["step"]), []).append(row)
    order = {phase: i for i, phase in enumerate(dict.fromkeys(k[0] for k in found))}
    keys = sorted(found, key=lambda k: (order[k[0]], k[2]))
    return [_mean(found[k]) for k in keys]


def _mean(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    made = dict(rows[0])
    mean = lambda values: sum(values) / len(values)
    if "loss" in made:
        made["loss"] = mean([r["loss"] for r in rows])
    made["terms"] = {k: mean([r["terms"][k] for r in rows]) for k in made["terms"]}
    return {**made, "seconds": max(r["seconds"] for r in rows)}
