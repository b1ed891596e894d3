"""Numbers of the probe against epochs, with bands over seeds: Figures 4 and 8 of the paper."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from wyner.experiments.figures.files import Data, Files, colours, files
from wyner.experiments.results import Results
from wyner.experiments.study import Row
from wyner.report.charts import DASHES, Chart, Level, Line, charts
from wyner.training.probe import curve

TITLES = {
    "nll_joint": "joint nll",
    "nll_conditional": "conditional nll of y given x",
    "I41": "information in z: I41, thin I40",
}


def _chart(found: Results, data: Data, rows: Sequence[Row], name: str, thin: str = "") -> Chart:
    """One number of some rows against epochs, above what is known of it."""
    lines: list[Line] = []
    colour_of = colours(found)
    for r in rows:
        dash = DASHES[list(colour_of).index(r.slug) % len(DASHES)]
        at, mean, std = curve([c.history for c in found.cells[r.slug]], name)
        style: dict[str, Any] = {"linestyle": dash, "markersize": 3}
        style["marker"] = "o" if len(at) < 3 else None
        colour = colour_of[r.slug]
        if len(at):
            lines.append(Line(at, mean, colour, r.label, std, style=style))
        if thin and len((other := curve([c.history for c in found.cells[r.slug]], thin))[0]):
            lines.append(Line(*other[:2], colour, style={**style, "linewidth": 0.8, "alpha": 0.65}))
    in_z, unit = name == "I41", "nats" if name == "I41" else "nats per row"
    value = data(rows[0].data).truth.get("common_information" if in_z else name)
    known = []
    if isinstance(value, (int, float)):
        text = f"true J {value:.4f}" if in_z else f"floor {value:.3f}"
        known = [Level(value, text=text, above=in_z)]
    return Chart(lines, known, TITLES[name], "epoch", unit, True, settled=not in_z, log_y=in_z)


def curves(found: Results, data: Data, rows: Sequence[Row], aside: Sequence[str] = ()) -> Files:
    """Joint nll, conditional nll (without the rows `aside`, far off), information in z."""
    near = [r for r in rows if r.slug not in aside]
    made = [_chart(found, data, rows, "nll_joint")]
    made += [_chart(found, data, near, "nll_conditional")] if near else []
    made += [_chart(found, data, rows, "I41", "I40")]
    shown = [
        dataclasses.replace(c, title=f"({letter}) {c.title}")
        for letter, c in zip("abc", (c for c in made if c.lines), strict=False)
    ]
    if shown:
        yield from files("curves", charts(shown, len(shown), 3.45, 3.35))


def crowded(found: Results, data: Data, rows: Sequence[Row]) -> Files:
    """Conditional nll of the models that are far above the others, a panel each."""
    shown = [c for r in rows if (c := _chart(found, data, [r], "nll_conditional")).lines]
    if shown:
        yield from files("crowded", charts(shown, len(shown), 3.6, 2.9))
