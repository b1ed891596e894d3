"""Files of figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wyner.experiments.figures.files import files
from wyner.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(picture: Figure, stem: Path) -> list[Path]:
    """Writes a figure as PNG and PDF; equal figures give equal bytes."""
    made = []
    for name, content in files("", picture):
        made.append(stem.with_suffix(name.removeprefix("-")))
        write_bytes(made[-1], content)
    return made
