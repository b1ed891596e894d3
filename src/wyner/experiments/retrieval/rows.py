"""One row of a retrieval table: a model trained for every seed, its best epoch by the validation
classes, measured on the test classes.

ROW/seed-0/measured.json   settings, numbers, the curve of the validation classes
ROW/seed-0/model/          the model, as `model.save` writes it
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wyner.data.zero_shot import Sides
from wyner.errors import OptionError, RunError
from wyner.experiments.legacy.plan import Row
from wyner.experiments.retrieval.cca import CCA, Principal
from wyner.experiments.retrieval.plan import CCA as LINEAR
from wyner.experiments.retrieval.plan import Protocol
from wyner.experiments.retrieval.scenes import Scene
from wyner.files import read_json, write_json
from wyner.metrics import retrieval_scores
from wyner.models import Model
from wyner.models.stored import load
from wyner.runs import device_name
from wyner.tasks.retrieval import common_codes
from wyner.training.fit import fit

MEASURED, WEIGHTS = "measured.json", "model"
CHOICE = "map"
"""What the validation classes choose by."""


@dataclass(frozen=True)
class Member:
    """One trained and measured model of a row."""

    row: Row
    seed: int
    metrics: dict[str, float]
    about: dict[str, Any]
    folder: Path


def codes(model: Model, sides: Sides) -> tuple[np.ndarray, np.ndarray]:
    """Codes of both sides."""
    x, y = (
        torch.cat(list(common_codes(model, k, rows))).numpy()
        for k, rows in (("x", sides.x), ("y", sides.y))
    )
    return x, y


def scores(
    a: np.ndarray, b: np.ndarray, sides: Sides, k: tuple[int, ...], distance: str
) -> dict[str, float]:
    """The numbers of a table: y searched by x, and mAP and P@1 the other way (`_back`)."""
    out: dict[str, float] = {}
    for n in (n for n in k if n <= len(b)):
        found = retrieval_scores(a, b, sides.x_labels, sides.y_labels, k=n, distance=distance)
        out |= {
            f"precision_{n}": found.pop("precision"),
            f"map_at_{n}": found.pop("map_k"),
            **found,
        }
    back = retrieval_scores(b, a, sides.y_labels, sides.x_labels, k=1, distance=distance)
    return out | {"map_back": back["map"], "precision_1_back": back["precision_1"]}


class Keeper:
    """The probe of a training: scores of the validation classes, and the weights that were best."""

    def __init__(self, scene: Scene, distance: str) -> None:
        self.scene, self.distance = scene, distance
        self.best, self.at, self.weights, self.curve = -1.0, 0, {}, []  # type: ignore[var-annotated]

    def __call__(self, model: Model) -> dict[str, float]:
        """Scores the model as it is."""
        found = scores(
            *codes(model, self.scene.validation), self.scene.validation, (1,), self.distance
        )
        self.curve.append(round(found[CHOICE], 5))
        if found[CHOICE] > self.best:
            self.best, self.at = found[CHOICE], len(self.curve)
            self.weights = copy.deepcopy(model.state_dict())
        return {f"validation_{k}": found[k] for k in (CHOICE, "precision_1")}


def member(
    protocol: Protocol, row: Row, seed: int, scene: Scene, folder: Path, train: bool, progress: bool
) -> Member | None:
    """One seed of a row, from disk if it is there, else trained; None if it is not there and not
    wanted.

    Raises:
        RunError: the folder holds other settings.
    """
    where = folder / row.slug / f"seed-{seed}"
    settings = _settings(protocol, row, seed, scene)
    if (where / MEASURED).exists():
        old = read_json(where / MEASURED)
        if old["settings"] == settings:
            return Member(row, seed, old["metrics"], old["about"], where)
        if train:
            changed = sorted(k for k in settings if old["settings"].get(k) != settings[k])
            raise RunError(
                f"{where} was made with other settings: {', '.join(changed)} differ; use another"
                " folder with --runs"
            )
        return None
    if not train:
        return None
    start = time.monotonic()
    made = (
        _linear(protocol, row, scene)
        if row.model["name"] == LINEAR
        else _trained(protocol, row, seed, scene, where, progress)
    )
    metrics, about = made
    about |= {"seconds": round(time.monotonic() - start, 1), "device": device_name()}
    write_json(where / MEASURED, {"settings": settings, "metrics": metrics, "about": about})
    return Member(row, seed, metrics, about, where)


def _settings(protocol: Protocol, row: Row, seed: int, scene: Scene) -> dict[str, Any]:
    fit_ = {} if row.model["name"] == LINEAR else {**protocol.fit, **row.fit}
    return {
        "model": row.model,
        "fit": fit_,
        "networks": {**protocol.networks, **row.networks},
        "seed": seed,
        "data": scene.dataset.source,
        "notes": list(scene.notes),
        "search": {"k": list(protocol.k), "distance": protocol.distance},
        "every": protocol.every,
    }


def _trained(
    protocol: Protocol, row: Row, seed: int, scene: Scene, where: Path, progress: bool
) -> tuple[dict[str, float], dict[str, Any]]:
    experiment = protocol.experiment_of(row, seed)
    model, keeper = experiment.build(scene.dataset), Keeper(scene, protocol.distance)
    # no validation rows: the weights are chosen by what the table measures, on the validation
    # classes
    rows = {k: scene.dataset.train[k] for k in ("x", "y")}
    fit(model, rows, probe=keeper, probe_every=protocol.every, progress=progress, **experiment.fit)
    model.load_state_dict(keeper.weights)
    metrics = scores(*codes(model, scene.test), scene.test, protocol.k, protocol.distance)
    model.save(where / WEIGHTS)
    return metrics, {
        "validation": round(keeper.best, 5),
        "best_epoch": keeper.at * protocol.every,
        "curve": keeper.curve,
    }


def _linear(protocol: Protocol, row: Row, scene: Scene) -> tuple[dict[str, float], dict[str, Any]]:
    """CCA with the directions and the ridge that are best on the validation classes."""
    options = {
        "size": [64],
        "ridge": [1.0],
        "components": 512,
        **{k: v for k, v in row.model.items() if k != "name"},
    }
    if unknown_ := set(options) - {"size", "ridge", "components"}:
        raise OptionError(
            f"CCA takes size, ridge and components, got {', '.join(sorted(unknown_))}"
        )
    unit = lambda rows: rows.astype(np.float32) / 255 if rows.dtype == np.uint8 else rows
    train = scene.dataset.train
    reduce = [Principal.of(unit(train[k]), options["components"]) for k in ("x", "y")]
    ax, ay = (r(unit(train[k])) for r, k in zip(reduce, ("x", "y"), strict=True))
    best: tuple[float, CCA, dict[str, float]] | None = None
    small = lambda s: Sides(
        reduce[0](unit(s.x)), reduce[1](unit(s.y)), s.x_labels, s.y_labels, s.classes
    )
    held, tested = small(scene.validation), small(scene.test)
    for ridge in options["ridge"]:
        for size in options["size"]:
            made = CCA.of(ax, ay, train["label"], size, ridge)
            found = scores(
                made.project(x=held.x), made.project(y=held.y), held, (1,), protocol.distance
            )[CHOICE]
            if best is None or found > best[0]:
                best = found, made, {"ridge": ridge, "size": size}
    assert best is not None
    value, made, chosen = best
    metrics = scores(
        made.project(x=tested.x), made.project(y=tested.y), tested, protocol.k, protocol.distance
    )
    return metrics, {"validation": round(value, 5), "chosen": chosen}


def trained_model(m: Member) -> Model:
    """The trained model of a member, on the CPU.

    Raises:
        RunError: a member without one, as of CCA.
    """
    return load(m.folder / WEIGHTS)
