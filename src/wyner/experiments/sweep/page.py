"""What a sweep found, as JSON, as Markdown and as a figure in the form of Figure 5(a) of the Wyner
VAE paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wyner.canvas import DATA, LINES, TRUTH, dress, figure
from wyner.experiments.figures.files import files
from wyner.experiments.markdown import grid
from wyner.experiments.results import Spread, spread
from wyner.experiments.sweep.runs import CRITERION, ArmResult
from wyner.files import read_json, write_bytes, write_json

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
    """Numbers against the values that were swept; the sweet spot is marked, values that were
    dropped are hollow.
    """
    used = [k for k in PANELS if any(k in s.spreads for s in found.arms)]
    columns = 2 if len(used) == 4 else len(used)
    lines = -(-len(used) // columns)
    made = figure(3.5 * columns, 2.7 * lines)
    at, ticks, label = _axis(found.arms)
    axes = made.subplots(lines, columns, squeeze=False, sharex=True).flat
    spot = at[found.arms.index(found.chosen)]
    for k, (ax, name) in enumerate(zip(axes, used, strict=False)):
        shown = [(x, a) for x, a in zip(at, found.arms, strict=True) if name in a.spreads]
        done = [(x, a) for x, a in shown if a.state == "finished"]
        rest = [(x, a) for x, a in shown if a.state != "finished"]
        ax.axvline(spot, color=TRUTH, linewidth=5, alpha=0.25)
        means = [a.spreads[name].mean for _, a in done]
        errors = [_error(a, name) for _, a in done]
        style: dict[str, Any] = {"linewidth": 1.3, "marker": "o", "markersize": 4, "capsize": 2.5}
        places = [x for x, _ in done]
        ax.errorbar(places, means, yerr=errors, color=LINES[0], elinewidth=0.9, **style)
        low, high = ax.get_ylim()
        inside = [(x, min(max(a.spreads[name].mean, low), high)) for x, a in rest]
        if inside:  # an empty line without clipping would spoil the layout
            hollow = {"markerfacecolor": "none", "markersize": 4.5, "clip_on": False}
            ax.plot(*zip(*inside, strict=True), "o", color=DATA, **hollow)
        if name == CRITERION:
            _reach(ax, found.best, at[found.arms.index(found.best)])
        dress(ax, label if k + columns >= len(used) else "", NAMES[name][1], NAMES[name][0])
        ax.tick_params(labelbottom=k + columns >= len(used))
        if ticks:
            ax.set_xticks(at, ticks, rotation=30, ha="right")
    note = "star: best; shaded: chosen" + (
        "; hollow: dropped on the way" if any(s.state != "finished" for s in found.arms) else ""
    )
    made.supxlabel(
        f"{note}. Validation rows, mean and standard error over {found.about['seeds']} seeds.",
        fontsize=8,
        color="#6b6b6b",
    )
    return made


def _reach(ax: Any, best: ArmResult, at: float) -> None:
    """The best value, and how far one standard error reaches."""
    mean, error = best.spreads[CRITERION].mean, best.spreads[CRITERION].error
    if math.isfinite(error):
        ax.axhline(mean + error, color=DATA, linewidth=0.9, linestyle=(0, (4, 2)))
        where: dict[str, Any] = {
            "xycoords": ("axes fraction", "data"),
            "ha": "right",
            "va": "bottom",
        }
        where |= {"fontsize": 7.5, "color": "#6b6b6b", "xytext": (0, 1.5)}
        text = "best + 1 standard error"
        ax.annotate(text, (0.99, mean + error), textcoords="offset points", **where)
    ax.plot([at], [mean], marker="*", color=TRUTH, markersize=9, linestyle="none", zorder=5)


def _error(s: ArmResult, name: str) -> float:
    error = s.spreads[name].error
    return error if math.isfinite(error) else 0.0


def _axis(arms: Sequence[ArmResult]) -> tuple[list[float], list[str], str]:
    """Where the values stand: at their numbers if one number is swept, else one after the other
    with labels.
    """
    keys = list(arms[0].values)
    values: list[Any] = [s.values[keys[0]] for s in arms]
    if len(keys) == 1 and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) for v in values
    ):
        return [float(v) for v in values], [], {"lam": "lambda"}.get(keys[0], keys[0])
    return (
        [float(k) for k in range(len(values))],
        [", ".join(map(str, s.values.values())) for s in arms],
        ", ".join(keys),
    )
