"""Numbers as lines, side by side: what is drawn is data, and drawn in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wyner.canvas import INK, TRUTH, dress, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BROKEN = (0, (4, 2))
DASHES = ("solid", (0, (5, 1.2)), (0, (1.2, 1)), (0, (6, 1.2, 1.2, 1.2)))
"""Styles of lines that differ in print."""


@dataclass(frozen=True)
class Line:
    """Points that belong together.

    Attributes:
        x, y: of the points.
        colour, label: lines of one label are one entry of the key; none without one.
        band, bars: deviations of y, as a band around the line or as bars at the points.
        texts: beside the points.
        style: further options of `Axes.plot`.
    """

    x: Any
    y: Any
    colour: str
    label: str = ""
    band: Any = None
    bars: Any = None
    texts: Sequence[str] = ()
    style: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Level:
    """A value that lines can be held against: a horizontal line with a text on it, or a label."""

    value: float
    colour: str = INK
    text: str = ""
    label: str = ""
    above: bool = True
    style: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Chart:
    """One diagram.

    Attributes:
        lines, levels: what it shows.
        title, x, y: its texts.
        whole_x: ticks at whole numbers of x.
        settled: the range of y is that of the later three quarters of the lines, down to the
            levels.
        spot: a value of x that is shaded.
        ticks: labels by place on x, in place of numbers.
        log_x, log_y: logarithmic axes; `log_y` only where values differ by a factor of eight.
    """

    lines: Sequence[Line]
    levels: Sequence[Level] = ()
    title: str = ""
    x: str = ""
    y: str = ""
    whole_x: bool = False
    settled: bool = False
    spot: float | None = None
    ticks: Mapping[float, str] = field(default_factory=dict)
    log_x: bool = False
    log_y: bool = False


def charts(shown: Sequence[Chart], across: int, width: float, height: float) -> Figure:
    """Diagrams in rows of `across`, each so many inches wide and high, above one key."""
    down = -(-len(shown) // across)
    labels = [e.label for c in shown for e in c.lines] + [e.label for c in shown for e in c.levels]
    names = list(dict.fromkeys(n for n in labels if n))
    made = figure(width * across, height * down + (0.5 if names and down > 1 else 0.0))
    axes = made.subplots(down, across, squeeze=False).ravel()
    for ax, chart in zip(axes, shown, strict=False):
        _draw(ax, chart)
    for ax in axes[len(shown) :]:
        ax.set_visible(False)
    if names:
        key(made, list(axes[: len(shown)]), names)
    return made


def key(made: Figure, axes: Sequence[Axes], names: Sequence[str]) -> None:
    """One legend below all diagrams, an entry for each label."""
    handles: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    style: dict[str, Any] = {"loc": "outside lower center", "frameon": False, "fontsize": 8}
    legend = made.legend([handles[n] for n in names], names, ncols=min(4, len(names)), **style)
    for text in legend.get_texts():
        text.set(color=INK, parse_math=False)


def _draw(ax: Axes, chart: Chart) -> None:
    from matplotlib.ticker import MaxNLocator

    dress(ax, chart.x, chart.y, chart.title)
    if chart.whole_x:
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    if chart.log_x:
        ax.set_xscale("log")
    if chart.spot is not None:
        ax.axvline(chart.spot, color=TRUTH, linewidth=5, alpha=0.25)
    if chart.ticks:
        ax.set_xticks(list(chart.ticks), list(chart.ticks.values()), rotation=30, ha="right")
    for one in chart.lines:
        options = {"linewidth": 1.4, "color": one.colour, "label": one.label or None, **one.style}
        if one.bars is not None:
            bars = one.bars if np.any(one.bars) else None
            ax.errorbar(one.x, one.y, yerr=bars, capsize=2, **options)
        else:
            ax.plot(one.x, one.y, **options)
        if one.band is not None and np.any(one.band):
            low, high = np.subtract(one.y, one.band), np.add(one.y, one.band)
            ax.fill_between(one.x, low, high, color=one.colour, alpha=0.18, linewidth=0)
        for x, y, text in zip(one.x, one.y, one.texts, strict=False):
            place: dict[str, Any] = {"xytext": (4, 3), "textcoords": "offset points", "fontsize": 7}
            ax.annotate(text, (x, y), color=one.colour, **place)
    for level in chart.levels:
        _level(ax, level)
    if chart.settled:
        _settle(ax, chart)
    if chart.log_y:
        _logarithmic(ax, chart)


def _level(ax: Axes, level: Level) -> None:
    style = {"linewidth": 0.9, "linestyle": BROKEN, **level.style}
    ax.axhline(level.value, color=level.colour, label=level.label or None, **style)
    if level.text:
        va, up = ("bottom", 2) if level.above else ("top", -2)
        place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "xytext": (0, up)}
        place |= {"textcoords": "offset points", "fontsize": 8, "color": level.colour}
        ax.annotate(level.text, (0.995, level.value), ha="right", va=va, **place)


def _settle(ax: Axes, chart: Chart) -> None:
    """A range that shows what happens after the first quarter, down to the levels."""
    bands = [
        (np.asarray(c.y), np.zeros_like(c.y) if c.band is None else c.band) for c in chart.lines
    ]
    later = np.concatenate([(y + s)[len(y) // 4 :] for y, s in bands])
    if len(later):
        lows = [y - s for y, s in bands] + [[level.value] for level in chart.levels]
        low, high = float(np.concatenate(lows).min()), float(later.max())
        room = max(high - low, 1e-6)
        ax.set_ylim(low - 0.1 * room, high + 0.05 * room)


def _logarithmic(ax: Axes, chart: Chart) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ys = [c.y for c in chart.lines if c.label] + [[level.value] for level in chart.levels]
    values = np.concatenate(ys)
    if values.min() > 0 and values.max() > 8 * values.min():
        ax.set_yscale("log")
        ax.set_ylim(max(0.05, 0.7 * float(values.min())), 1.3 * float(values.max()))
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
