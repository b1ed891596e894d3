"""The trained models of a protocol on disk: ROW/seed-K is an ordinary run, with `measured.json`
beside its weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wyner.data.corpus import Corpus
from wyner.errors import RunError
from wyner.experiments.dsae.plan import Protocol, Row
from wyner.models import Model
from wyner.models.stored import load
from wyner.runs import RunFolder, read_config, read_history
from wyner.training.fit import fit

MEASURED = "measured.json"


@dataclass(frozen=True)
class Member:
    """One model of a row: where it is."""

    row: Row
    seed: int
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether its weights are there."""
        return RunFolder(self.folder).has_weights

    def model(self) -> Model:
        """The trained model."""
        return load(self.folder)

    @property
    def seconds(self) -> float:
        """Wall time of its training."""
        history = read_history(self.folder)
        return float(history[-1]["seconds"]) if history else 0.0


def members(base: Path, rows: tuple[Row, ...], seeds: int) -> list[Member]:
    """All models of some rows, seed by seed, so that an interrupted table has complete rows."""
    return [
        Member(row, seed, base / row.slug / f"seed-{seed}") for seed in range(seeds) for row in rows
    ]


def train(
    member: Member, protocol: Protocol, corpus: Corpus, source: dict[str, Any], progress: bool
) -> None:
    """Trains a model that is not trained yet, and goes on with an interrupted one.

    Raises:
        RunError: the folder holds a model of other settings or another corpus. KeyboardInterrupt:
            after saving.
    """
    wanted = {"settings": protocol.settings(member.row), "corpus": source}
    there = (member.folder / "config.json").exists()
    if there and (old := _wanted(member.folder)) != wanted:
        names = sorted(k for k in wanted if old.get(k) != wanted[k])
        raise RunError(
            f"{member.folder} was trained with another {' and other '.join(names)}; use another"
            " folder with --runs"
        )
    if member.finished:
        return
    data = corpus.dataset(protocol.steps)
    model = protocol.build(member.row, corpus.spectra.bins, member.seed)
    fit(
        model,
        data,
        seed=member.seed,
        out=member.folder,
        resume=there,
        progress=progress,
        loggers=(),
        about=wanted,
        **protocol.fit,
    )
    RunFolder(member.folder).drop_checkpoint()


def _wanted(folder: Path) -> dict[str, Any]:
    about = read_config(folder).get("about", {})
    return {k: about.get(k) for k in ("settings", "corpus")}
