"""Estimate against truth: the answers with their intervals, and how far every estimator is from the
true J on every task.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wyner.canvas import FAINT, INK, LINES, dress, figure, legend
from wyner.experiments.common_information.cells import Cell, Protocol
from wyner.experiments.legacy.figures import save
from wyner.information import tasks as benchmark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GROUPS = {
    "independent": LINES[7],
    "gaussian": LINES[0],
    "label": LINES[1],
    "discrete": LINES[2],
    "both": LINES[3],
}
MARKS = {
    "best": "D",
    "copula": "o",
    "learned-gaussian": "^",
    "wyner-vae": "s",
    "plug-in": ">",
    "learned-codes": "<",
    "gaussian-bound": "1",
    "infonce": "|",
}
COLOURS = dict(zip(MARKS, (INK, *LINES[:6], LINES[7]), strict=True))
WIDEST = 2.0
"""Errors beyond this many nats are drawn at the edge."""


def draw(folder: Path, plan: Protocol, cells: Sequence[Cell]) -> list[Path]:
    """Draws `PROTOCOL.png` and `.pdf` from the largest samples of every task."""
    largest = {t: max(c.n for c in cells if c.task == t) for t in plan.tasks}
    shown = [c for c in cells if c.n == largest[c.task]]
    made = figure(11.0, 1.8 + 0.27 * len(plan.tasks))
    left, right = made.subplots(1, 2, width_ratios=[1, 1.25])
    _against(left, shown)
    _errors(right, list(plan.tasks), shown)
    return save(made, folder / plan.name)


def _against(ax: Axes, cells: Sequence[Cell]) -> None:
    dress(ax, "true J (nats)", "estimated J (nats)", "the answer and its interval")
    top = 1.08 * max(max(c.truth["J"] for c in cells), *(_end(c) for c in cells), 0.1)
    ax.plot([0, top], [0, top], color=FAINT, linewidth=0.8)
    seen: set[str] = set()
    for c in cells:
        row, group = c.of("best", "J"), benchmark.task(c.task).group
        if row is None:
            continue
        low, high = row["interval"]
        ax.plot(
            [c.truth["J"]] * 2,
            [low, top if high is None else high],
            color=GROUPS[group],
            linewidth=1.2,
            alpha=0.7,
        )
        ax.plot(
            c.truth["J"],
            row["value"],
            "o",
            color=GROUPS[group],
            markersize=4.5,
            label=group if group not in seen else "",
        )
        seen.add(group)
    ax.set_xlim(-0.02 * top, top)
    ax.set_ylim(-0.02 * top, top)
    legend(ax, loc="upper left")


def _end(cell: Cell) -> float:
    row = cell.of("best", "J")
    if row is None:
        return 0.0
    high = row["interval"][1]
    return float(row["value"] if high is None else high)


def _errors(ax: Axes, tasks: list[str], cells: Sequence[Cell]) -> None:
    dress(
        ax,
        "estimate - true J (nats; beyond 2 at the edge)",
        "",
        "every estimator, every seed; InfoNCE is a bound of I, at most J",
    )
    ax.axvline(0, color=FAINT, linewidth=0.8)
    seen: set[str] = set()
    for c in cells:
        at = len(tasks) - 1 - tasks.index(c.task)
        for name, mark in MARKS.items():
            row = c.of(name, "I" if name == "infonce" else "J")
            if row is None:
                continue
            error = max(-WIDEST, min(WIDEST, row["value"] - c.truth["J"]))
            size: dict[str, Any] = {
                "markersize": 6 if name == "best" else 5,
                "zorder": 2 if name == "best" else 3,
            }
            if name == "best":
                size["markerfacecolor"] = "none"
            ax.plot(
                error,
                at,
                mark,
                color=COLOURS[name],
                alpha=0.85,
                label=name if name not in seen else "",
                **size,
            )
            seen.add(name)
    ax.set_xlim(-WIDEST * 1.05, WIDEST * 1.05)
    ax.set_yticks(range(len(tasks)), tasks[::-1])
    legend(ax, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncol=4)
