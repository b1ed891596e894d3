"""Figure 5: pictures that share one z. And the numbers of the tables over gamma, ours beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wyner.data import Dataset
from wyner.experiments.pixelcnn.plan import KINDS, SETS, Protocol, Row
from wyner.experiments.pixelcnn.run import Result
from wyner.files import write_bytes
from wyner.metrics import balanced
from wyner.report.canvas import FAINT, INK, LINES, dress, figure, legend, png, vector

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


def draw(folder: Path, plan: Protocol, results: Sequence[Result], sets: Mapping[str, Dataset]) -> None:
    """Writes the figures as PNG and PDF."""
    made = {"curves": curves(results)} | {f"families-{k}": families(plan, results, k, d) for k, d in sets.items()}
    for name, picture in made.items():
        if picture is not None:
            write_bytes(folder / f"{plan.name}-{name}.png", png(picture))
            write_bytes(folder / f"{plan.name}-{name}.pdf", vector(picture, "pdf"))


def families(plan: Protocol, results: Sequence[Result], name: str, dataset: Dataset) -> Figure | None:
    """For each model of the first gamma: one real test picture of each class, and fresh draws from the mean of its code."""
    wanted = [Row(name, "elbo", 0.0), *(Row(name, k, plan.gammas[0]) for k in ("beta", "mi", "cmi"))]
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
        f"{SETS[name]}: a test picture (first column) and pictures drawn from its z",
        fontsize=9.5,
        color=INK,
        x=0.01,
        ha="left",
    )
    return made


def sheet(real: np.ndarray, drawn: np.ndarray, gap: int = 1) -> np.ndarray:
    """Pictures as one array: a row for each real picture `(N, 1, H, W)`, which stands first, before its draws `(n, N, 1, H, W)`."""
    columns = [real, np.full((*real.shape[:-1], 3 * gap), 0.0), *drawn]
    framed = [np.pad(c, ((0, 0), (0, 0), (0, gap), (0, gap)), constant_values=0.35) for c in columns]
    framed[1] = np.zeros_like(framed[1])
    return np.concatenate([np.concatenate(list(c[:, 0]), 0) for c in framed], 1)


def curves(results: Sequence[Result]) -> Figure | None:
    """AoLR, mCAS and I(z;s) over gamma: means over seeds, and the published numbers as dashed lines."""
    names = [n for n in SETS if any(r.row.data == n for r in results)]
    if not names:
        return None
    made = figure(9.2, 2.6 * len(names))
    grid = made.subplots(len(names), len(PANELS), squeeze=False)
    for name, line in zip(names, grid, strict=True):
        for ax, (metric, words) in zip(line, PANELS.items(), strict=True):
            dress(ax, "gamma", words, SETS[name] if metric == "AoLR" else "")
            _lines(ax, [r for r in results if r.row.data == name], name, metric)
    legend(grid[0][0], loc="lower right")
    return made


def _lines(ax: Any, results: Sequence[Result], name: str, metric: str) -> None:
    gammas = sorted({r.row.gamma for r in results})
    for kind, colour in COLOUR.items():
        rows = [Row(name, kind if g else "elbo", g) for g in gammas]
        ours = [
            (r.gamma, np.mean(v))
            for r in rows
            if (v := [x.metrics[metric] for x in results if x.row == r and metric in x.metrics])
        ]
        theirs = [(r.gamma, r.published[metric]) for r in rows if metric in r.published]
        if ours and any(g for g, _ in ours):
            ax.plot(
                *zip(*ours, strict=True), color=colour, marker="o", markersize=3.5, linewidth=1.4, label=KINDS[kind]
            )
        if theirs:
            ax.plot(*zip(*theirs, strict=True), color=colour, linewidth=0.9, linestyle=(0, (3, 2)), alpha=0.6)
    ax.plot([], [], color=FAINT, linewidth=0.9, linestyle=(0, (3, 2)), label="published (other protocol)")
