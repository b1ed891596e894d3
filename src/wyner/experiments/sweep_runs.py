"""The models of a sweep on disk: trained as one grid, dropped when they are hopeless, measured on
validation rows.
"""

from __future__ import annotations

import itertools
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from wyner.data import Dataset
from wyner.errors import Diverged, RunError
from wyner.experiments.legacy.measure import Ruler, measured
from wyner.experiments.legacy.stats import Spread, spread
from wyner.experiments.probes import label_accuracy
from wyner.experiments.spec import Experiment
from wyner.files import read_json, write_json
from wyner.models import Model
from wyner.runs import read_history
from wyner.runs.folder import GRID
from wyner.training import Settings
from wyner.training.fit import fit

CRITERION = "nll_conditional"
PROBES = 16
"""Looks at the validation rows during a training, about."""
RUNGS = (0.25, 0.5)
PLAN, MEASURED = "plan.json", "validation.json"


@dataclass(frozen=True)
class Standing:
    """One value of what is swept, over its seeds.

    Attributes:
        values: by argument.
        state: finished, dropped or diverged.
        why: for a value that did not finish.
        spreads: means over seeds by metric: of the finished models, or at the last look at the
            others.
        members: metrics of every seed.
    """

    values: dict[str, Any]
    state: str
    why: str
    spreads: dict[str, Spread]
    members: list[dict[str, Any]]

    @property
    def label(self) -> str:
        """The values as text."""
        return ", ".join(f"{k} = {v}" for k, v in self.values.items())


Looks = Mapping[str, Sequence[tuple[float, float]]]
"""By value: (conditional nll, its standard error over rows) of every seed."""


def hopeless(now: Looks, before: Looks) -> dict[str, str]:
    """Values to drop at a rung, with the reason.

    Args:
        now: at the rung.
        before: at half of its epochs. A value that is not yet where the best one was then needs
            twice the training at least; curves that merely cross are left alone.
    """
    means = _spreads(now)
    if not means:
        return {}
    first = min(means, key=lambda k: means[k].mean)
    best, was = means[first], _spreads(before).get(first)
    out = {}
    for key, s in means.items():
        error = math.hypot(s.error, best.error)
        late = was is None or s.mean > was.mean
        if key != first and late and s.mean - best.mean > 2 * error:
            out[key] = (
                f"conditional nll {s.mean:.3f} against {best.mean:.3f}, standard error {error:.3f}"
            )
    return out


def _spreads(looks: Looks) -> dict[str, Spread]:
    found = {k: spread([a for a, _ in v], [b for _, b in v]) for k, v in looks.items()}
    return {k: s for k, s in found.items() if s is not None}


Logs = list[tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]]
"""Point, state and rows of the probe of every run."""


