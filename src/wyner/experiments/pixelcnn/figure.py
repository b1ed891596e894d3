"""Figure 5: pictures that share one z. And the numbers of the tables over gamma, ours beside the
published ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wyner.canvas import FAINT, INK, LINES, dress, figure, png, vector
from wyner.data import Dataset
from wyner.experiments.pixelcnn.plan import KINDS, SETS, Protocol, Row
from wyner.experiments.pixelcnn.run import Result
from wyner.files import write_bytes
from wyner.metrics import balanced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWS = 6
"""Pictures drawn from one z."""
PANELS = {
    "AoLR": "labels read from z (AoLR)",
    "mCAS": "labels learned from draws (mCAS)",
    "information": "I(z;s), nats",
}
COLOUR = dict(zip(("cmi", "beta", "mi"), LINES, strict=False))


def draw(
    folder: Path, plan: Protocol, results: Sequence[Result], sets: Mapping[str, Dataset]
) -> None:
    """Writes the figures as PNG and PDF."""
    made = {"curves": curves(results)} | {
        f"families-{k}": families(plan, results, k, d) for k, d in sets.items()
    }
    for name, picture in made.items():
        if picture is not None:
            write_bytes(folder / f"{plan.name}-{name}.png", png(picture))
            write_bytes(folder / f"{plan.name}-{name}.pdf", vector(picture, "pdf"))


def families(
    plan: Protocol, results: Sequence[Result], name: str, dataset: Dataset
) -> Figure | None:
    """One real test picture of each class and fresh draws from the mean of its code, by the models
    of the first and of the largest gamma.
    """
    priced = [("beta", plan.gammas[0]), ("mi", plan.gammas[0]), ("cmi", plan.gammas[0])]
    priced += [(k, max(plan.gammas)) for k in ("beta", "cmi") if max(plan.gammas) != plan.gammas[0]]
    wanted = [Row(name, "elbo", 0.0), *(Row(name, k, g) for k, g in priced)]
    first = {r: next((x for x in results if x.row == r and x.seed == 0), None) for r in wanted}
    there = [x for x in first.values() if x is not None]
    if not there:
        return None
    index = balanced(dataset.test["label"], 1)
    real = dataset.test["x"][index]
    made = figure(2.3 * len(there), 0.3 * len(real) + 0.45)
    axes = made.subplots(1, len(there), squeeze=False)[0]
    for ax, result in zip(axes, there, strict=True):
        drawn = np.asarray(result.model().redraw(x=real, n=DRAWS, seed=0)["x"])
        ax.imshow(1 - sheet(real, drawn), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        gamma = f", gamma {result.row.gamma:g}" if result.row.gamma else ""
        ax.set_title(f"{KINDS[result.row.kind]}{gamma}", fontsize=9, color=INK, loc="left")
        ax.set_axis_off()
    made.suptitle(
        f"{SETS[name]}: test pictures, draws from their z",
        fontsize=9.5,
        color=INK,
        x=0.01,
        ha="left",
    )
    return made


def sheet(real: np.ndarray, drawn: np.ndarray, gap: int = 1) -> np.ndarray:
    """Pictures as one array: a row for each real picture `(N, 1, H, W)`, which stands first, before
    its draws `(n, N, 1, H, W)`.
    """
    columns = [real, np.full((*real.shape[:-1], 3 * gap), 0.0), *drawn]
    framed = [
        np.pad(c, ((0, 0), (0, 0), (0, gap), (0, gap)), constant_values=0.35) for c in columns
    ]
    framed[1] = np.zeros_like(framed[1])
    return np.concatenate([np.concatenate(list(c[:, 0]), 0) for c in framed], 1)


def curves(results: Sequence[Result]) -> Figure | None:
    """AoLR, mCAS and I(z;s) over KL(z), from the ELBO upwards in gamma: means over seeds, and the
    published numbers as dashed lines.
    """
    names = [n for n in SETS if any(r.row.data == n for r in results)]
    if not names:
        return None
    made = figure(9.2, 2.6 * len(names) + 0.3)
    grid = made.subplots(len(names), len(PANELS), squeeze=False)
    for name, line in zip(names, grid, strict=True):
        for ax, (metric, words) in zip(line, PANELS.items(), strict=True):
            dress(ax, "KL(z), nats", words, SETS[name] if metric == "AoLR" else "")
            ax.set_xscale("log")
            for kind, colour in COLOUR.items():
                _lines(ax, [r for r in results if r.row.data == name], kind, metric, colour)
    _key(made)
    return made


def _key(made: Figure) -> None:
    """What colours and dashes mean, below everything."""
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=c, marker="o", markersize=3.5, linewidth=1.4, label=KINDS[k])
        for k, c in COLOUR.items()
    ]
    dashes = Line2D(
        [],
        [],
        color=FAINT,
        linewidth=0.9,
        linestyle=(0, (3, 2)),
        label="published (large pictures, long training)",
    )
    made.legend(
        handles=[*lines, dashes],
        loc="outside lower center",
        ncol=4,
        frameon=False,
        prop={"size": 8},
    )


def _lines(ax: Any, results: Sequence[Result], kind: str, metric: str, colour: str) -> None:
    name = results[0].row.data
    path = [Row(name, "elbo", 0.0), *(Row(name, kind, g / 10) for g in range(1, 10))]
    ours = [
        _means(results, r, metric)
        for r in path
        if any(x.row == r and metric in x.metrics for x in results)
    ]
    theirs = [(r.published["kl"], r.published[metric]) for r in path if r.published]
    ax.plot(
        *zip(*theirs, strict=True), color=colour, linewidth=0.9, linestyle=(0, (3, 2)), alpha=0.6
    )
    if ours:
        ax.plot(*zip(*ours, strict=True), color=colour, marker="o", markersize=3.5, linewidth=1.4)


def _means(results: Sequence[Result], row: Row, metric: str) -> tuple[float, float]:
    """KL(z) and a metric of a row, means over seeds."""
    own = [r.metrics for r in results if r.row == row and metric in r.metrics]
    return float(np.mean([m["kl"] for m in own])), float(np.mean([m[metric] for m in own]))
