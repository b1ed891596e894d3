"""What a sweep found, as Markdown and as a figure in the form of Figure 5(a) of the paper."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wyner.canvas import DATA, FAINT, LINES, TRUTH
from wyner.metrics.spread import Spread, spreads
from wyner.report.charts import Chart, Level, Line, charts
from wyner.report.markdown import grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CRITERION = "nll_conditional"
"""The number that values are chosen by."""
NAMES = {
    "nll_conditional": ("conditional nll of y given x", "nats per row"),
    "nll_joint": ("joint nll", "nats per row"),
    "I41": ("rate of z, I41", "nats"),
    "I40": ("I40", "nats"),
    "aggregate": ("aggregate", "nats"),
    "accuracy_percent": ("labels read from z", "percent"),
}
PANELS = ("nll_conditional", "nll_joint", "I41", "accuracy_percent")


@dataclass(frozen=True)
class ArmResult:
    """One value of what is swept, over its seeds.

    Attributes:
        values: by argument.
        state, why: finished, dropped or diverged, and why a value did not finish.
        members: seed and metrics of the finished models, or of the last look at the others.
    """

    values: dict[str, Any]
    state: str
    why: str
    members: Sequence[Mapping[str, Any]]

    @property
    def label(self) -> str:
        """The values as text."""
        return ", ".join(f"{k} = {v}" for k, v in self.values.items())

    @functools.cached_property
    def spreads(self) -> dict[str, Spread]:
        """Means over seeds by metric."""
        return spreads([m["metrics"] for m in self.members])


@dataclass(frozen=True)
class Outcome:
    """What a sweep found: every value, the best and the chosen one, the folder, and how."""

    arms: list[ArmResult]
    best: ArmResult
    chosen: ArmResult
    folder: Path
    about: dict[str, Any]


def markdown(found: Outcome) -> str:
    """The table, the choice and the rules."""
    keys = list(found.best.values)
    used = [k for k in NAMES if any(k in s.spreads for s in found.arms)]
    head = [*keys, *(f"{NAMES[k][0]} ({NAMES[k][1]})" for k in used), ""]
    body = []
    for s in found.arms:
        digits = {k: 1 if k.endswith("percent") else 3 for k in used}
        cells = [s.spreads[k].text(digits[k]) if k in s.spreads else "-" for k in used]
        marks = [w for w, x in (("best", found.best), ("**chosen**", found.chosen)) if s is x]
        body.append([*(str(s.values[k]) for k in keys), *cells, " and ".join(marks) or s.why])
    a = found.about
    rules = "\n".join(f"* {r}" for r in a["rules"])
    versions = ", ".join(f"{k} {v}" for k, v in a["versions"].items())
    return (
        f"# Choice of {', '.join(keys)}\n\nBest: {found.best.label}. Chosen:"
        f" {found.chosen.label}.\n\n{grid(head, body)}\n\nMean ± standard deviation over"
        f" {a['seeds']} seeds on {a['validation_rows']} validation rows of"
        f" `{a['data'].get('name', 'the data')}`, S = {a['samples']}; dropped values as they stood"
        f" when last looked at. Test rows were not looked at.\n\n{rules}\n\n`{a['command']}`;"
        f" {a['device']}; {versions}.\n"
    )


def figure_of(found: Outcome) -> Figure:
    """Numbers against the swept values: best and chosen are marked, dropped ones hollow."""
    used = [k for k in PANELS if any(k in a.spreads for a in found.arms)]
    made = charts([_chart(found, k) for k in used], 2 if len(used) == 4 else len(used), 3.5, 2.7)
    dropped = any(a.state != "finished" for a in found.arms)
    note = "star: best; shaded: chosen" + ("; hollow: dropped on the way" if dropped else "")
    text = f"{note}. Validation rows, mean and standard error over {found.about['seeds']} seeds."
    made.supxlabel(text, fontsize=8, color=FAINT)
    return made


def _chart(found: Outcome, name: str) -> Chart:
    at, ticks, label = _axis(found.arms)
    places = dict(zip((a.label for a in found.arms), at, strict=True))
    error = lambda s: s.error if math.isfinite(s.error) else 0.0
    parts: dict[bool, list[tuple[float, Spread]]] = {True: [], False: []}
    for a in found.arms:
        if name in a.spreads:
            parts[a.state == "finished"].append((places[a.label], a.spreads[name]))
    x, shown = zip(*parts[True], strict=True) if parts[True] else ((), ())
    means, bars = [s.mean for s in shown], [error(s) for s in shown]
    lines = [Line(x, means, LINES[0], bars=bars, style={"marker": "o", "markersize": 4})]
    if parts[False] and means:  # what is far off is drawn at the edge
        low, high = min(means) - max(bars), max(means) + max(bars)
        hollow = {"marker": "o", "markerfacecolor": "none", "linestyle": "none", "markersize": 4.5}
        x, rest = zip(*parts[False], strict=True)
        edge = [min(max(s.mean, low), high) for s in rest]
        lines.append(Line(x, edge, DATA, style={**hollow, "clip_on": False}))
    levels = []
    if name == CRITERION:
        best = found.best.spreads[name]
        star = {"marker": "*", "markersize": 9, "linestyle": "none", "zorder": 5}
        lines.append(Line([places[found.best.label]], [best.mean], TRUTH, style=star))
        if math.isfinite(best.error):
            levels = [Level(best.mean + best.error, DATA, "best + 1 standard error")]
    words, spot = NAMES[name], places[found.chosen.label]
    return Chart(lines, levels, words[0], label, words[1], spot=spot, ticks=ticks)


def _axis(arms: Sequence[ArmResult]) -> tuple[list[float], dict[float, str], str]:
    """Where the values stand: at their numbers if one number is swept, else in order."""
    keys = list(arms[0].values)
    values: list[Any] = [a.values[keys[0]] for a in arms]
    plain = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    if len(keys) == 1 and plain:
        return [float(v) for v in values], {}, {"lam": "lambda"}.get(keys[0], keys[0])
    ticks = {float(k): ", ".join(map(str, a.values.values())) for k, a in enumerate(arms)}
    return list(ticks), ticks, ", ".join(keys)
