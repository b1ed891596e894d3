"""Plots for pairs of vectors: draws, translations, moments, correlations beside the data's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from wyner.canvas import DATA, FAINT, INK, MODEL, TRUTH, dress, figure, legend, plane, png
from wyner.report.subject import SEED, Part, Picture, Subject, attempt, numpy, translated

INPUTS, DRAWS = 6, 300
"""Given rows of a translation, and draws for each."""

COORDINATES = 40
"""Coordinates of a modality that moments and correlations are shown for, at most."""


def vectors(about: Subject) -> list[Part]:
    """Every comparison that the model can give, and a sentence for each that it cannot."""
    names = about.shown
    turns = [(a, b) for a in names for b in names if a != b]
    drawn: dict[str, np.ndarray] = {}

    def draws() -> dict[str, np.ndarray]:
        if not drawn:
            made = about.model.generate(about.count, sample=True, seed=SEED)
            drawn.update({k: numpy(made[k]) for k in names})
        return drawn

    return [
        attempt("New pairs", lambda: _joint(about, draws())),
        *(attempt(f"From {a} to {b}", partial(_translations, about, a, b)) for a, b in turns),
        attempt("Means and deviations", lambda: _moments(about, draws())),
        attempt("Correlations", lambda: _correlations(about, draws())),
    ]


def _flat(values: Mapping[str, np.ndarray], names: list[str]) -> np.ndarray:
    """All coordinates of the modalities, `(N, d)`."""
    return np.concatenate([values[k].reshape(len(values[k]), -1) for k in names], 1)


def _directions(shares: list[float], of: str) -> tuple[str, str]:
    """Labels of the axes of a plane."""
    first, second = (f"{100 * s:.0f} %" for s in shares)
    return f"1st principal direction of {of} ({first} of variance)", f"2nd ({second})"


def _joint(about: Subject, drawn: dict[str, np.ndarray]) -> Picture:
    names = about.shown
    data, model = _flat(about.arrays, names), _flat(drawn, names)
    if data.shape[1] == 2:
        across, up = (
            f"{k}[{i}]" if about.arrays[k][0].size > 1 else k
            for k in names
            for i in range(about.arrays[k][0].size)
        )
        where = "by its two coordinates"
    else:
        (data, model), shares = plane(data, model)
        across, up = _directions(shares, ",".join(names))
        where = "in the two directions in which the data differ most"
    made = figure(10, 4.6)
    left, right = made.subplots(1, 2, sharex=True, sharey=True)
    for ax, points, colour, title in (
        (left, data, DATA, f"{about.part} data"),
        (right, model, MODEL, "model"),
    ):
        ax.scatter(*points.T, s=8, color=colour, alpha=0.55, linewidths=0)
        dress(ax, across, up if ax is left else "", f"{title}, {len(points)} pairs")
    caption = (
        "Pairs from the data and from the model, with nothing given and with the noise of the"
        f" decoders, one dot each, {where}. The two clouds should look alike."
    )
    return Picture("joint", "New pairs", caption, png(made))


def _translations(about: Subject, source: str, target: str) -> Picture:
    rows = about.typical(INPUTS)
    values = about.rows(rows)
    draws = translated(about, source, target, values, DRAWS, sample=True)
    truth, everything = values[target], about.arrays[target]
    n, b = draws.shape[:2]
    (cloud, placed, true), shares = plane(everything, draws.reshape(n * b, *draws.shape[2:]), truth)
    placed = placed.reshape(n, b, 2)
    across, up = _directions(shares, target)
    one = everything[0].size == 1
    texts = f"all {target} of the data", f"{n} draws of {target}", f"the true {target}"
    made = figure(10, 6.4 if b > 3 else 3.4)
    axes = made.subplots(-(-b // 3), 3, squeeze=False, sharex=True, sharey=True).ravel()
    for i, ax in enumerate(axes[:b]):
        last = i + 3 >= b
        title = f"given {source} of {about.part} row {rows[i]}"
        if one:
            bars: dict[str, Any] = {"bins": 30, "density": True}
            ax.hist(cloud[:, 0], color=DATA, alpha=0.4, label=texts[0], **bars)
            ax.hist(placed[:, i, 0], histtype="step", color=MODEL, label=texts[1], **bars)
            ax.axvline(true[i, 0], color=TRUTH, label=texts[2])
            dress(ax, f"{target}, centred" if last else "", "density" if i % 3 == 0 else "", title)
            continue
        ax.scatter(*cloud.T, s=5, color="#b8b8b8", linewidths=0, label=texts[0])
        ax.scatter(*placed[:, i].T, s=7, color=MODEL, alpha=0.55, linewidths=0, label=texts[1])
        cross: dict[str, Any] = {"s": 120, "marker": "X", "edgecolors": "white", "linewidths": 1.0}
        ax.scatter(*true[i], color=TRUTH, label=texts[2], zorder=3, **cross)
        dress(ax, across if last else "", up if i % 3 == 0 else "", title)
        ax.xaxis.label.set_fontsize(8)
    for ax in axes[b:]:
        ax.set_visible(False)
    style: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": INK}
    named = axes[0].get_legend_handles_labels()
    made.legend(*named, loc="outside upper center", ncols=3, markerscale=1.2, **style)
    caption = (
        f"For {b} {about.part} rows: {n} draws of {target} given {source}, with the noise of the"
        f" decoder, over all {target} of the data. The cross is the {target} that truly belongs to"
        f" this {source}; it should look like one draw among the others."
    )
    return Picture(
        f"translate-{source}-to-{target}", f"From {source} to {target}", caption, png(made)
    )


def _chosen(size: int) -> np.ndarray:
    """At most `COORDINATES` coordinates, evenly spread."""
    return np.unique(np.linspace(0, size - 1, min(size, COORDINATES)).round().astype(int))


def _moments(about: Subject, drawn: dict[str, np.ndarray]) -> Picture:
    names = about.shown
    made = figure(10, 3.2)
    axes = made.subplots(1, len(names), squeeze=False)[0]
    worst, few = 0.0, False
    for ax, name in zip(axes, names, strict=True):
        data, model = (v[name].reshape(len(v[name]), -1) for v in (about.arrays, drawn))
        at = _chosen(data.shape[1])
        few |= len(at) < data.shape[1]
        place = np.arange(len(at))
        for values, shift, colour, marker, text in (
            (data, -0.14, INK, "o", f"{about.part} data"),
            (model, 0.14, MODEL, "s", "model"),
        ):
            mean, std, style = values[:, at].mean(0), values[:, at].std(0), {"markersize": 3.2}
            style |= {"linewidth": 1.1}
            ax.errorbar(place + shift, mean, std, fmt=marker, color=colour, label=text, **style)
        worst = max(worst, float(np.abs(data.mean(0) - model.mean(0)).max()))
        ticks = place if len(place) <= 12 else place[:: -(-len(place) // 10)]
        ax.set_xticks(ticks, [str(at[k]) for k in ticks])
        dress(
            ax,
            f"coordinate of {name}",
            "value (units of the data)" if name == names[0] else "",
            name,
        )
    legend(axes[-1], loc="upper left", bbox_to_anchor=(1.01, 1.0))
    caption = (
        "Mean of each coordinate, with a bar of one standard deviation to either side:"
        f" {about.count} {about.part} rows and as many draws of the model. The means differ by at"
        f" most {worst:.3f}."
        + (f" {COORDINATES} coordinates, evenly spread, are shown." if few else "")
    )
    return Picture("moments", "Means and deviations", caption, png(made))


def _correlations(about: Subject, drawn: dict[str, np.ndarray]) -> Picture:
    names = about.shown
    chosen = {k: _chosen(about.arrays[k][0].size) for k in names}
    pick = lambda v: {k: v[k].reshape(len(v[k]), -1)[:, chosen[k]] for k in names}
    data, model = (_correlation(_flat(pick(v), names)) for v in (about.arrays, drawn))
    made = figure(10, 4.5)
    axes = made.subplots(1, 2, sharex=True, sharey=True)
    edges = np.cumsum([0, *(len(chosen[k]) for k in names)])
    shown = None
    for ax, table, title in zip(axes, (data, model), (f"{about.part} data", "model"), strict=True):
        shown = ax.imshow(table, vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
        dress(ax, title=title, grid=False)
        for edge in edges[1:-1]:
            ax.axhline(edge - 0.5, color=INK, linewidth=0.8)
            ax.axvline(edge - 0.5, color=INK, linewidth=0.8)
        middles = [(edges[i] + edges[i + 1] - 1) / 2 for i in range(len(names))]
        texts = [f"coordinates of {k}" for k in names]
        ax.set_xticks(middles, texts, parse_math=False)
        ax.set_yticks(middles, texts, rotation=90, va="center", parse_math=False)
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(True)
    assert shown is not None
    bar = made.colorbar(shown, ax=list(axes), shrink=0.85, pad=0.02)
    bar.set_label("correlation", fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8, labelcolor=INK, colors=FAINT)
    worst = float(np.nanmax(np.abs(data - model)))
    few = any(len(chosen[k]) < about.arrays[k][0].size for k in names)
    caption = (
        "Correlations of all coordinates, in the data and in draws of the model; they differ by at"
        f" most {worst:.2f}. The blocks off the diagonal are what the two sides share linearly."
        + (f" {COORDINATES} coordinates of a side, evenly spread, are shown." if few else "")
    )
    return Picture("correlations", "Correlations", caption, png(made))


def _correlation(table: np.ndarray) -> np.ndarray:
    """Correlation matrix; 0 for coordinates that never change."""
    centred = table - table.mean(0)
    deviation = np.sqrt((centred**2).mean(0))
    centred = centred / np.where(deviation > 0, deviation, 1.0)
    return centred.T @ centred / len(table)
