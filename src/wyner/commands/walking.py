"""Walks through the latents of a run: the command `wyner traverse`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wyner.errors import OptionError, TaskError
from wyner.experiments.runner import model_and_data
from wyner.files import write_bytes
from wyner.models import Model
from wyner.report.layouts import traversed
from wyner.report.looks import Look, look
from wyner.report.subject import Subject, numpy, subject
from wyner.tasks import traverse

if TYPE_CHECKING:
    from wyner.report.panel import Grid

ENDINGS = (".png", ".pdf", ".svg", ".npz")


def traverse_run(
    run: Path,
    to: Path,
    *,
    along: str | None = None,
    dims: list[int] | None = None,
    rows: list[int] | None = None,
    between: bool = False,
    steps: int = 7,
    span: float = 3.0,
    source: str | None = None,
    seed: int | None = None,
) -> str:
    """A sheet of pictures, or arrays, along the latents of a trained model.

    Args:
        run: folder of a run.
        to: what is written; .png, .pdf and .svg are sheets, .npz arrays.
        along: the latent that moves; by default the first common one.
        dims: coordinates, one row of the sheet each; by default the most used ones.
        rows: test rows; the first whose latents are held, or between which the paths lie.
        between: interpolate between rows instead of moving single coordinates.
        steps, span: of the walk.
        source: another data set or .npz file than the run's own.
        seed: draw the latents instead of taking their means.

    Returns:
        What was written, in a sentence.

    Raises:
        OptionError: an unknown ending. RunError: no run, or one whose data are not known.
            TaskError: the model cannot.
    """
    if to.suffix not in ENDINGS:
        raise OptionError(f"--to: expected a file that ends in {', '.join(ENDINGS)}, got {to}")
    model, dataset = model_and_data(run, source)
    about = subject(model, dataset)
    options: dict[str, Any] = {"along": along, "steps": steps, "seed": seed, "means": seed is None}
    if between:
        if dims is not None:
            raise OptionError("--between moves whole latents; leave out --dims")
        walk = _between(model, about, _rows(about, rows, 4), **options)
    else:
        walk = _coordinates(model, about, _rows(about, rows, 1), dims=dims, span=span, **options)
    outputs, sides, heads, title = walk
    if to.suffix == ".npz":
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **outputs)  # type: ignore[arg-type]
        write_bytes(to, buffer.getvalue())
    else:
        name = f"{model.title} on {about.dataset.name}: {title}"
        grid = traversed(_look(about, outputs), outputs, sides, heads, name)
        write_bytes(to, _drawn(grid, to.suffix))
    return f"wrote {to}: {title} " + ", ".join(f"{k} {v.shape}" for k, v in outputs.items())


Walk = tuple[dict[str, np.ndarray], list[str], list[str], str]


def _coordinates(
    model: Model,
    about: Subject,
    rows: np.ndarray,
    along: str | None,
    dims: list[int] | None,
    span: float,
    **options: Any,
) -> Walk:
    """Single coordinates moved, everything else held at the first of the rows."""
    order = dims
    if order is None:  # by their rates over all rows, which one row cannot tell
        order = list(traverse(model, about.arrays, along=along, steps=2).dims)
    found = traverse(model, about.rows(rows[:1]), along=along, dims=order, span=span, **options)
    outputs = {k: numpy(v)[:, :, 0] for k, v in found.outputs.items()}
    sides = [f"{found.latent}[{d}]" for d in found.dims]
    unit = "values of the variable" if found.at[0] == 0 else "standard deviations of the prior"
    title = (
        f"coordinates of {found.latent} moved one at a time ({unit} on top), the rest held at"
        f" {about.part} row {rows[0]}."
    )
    return outputs, sides, [f"{a:.2g}" for a in found.at], title


def _between(
    model: Model, about: Subject, rows: np.ndarray, along: str | None, **options: Any
) -> Walk:
    """Straight paths from each row to the next one."""
    if len(rows) < 2:
        raise OptionError("--between needs at least two rows")
    made = model.interpolate(about.rows(rows[:-1]), about.rows(rows[1:]), along=along, **options)
    outputs = {k: np.moveaxis(numpy(v), 1, 0) for k, v in made.items()}
    sides = [f"{a} to {b}" for a, b in zip(rows[:-1], rows[1:], strict=True)]
    heads = [f"{k / (options['steps'] - 1):.2g}" for k in range(options["steps"])]
    moving = along or ", ".join(model.common or model.latent)
    title = (
        f"{moving} on the path between {about.part} rows (share of the way on top), the rest held"
        " at the first."
    )
    return outputs, sides, heads, title


def _rows(about: Subject, rows: list[int] | None, count: int) -> np.ndarray:
    """The rows that were named, or typical ones."""
    if rows is None:
        return about.typical(count)
    for row in rows:
        if not 0 <= row < about.count:
            raise OptionError(
                f"--rows: {about.dataset.name} has {about.part} rows 0 to {about.count - 1}, got"
                f" {row}"
            )
    return np.array(rows)


def _look(about: Subject, outputs: dict[str, np.ndarray]) -> Look:
    found = look(about)
    if found is None:
        shown = ", ".join(f"{k} in {about.dataset.spaces[k]!r}" for k in outputs)
        raise TaskError(
            f"sheets show pictures, and this run has {shown}; write arrays instead: --to walk.npz"
        )
    return found


def _drawn(grid: Grid, ending: str) -> bytes:
    from wyner.canvas import png, vector
    from wyner.report.panel import sheet

    made = sheet(grid, 84, "white")
    return png(made) if ending == ".png" else vector(made, ending[1:])
