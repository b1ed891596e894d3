"""What exists already is not done again: trained rows on disk, and the answers to questions.

ROW/row.json                  settings of the row, and its groups of seeds
ROW/seeds-0-9/                what its trainer wrote for some seeds: of `fit`, a grid of runs
ROW/seeds-0-9/*/answers.json  numbers of one model, by part and question, and how they were asked
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wyner.data import Dataset
from wyner.errors import RunError
from wyner.experiments.questions import Question, answer_of
from wyner.experiments.study import Row, Study
from wyner.experiments.trainers import TRAINERS, Job
from wyner.files import read_json, read_tensors, write_json, write_tensors
from wyner.runs import device_name, read_history
from wyner.runs.origin import differing

ABOUT, ANSWERS = "row.json", "answers.json"


@dataclass(frozen=True)
class Cell:
    """One trained model of a row, with its numbers.

    Attributes:
        row, seed: which.
        folder: of its run; None of a table that is drawn from its JSON.
        metrics: numbers by name.
        rows: numbers by row `(N,)`, as `NAME_rows`.
        about: what else training and questions say, in plain values.
    """

    row: Row
    seed: int
    folder: Path | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    rows: Mapping[str, np.ndarray] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def history(self) -> list[dict[str, Any]]:
        """Logged rows of its training."""
        return [] if self.folder is None else read_history(self.folder)

    def model(self) -> Any:
        """The trained model."""
        if self.folder is None:
            raise RunError(f"{self.row.slug}: the model is not there, only its numbers")
        return TRAINERS[self.row.trainer].load(self.folder)

    def told(self, found: Mapping[str, Any]) -> Cell:
        """The same cell with more numbers, rows and words."""
        kinds: dict[str, dict[str, Any]] = {"metrics": {}, "rows": {}, "about": {}}
        for k, v in found.items():
            plain = "metrics" if isinstance(v, (int, float)) else "about"
            kinds["rows" if isinstance(v, np.ndarray) else plain][k] = v
        return dataclasses.replace(self, **{k: getattr(self, k) | v for k, v in kinds.items()})


class Store:
    """The trained rows of a study below one folder.

    Args:
        study: what is trained and asked.
        path: its folder; rows go to `path/SLUG`.
        progress: show bars.
    """

    def __init__(self, study: Study, path: Path, progress: bool = True) -> None:
        self.study, self.path, self.progress = study, path, progress
        self.loaded: dict[str, tuple[Dataset, dict[str, Any]]] = {}

    def data(self, name: str = "") -> Dataset:
        """A data set of the study, loaded once."""
        if name not in self.loaded:
            self.loaded[name] = self.study.load(name)
        return self.loaded[name][0]

    def train(self, row: Row, seeds: Sequence[int]) -> None:
        """Trains seeds that are not trained yet, as one grid; goes on with interrupted ones.

        Raises:
            RunError: the folder holds a row of other settings. KeyboardInterrupt: after saving.
        """
        Place(self, row).train(seeds, self.progress)

    def cells(
        self, row: Row, seeds: Sequence[int], part: str = "test", ask: bool = False
    ) -> list[Cell]:
        """The finished models of a row with their numbers; those without are asked or left out."""
        if not (self.path / row.slug / ABOUT).exists() or (place := Place(self, row)).differs:
            return []
        out, questions, dataset = list[Cell](), self.study.questions, self.data(row.data)
        for seed, folder in sorted(place.runs().items()):
            if seed in seeds:
                cell = Cell(row, seed, folder).told(TRAINERS[row.trainer].left(folder))
                found = answers(folder, questions, part, dataset, cell.model, ask)
                out += [] if found is None else [cell.told(found)]
        return out


def answers(
    folder: Path,
    questions: Mapping[str, Question],
    part: str,
    dataset: Dataset,
    model: Callable[[], Any],
    ask: bool = True,
    seed: int = 0,
) -> dict[str, Any] | None:
    """Numbers of a model by questions, found once and kept in `answers.json` of its folder.

    Args:
        folder: of the run.
        questions: by name.
        part, dataset: of which rows.
        model: gives the model, if it has to be asked.
        ask: what is not there yet; otherwise the answer is None.
        seed: of what is drawn.
    """
    path = folder / ANSWERS
    kept = read_json(path) if path.exists() else {}
    out: dict[str, Any] = {}
    asked = None
    for name, question in questions.items():
        key, how = f"{part} {name}", _plain({**question.how, "seed": seed})
        if kept.get(key, {}).get("how") != how:
            if not ask:
                return None
            asked = model() if asked is None else asked
            found = answer_of(question, asked, dataset, part, seed)
            rows = {k: torch.from_numpy(v) for k, v in found.items() if isinstance(v, np.ndarray)}
            beside = f"rows-{part}-{name}.safetensors" if rows else ""
            if rows:
                write_tensors(folder / beside, rows, {})
            plain = {k: v for k, v in found.items() if k not in rows}
            kept[key] = {"how": how, "answers": plain, "rows": beside}
            write_json(path, kept)
        out |= kept[key]["answers"]
        if beside := kept[key]["rows"]:
            out |= {k: v.numpy() for k, v in read_tensors(folder / beside)[0].items()}
    return out


def _plain(value: Any) -> Any:
    """A value as JSON gives it back."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


