"""Figure 5 of the Wyner VAE paper: how likelihoods, rates, accuracy and variance of the rows change
with lambda.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wyner.canvas import DATA, LINES, MODEL, TRUTH, dress, figure
from wyner.experiments.figures.files import Data, Files, files, key, line
from wyner.experiments.results import Results
from wyner.experiments.study import Row

PANELS = ("nll_joint", "nll_conditional", "I40", "accuracy", "variance", "attributes")
BESIDE = {"accuracy": "accuracy_back", "variance": "variance_back", "nll_conditional": "nll_back"}
"""The same in the other direction, in the same panel."""


def lambda_of(row: Row) -> float:
    """The value of lambda at the end of a row's training."""
    lam = row.model.get("lam", 0.0)
    if isinstance(lam, dict):
        return float(lam["end"] if "end" in lam else lam["knots"][-1][1])
    return float(lam)


def lambda_curves(
    found: Results, data: Data, rows: Sequence[Row], flat: Sequence[str] = ()
) -> Files:
    """A panel for each number that was measured, over lambda; broken lines are the models `flat`
    without lambda, crosses published values.
    """
    rows = sorted(rows, key=lambda_of)
    has = [p for p in PANELS if sum(bool(found.values(r.slug, p)) for r in rows) > 1]
    if len(rows) < 2 or not has:
        return
    value = data(rows[0].data).truth.get("common_information")
    truth = float(value) if isinstance(value, (int, float)) else None
    beside = {r.slug: r for r in found.rows}
    others = [(beside[s], LINES[(k + 2) % len(LINES)]) for k, s in enumerate(flat) if s in beside]
    across = min(3, len(has))
    down = -(-len(has) // across)
    made = figure(3.5 * across, 2.75 * down + 0.5)
    axes = made.subplots(down, across, squeeze=False).ravel()
    shown: set[str] = set()
    for ax, name in zip(axes, has, strict=False):
        shown |= _panel(ax, found, name, rows, truth)
        for row, colour in others:
            if (s := found.spread(row.slug, name)) is not None:
                ax.axhline(s.mean, color=colour, linewidth=1.1, linestyle=(0, (4, 2)))
                shown.add(row.slug)
        unit = "nats" if name.startswith(("nll", "I4")) else ""
        dress(ax, "lambda", unit, found.study.columns[name].axis)
    for ax in axes[len(has) :]:
        ax.set_visible(False)
    handles = {
        "there": line("Wyner VAE, y given x", MODEL, marker="o", markersize=4),
        "back": line("x given y", DATA, marker="s", markersize=4),
        "published": line("published", TRUTH, marker="x", markersize=5, linewidth=0),
        "truth": line("true J", TRUTH, linewidth=0.9),
        **{r.slug: line(r.label, c, linewidth=1.1, linestyle=(0, (4, 2))) for r, c in others},
    }
    key(made, [h for k, h in handles.items() if k in shown])
    yield from files("lambda", made)


def _panel(
    ax: Any, found: Results, name: str, rows: Sequence[Row], truth: float | None
) -> set[str]:
    """Draws the points of a number and says what it has drawn, for the key."""
    shown = set()
    for what, metric, colour, marker in (
        ("there", name, MODEL, "o"),
        ("back", BESIDE.get(name, ""), DATA, "s"),
    ):
        points = [
            (lambda_of(r), s.mean, s.std or 0.0)
            for r in rows
            if (s := found.spread(r.slug, metric)) is not None
        ]
        if points:
            shown.add(what)
            lam, mean, std = np.array(points).T
            error = std if std.any() else None
            style = {"marker": marker, "markersize": 4, "linewidth": 1.4, "capsize": 2}
            ax.errorbar(lam, mean, yerr=error, color=colour, **style)
    known = [(lambda_of(r), r.published[name][0]) for r in rows if name in r.published]
    if known and not name.startswith("nll"):  # published likelihoods are on other scales
        ax.plot(*np.array(known).T, "x", color=TRUTH, markersize=5)
        shown.add("published")
    if name.startswith("I4") and truth is not None:
        ax.axhline(truth, color=TRUTH, linewidth=0.9)
        shown.add("truth")
    return shown
