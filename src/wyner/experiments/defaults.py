"""Settings where a user gives none: of the shipped experiment, or what suits any table."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from wyner.data.files import is_file
from wyner.experiments.spec import Experiment, model_of, read, shipped
from wyner.training.recipe import HIDDEN

Sections = Mapping[str, Mapping[str, Any]]


def experiment_on(
    data: str, sections: Sections, steps: int | None = None
) -> tuple[Experiment, str | None]:
    """An experiment on a named data set or an `.npz` file, and the shipped experiment that gave
    what is missing.

    Args:
        data: name or path.
        sections: what was given, by section and key; it goes before everything else.
        steps: of a user's own table; None for the recipe of `fit`.
    """
    given = {k: dict(v) for k, v in sections.items()}
    given["data"] = {**given.get("data", {}), "name": data}
    if (recipe := recipe_of(data)) is None:
        return Experiment(**_suited(given, steps)), None
    base = read(recipe)
    named = given.get("model", {}).get("name") is not None
    if named and model_of(given["model"]) is not model_of(base.model):
        # arguments of one model say nothing about another
        base = Experiment(base.data, {}, base.networks, base.fit, base.evaluate)
    return base.changed(**given), recipe


def recipe_of(data: str) -> str | None:
    """The shipped experiment on this data set, if there is one."""
    return next((name for name in shipped() if read(name).data["name"] == data), None)


def _suited(sections: dict[str, dict[str, Any]], steps: int | None) -> dict[str, dict[str, Any]]:
    """For a user's own table the recipe of `fit`, which a length of one's own takes over; for all
    else one cycle of the learning rate.
    """
    model, fit, networks = (sections.get(k, {}) for k in ("model", "fit", "networks"))
    if "alpha" in inspect.signature(model_of(model)).parameters:
        model = {"alpha": 1.0, **model}
    common = {"schedule": "one-cycle", "lr": 2e-3}
    name = sections["data"]["name"]
    if name == "tables" or is_file(name):
        length = {} if steps is None or {"epochs", "steps"} & set(fit) else {"steps": steps}
        if length or {"epochs", "steps"} & set(fit):
            fit = {**length, **common, "batch_size": 64, **fit}
        usual = {"hidden": list(HIDDEN), "linear": True}
        networks = networks if networks.get("kind") else {**usual, **networks}
    else:
        fit = {**common, **fit}
    return {**sections, "model": model, "fit": fit, "networks": networks}
