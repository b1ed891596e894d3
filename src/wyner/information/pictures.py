"""Figures of common information: the curve of rate against residual, and the optimal Z of a
table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wyner.canvas import DATA, INK, LINES, MODEL, TRUTH, dress, figure, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from wyner.information.pmf import PmfInformation

SHOWN = 12
"""Values of Z that are drawn, at most."""


def table_figure(found: PmfInformation) -> Figure:
    """Left the curve C_gamma; then p(z); then p(x_i|z), a panel for each variable."""
    n = found.table.ndim
    made = figure(3.4 + 2.1 * (1 + n), 2.9)
    axes = made.subplots(1, 2 + n, width_ratios=[1.7, *[1.0] * (1 + n)])
    curve_panel(axes[0], found)
    z = found.latent
    count = min(SHOWN, len(z.weights))
    axes[1].barh(np.arange(count), z.weights[:count], color=MODEL, height=0.65)
    axes[1].invert_yaxis()
    axes[1].set_yticks(np.arange(count))
    dress(axes[1], "probability", "z", "p(z)")
    names = ["x", "y"] if n == 2 else [f"x{k + 1}" for k in range(n)]
    for ax, name, a in zip(axes[2:], names, z.given_z, strict=True):
        heat(ax, a[:count], name, "z", f"p({name}|z)")
    return made


def curve_panel(ax: Axes, found: PmfInformation) -> None:
    """I(X,Y;Z) against I(X;Y|Z) at the Lagrangian's minima, with J, I and C_GK marked."""
    rows = found.curve()
    rows = rows[np.argsort(rows[:, 1], kind="stable")]
    ax.plot(rows[:, 1], rows[:, 2], "o-", color=MODEL, linewidth=1.4, markersize=3, label="best Z")
    ax.plot(
        [0],
        [found.wyner],
        "s",
        color=TRUTH,
        markersize=6,
        clip_on=False,
        zorder=5,
        label=f"J = {found.wyner:.3f}",
    )
    i = found.mutual_information
    ax.plot(
        [0, i],
        [i, 0],
        color=DATA,
        linewidth=1,
        linestyle=(0, (4, 2)),
        label=f"I = {i:.3f}: no Z is below",
    )
    if found.gacs_korner > 0:
        ax.axhline(
            found.gacs_korner, color=LINES[2], linewidth=1, label=f"C_GK = {found.gacs_korner:.3f}"
        )
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    dress(
        ax,
        f"left between the variables given Z ({found.unit})",
        f"told by Z ({found.unit})",
        "relaxed common information",
    )
    legend(ax)


def heat(
    ax: Axes, table: np.ndarray, xlabel: str, ylabel: str, title: str, top: float | None = None
) -> None:
    """A table of probabilities as shades up to `top`, by default its largest, with numbers if it is
    small.
    """
    full = 1.4 * max(1e-12, float(table.max()) if top is None else top)
    ax.imshow(table, cmap="Blues", vmin=0, vmax=full, aspect="auto")
    ax.set_xticks(
        np.arange(table.shape[1]) if table.shape[1] <= 10 else np.arange(0, table.shape[1], 5)
    )
    ax.set_yticks(
        np.arange(table.shape[0]) if table.shape[0] <= 12 else np.arange(0, table.shape[0], 5)
    )
    dress(ax, xlabel, ylabel, title, grid=False)
    if table.size <= 40:
        for (row, column), value in np.ndenumerate(table):
            ax.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if value > 0.6 * full else INK,
            )
