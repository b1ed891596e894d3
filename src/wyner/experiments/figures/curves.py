"""Numbers of the probe against epochs, with bands over seeds: Figures 4 and 8 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wyner.canvas import INK, dress, figure
from wyner.experiments.figures.files import Data, Files, colours, dashes, files, key, line
from wyner.experiments.results import Results
from wyner.experiments.store import Cell
from wyner.experiments.study import Row

TITLES = {"nll_joint": "joint nll", "nll_conditional": "conditional nll of y given x"}
Curve = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Epochs, means and standard deviations."""


def curve(cells: Sequence[Cell], name: str) -> Curve:
    """A number of the probe over seeds; empty where it was not measured."""
    table: dict[float, list[float]] = {}
    for c in cells:
        for r in c.history:
            if r.get("split") == "probe" and name in r["terms"]:
                table.setdefault(float(r["epoch"]), []).append(r["terms"][name])
    at = sorted(e for e, v in table.items() if len(v) == max(map(len, table.values())))
    std = [np.std(table[e], ddof=1) if len(table[e]) > 1 else 0.0 for e in at]
    return np.array(at), np.array([np.mean(table[e]) for e in at]), np.array(std)


def curves(found: Results, data: Data, rows: Sequence[Row], aside: Sequence[str] = ()) -> Files:
    """Joint nll, conditional nll (without the rows `aside`, which are far off), information in z."""
    names = ("nll_joint", "nll_conditional", "I41", "I40")
    all_ = {r.slug: {name: curve(found.cells[r.slug], name) for name in names} for r in rows}
    has = {n: [r for r in rows if len(all_[r.slug][n][0])] for n in names}
    has["nll_conditional"] = [r for r in has["nll_conditional"] if r.slug not in aside]
    if not (panels := [n for n in names[:3] if has[n]]):
        return
    truth, colour, dash = data(rows[0].data).truth, colours(found), dashes(rows)
    made = figure(3.45 * len(panels), 3.35)
    axes = made.subplots(1, len(panels), squeeze=False)[0]
    for letter, ax, name in zip("abc", axes, panels, strict=False):
        for r in has[name]:
            style = {"color": colour[r.slug], "linestyle": dash[r.slug]}
            _band(ax, all_[r.slug][name], **style)
            if name == "I41" and len(all_[r.slug]["I40"][0]):
                ax.plot(*all_[r.slug]["I40"][:2], linewidth=0.8, alpha=0.65, **style)
        if name == "I41":
            dress(ax, "epoch", "nats", f"({letter}) information in z: I41, thin I40")
            true = truth.get("common_information")
            _logarithmic(ax, [all_[r.slug][name][1] for r in has[name]], true)
            _floor(ax, true, "true J")
        else:
            unit = "nats per row" if ax is axes[0] else ""
            dress(ax, "epoch", unit, f"({letter}) {TITLES[name]}")
            _frame(ax, [all_[r.slug][name] for r in has[name]], truth.get(name))
            _floor(ax, truth.get(name), "floor", "top")
    key(made, [line(r.label, colour[r.slug], linestyle=dash[r.slug], linewidth=1.6) for r in rows])
    yield from files("curves", made)


def crowded(found: Results, data: Data, rows: Sequence[Row]) -> Files:
    """Conditional nll of the models that are far above the others, a panel each."""
    all_ = {r.slug: curve(found.cells[r.slug], "nll_conditional") for r in rows}
    rows = [r for r in rows if len(all_[r.slug][0])]
    if not rows:
        return
    made, floor = figure(3.6 * len(rows), 2.9), data(rows[0].data).truth.get("nll_conditional")
    for ax, r in zip(made.subplots(1, len(rows), squeeze=False)[0], rows, strict=True):
        _band(ax, all_[r.slug], color=colours(found)[r.slug])
        dress(ax, "epoch", "nats per row", f"{r.label}: {TITLES['nll_conditional']}")
        _frame(ax, [all_[r.slug]], floor)
        _floor(ax, floor, "floor")
    yield from files("crowded", made)


def _band(ax: Any, found: Curve, color: str, **style: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    at, mean, std = found
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    marker = "o" if len(at) < 3 else None
    ax.plot(at, mean, color=color, linewidth=1.4, marker=marker, markersize=3, **style)
    if std.any():
        ax.fill_between(at, mean - std, mean + std, color=color, alpha=0.18, linewidth=0)


def _floor(ax: Any, value: Any, text: str, at: str = "bottom") -> None:
    if isinstance(value, (int, float)):
        ax.axhline(value, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        ax.annotate(
            f"{text} {value:.3f}" if value > 1 else f"{text} {value:.4f}",
            (0.995, value),
            xycoords=("axes fraction", "data"),
            ha="right",
            va=at,
            fontsize=8,
            color=INK,
            xytext=(0, 2 if at == "bottom" else -2),
            textcoords="offset points",
        )


def _frame(ax: Any, lines: Sequence[Curve], floor: Any) -> None:
    """A range that shows what happens after the first quarter, down to the floor."""
    later = np.concatenate([m[len(m) // 4 :] + s[len(m) // 4 :] for _, m, s in lines])
    low = [m - s for _, m, s in lines] + [np.array([floor] if isinstance(floor, float) else [])]
    if len(later):
        lowest, high = float(np.concatenate(low).min()), float(later.max())
        room = max(high - lowest, 1e-6)
        ax.set_ylim(lowest - 0.1 * room, high + 0.05 * room)


def _logarithmic(ax: Any, lines: Sequence[np.ndarray], truth: Any) -> None:
    """A logarithmic axis where rows differ by much, down to the true value."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    values = np.concatenate([*lines, np.array([truth] if isinstance(truth, (int, float)) else [])])
    if values.min() > 0 and values.max() > 8 * values.min():
        ax.set_yscale("log")
        ax.set_ylim(max(0.05, 0.7 * float(values.min())), 1.3 * float(values.max()))
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
