"""What a sweep found, as JSON, as Markdown and as a figure in the form of Figure 5(a) of the Wyner
VAE paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wyner.experiments.markdown import grid
from wyner.experiments.sweep import SWEEP, Outcome
from wyner.experiments.sweep_runs import CRITERION, Standing
from wyner.files import write_bytes, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {
    "nll_conditional": ("conditional nll of y given x", "nats per row"),
    "nll_joint": ("joint nll", "nats per row"),
    "I41": ("rate of z, I41", "nats"),
    "I40": ("I40", "nats"),
    "aggregate": ("aggregate", "nats"),
    "accuracy_percent": ("labels read from z", "percent"),
}
PANELS = ("nll_conditional", "nll_joint", "I41", "accuracy_percent")


def write_sweep(found: Outcome, figures: bool) -> None:
    """Writes `sweep.json`, `sweep.md`, `sweep.png` and `sweep.pdf` into the folder of the sweep."""
    rows = [
        {
            "model": found.about["model"].get("name", "WynerVAE"),
            "settings": s.values,
            "state": s.state,
            "seed": m["seed"],
            "metrics": m["metrics"],
        }
        for s in found.standings
        for m in s.members
    ]
    values = [
        {
            "values": s.values,
            "state": s.state,
            "why": s.why,
            "metrics": {k: {"mean": v.mean, "std": v.std, "n": v.n} for k, v in s.spreads.items()},
        }
        for s in found.standings
    ]
    write_json(
        found.folder / SWEEP,
        {
            **found.about,
            "criterion": CRITERION,
            "best": found.best.values,
            "chosen": found.chosen.values,
            "values": values,
            "rows": rows,
        },
    )
    write_bytes(found.folder / "sweep.md", markdown(found).encode())
    if figures:
        from wyner.experiments.legacy.figures import save

        save(figure_of(found), found.folder / "sweep")


def markdown(found: Outcome) -> str:
    """The table, the choice and the rules."""
    keys = list(found.best.values)
    used = [k for k in NAMES if any(k in s.spreads for s in found.standings)]
    head = [*keys, *(f"{NAMES[k][0]} ({NAMES[k][1]})" for k in used), ""]
    body = []
    for s in found.standings:
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
        f" {a['seeds']} seeds on {a['rows']} validation rows of"
        f" `{a['data'].get('name', 'the data')}`, S = {a['samples']}; dropped values as they stood"
        f" when last looked at. Test rows were not looked at.\n\n{rules}\n\n`{a['command']}`;"
        f" {a['device']}; " + ", ".join(f"{k} {v}" for k, v in a["versions"].items()) + ".\n"
    )


def _cell(s: Standing, name: str) -> str:
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
    from wyner.canvas import DATA, LINES, TRUTH, dress, figure

    used = [k for k in PANELS if any(k in s.spreads for s in found.standings)]
    columns = 2 if len(used) == 4 else len(used)
    lines = -(-len(used) // columns)
    made = figure(3.5 * columns, 2.7 * lines)
    at, ticks, label = _axis(found.standings)
    axes = made.subplots(lines, columns, squeeze=False, sharex=True).flat
    spot = at[found.standings.index(found.chosen)]
    for k, (ax, name) in enumerate(zip(axes, used, strict=False)):
        done = [
            (x, s)
            for x, s in zip(at, found.standings, strict=True)
            if s.state == "finished" and name in s.spreads
        ]
        rest = [
            (x, s)
            for x, s in zip(at, found.standings, strict=True)
            if s.state != "finished" and name in s.spreads
        ]
        ax.axvline(spot, color=TRUTH, linewidth=5, alpha=0.25)
        colour = LINES[0]
        ax.errorbar(
            [x for x, _ in done],
            [s.spreads[name].mean for _, s in done],
            yerr=[_error(s, name) for _, s in done],
            color=colour,
            linewidth=1.3,
            marker="o",
            markersize=4,
            capsize=2.5,
            elinewidth=0.9,
        )
        low, high = ax.get_ylim()
        inside = [(x, min(max(s.spreads[name].mean, low), high), s) for x, s in rest]
        if inside:  # an empty line without clipping would spoil the layout
            ax.plot(
                [x for x, _, _ in inside],
                [y for _, y, _ in inside],
                "o",
                color=DATA,
                markerfacecolor="none",
                markersize=4.5,
                clip_on=False,
            )
        if name == CRITERION:
            mean, error = found.best.spreads[name].mean, found.best.spreads[name].error
            if math.isfinite(error):
                ax.axhline(mean + error, color=DATA, linewidth=0.9, linestyle=(0, (4, 2)))
                ax.annotate(
                    "best + 1 standard error",
                    (0.99, mean + error),
                    xycoords=("axes fraction", "data"),
                    ha="right",
                    va="bottom",
                    fontsize=7.5,
                    color="#6b6b6b",
                    xytext=(0, 1.5),
                    textcoords="offset points",
                )
            best = found.best
            ax.plot(
                [at[found.standings.index(best)]],
                [mean],
                marker="*",
                color=TRUTH,
                markersize=9,
                linestyle="none",
                zorder=5,
            )
        dress(ax, label if k + columns >= len(used) else "", NAMES[name][1], NAMES[name][0])
        ax.tick_params(labelbottom=k + columns >= len(used))
        if ticks:
            ax.set_xticks(at, ticks, rotation=30, ha="right")
    note = "star: best; shaded: chosen" + (
        "; hollow: dropped on the way"
        if any(s.state != "finished" for s in found.standings)
        else ""
    )
    made.supxlabel(
        f"{note}. Validation rows, mean and standard error over {found.about['seeds']} seeds.",
        fontsize=8,
        color="#6b6b6b",
    )
    return made


def _error(s: Standing, name: str) -> float:
    error = s.spreads[name].error
    return error if math.isfinite(error) else 0.0


def _axis(standings: Sequence[Standing]) -> tuple[list[float], list[str], str]:
    """Where the values stand: at their numbers if one number is swept, else one after the other
    with labels.
    """
    keys = list(standings[0].values)
    values: list[Any] = [s.values[keys[0]] for s in standings]
    if len(keys) == 1 and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) for v in values
    ):
        return [float(v) for v in values], [], {"lam": "lambda"}.get(keys[0], keys[0])
    return (
        [float(k) for k in range(len(values))],
        [", ".join(map(str, s.values.values())) for s in standings],
        ", ".join(keys),
    )
