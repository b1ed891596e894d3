"""What all figures have in common: their files and their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wyner.canvas import INK, LINES, png, vector
from wyner.data import Dataset
from wyner.experiments.study import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Files = Iterator[tuple[str, bytes]]
Data = Callable[[str], Dataset]
"""A data set of the study by its name there."""
STYLES = ("solid", (0, (5, 1.2)), (0, (1.2, 1)), (0, (6, 1.2, 1.2, 1.2)))


def files(name: str, made: Figure | None) -> Files:
    """A figure as PNG and PDF, called after the protocol and `-name`; equal figures, equal bytes."""
    if made is not None:
        stem = f"-{name}" if name else ""
        yield f"{stem}.png", png(made)
        yield f"{stem}.pdf", vector(made, "pdf")


def key(made: Figure, handles: Sequence[Any]) -> None:
    """One legend below all panels."""
    legend = made.legend(
        handles=list(handles),
        loc="outside lower center",
        ncols=min(4, len(handles)),
        frameon=False,
        fontsize=8,
    )
    for text in legend.get_texts():
        text.set_color(INK)


def line(label: str, colour: str, **style: Any) -> Any:
    """A line of a key."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, label=label, **{"linewidth": 1.4, **style})


def colours(found: Any) -> dict[str, str]:
    """Colours of the rows of a study, the same in all its figures."""
    slugs = [s for options in found.study.figures.values() for s in options.get("rows", [])]
    return {s: LINES[k % len(LINES)] for k, s in enumerate(dict.fromkeys(slugs))}


def dashes(rows: Sequence[Row]) -> dict[str, Any]:
    """Styles of lines by row."""
    return {r.slug: STYLES[k % len(STYLES)] for k, r in enumerate(rows)}