class Plan:
    """A sweep on disk. Everything that a decision needs is read from the logs of its runs, so that
    it can go on at any time.
    """

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
        self.base, self.over, self.out, self.dataset, self.samples = (
            base,
            over,
            out,
            dataset,
            samples,
        )
        self.combinations = [
            dict(zip(over, values, strict=True)) for values in itertools.product(*over.values())
        ]
        self.points = [{**c, "seed": s} for c in self.combinations for s in range(seeds)]
        settings = base.settings()
        steps_per_epoch = max(1, len(next(iter(dataset.train.values()))) // settings.batch_size)
        self.epochs = (
            settings.epochs if settings.steps is None else -(-settings.steps // steps_per_epoch)
        )
        self.every = max(1, self.epochs // PROBES)
        self.ruler = Ruler.of(dataset, "validation", min(samples, 20), min(rows, 500))
        self.final = Ruler.of(dataset, "validation", samples, rows)
        self.ruler_rows = len(next(iter(self.final.rows.values())))
        self.points_of: dict[int, dict[str, Any]] = {}

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
            self.make(
                {k: v for k, v in self.points[0].items()}
            )  # unknown arguments are refused before the folder exists
            write_json(path, now)

    def make(self, point: Mapping[str, Any]) -> Model:
        """The model of a point."""
        known = {f.name for f in fields(Settings)}
        sections: dict[str, dict[str, Any]] = {"fit": {}, "model": {}, "networks": {}}
        for key, value in point.items():
            section, _, name = key.partition(".")
            if key in known:
                sections["fit"][key] = value
            elif name and section == "networks":
                sections["networks"][name] = value
            else:
                sections["model"][key] = value
        model = self.base.changed(**sections).build(self.dataset)
        self.points_of[id(model)] = dict(point)
        return model

    def train(self, prune: bool, progress: bool) -> None:
        """Trains what is not trained yet."""
        runs = self.out / "runs"
        options = {k: v for k, v in self.base.fit.items() if k not in ("seed", "steps")} | {
            "epochs": self.epochs
        }
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="member .* is left out: dropped")
            fit(
                lambda **point: self.make(point),
                self.dataset,
                grid=self.points,
                probe=lambda m: self.probe(m, prune),
                probe_every=self.every,
                out=runs,
                resume=(runs / GRID).exists(),
                progress=progress,
                about={"data": self.dataset.source, "experiment": self.base.as_dict()},
                **options,
            )

    def probe(self, model: Model, prune: bool) -> dict[str, float]:
        """Numbers on validation rows; at the look after a rung, values that were hopeless at the
        rung are dropped.

        Raises:
            Diverged: the value of this model is dropped, which ends the training of this model.
        """
        point = self.points_of[id(model)]
        logs = self._logs()
        own = next(log for p, _, log in logs if p == point)
        rungs = [max(1, round(share * self.epochs / self.every)) for share in RUNGS]
        if prune and len(own) in rungs:
            at = len(own)
            now, before = self._looks(logs, at), self._looks(logs, max(1, round(at / 2)))
            if why := hopeless(now, before).get(_key(point)):
                raise Diverged(f"dropped after epoch {own[at - 1]['epoch']:g}: {why}")
        return {
            k: v
            for k, v in self.ruler.measure(model).items()
            if not k.endswith(("_ess", "_ess_min"))
        }

    @staticmethod
    def _looks(logs: Logs, number: int) -> dict[str, list[tuple[float, float]]]:
        """What the look of this number saw, counted from 1, by value."""
        found: dict[str, list[tuple[float, float]]] = {}
        for p, _, log in logs:
            if len(log) >= number and CRITERION in (terms := log[number - 1]["terms"]):
                found.setdefault(_key(p), []).append((terms[CRITERION], terms[f"{CRITERION}_se"]))
        return found

    def _logs(self) -> Logs:
        """Point, state and rows of the probe of every run."""
        members = read_json(self.out / "runs" / GRID)["members"]
        rows = [
            [r for r in read_history(self.out / "runs" / m["folder"]) if r["split"] == "probe"]
            for m in members
        ]
        return [(m["point"], m, log) for m, log in zip(members, rows, strict=True)]

    def standings(self) -> list[Standing]:
        """Every value with its numbers; models that finished are measured once, with all
        samples.
        """
        logs, found = self._logs(), []
        for values in self.combinations:
            own = [(p, m, log) for p, m, log in logs if _key(p) == _key(values)]
            finished = [(p, m) for p, m, _ in own if m["state"] == "finished"]
            reasons = list(dict.fromkeys(m["reason"] for _, m, _ in own if m["reason"]))
            state = (
                "finished"
                if finished
                else "dropped"
                if any(r.startswith("dropped") for r in reasons)
                else "diverged"
            )
            if finished:
                metrics = [
                    (p["seed"], self._measured(self.out / "runs" / m["folder"]))
                    for p, m in finished
                ]
            else:
                metrics = [(p["seed"], log[-1]["terms"]) for p, _, log in own if log]
            names = dict.fromkeys(
                k for _, m in metrics for k in m if not k.endswith(("_se", "_ess", "_ess_min"))
            )
            spreads = {
                k: s
                for k in names
                if (
                    s := spread(
                        [m[k] for _, m in metrics if k in m],
                        [m.get(f"{k}_se", math.nan) for _, m in metrics],
                    )
                )
            }
            found.append(
                Standing(
                    values,
                    state,
                    "; ".join(reasons[:1]),
                    spreads,
                    [{"seed": s, "metrics": m} for s, m in metrics],
                )
            )
        return found

    def _measured(self, folder: Path) -> dict[str, float]:
        find = lambda model: self.final.measure(model) | label_accuracy(model, self.dataset)
        return (
            measured(folder, MEASURED, {"rows": self.ruler_rows, "samples": self.samples}, find)
            or {}
        )


def _key(point: Mapping[str, Any]) -> str:
    """A value of what is swept, without its seed."""
    return json.dumps({k: v for k, v in point.items() if k != "seed"}, sort_keys=True)
