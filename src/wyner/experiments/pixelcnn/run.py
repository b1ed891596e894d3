"""Trains what is missing, measures what is new, writes the rest again; resumable at every row and
inside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wyner.data import Dataset
from wyner.errors import RunError
from wyner.experiments.legacy.measure import measured
from wyner.experiments.pixelcnn.measure import measure
from wyner.experiments.pixelcnn.plan import NAME, Protocol, Row
from wyner.models import Model
from wyner.models.stored import load
from wyner.runs import command, read_config, read_history
from wyner.training.fit import fit

MEASURED = "measured.json"


@dataclass(frozen=True)
class Result:
    """One trained and measured model.

    Attributes:
        row, seed: which.
        metrics: by name.
        seconds: of the training.
        folder: of the run.
    """

    row: Row
    seed: int
    metrics: dict[str, float]
    seconds: float
    folder: Path

    def model(self) -> Model:
        """The trained model, on the CPU."""
        return load(self.folder)


def reproduce(
    plan: Protocol,
    *,
    rows: Sequence[str] = (),
    out: str | Path = "results",
    runs: str | Path = Path("runs") / "reproduce",
    figures: bool = True,
    progress: bool = True,
) -> Path:
    """Trains the rows of Tables 4 and 5 and writes them beside the published ones.

    Rows that were not asked for come into the table if they are finished.

    Args:
        plan: from `protocol(name)`.
        rows: slugs of the rows to train; all by default.
        out: the table goes to `out/pixelcnn/PROTOCOL.md`, beside it the numbers and figures.
        runs: the trained models go to `runs/pixelcnn-PROTOCOL/ROW/seed-N`.
        figures: draw them.
        progress: show bars.

    Returns:
        The folder with the results.

    Raises:
        OptionError: unknown rows. RunError: a row that was trained with other settings.
            KeyboardInterrupt: after saving.
    """
    from wyner.experiments.pixelcnn.table import write

    picked, folder = plan.pick(rows), Path(out) / NAME
    base = Path(runs) / f"{NAME}-{plan.name}"
    there = [r for r in plan.rows if r in picked or (base / r.slug).exists()]
    sets = {name: plan.load(name) for name in plan.data if name in {r.data for r in there}}
    found: dict[tuple[str, int], Result] = {}
    for row in plan.rows:
        for seed in range(plan.seeds) if row.data in sets else ():
            if (old := _result(plan, row, seed, base, *sets[row.data])) is not None:
                found[row.slug, seed] = old
    for row in picked:
        for seed in range(plan.seeds):
            if (row.slug, seed) not in found:
                found[row.slug, seed] = _train(plan, row, seed, base, *sets[row.data], progress)
                _say(found[row.slug, seed])
            write(folder, plan, list(found.values()), {k: d for k, (d, _) in sets.items()})
    if figures and found:
        from wyner.experiments.pixelcnn.figure import draw

        draw(folder, plan, list(found.values()), {k: d for k, (d, _) in sets.items()})
    return folder


def _path(base: Path, row: Row, seed: int) -> Path:
    return base / row.slug / f"seed-{seed}"


def _train(
    plan: Protocol,
    row: Row,
    seed: int,
    base: Path,
    dataset: Dataset,
    source: dict[str, Any],
    progress: bool,
) -> Result:
    experiment, path = plan.experiment(row, source, seed), _path(base, row, seed)
    resume = (path / "config.json").exists()
    if (
        resume
        and (old := read_config(path).get("about", {}).get("experiment")) != experiment.as_dict()
    ):
        raise RunError(
            f"{path} was trained with other settings ({_first(old, experiment.as_dict())}); use"
            " another folder with --runs"
        )
    about = {"experiment": experiment.as_dict()}
    try:
        fit(
            experiment.build(dataset),
            dataset,
            out=path,
            resume=resume,
            progress=progress,
            about=about,
            **experiment.fit,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted and saved in row {row.slug}; go on with the same command: {command()}"
        ) from None
    result = _result(plan, row, seed, base, dataset, source, True)
    assert result is not None
    return result


def _result(
    plan: Protocol,
    row: Row,
    seed: int,
    base: Path,
    dataset: Dataset,
    source: dict[str, Any],
    find: bool = False,
) -> Result | None:
    """The numbers of a finished row of these settings; None if there are none and `find` does not
    ask for them.
    """
    path = _path(base, row, seed)
    if not (path / "model.safetensors").exists():
        return None
    if (
        read_config(path).get("about", {}).get("experiment")
        != plan.experiment(row, source, seed).as_dict()
    ):
        return None
    numbers = lambda model: measure(model, dataset, plan.measure)
    metrics = measured(path, MEASURED, dict(plan.measure), numbers if find else None)
    if metrics is None:
        return None
    seconds = max((r["seconds"] for r in read_history(path)), default=0.0)
    return Result(row, seed, metrics, seconds, path)


def _first(old: Any, new: dict[str, Any]) -> str:
    """The first setting that differs."""
    for section, values in new.items():
        before = (old or {}).get(section, {})
        for key in sorted({*before, *values}):
            if before.get(key) != values.get(key):
                return f"{section}.{key} was {before.get(key)!r} and is now {values.get(key)!r}"
    return "of another kind"


def _say(result: Result) -> None:
    shown = ", ".join(
        f"{k} {v:.3f}"
        for k, v in result.metrics.items()
        if k in ("nelbo", "kl", "AoLR", "mCAS", "information")
    )
    print(f"{result.row.slug} seed {result.seed}: {shown}; {result.seconds:.0f} s", flush=True)
