"""A run on disk: config.json, model.safetensors, checkpoint/, metrics.jsonl; never unpickled."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from wyner import codec
from wyner.errors import RunError
from wyner.files import append_line, read_json, read_tensors, write_json, write_tensors
from wyner.preprocessing import Preprocessing
from wyner.runs.origin import command, versions

FORMAT, READ = 2, (1, 2)
"""Version of what is written, raised when older versions cannot read it, and those that are read: 1
has the names of classes in place of stable ones."""

WEIGHTS, CONFIG, METRICS, GRID, CHECKPOINT = (
    "model.safetensors",
    "config.json",
    "metrics.jsonl",
    "grid.json",
    Path("checkpoint") / "state.safetensors",
)


class RunFolder:
    """The files of one run while it is being written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is something to resume from."""
        return (self.path / CHECKPOINT).exists()

    @property
    def has_weights(self) -> bool:
        """Whether the final weights are there."""
        return (self.path / WEIGHTS).exists()

    def open(
        self, description: Mapping[str, Any], defaults: Mapping[str, Any], resume: bool
    ) -> None:
        """Starts a new run, or checks that an old one is the same.

        Args:
            description: of the run, as JSON: `model`, `fit`, `fingerprint`, `about`.
            defaults: of `fit`: settings that an older run does not know had these values.
            resume: whether an old run may be there.

        Raises:
            RunError: the folder is not empty, cannot be written to, or holds a run of another model
                or other settings.
        """
        description = json.loads(json.dumps({"format": FORMAT, **description}))
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path} is a file; expected a new or empty folder")
        if resume and (self.path / CONFIG).exists():
            self._compare(read_config(self.path), description, defaults)
            return
        if occupied(self.path):
            hint = (
                "continue it with resume=True (--resume), or choose another folder"
                if (self.path / CONFIG).exists()
                else "choose another folder"
            )
            raise RunError(f"{self.path} is not empty; {hint}")
        write_json(
            self.path / CONFIG, {**description, "versions": versions(), "command": command()}
        )

    def _compare(
        self, old: Mapping[str, Any], new: Mapping[str, Any], defaults: Mapping[str, Any]
    ) -> None:
        """Refuses other settings. What counts is what they mean, not how a version spells it."""
        models = [codec.current_model(k.get("model") or {}) for k in (old, new)]
        same = models[0]["name"] == models[1]["name"]
        models = [m["arguments"] if same else {"model": m["name"]} for m in models]
        fits = [codec.current(k.get("fit") or {}) for k in (old, new)]
        # settings that are younger than the run had their defaults
        fits[0] = {**{k: v for k, v in defaults.items() if k in fits[1]}, **fits[0]}
        for found in fits:
            found.pop("checkpoint_seconds", None)  # changes nothing that is computed
        for a, b in (models, fits):
            names = sorted(k for k in {*a, *b} if a.get(k) != b.get(k))
            if names:
                shown = ", ".join(
                    f"{k} was {a.get(k)!r} and is now {b.get(k)!r}" for k in names[:3]
                )
                raise RunError(
                    f"{self.path} cannot be resumed exactly with other settings: {shown}; use the"
                    " old ones or another folder"
                )

    def keep_preprocessing(self, found: Preprocessing) -> None:
        """Writes what a model does to its data, or checks that a run that goes on does the same.

        Raises:
            RunError: it was fitted on other data.
        """
        old = Preprocessing.load(self.path)
        if old is not None and old != found:
            raise RunError(
                f"{self.path} was trained on other data: its preprocessing is another one; give the"
                " same tables to continue it, or another folder"
            )
        if old is None and found:
            found.save(self.path)

    def describe(self, model: Mapping[str, Any]) -> None:
        """Replaces what the configuration says of the model."""
        write_json(self.path / CONFIG, {**read_config(self.path), "model": dict(model)})

    def log(self, row: dict[str, Any]) -> None:
        """Appends a row to the metrics."""
        append_line(self.path / METRICS, row)

    @property
    def logged(self) -> int:
        """Length of the metrics in bytes."""
        metrics = self.path / METRICS
        return metrics.stat().st_size if metrics.exists() else 0

    def cut(self, size: int) -> list[dict[str, Any]]:
        """Cuts the metrics off after `size` bytes and returns the rows that are left."""
        if self.logged > size:
            os.truncate(self.path / METRICS, size)
        return read_history(self.path)

    def save_checkpoint(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Replaces the checkpoint, atomically."""
        write_tensors(self.path / CHECKPOINT, tensors, meta)

    def read_checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and metadata of the last checkpoint."""
        return read_tensors(self.path / CHECKPOINT)

    def drop_checkpoint(self) -> None:
        """Removes the checkpoint of a training that is over."""
        shutil.rmtree((self.path / CHECKPOINT).parent, ignore_errors=True)

    def finish(self, model: nn.Module) -> None:
        """Writes the final weights."""
        write_tensors(self.path / WEIGHTS, model.state_dict(), {"format": FORMAT})


def occupied(path: Path) -> bool:
    """Whether a folder holds more than what a killed process left of its first file."""
    return path.exists() and any(
        not p.name.startswith((f".{CONFIG}.", f".{GRID}.")) for p in path.iterdir()
    )


def save_model(model: nn.Module, config: Mapping[str, Any], folder: Path) -> Path:
    """Writes a model by itself: configuration and weights."""
    if (folder / METRICS).exists():
        raise RunError(f"{folder} holds a training run; choose another folder for the model")
    write_json(folder / CONFIG, {"format": FORMAT, "model": dict(config), "versions": versions()})
    write_tensors(folder / WEIGHTS, model.state_dict(), {"format": FORMAT})
    if found := getattr(model, "preprocessing", None):
        found.save(folder)
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a run.

    Raises:
        RunError: no such run, or one of another version.
    """
    if not folder.is_dir():
        raise RunError(f"there is no run at {folder}")
    found = read_json(folder / CONFIG)
    if not isinstance(found, dict) or "model" not in found:
        raise RunError(f"{folder / CONFIG} does not describe a run; the file is damaged")
    if found.get("format") not in READ:
        raise RunError(
            f"{folder} was written in format {found.get('format')} by wyner"
            f" {found.get('versions', {}).get('wyner', 'of another version')}; this version reads"
            f" formats {' and '.join(map(str, READ))}"
        )
    return found


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The logged rows of a run; a half-written last line is left out."""
    path = folder / METRICS
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
