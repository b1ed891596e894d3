"""Figure 5 of the Wyner VAE paper: how likelihoods, rates and accuracy change with lambda."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wyner.canvas import DATA, LINES, MODEL, TRUTH
from wyner.experiments.figures.files import Data, Files, files
from wyner.experiments.results import Results
from wyner.experiments.study import Row
from wyner.report.charts import Chart, Level, Line, charts
from wyner.schedules import end_of

PANELS = ("nll_joint", "nll_conditional", "I40", "accuracy", "variance", "attributes")
BESIDE = {"accuracy": "accuracy_back", "variance": "variance_back", "nll_conditional": "nll_back"}
"""The same in the other direction, in the same panel."""


def lambda_of(row: Row) -> float:
    """The value of lambda at the end of a row's training."""
    return end_of(row.model.get("lam", 0.0))


def lambda_curves(
    found: Results, data: Data, rows: Sequence[Row], flat: Sequence[str] = ()
) -> Files:
    """A panel a number over lambda; broken lines: models `flat` without it; crosses: published."""
    rows = sorted(rows, key=lambda_of)
    has = [p for p in PANELS if sum(bool(found.values(r.slug, p)) for r in rows) > 1]
    if len(rows) > 1 and has:
        truth = data(rows[0].data).truth.get("common_information")
        shown = [_chart(found, name, rows, flat, truth) for name in has]
        yield from files("lambda", charts(shown, min(3, len(has)), 3.5, 2.75))


def _chart(
    found: Results, name: str, rows: Sequence[Row], flat: Sequence[str], truth: float | None
) -> Chart:
    lines, levels = [], []
    for metric, colour, marker, label in (
        (name, MODEL, "o", "Wyner VAE, y given x"),
        (BESIDE.get(name, ""), DATA, "s", "x given y"),
    ):
        each = [(lambda_of(r), s) for r in rows if (s := found.spread(r.slug, metric)) is not None]
        if each:
            lam, mean, std = np.array([(x, s.mean, s.std or 0.0) for x, s in each]).T
            style = {"marker": marker, "markersize": 4}
            lines.append(Line(lam, mean, colour, label, bars=std, style=style))
    known = [(lambda_of(r), r.published[name][0]) for r in rows if name in r.published]
    if known and not name.startswith("nll"):  # published likelihoods are on other scales
        cross = {"marker": "x", "markersize": 5, "linewidth": 0}
        lam, values = np.array(known).T
        lines.append(Line(lam, values, TRUTH, "published", style=cross))
    if name.startswith("I4") and truth is not None:
        levels.append(Level(truth, TRUTH, label="true J", style={"linestyle": "solid"}))
    for k, slug in enumerate(flat):
        if (s := found.spread(slug, name)) is not None:
            label, colour = found.study.labels[slug], LINES[(k + 2) % len(LINES)]
            levels.append(Level(s.mean, colour, label=label, style={"linewidth": 1.1}))
    unit = "nats" if name.startswith(("nll", "I4")) else ""
    return Chart(lines, levels, found.study.columns[name].axis, "lambda", unit)
