"""The models of a sweep on disk: one grid, hopeless values dropped, measured on validation rows."""

from __future__ import annotations

import functools
import itertools
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from wyner.data import Dataset
from wyner.errors import DataError, Diverged, RunError, TaskError
from wyner.experiments.questions import Information, Likelihood, Question
from wyner.experiments.spec import Experiment
from wyner.experiments.store import answers
from wyner.files import read_json, write_json
from wyner.metrics.probes import common_probe
from wyner.metrics.pruning import hopeless
from wyner.metrics.spread import BESIDE
from wyner.models import Model, load
from wyner.report.sweep import CRITERION, ArmResult
from wyner.runs import GRID, read_history
from wyner.training import Settings
from wyner.training.fit import fit

PROBES = 16
"""Looks at the validation rows during a training, about."""
RUNGS = (0.25, 0.5)
PLAN, PENALTY = "plan.json", 1e-3

Logs = list[tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]]
"""Point, state and rows of the probe of every run."""


class Plan:
    """A sweep on disk: decisions read the logs of its runs, so that it can go on any time."""

    def __init__(
        self,
        base: Experiment,
        over: dict[str, list[Any]],
        seeds: int,
        out: Path,
        dataset: Dataset,
        samples: int,
        rows: int,
    ) -> None:
        self.base, self.over, self.out, self.dataset = base, over, out, dataset
        self.arms = [dict(zip(over, v, strict=True)) for v in itertools.product(*over.values())]
        self.points = [{**arm, "seed": s} for arm in self.arms for s in range(seeds)]
        settings = base.settings()
        steps = max(1, len(next(iter(dataset.train.values()))) // settings.batch_size)
        self.epochs = settings.epochs if settings.steps is None else -(-settings.steps // steps)
        self.every = max(1, self.epochs // PROBES)
        self.rows = min(rows, len(next(iter(dataset.validation.values()))))
        self.looks = _questions(min(samples, 20), min(self.rows, 500))
        self.final = _questions(samples, self.rows)

    def check(self) -> None:
        """Refuses a folder that holds another sweep, before anything is built.

        Raises:
            RunError: other settings, values or seeds.
        """
        now = json.loads(json.dumps({"experiment": self.base.as_dict(), "points": self.points}))
        now["experiment"].pop("evaluate")
        path = self.out / PLAN
        if path.exists() and read_json(path) != now:
            raise RunError(
                f"{self.out} holds a sweep of other settings, values or seeds; use the old ones, or"
                " another folder with --out"
            )
        if not path.exists():
            if self.out.exists() and any(self.out.iterdir()):
                raise RunError(
                    f"{self.out} is not empty and holds no sweep; choose another folder with --out"
                )
            self.make(self.points[0])  # unknown arguments are refused before the folder exists
            write_json(path, now)

    def make(self, point: Mapping[str, Any]) -> Model:
        """The model of a point."""
        known = {f.name for f in fields(Settings)}
        sections: dict[str, dict[str, Any]] = {"fit": {}, "model": {}, "networks": {}}
        for key, value in point.items():
            name = key.removeprefix("networks.")
            section = "fit" if key in known else "model" if name == key else "networks"
            sections[section][name] = value
        return self.base.changed(**sections).build(self.dataset)

    def train(self, prune: bool, progress: bool) -> None:
        """Trains what is not trained yet."""
        runs, points = self.out / "runs", dict[Model, dict[str, Any]]()
        options = {k: v for k, v in self.base.fit.items() if k not in ("seed", "steps", "epochs")}

        def make(**point: Any) -> Model:
            model = self.make(point)
            points[model] = point
            return model

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="member .* is left out: dropped")
            fit(
                make,
                self.dataset,
                grid=self.points,
                probe=lambda model: self.probe(points[model], prune, model),
                probe_every=self.every,
                out=runs,
                resume=(runs / GRID).exists(),
                progress=progress,
                about={"data": self.dataset.source, "experiment": self.base.as_dict()},
                **options,
                epochs=self.epochs,
            )

    def probe(self, point: Mapping[str, Any], prune: bool, model: Model) -> dict[str, float]:
        """Numbers on validation rows; at the look after a rung, values that were hopeless at the
        rung are dropped.

        Raises:
            Diverged: the value of this model is dropped, which ends the training of this model.
        """
        logs = self._logs()
        own = next(log for p, _, log in logs if p == point)
        rungs = [max(1, round(share * self.epochs / self.every)) for share in RUNGS]
        if prune and (at := len(own)) in rungs:
            now, before = _looks(logs, at), _looks(logs, max(1, round(at / 2)))
            if why := hopeless(now, before).get(_key(point)):
                raise Diverged(f"dropped after epoch {own[at - 1]['epoch']:g}: {why}")
        asked = [q.answer(model, self.dataset, "validation") for q in self.looks.values()]
        return _numbers({k: v for found in asked for k, v in found.items()})

    def _logs(self) -> Logs:
        """Point, state and rows of the probe of every run."""
        runs = self.out / "runs"
        looks = lambda m: [r for r in read_history(runs / m["folder"]) if r["split"] == "probe"]
        return [(m["point"], m, looks(m)) for m in read_json(runs / GRID)["members"]]

    def results(self) -> list[ArmResult]:
        """Every value with its numbers; finished models are measured once, with all samples."""
        logs = self._logs()
        return [
            self._result(a, [log for log in logs if _key(log[0]) == _key(a)]) for a in self.arms
        ]

    def _result(self, arm: dict[str, Any], own: Logs) -> ArmResult:
        reasons, state = [m["reason"] for _, m, _ in own if m["reason"]], "finished"
        ask = lambda m: self._measured(self.out / "runs" / m["folder"])
        metrics = [(p["seed"], ask(m)) for p, m, _ in own if m["state"] == "finished"]
        if not metrics:
            state = "dropped" if any(r.startswith("dropped") for r in reasons) else "diverged"
            metrics = [(p["seed"], log[-1]["terms"]) for p, _, log in own if log]
        members = [{"seed": seed, "metrics": found} for seed, found in metrics]
        return ArmResult(arm, state, "".join(reasons[:1]), members)

    def _measured(self, folder: Path) -> dict[str, float]:
        questions = self.final | {"labels": Readable()}
        ask = functools.partial(load, folder)
        return _numbers(answers(folder, questions, "validation", self.dataset, ask) or {}, True)


@dataclass(frozen=True)
class Readable(Question):
    """How well labels can be read from the common latents, in percent of the rows."""

    rows: int = 5000

    @property
    def columns(self) -> Mapping[str, Any]:
        return {}

    def answer(self, model: Any, data: Dataset, part: str, seed: int = 0) -> dict[str, float]:
        if "label" not in data.train:
            return {}
        known = min(self.rows, len(data.train["label"]))
        try:
            share = common_probe(model, data, self.rows, part, PENALTY * known)
        except (DataError, TaskError):
            return {}
        return {"accuracy_percent": 100 * share}


def _questions(samples: int, rows: int) -> dict[str, Question]:
    return {"likelihood": Likelihood(samples, rows), "information": Information(rows)}


def _numbers(found: Mapping[str, Any], samples: bool = False) -> dict[str, float]:
    """Plain numbers; with those of the effective samples or without."""
    some = {k: v for k, v in found.items() if isinstance(v, (int, float))}
    return {k: v for k, v in some.items() if samples or not k.endswith(BESIDE[1:])}


def _looks(logs: Logs, number: int) -> dict[str, list[tuple[float, float]]]:
    """What the look of this number saw, counted from 1, by value."""
    found: dict[str, list[tuple[float, float]]] = {}
    for p, _, log in logs:
        if len(log) >= number and CRITERION in (terms := log[number - 1]["terms"]):
            found.setdefault(_key(p), []).append((terms[CRITERION], terms[f"{CRITERION}_se"]))
    return found


def _key(point: Mapping[str, Any]) -> str:
    """A value of what is swept, without its seed."""
    return json.dumps({k: v for k, v in point.items() if k != "seed"}, sort_keys=True)
