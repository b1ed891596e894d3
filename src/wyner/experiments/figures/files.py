"""What all figures have in common: their files, and colours by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from wyner.canvas import LINES, png, vector
from wyner.data import Dataset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Files = Iterator[tuple[str, bytes]]
Data = Callable[[str], Dataset]
"""A data set of the study by its name there."""


def files(name: str, made: Figure | None) -> Files:
    """A figure as PNG and PDF, called after the protocol and `-name`; the same bytes each time."""
    if made is not None:
        stem = f"-{name}" if name else ""
        yield f"{stem}.png", png(made)
        yield f"{stem}.pdf", vector(made, "pdf")


def colours(found: Any) -> dict[str, str]:
    """Colours of the rows of a study, the same in all its figures."""
    slugs = [s for options in found.study.figures.values() for s in options.get("rows", [])]
    return {s: LINES[k % len(LINES)] for k, s in enumerate(dict.fromkeys(slugs))}
