"""Tasks x sizes x seeds: each cell is estimated once, kept in a file of its own, and never
again.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wyner.errors import OptionError, unknown
from wyner.estimation.estimate import Estimates, estimate, row_as_json
from wyner.files import read_json, write_json
from wyner.information import tasks as benchmark
from wyner.runs import command, device_name

NAME = "common-information"
VERSION = 1
"""Of the estimators; cells of another version are estimated anew."""


@dataclass(frozen=True)
class Protocol:
    """What is run.

    Attributes:
        name: "short" or "long".
        tasks: names from `wyner.information.tasks`.
        sizes: pairs drawn for each cell.
        seeds: cells of each task and size, from seed 0 up; of data and estimators.
    """

    name: str
    tasks: tuple[str, ...]
    sizes: tuple[int, ...]
    seeds: int


LENGTHS = {"short": ((10_000,), 2), "long": ((1_000, 3_000, 10_000, 30_000), 10)}
"""Sizes and seeds of the protocols."""


def protocol(
    name: str = "short",
    tasks: Sequence[str] = (),
    sizes: Sequence[int] | None = None,
    seeds: int | None = None,
) -> Protocol:
    """A protocol with some of it changed.

    Raises:
        OptionError: an unknown protocol or task, or numbers that are not positive.
    """
    if name not in LENGTHS:
        raise OptionError(unknown("protocol", name, LENGTHS))
    standard, count = LENGTHS[name]
    chosen = tuple(sizes) if sizes else standard
    count = count if seeds is None else seeds
    if count < 1 or min(chosen) < 100:
        raise OptionError(
            f"{NAME}: expected at least one seed and 100 pairs, got {count} and {min(chosen)}"
        )
    picked = {benchmark.task(t).name for t in tasks}
    return Protocol(
        name,
        tuple(t.name for t in benchmark.TASKS if not picked or t.name in picked),
        chosen,
        count,
    )


@dataclass(frozen=True)
class Cell:
    """One sample of one task, with every estimate of it.

    Attributes:
        task, n, seed: which.
        truth: exact I, J, C_GK in nats.
        rows: estimates as dictionaries (`row_as_json`), and those chosen for I, J, C_GK under the
            estimator "best".
        seconds: that it took.
    """

    task: str
    n: int
    seed: int
    truth: dict[str, float]
    rows: list[dict[str, Any]]
    seconds: float

    def of(self, estimator: str, quantity: str) -> dict[str, Any] | None:
        """The estimate of a quantity by an estimator."""
        return next(
            (r for r in self.rows if r["estimator"] == estimator and r["quantity"] == quantity),
            None,
        )


def measure(task: str, n: int, seed: int) -> Cell:
    """Draws the sample of a cell and runs every estimator that fits it, on one thread: the networks
    are too small for more.
    """
    start, threads = time.perf_counter(), torch.get_num_threads()
    chosen = benchmark.task(task)
    x, y = chosen.sample(n, seed)
    torch.set_num_threads(1)
    try:
        found = estimate(x, y, seed=seed)
    finally:
        torch.set_num_threads(threads)
    return Cell(task, len(x), seed, chosen.truth, _rows(found), time.perf_counter() - start)


def _rows(found: Estimates) -> list[dict[str, Any]]:
    best = []
    for quantity in ("I", "J", "C_GK"):
        row = found.best(quantity)
        best.append(
            row_as_json(dataclasses.replace(row, estimator="best", note=f"by {row.estimator}"))
        )
    return found.as_rows() + best


def path_of(runs: Path, task: str, n: int, seed: int) -> Path:
    """The file of a cell."""
    return runs / NAME / f"{task}-n{n}-seed{seed}.json"


def stored(path: Path) -> Cell | None:
    """A cell that was estimated before by the same version, or None."""
    if not path.exists():
        return None
    found = read_json(path)
    if found.get("version") != VERSION:
        return None
    return Cell(**found["cell"])


def reproduce(
    plan: Protocol,
    *,
    out: str | Path = "results",
    runs: str | Path = Path("runs") / "reproduce",
    figures: bool = True,
    progress: bool = True,
) -> Path:
    """Estimates what is missing and writes the table, the numbers and the figure; resumable at
    every cell.

    Args:
        plan: what is run.
        out: tables and figures go to `out/common-information/PROTOCOL.md`, `.json`, `.png`, `.pdf`.
        runs: a file for every cell goes to `runs/common-information`.
        figures: draw the figure.
        progress: print a line for each cell.

    Returns:
        The folder with the results.

    Raises:
        KeyboardInterrupt: the cells so far are kept.
    """
    from wyner.experiments.common_information.figure import draw
    from wyner.experiments.common_information.table import write

    cells: list[Cell] = []
    folder = Path(out) / NAME
    wanted = [(t, n, s) for s in range(plan.seeds) for n in plan.sizes for t in plan.tasks]
    for k, (task, n, seed) in enumerate(wanted):
        path = path_of(Path(runs), task, n, seed)
        cell = stored(path)
        if cell is None:
            try:
                cell = measure(task, n, seed)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(
                    f"interrupted after {k} of {len(wanted)} cells; go on with the same command:"
                    f" {command()}"
                ) from None
            write_json(path, {"version": VERSION, "cell": dataclasses.asdict(cell)})
        cells.append(cell)
        write(folder, plan, cells, command(), device_name())
        if progress:
            print(f"{k + 1}/{len(wanted)} {_line(cell)}", flush=True)
    if figures:
        draw(folder, plan, cells)
    return folder


def _line(cell: Cell) -> str:
    best = cell.of("best", "J")
    assert best is not None
    return (
        f"{cell.task} n={cell.n} seed={cell.seed}: J {best['value']:.3f} against"
        f" {cell.truth['J']:.3f} ({best['note']}), {cell.seconds:.0f} s"
    )
