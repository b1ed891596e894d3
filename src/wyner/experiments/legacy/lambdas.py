"""Figure 5 of the Wyner VAE paper: how likelihoods, rates, accuracy and variance of the rows change
with lambda.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wyner.canvas import DATA, LINES, MODEL, TRUTH, dress, figure
from wyner.experiments.legacy.columns import words
from wyner.experiments.legacy.plan import Row
from wyner.experiments.legacy.rows import Member
from wyner.experiments.legacy.stats import spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
    rows: Sequence[Row],
    flat: Sequence[Row],
    members: Mapping[str, Sequence[Member]],
    truth: Mapping[str, Any],
) -> Figure | None:
    """A panel for each number that was measured, over lambda; broken lines are models without
    lambda, crosses published values.

    Args:
        rows: that differ in lambda; at least two of them.
        flat: models to compare with.
        members: trained models by row.
        truth: exact values of the data set.
    """
    rows = sorted(rows, key=lambda_of)
    has = [p for p in PANELS if sum(_point(members[r.slug], p) is not None for r in rows) > 1]
    if len(rows) < 2 or not has:
        return None
    across = min(3, len(has))
    down = -(-len(has) // across)
    made = figure(3.5 * across, 2.75 * down + 0.5)
    axes = made.subplots(down, across, squeeze=False).ravel()
    for ax, name in zip(axes, has, strict=False):
        _panel(ax, name, rows, members, truth)
        for k, row in enumerate(flat):
            if (value := _point(members[row.slug], name)) is not None:
                ax.axhline(
                    value[0],
                    color=LINES[(k + 2) % len(LINES)],
                    linewidth=1.1,
                    linestyle=(0, (4, 2)),
                )
        dress(ax, "lambda", "nats" if name.startswith(("nll", "I4")) else "", words(name))
    for ax in axes[len(has) :]:
        ax.set_visible(False)
    _key(
        made,
        rows,
        [r for r in flat if any(_point(members[r.slug], p) is not None for p in has)],
        members,
        has,
        truth,
    )
    return made


def _point(members: Sequence[Member], name: str) -> tuple[float, float] | None:
    """Mean and deviation over seeds."""
    found = spread([m.metrics[name] for m in members if name in m.metrics])
    return None if found is None else (found.mean, found.std or 0.0)


def _panel(
    ax: Any,
    name: str,
    rows: Sequence[Row],
    members: Mapping[str, Sequence[Member]],
    truth: Mapping[str, Any],
) -> None:
    for metric, colour, marker in ((name, MODEL, "o"), (BESIDE.get(name, ""), DATA, "s")):
        points = [
            (lambda_of(r), *p) for r in rows if (p := _point(members[r.slug], metric)) is not None
        ]
        if points:
            lam, mean, std = np.array(points).T
            ax.errorbar(
                lam,
                mean,
                yerr=std if std.any() else None,
                color=colour,
                marker=marker,
                markersize=4,
                linewidth=1.4,
                capsize=2,
            )
    published = [(lambda_of(r), q[0]) for r in rows if (q := r.published.of(name)) is not None]
    if published and not name.startswith("nll"):  # published likelihoods are on other scales
        ax.plot(*np.array(published).T, "x", color=TRUTH, markersize=5)
    value = truth.get("common_information")
    if name.startswith("I4") and isinstance(value, (int, float)):
        ax.axhline(value, color=TRUTH, linewidth=0.9)


def _key(
    made: Figure,
    rows: Sequence[Row],
    flat: Sequence[Row],
    members: Mapping[str, Sequence[Member]],
    has: Sequence[str],
    truth: Mapping[str, Any],
) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            color=MODEL,
            marker="o",
            markersize=4,
            linewidth=1.4,
            label="Wyner VAE, y given x",
        )
    ]
    if any(
        _point(members[r.slug], BESIDE[p]) is not None for r in rows for p in has if p in BESIDE
    ):
        handles.append(
            Line2D([], [], color=DATA, marker="s", markersize=4, linewidth=1.4, label="x given y")
        )
    if any(r.published.of(p) for r in rows for p in has if not p.startswith("nll")):
        handles.append(
            Line2D([], [], color=TRUTH, marker="x", markersize=5, linewidth=0, label="published")
        )
    if any(p.startswith("I4") for p in has) and isinstance(
        truth.get("common_information"), (int, float)
    ):
        handles.append(Line2D([], [], color=TRUTH, linewidth=0.9, label="true J"))
    handles += [
        Line2D(
            [],
            [],
            color=LINES[(k + 2) % len(LINES)],
            linewidth=1.1,
            linestyle=(0, (4, 2)),
            label=r.label,
        )
        for k, r in enumerate(flat)
    ]
    made.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(4, len(handles)),
        frameon=False,
        fontsize=8,
    )
