"""Figures without global state: matplotlib's object interface, one look for every diagram."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 192
"""Dots per inch of every PNG: two to a pixel of the page, which counts 96 to the inch."""

INK, FAINT, GRID = "#222222", "#6b6b6b", "#e4e4e4"
DATA, MODEL, TRUTH = "#8c8c8c", "#0072b2", "#d55e00"
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#222222", "#8c8c8c")
"""Okabe and Ito's colours, which colour-blind readers can tell apart, without yellow."""
CLASSES = (
    *("#332288", "#88ccee", "#44aa99", "#117733", "#999933"),
    *("#ddcc77", "#cc6677", "#882255", "#aa4499", "#777777"),
)
"""Paul Tol's muted colours, for up to ten labels."""


def figure(width: float, height: float) -> Figure:
    """An empty figure in inches, drawn by Agg, that lays itself out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(made)
    return made


def dress(ax: Axes, xlabel: str = "", ylabel: str = "", title: str = "", grid: bool = True) -> Axes:
    """Labels, thin axes and a faint grid; texts are taken as they are, not as formulas."""
    ax.set_xlabel(xlabel, fontsize=9, color=INK, parse_math=False)
    ax.set_ylabel(ylabel, fontsize=9, color=INK, parse_math=False)
    if title:
        ax.set_title(title, fontsize=9.5, color=INK, loc="left", parse_math=False)
    ax.tick_params(labelsize=8, colors=FAINT, labelcolor=INK, width=0.6, length=3)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)
        spine.set_linewidth(0.6)
    ax.set_axisbelow(True)
    if grid:
        ax.grid(True, color=GRID, linewidth=0.6)
    return ax


def legend(ax: Axes, mono: bool = False, **options: Any) -> None:
    """A legend without a frame; `mono` for terms of an equation."""
    if not ax.get_legend_handles_labels()[0]:
        return
    made = ax.legend(
        frameon=False, prop={"size": 8, "family": "monospace" if mono else "sans-serif"}, **options
    )
    for text in made.get_texts():
        text.set_color(INK)
        text.set_parse_math(False)


def png(made: Figure) -> bytes:
    """The figure as a PNG file; equal figures give equal bytes."""
    buffer = io.BytesIO()
    made.savefig(
        buffer, format="png", dpi=DPI, facecolor=made.get_facecolor(), metadata={"Software": None}
    )
    return buffer.getvalue()


def vector(made: Figure, kind: str) -> bytes:
    """The figure as a PDF or SVG file; equal figures give equal bytes.

    Args:
        made: the figure.
        kind: "pdf" or "svg".
    """
    import matplotlib as mpl

    buffer = io.BytesIO()
    empty: dict[str, Any] = {
        "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
        "svg": {"Date": None, "Creator": None},
    }
    with mpl.rc_context({"svg.hashsalt": "wyner"}):
        made.savefig(
            buffer, format=kind, dpi=DPI, facecolor=made.get_facecolor(), metadata=empty[kind]
        )
    return buffer.getvalue()


def plane(*sets: np.ndarray) -> tuple[list[np.ndarray], list[float]]:
    """The first two principal directions of the first set, and every set in them.

    Args:
        sets: arrays `(N, *event)`, flattened; N may differ.

    Returns:
        Coordinates `(N, 2)` of each set, and the shares of the first set's variance on the two
        directions. With one coordinate the second is 0.
    """
    flat = [np.nan_to_num(np.asarray(s, dtype=np.float64).reshape(len(s), -1)) for s in sets]
    mean = flat[0].mean(0)
    _, lengths, axes = np.linalg.svd(flat[0] - mean, full_matrices=False)
    axes = (
        axes[:2] * np.sign(axes[:2][np.arange(len(axes[:2])), np.abs(axes[:2]).argmax(1)])[:, None]
    )
    total = float((lengths**2).sum()) or 1.0
    shares = [float(v**2) / total for v in lengths[:2]]
    missing = 2 - len(axes)
    placed = [np.pad((f - mean) @ axes.T, ((0, 0), (0, missing))) for f in flat]
    return placed, shares + [0.0] * missing


def limits(values: Sequence[np.ndarray]) -> tuple[float, float] | None:
    """A range for an axis that leaves out a steep start: None if nothing is cut off.

    Values beyond twenty times the spread of the later half are cut.
    """
    later = [v[len(v) // 2 :] for v in values if len(v)]
    kept = np.concatenate(later) if later else np.zeros(0)
    kept = kept[np.isfinite(kept)]
    everything = np.concatenate([v for v in values if len(v)]) if later else np.zeros(0)
    everything = everything[np.isfinite(everything)]
    if not len(kept):
        return None
    low, high = float(kept.min()), float(kept.max())
    spread = max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-9)
    top = high + 20 * spread
    if float(everything.max()) <= top:
        return None
    low = min(low, float(everything.min()))
    return low - 0.05 * (top - low), top
