"""One row of a table on disk: its seeds as grids below one folder, trained when they are missing,
measured once.

ROW/row.json                  settings of the row, and its groups of seeds
ROW/seeds-0-9/                a grid of `wyner.fit`: grid.json and an ordinary run for every seed
ROW/seeds-0-9/*/measured.json numbers of that run on test rows
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wyner.data import Dataset
from wyner.errors import RunError
from wyner.experiments.legacy.measure import CURVES, Ruler, measured
from wyner.experiments.legacy.plan import Protocol, Row
from wyner.files import read_json, write_json
from wyner.models import Model
from wyner.models.stored import load
from wyner.runs import device_name, read_history
from wyner.runs.folder import GRID
from wyner.training.fit import fit

ABOUT, MEASURED = "row.json", "measured.json"


@dataclass(frozen=True)
class Member:
    """One trained and measured model of a row."""

    row: Row
    seed: int
    folder: Path
    metrics: dict[str, float]

    @property
    def history(self) -> list[dict[str, Any]]:
        """Logged rows of its training."""
        return read_history(self.folder)

    def model(self) -> Model:
        """The trained model, on the CPU."""
        return load(self.folder)


class RowFolder:
    """The folder of a row.

    Args:
        path: where it is.
        protocol, row: what is trained.
        dataset, source: on what, and the options that make the data again.
        start: the folder of the row whose weights this one starts from.
    """

    def __init__(
        self,
        path: Path,
        protocol: Protocol,
        row: Row,
        dataset: Dataset,
        source: Mapping[str, Any],
        start: RowFolder | None = None,
    ) -> None:
        self.path, self.protocol, self.row, self.dataset, self.source = (
            path,
            protocol,
            row,
            dataset,
            dict(source),
        )
        self.start = start
        self.groups: list[dict[str, Any]] = []
        made = protocol.experiment_of(row, dict(dataset.source) or self.source).as_dict()
        made["fit"].pop("seed")
        made.pop("evaluate")
        self.settings: dict[str, Any] = (
            made
            if start is None
            else {**made, "start": {"row": row.start, **start.settings["fit"]}}
        )
        self.differs = ""
        if (path / ABOUT).exists():
            old = read_json(path / ABOUT)
            self.groups = old["groups"]
            self.differs = _difference(old["settings"], self.settings)

    def train(self, seeds: Sequence[int], progress: bool) -> None:
        """Trains the seeds that are not trained yet, as one batched program; goes on with what was
        interrupted.

        Raises:
            RunError: the folder holds a row of other settings. KeyboardInterrupt: after saving.
        """
        if self.differs:
            raise RunError(
                f"{self.path} was trained with other settings: {self.differs}; use the old ones, or"
                " another folder with --runs"
            )
        if self.start is not None:
            self.start.train(seeds, progress)
        known = {s for g in self.groups for s in g["seeds"]}
        if new := [s for s in seeds if s not in known]:
            name = f"seeds-{new[0]}-{new[-1]}" if len(new) > 1 else f"seeds-{new[0]}"
            self.groups.append(
                {"folder": name, "seeds": new, "finished": False, "device": device_name()}
            )
            self._write()
        for group in self.groups:
            if not group["finished"] and set(group["seeds"]) & set(seeds):
                self._fit(group, progress)
                group["finished"] = True
                self._write()

    def _write(self) -> None:
        write_json(self.path / ABOUT, {"settings": self.settings, "groups": self.groups})

    def _fit(self, group: dict[str, Any], progress: bool) -> None:
        protocol, row, probe = self.protocol, self.row, self.protocol.probe
        base = protocol.experiment_of(row, dict(self.dataset.source) or self.source)
        ruler = Ruler.of(self.dataset, "test", probe["samples"], probe["rows"])
        options = {k: v for k, v in base.fit.items() if k != "seed"}
        out = self.path / group["folder"]
        started = None if self.start is None else self.start.runs()
        if started is not None and (lost := [s for s in group["seeds"] if s not in started]):
            raise RunError(
                f"{row.label} starts from the row {row.start}, which has no finished run of seed"
                f" {', '.join(map(str, lost))}; leave these seeds out"
            )
        fit(
            lambda seed: base.changed(fit={"seed": seed}).build(self.dataset),
            self.dataset,
            grid={"seed": group["seeds"]},
            probe=ruler.probe() if probe["every"] else None,
            probe_every=probe["every"],
            out=out,
            resume=(out / GRID).exists(),
            progress=progress,
            about={"data": self.dataset.source, "experiment": base.as_dict()},
            start=None if started is None else lambda point: started[point["seed"]],
            **options,
        )

    def runs(self) -> dict[int, Path]:
        """Folders of the finished runs by seed."""
        found = {}
        for group in self.groups:
            grid = self.path / group["folder"] / GRID
            for about in read_json(grid)["members"] if grid.exists() else ():
                if about["state"] == "finished":
                    found[about["point"]["seed"]] = grid.parent / about["folder"]
        return found

    def members(self, seeds: Sequence[int], ruler: Ruler, measure: bool = True) -> list[Member]:
        """The finished models of these seeds with their numbers.

        Args:
            seeds: which.
            ruler: how they are measured.
            measure: measure what is not measured in this way yet, instead of leaving it out.
        """
        found = []
        for seed, folder in sorted(self.runs().items()) if not self.differs else ():
            if seed in seeds and (metrics := self._measured(folder, ruler, measure)) is not None:
                found.append(Member(self.row, seed, folder, metrics))
        return found

    def _measured(self, folder: Path, ruler: Ruler, measure: bool) -> dict[str, float] | None:
        how: dict[str, Any] = {
            "rows": len(next(iter(ruler.rows.values()))),
            "samples": ruler.samples,
        }
        for examiner in ruler.examiners:
            how |= examiner.how
        find = lambda model: ruler.measure(model) | best_of(read_history(folder))
        return measured(folder, MEASURED, how, find if measure else None)

    @property
    def seconds(self) -> float:
        """Wall time of the training of all seeds."""
        total = 0.0
        for group in self.groups:
            histories = [
                read_history(p.parent)
                for p in (self.path / group["folder"]).glob("*/metrics.jsonl")
            ]
            total += max((h[-1]["seconds"] for h in histories if h), default=0.0)
        return total

    @property
    def lost(self) -> int:
        """How many seeds diverged."""
        grids = [self.path / g["folder"] / GRID for g in self.groups]
        return sum(
            m["state"] == "diverged" for p in grids if p.exists() for m in read_json(p)["members"]
        )

    @property
    def device(self) -> str:
        """What the seeds were trained on."""
        return ", ".join(dict.fromkeys(g["device"] for g in self.groups))


def best_of(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The lowest nll's of the probe over a training (`_best`): how the paper chooses, on test
    rows.
    """
    probes = [r["terms"] for r in history if r.get("split") == "probe"]
    found = {
        name: [p[name] for p in probes if name in p] for name in CURVES if name.startswith("nll")
    }
    return {f"{name}_best": min(values) for name, values in found.items() if values}


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """The first settings that differ; empty if none does."""
    found = []
    for section in new:
        a, b = old.get(section, {}), new[section]
        found += [
            f"{section}.{k} was {a.get(k)!r} and is now {b.get(k)!r}"
            for k in sorted({*a, *b})
            if a.get(k) != b.get(k)
        ]
    return ", ".join(found[:3])
