"""What a sweep found, as JSON, Markdown and a figure in the form of Figure 5(a) of the paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wyner.canvas import DATA, FAINT, LINES, TRUTH
from wyner.experiments.figures.files import files
from wyner.experiments.markdown import grid
from wyner.experiments.results import Spread, spread
from wyner.experiments.sweep.runs import CRITERION, ArmResult
from wyner.files import read_json, write_bytes, write_json
from wyner.report.charts import Chart, Level, Line, charts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SWEEP = "sweep.json"
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
class Outcome:
    """What a sweep found: every value, the best and the chosen one, the folder, and how."""

    arms: list[ArmResult]
    best: ArmResult
    chosen: ArmResult
    folder: Path
    about: dict[str, Any]


def write(found: Outcome, figures: bool) -> None:
    """Writes `sweep.json`, `sweep.md`, `sweep.png` and `sweep.pdf` into the folder of the sweep."""
    rows, values, name = [], [], found.about["model"].get("name", "WynerVAE")
    for a in found.arms:
        for m in a.members:
            about = {"model": name, "settings": a.values, "state": a.state}
            rows.append(about | {"seed": m["seed"], "metrics": m["metrics"]})
        spreads = {k: {"mean": v.mean, "std": v.std, "n": v.n} for k, v in a.spreads.items()}
        values.append({"values": a.values, "state": a.state, "why": a.why, "metrics": spreads})
    picked = {"best": found.best.values, "chosen": found.chosen.values}
    every = {**found.about, "criterion": CRITERION, **picked, "values": values, "rows": rows}
    write_json(found.folder / SWEEP, every)
    write_bytes(found.folder / "sweep.md", markdown(found).encode())
    if figures:
        for name, content in files("", figure_of(found)):
            write_bytes(found.folder / f"sweep{name}", content)


def redraw(out: Path) -> list[Path]:
    """The page of a sweep that was kept as results, from its JSON."""
    path = out / "sweep" / SWEEP
    if not path.exists():
        return []
    kept, arms = read_json(path), []
    for v in kept["values"]:
        members = [r for r in kept["rows"] if r["settings"] == v["values"]]
        spreads: dict[str, Spread] = {}
        for k in v["metrics"]:
            each = [m["metrics"] for m in members if k in m["metrics"]]
            made = spread([m[k] for m in each], [m.get(f"{k}_se", math.nan) for m in each])
            spreads |= {} if made is None else {k: made}
        arms.append(ArmResult(v["values"], v["state"], v["why"], spreads, members))
    of = {str(a.values): a for a in arms}
    best, chosen = of[str(kept["best"])], of[str(kept["chosen"])]
    page = path.with_suffix(".md")
    write_bytes(page, markdown(Outcome(arms, best, chosen, path.parent, kept)).encode())
    return [page]


def markdown(found: Outcome) -> str:
    """The table, the choice and the rules."""
    keys = list(found.best.values)
    used = [k for k in NAMES if any(k in s.spreads for s in found.arms)]
    head = [*keys, *(f"{NAMES[k][0]} ({NAMES[k][1]})" for k in used), ""]
    body = []
    for s in found.arms:
        cells = [_cell(s, k) for k in used]
        mark = " and ".join(
            w for w, x in (("best", found.best), ("**chosen**", found.chosen)) if s is x
        )
        body.append([*(str(s.values[k]) for k in keys), *cells, mark or s.why])
    a = found.about
    rules = "\n".join(f"* {r}" for r in a["rules"])
    return (
        f"# Choice of {', '.join(keys)}\n\nBest: {found.best.label}. Chosen:"
        f" {found.chosen.label}.\n\n{grid(head, body)}\n\nMean ± standard deviation over"
        f" {a['seeds']} seeds on {a['validation_rows']} validation rows of"
        f" `{a['data'].get('name', 'the data')}`, S = {a['samples']}; dropped values as they stood"
        f" when last looked at. Test rows were not looked at.\n\n{rules}\n\n`{a['command']}`;"
        f" {a['device']}; " + ", ".join(f"{k} {v}" for k, v in a["versions"].items()) + ".\n"
    )


def _cell(s: ArmResult, name: str) -> str:
    if name not in s.spreads:
        return "-"
    digits = 1 if name.endswith("percent") else 3
    std = s.spreads[name].std
    return f"{s.spreads[name].mean:.{digits}f}" + (
        f" ± {std:.{digits}f}" if std is not None else ""
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
