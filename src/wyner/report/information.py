"""The pictures of docs/theory/common_information.md: python -m wyner.report.information
docs/images.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wyner.canvas import DATA, INK, LINES, MODEL, TRUTH, dress, figure, legend
from wyner.information.gaussian import gaussian
from wyner.information.pictures import curve_panel, heat
from wyner.information.pmf import pmf

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLUSTERS = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 1]]) / 5
NOISY = np.array([[0.45, 0.05], [0.05, 0.45]])


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
    axes[2].annotate(
        f"this table: {value:.3f} bits",
        (0.1, value),
        xytext=(8, 4),
        textcoords="offset points",
        fontsize=8,
        color=INK,
    )
    axes[2].set_ylim(0, 1.02)
    dress(axes[2], "how often y differs from x", "bits", "I(X;Y)")
    return made


def gacs_korner() -> Figure:
    """The support of a table as a graph between values of x and of y; its parts are what both sides
    can name.
    """
    made = figure(6.6, 2.6)
    axes = made.subplots(1, 3, width_ratios=[1, 1.2, 1.2])
    heat(axes[0], CLUSTERS, "y", "x", "p(x,y)")
    for ax, table, title in (
        (axes[1], CLUSTERS, "two parts: C_GK"),
        (axes[2], NOISY, "one part: C_GK = 0"),
    ):
        rows, columns = table.shape
        part = 0 if table is NOISY else None
        for x, y in np.argwhere(table > 0):
            colour = LINES[part if part is not None else int(x > 0)]
            ax.plot([0, 1], [-x, -y], color=colour, linewidth=1 + 8 * table[x, y])
        for side, count, name in ((0, rows, "x"), (1, columns, "y")):
            for k in range(count):
                colour = LINES[part if part is not None else int(k > 0)]
                ax.plot([side], [-k], "o", color=colour, markersize=13, zorder=3)
                ax.text(
                    side,
                    -k,
                    f"{name}{k}",
                    ha="center",
                    va="center",
                    fontsize=7.5,
                    color="white",
                    zorder=4,
                )
        value = pmf(table, unit="bits").gacs_korner
        ax.set_xlim(-0.25, 1.25)
        ax.set_ylim(-2.4, 0.4)
        ax.set_axis_off()
        ax.set_title(
            title if value == 0 else f"{title} = {value:.3f} bits",
            fontsize=9.5,
            color=INK,
            loc="left",
        )
    return made


def wyner() -> Figure:
    """The noisy bit taken apart: two products, their mixture, and what is left when Z may say
    less.
    """
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
    left.plot(
        rs, [gaussian(correlations=[r]).wyner for r in rs], color=TRUTH, linewidth=1.5, label="J"
    )
    left.plot(
        rs,
        [gaussian(correlations=[r]).mutual_information for r in rs],
        color=MODEL,
        linewidth=1.5,
        label="I",
    )
    left.plot(rs, 0 * rs, color=LINES[2], linewidth=1.5, label="C_GK")
    dress(left, "correlation r", "nats", "a Gaussian pair")
    legend(left)
    found = gaussian(correlations=[0.9, 0.6, 0.2])
    gammas = np.linspace(0, found.mutual_information * 1.05, 200)
    right.plot(gammas, [found.relaxed(float(g)) for g in gammas], color=MODEL, linewidth=1.5)
    for lam in (0.2, 0.6):
        at = found.lagrangian(lam)
        right.plot([at.residual], [at.rate], "o", color=TRUTH, markersize=5)
        right.annotate(
            f"lambda = {lam}",
            (at.residual, at.rate),
            xytext=(6, 4),
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
    ends = [0, found.mutual_information]
    right.plot(ends, ends[::-1], color=DATA, linewidth=1, linestyle=(0, (4, 2)))
    right.set_ylim(bottom=0)
    dress(
        right,
        "left between X and Y given Z (nats)",
        "told by Z (nats)",
        "r = 0.9, 0.6, 0.2: what less Z costs",
    )
    return made


PICTURES = {"mutual": mutual, "gacs-korner": gacs_korner, "wyner": wyner, "gaussian": gaussian_pair}


def main(folder: Path) -> None:
    """Draws every picture into a folder."""
    from wyner.canvas import png
    from wyner.files import write_bytes

    for name, draw in PICTURES.items():
        write_bytes(folder / f"information-{name}.png", png(draw()))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"))
