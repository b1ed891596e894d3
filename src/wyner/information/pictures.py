"""Figures of common information: the curve of rate against residual, the optimal Z of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from wyner.canvas import DATA, INK, LINES, MODEL, TRUTH, dress, figure, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 12
"""Values of Z that are drawn, at most."""


class Measured(Protocol):
    """What a curve shows: J, I, C_GK in a unit, and rows (lam, residual, rate)."""

    @property
    def unit(self) -> str: ...
    @property
    def wyner(self) -> float: ...
    @property
    def mutual_information(self) -> float: ...
    @property
    def gacs_korner(self) -> float: ...
    def curve(self) -> np.ndarray: ...


def table_figure(found: Measured, weights: np.ndarray, given_z: tuple[np.ndarray, ...]) -> Figure:
    """Left the curve C_gamma; then p(z); then p(x_i|z), a panel for each variable."""
    n, count = len(given_z), min(SHOWN, len(weights))
    made = figure(3.4 + 2.1 * (1 + n), 2.9)
    axes = made.subplots(1, 2 + n, width_ratios=[1.7, *[1.0] * (1 + n)])
    curve_panel(axes[0], found)
    axes[1].barh(np.arange(count), weights[:count], color=MODEL, height=0.65)
    axes[1].invert_yaxis()
    axes[1].set_yticks(np.arange(count))
    dress(axes[1], "probability", "z", "p(z)")
    names = ["x", "y"] if n == 2 else [f"x{k + 1}" for k in range(n)]
    for ax, name, a in zip(axes[2:], names, given_z, strict=True):
        heat(ax, a[:count], name, "z", f"p({name}|z)")
    return made


def curve_panel(ax: Axes, found: Measured) -> None:
    """I(X,Y;Z) against I(X;Y|Z) at the Lagrangian's minima, with J, I and C_GK marked."""
    rows = found.curve()
    rows = rows[np.argsort(rows[:, 1], kind="stable")]
    j, i, common = found.wyner, found.mutual_information, found.gacs_korner
    ax.plot(rows[:, 1], rows[:, 2], "o-", color=MODEL, linewidth=1.4, markersize=3, label="best Z")
    (mark,) = ax.plot([0], [j], "s", color=TRUTH, markersize=6, label=f"J = {j:.3f}")
    mark.set(clip_on=False, zorder=5)
    (line,) = ax.plot([0, i], [i, 0], color=DATA, linewidth=1, label=f"I = {i:.3f}: no Z is below")
    line.set_linestyle((0, (4, 2)))
    if common > 0:
        ax.axhline(common, color=LINES[2], linewidth=1, label=f"C_GK = {common:.3f}")
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    left, told = f"left between the variables given Z ({found.unit})", f"told by Z ({found.unit})"
    dress(ax, left, told, "relaxed common information")
    legend(ax)


def heat(
    ax: Axes, table: np.ndarray, xlabel: str, ylabel: str, title: str, top: float | None = None
) -> None:
    """Probabilities as shades up to `top`, by default the largest; with numbers if they are few."""
    full = 1.4 * max(1e-12, float(table.max()) if top is None else top)
    ax.imshow(table, cmap="Blues", vmin=0, vmax=full, aspect="auto")
    rows, columns = table.shape
    ax.set_xticks(np.arange(0, columns, 1 if columns <= 10 else 5))
    ax.set_yticks(np.arange(0, rows, 1 if rows <= 12 else 5))
    dress(ax, xlabel, ylabel, title, grid=False)
    if table.size <= 40:
        for (row, column), value in np.ndenumerate(table):
            colour = "white" if value > 0.6 * full else INK
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
