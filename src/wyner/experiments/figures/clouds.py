"""What models draw beside what is true: clouds of pairs, completed halves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wyner.canvas import DATA, MODEL
from wyner.experiments.figures.files import Data, Files, files
from wyner.experiments.results import Results
from wyner.experiments.study import Row
from wyner.report.clouds import clouds
from wyner.report.panel import sheet
from wyner.report.samples import completed

SHOWN = 2000
"""Points of a cloud."""


def scatter(found: Results, data: Data, rows: Sequence[Row]) -> Files:
    """Figure 9: first coordinates of test x and of y, true or a decoder's mean given x."""
    pairs = data(rows[0].data).pairs("test", SHOWN)
    a, b = list(pairs)[:2]
    first = lambda values: np.asarray(values).reshape(len(values), -1)[:, 0]
    x, true = first(pairs[a]), first(pairs[b])
    shown = [("test pairs (grey everywhere)", true, DATA)]
    for r in rows:
        given: dict[str, Any] = {a: pairs[a]}
        drawn = found.cells[r.slug][0].model().translate(**given, to=b, n=1, seed=0)
        shown.append((r.label, first(drawn[0]), MODEL))
    names = [f"first coordinate of {n}" for n in (a, b)]
    yield from files("scatter", clouds(x, shown, true, names))


def completions(found: Results, data: Data, rows: Sequence[Row]) -> Files:
    """Given left halves, completed several times by each model (the decoder's means)."""
    models = {r.label: found.cells[r.slug][0].model() for r in rows}
    made = sheet(completed(models, data(rows[0].data)), 112)
    yield from files("completions", made)
