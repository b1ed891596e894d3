"""Sheets of samples of all models of a table, given the same test rows."""

from __future__ import annotations

from collections.abc import Sequence

from wyner.canvas import png, vector
from wyner.experiments.figures.files import Data, Files
from wyner.experiments.results import Results
from wyner.experiments.study import Row
from wyner.report.panel import sheet
from wyner.report.samples import sample_sheets

SIZE = 96
"""Pixels of a cell."""


def sheets(found: Results, data: Data, rows: Sequence[Row], turned: Sequence[str] = ()) -> Files:
    """Every layout that some model has laws for; `turned` are attributes that are turned on."""
    models = {r.label: found.cells[r.slug][0].model() for r in rows}
    for name, grid in sample_sheets(models, data(rows[0].data), turned).items():
        made = sheet(grid, SIZE, "white")
        yield f"-{name}.png", png(made)
        yield from ((f"-{name}.{kind}", vector(made, kind)) for kind in ("pdf", "svg"))
