"""The pictures of docs/theory/common_information.md.

Run `python -m wyner.report.information docs/images`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wyner.canvas import DATA, INK, LINES, MODEL, TRUTH, dress, figure, legend, png
from wyner.files import write_bytes
from wyner.information.gaussian import gaussian
from wyner.information.pictures import curve_panel, heat
from wyner.information.pmf import pmf

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLUSTERS = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 1]]) / 5
NOISY = np.array([[0.45, 0.05], [0.05, 0.45]])


def _note(ax: Axes, text: str, at: tuple[float, float], offset: tuple[float, float]) -> None:
    """A text beside a point, so many points away."""
    ax.annotate(text, at, offset, textcoords="offset points", fontsize=8, color=INK)


def mutual() -> Figure:
    """A table beside the product of its margins: I is the divergence between the two."""
    made = figure(6.6, 2.5)
    axes = made.subplots(1, 3, width_ratios=[1, 1, 1.25])
    heat(axes[0], NOISY, "y", "x", "p(x,y)")
    heat(axes[1], np.outer(NOISY.sum(1), NOISY.sum(0)), "y", "x", "p(x) p(y)", float(NOISY.max()))
    flips = np.linspace(1e-6, 0.5, 200)
    h = -(flips * np.log2(flips) + (1 - flips) * np.log2(1 - flips))
    axes[2].plot(flips, 1 - h, color=MODEL, linewidth=1.5)
    value = pmf(NOISY, unit="bits").mutual_information
    axes[2].plot([0.1], [value], "s", color=TRUTH)
    _note(axes[2], f"this table: {value:.3f} bits", (0.1, value), (8, 4))
    axes[2].set_ylim(0, 1.02)
    dress(axes[2], "how often y differs from x", "bits", "I(X;Y)")
    return made


def gacs_korner() -> Figure:
    """The support of a table as a graph of values; its parts are what both sides can name."""
    made = figure(6.6, 2.6)
    axes = made.subplots(1, 3, width_ratios=[1, 1.2, 1.2])
    heat(axes[0], CLUSTERS, "y", "x", "p(x,y)")
    for ax, table, title in (
        (axes[1], CLUSTERS, "two parts: C_GK"),
        (axes[2], NOISY, "one part: C_GK = 0"),
    ):
        colour = lambda k, one=table is NOISY: LINES[0 if one else int(k > 0)]
        for x, y in np.argwhere(table > 0):
            ax.plot([0, 1], [-x, -y], color=colour(x), linewidth=1 + 8 * table[x, y])
        middle = {"ha": "center", "va": "center", "fontsize": 7.5, "color": "white", "zorder": 4}
        for side, count, name in ((0, table.shape[0], "x"), (1, table.shape[1], "y")):
            for k in range(count):
                ax.plot([side], [-k], "o", color=colour(k), markersize=13, zorder=3)
                ax.text(side, -k, f"{name}{k}", **middle)
        value = pmf(table, unit="bits").gacs_korner
        ax.set_xlim(-0.25, 1.25)
        ax.set_ylim(-2.4, 0.4)
        ax.set_axis_off()
        shown = title if value == 0 else f"{title} = {value:.3f} bits"
        ax.set_title(shown, fontsize=9.5, color=INK, loc="left")
    return made


def wyner() -> Figure:
    """The noisy bit taken apart: two products, their mixture, what is left when Z may say less."""
    found = pmf(NOISY, unit="bits")
    z = found.latent
    made = figure(8.6, 2.6)
    axes = made.subplots(1, 4, width_ratios=[1, 1, 1, 1.7])
    heat(axes[0], NOISY, "y", "x", "p(x,y)")
    for k in range(2):
        product = np.outer(z.given_z[0][k], z.given_z[1][k])
        heat(axes[1 + k], product, "y", "x", f"z = {k}, p(z) = {z.weights[k]:.2f}", 0.9)
    curve_panel(axes[3], found)
    return made


def gaussian_pair() -> Figure:
    """J, I of a Gaussian pair against its correlation, and the relaxed curve at one correlation."""
    made = figure(6.6, 2.7)
    left, right = made.subplots(1, 2)
    rs = np.linspace(0, 0.98, 200)
    pairs = [gaussian(correlations=[r]) for r in rs]
    for label, colour, values in (
        ("J", TRUTH, [p.wyner for p in pairs]),
        ("I", MODEL, [p.mutual_information for p in pairs]),
        ("C_GK", LINES[2], [p.gacs_korner for p in pairs]),
    ):
        left.plot(rs, values, color=colour, linewidth=1.5, label=label)
    dress(left, "correlation r", "nats", "a Gaussian pair")
    legend(left)
    found = gaussian(correlations=[0.9, 0.6, 0.2])
    gammas = np.linspace(0, found.mutual_information * 1.05, 200)
    right.plot(gammas, [found.relaxed(float(g)) for g in gammas], color=MODEL, linewidth=1.5)
    for lam in (0.2, 0.6):
        at = found.lagrangian(lam)
        right.plot([at.residual], [at.rate], "o", color=TRUTH, markersize=5)
        _note(right, f"lambda = {lam}", (at.residual, at.rate), (6, 4))
    ends = [0, found.mutual_information]
    right.plot(ends, ends[::-1], color=DATA, linewidth=1, linestyle=(0, (4, 2)))
    right.set_ylim(bottom=0)
    title = "r = 0.9, 0.6, 0.2: what less Z costs"
    dress(right, "left between X and Y given Z (nats)", "told by Z (nats)", title)
    return made


PICTURES = {"mutual": mutual, "gacs-korner": gacs_korner, "wyner": wyner, "gaussian": gaussian_pair}


def main(folder: Path) -> None:
    """Draws every picture into a folder."""
    for name, draw in PICTURES.items():
        write_bytes(folder / f"information-{name}.png", png(draw()))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"))