class Place:
    """The folder of a row: its settings, and groups of seeds that were trained together."""

    def __init__(self, store: Store, row: Row) -> None:
        self.path, self.row, self.probe = store.path / row.slug, row, store.study.probe
        self.dataset, self.trainer = store.data(row.data), TRAINERS[row.trainer]
        before = [r for r in store.study.rows if row.start and r.slug == row.start]
        self.start = Place(store, before[0]) if before else None
        source = store.loaded[row.data][1]
        self.settings = _plain(self.trainer.settings(row, self.dataset, source))
        if self.start is not None:
            self.settings["start"] = {"row": row.start, **self.start.settings["fit"]}
        self.groups: list[dict[str, Any]] = []
        self.differs = ""
        if (self.path / ABOUT).exists():
            old = read_json(self.path / ABOUT)
            self.groups, self.differs = old["groups"], differing(old["settings"], self.settings)

    def train(self, seeds: Sequence[int], progress: bool) -> None:
        """Trains the seeds that are not trained yet; `Store.train` says how."""
        if self.differs:
            raise RunError(
                f"{self.path} was trained with other settings: {self.differs}; use the old ones, or"
                " another folder with --runs"
            )
        if self.start is not None:
            self.start.train(seeds, progress)
        seeds = seeds[:1] if self.trainer.single else seeds
        known = {s for g in self.groups for s in g["seeds"]}
        if new := [s for s in seeds if s not in known]:
            name = f"seeds-{new[0]}-{new[-1]}" if len(new) > 1 else f"seeds-{new[0]}"
            about = {"folder": name, "seeds": new, "finished": False, "device": device_name()}
            self.groups.append(about)
            self._write()
        for group in self.groups:
            if not group["finished"] and set(group["seeds"]) & set(seeds):
                self._fit(group, progress)
                group["finished"] = True
                self._write()

    def _fit(self, group: Mapping[str, Any], progress: bool) -> None:
        start = None if self.start is None else self.start.runs()
        if start is not None and (lost := [s for s in group["seeds"] if s not in start]):
            raise RunError(
                f"{self.row.label} starts from the row {self.row.start}, which has no finished run"
                f" of seed {', '.join(map(str, lost))}; leave these seeds out"
            )
        folder, probe = self.path / group["folder"], self.probe
        job = Job(self.row, self.dataset, group["seeds"], folder, probe, start, progress)
        self.trainer.train(job)

    def _write(self) -> None:
        write_json(self.path / ABOUT, {"settings": self.settings, "groups": self.groups})

    @property
    def folders(self) -> list[Path]:
        """Of the groups of seeds."""
        return [self.path / g["folder"] for g in self.groups]

    def runs(self) -> dict[int, Path]:
        """Folders of the finished models by seed."""
        return {s: run for f in self.folders for s, run in self.trainer.runs(f).items()}

    @property
    def seconds(self) -> float:
        """Wall time of the training of all seeds."""
        return sum(map(self.trainer.seconds, self.folders))

    @property
    def lost(self) -> int:
        """How many seeds diverged."""
        return sum(map(self.trainer.lost, self.folders))

    @property
    def device(self) -> str:
        """What the seeds were trained on."""
        return ", ".join(dict.fromkeys(g["device"] for g in self.groups))
