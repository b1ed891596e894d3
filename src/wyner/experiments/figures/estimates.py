"""The answers with their intervals against the truth, and every estimator's errors by task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wyner.canvas import FAINT, INK, LINES, dress, figure, legend
from wyner.estimation.tasks import task
from wyner.experiments.estimates import every, pick
from wyner.experiments.figures.files import Data, Files, files
from wyner.experiments.results import Results
from wyner.experiments.study import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GROUPS = dict(
    independent=LINES[7], gaussian=LINES[0], label=LINES[1], discrete=LINES[2], both=LINES[3]
)
MARKS = dict(
    zip(
        [
            "best",
            "copula",
            "learned-gaussian",
            "wyner-vae",
            "plug-in",
            "learned-codes",
            "gaussian-bound",
            "infonce",
        ],
        "Do^s><1|",
    )
)
COLOURS = dict(zip(MARKS, (INK, *LINES[:6], LINES[7]), strict=True))
WIDEST = 2.0
"""Errors beyond this many nats are drawn at the edge."""


def estimates(found: Results, data: Data, rows: Sequence[Row]) -> Files:
    """Both panels, from the largest samples of every task."""
    names, some = [r.slug for r in rows], every(found)
    largest = {t: max(e["n"] for e in some if e["task"] == t) for t in {e["task"] for e in some}}
    shown = [e for e in some if e["n"] == largest[e["task"]]]
    made = figure(11.0, 1.8 + 0.27 * len(names))
    left, right = made.subplots(1, 2, width_ratios=[1, 1.25])
    _against(left, pick(shown, "best", "J"))
    _errors(right, list(dict.fromkeys(e["task"] for e in shown)), shown)
    yield from files("", made)


def _against(ax: Axes, shown: Sequence[dict[str, Any]]) -> None:
    dress(ax, "true J (nats)", "estimated J (nats)", "the answer and its interval")
    end = lambda e: e["value"] if e["interval"][1] is None else e["interval"][1]
    top = 1.08 * max(*(max(e["truth"], end(e)) for e in shown), 0.1)
    ax.plot([0, top], [0, top], color=FAINT, linewidth=0.8)
    seen: set[str] = set()
    for e in shown:
        group, (low, high) = task(e["task"]).group, e["interval"]
        span, colour = [low, top if high is None else high], GROUPS[group]
        ax.plot([e["truth"]] * 2, span, color=colour, linewidth=1.2, alpha=0.7)
        label = "" if group in seen else group
        ax.plot(e["truth"], e["value"], "o", color=colour, markersize=4.5, label=label)
        seen.add(group)
    ax.set_xlim(-0.02 * top, top)
    ax.set_ylim(-0.02 * top, top)
    legend(ax, loc="upper left")


def _errors(ax: Axes, tasks: list[str], shown: Sequence[dict[str, Any]]) -> None:
    title = "every estimator, every seed; InfoNCE is a bound of I, at most J"
    dress(ax, "estimate - true J (nats; beyond 2 at the edge)", "", title)
    ax.axvline(0, color=FAINT, linewidth=0.8)
    truth = {e["task"]: e["truth"] for e in pick(shown, "best", "J")}
    for name, mark in MARKS.items():
        best = name == "best"
        style: dict[str, Any] = {"markersize": 6 if best else 5, "zorder": 2 if best else 3}
        style |= {"markerfacecolor": "none"} if best else {}
        for k, e in enumerate(pick(shown, name, "I" if name == "infonce" else "J")):
            error = max(-WIDEST, min(WIDEST, e["value"] - truth[e["task"]]))
            at, label = len(tasks) - 1 - tasks.index(e["task"]), "" if k else name
            ax.plot(error, at, mark, color=COLOURS[name], alpha=0.85, label=label, **style)
    ax.set_xlim(-WIDEST * 1.05, WIDEST * 1.05)
    ax.set_yticks(range(len(tasks)), tasks[::-1])
    legend(ax, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncol=4)
