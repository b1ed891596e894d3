"""Coverage of 95 % intervals against the number of pairs: ours, and what others would print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wyner.canvas import FAINT, LINES, dress, figure, legend
from wyner.experiments.calibration import HALVES, answers, by_size, share
from wyner.experiments.figures.files import Data, Files, files
from wyner.experiments.results import Results
from wyner.experiments.study import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES = {"development": "--", "test": "-"}


def coverage(found: Results, data: Data, rows: Sequence[Row]) -> Files:
    """Left I, by us and by others; right J."""
    made = figure(9.6, 3.4)
    left, right = made.subplots(1, 2, sharey=True)
    for ax, quantity in ((left, "I"), (right, "J")):
        title = f"{quantity}: intervals that hold the truth"
        dress(ax, "pairs", "share of samples" if ax is left else "", title)
        ax.axhline(0.95, color=FAINT, linewidth=0.8)
        for half in HALVES:
            _draw(ax, found, quantity, half, "best", LINES[0], STYLES[half], f"wyner, {half} tasks")
    names = sorted({e["estimator"] for e in found.estimates} - {"best"})
    for k, name in enumerate(names):
        _draw(left, found, "I", "", name, LINES[k + 1], "-", f"{name} (tasks that it fits)")
    left.set_ylim(-0.03, 1.03)
    for ax in (left, right):
        ax.set_xscale("log")
        legend(ax, loc="lower left")
    yield from files("", made)


def _draw(
    ax: Axes,
    found: Results,
    quantity: str,
    half: str,
    estimator: str,
    colour: str,
    style: str,
    label: str,
) -> None:
    sizes = by_size(answers(found, quantity, half, estimator))
    if sizes:
        values = [share(some) for some in sizes.values()]
        ax.plot(list(sizes), values, f"o{style}", color=colour, markersize=3.5, label=label)
