"""Grids of small pictures with headings, pixel for pixel, on a transparent ground that suits light and dark pages."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from wyner.report.canvas import DPI

Cell = np.ndarray
"""One picture `(H, W, 4)`: red, green, blue, opacity in [0, 1]."""

TEXT = "#7d8790"
"""Grey that can be read on white and on black."""

DRAWN = np.array([0.42, 0.80, 1.0])
"""What white becomes in a grey picture that the model drew: light blue."""

BLANK = np.array([0.5, 0.5, 0.5, 0.22])
"""What was not given: faint grey."""

FONT = 10.0
"""Size of headings in points; 13 pixels of the page."""


@dataclass(frozen=True)
class Grid:
    """Pictures in rows and columns.

    Attributes:
        rows: cells, None where there is none; cells of one column have one width, of one row one height.
        heads: texts over columns, `(first, last, text)`.
        sides: a text beside each row; none if empty.
        after_columns, after_rows: after which there is more room.
    """

    rows: Sequence[Sequence[Cell | None]]
    heads: Sequence[tuple[int, int, str]] = ()
    sides: Sequence[str] = ()
    after_columns: Collection[int] = ()
    after_rows: Collection[int] = field(default_factory=tuple)


def draw(grid: Grid, size: int = 84) -> bytes:
    """The grid as a PNG file.

    Args:
        grid: what to draw.
        size: pixels of the side of a cell, about; pictures are enlarged a whole number of times.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [max((c.shape[0] for c in row if c is not None), default=1) for row in grid.rows]
    widths = [max((c.shape[1] for c in column if c is not None), default=1) for column in zip(*grid.rows, strict=True)]
    scale = max(1, round(size / max(heights)))
    em = FONT * DPI / 72
    left = round(max(map(_width, grid.sides)) + 0.8 * em) if grid.sides else 0
    top = round(1.9 * em) if grid.heads else 0
    xs, width = _places(widths, scale, grid.after_columns, left)
    ys, height = _places(heights, scale, grid.after_rows, top)
    mosaic = np.zeros((height, width, 4), dtype=np.float32)
    for row, y in zip(grid.rows, ys, strict=True):
        for cell, x in zip(row, xs, strict=True):
            if cell is not None:
                big = cell.repeat(scale, 0).repeat(scale, 1)
                mosaic[y : y + big.shape[0], x : x + big.shape[1]] = big
    spans = [(xs[a], xs[b] + scale * widths[b], text) for a, b, text in grid.heads]
    right = max([width, *(round((a + b + _width(t)) / 2 + 1) for a, b, t in spans)])
    made = Figure(figsize=(right / DPI, height / DPI), dpi=DPI, facecolor="none")
    FigureCanvasAgg(made)
    ax = made.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.axis("off")
    ax.set_xlim(0, right)
    ax.set_ylim(height, 0)
    ax.imshow(mosaic, extent=(0, width, height, 0), interpolation="nearest", aspect="auto")
    ax.set_xlim(0, right)
    ax.set_ylim(height, 0)
    for a, b, text in spans:
        if b - a > 1.2 * scale * max(widths):
            ax.plot([a, b], [top - 0.36 * em] * 2, color=TEXT, linewidth=0.8, solid_capstyle="butt")
        ax.text(
            max(a + b, _width(text)) / 2,
            top - 0.62 * em,
            text,
            ha="center",
            va="baseline",
            fontsize=FONT,
            color=TEXT,
            parse_math=False,
        )
    for side, y, h in zip(grid.sides, ys, heights, strict=False):
        ax.text(
            left - 0.6 * em,
            y + scale * h / 2,
            side,
            ha="right",
            va="center",
            fontsize=FONT,
            color=TEXT,
            parse_math=False,
        )
    buffer = io.BytesIO()
    made.savefig(buffer, format="png", dpi=DPI, transparent=True, metadata={"Software": None})
    return buffer.getvalue()


def _width(text: str) -> float:
    """Width of a heading in pixels."""
    from matplotlib.textpath import TextPath

    return float(TextPath((0, 0), text, size=FONT).get_extents().x1) * DPI / 72 if text.strip() else 0.0


def _places(sizes: Sequence[int], scale: int, wide: Collection[int], start: int) -> tuple[list[int], int]:
    """Where cells begin, in pixels, and where the last one ends."""
    at, out = start, []
    for k, size in enumerate(sizes):
        out.append(at)
        at += scale * size + (24 if k in wide else 6)
    return out, out[-1] + scale * sizes[-1]


def coloured(images: np.ndarray, drawn: bool, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Pictures `(N, H, W)` or `(N, C, H, W)` as cells `(N, H, W, 4)`; grey ones that the model drew are tinted.

    Args:
        images: values between `low` (black) and `high` (white); what lies outside is cut.
        drawn: whether the model drew them.
        low, high: the range of the data.
    """
    if images.ndim == 3:
        images = images[:, None]
    unit = np.clip((images - low) / max(high - low, 1e-12), 0, 1)
    colour = (
        np.moveaxis(unit[:, :3], 1, -1)
        if unit.shape[1] >= 3
        else unit[:, :1, :, :].mean(1)[..., None] * (DRAWN if drawn else np.ones(3))
    )
    return np.concatenate([colour, np.ones_like(colour[..., :1])], -1).astype(np.float32)


def blank(like: np.ndarray) -> np.ndarray:
    """Cells of the same size that stand for what is not given."""
    return np.broadcast_to(BLANK, like.shape).astype(np.float32)


def beside(left: np.ndarray, right: np.ndarray, gap: int = 0) -> np.ndarray:
    """Cells side by side; the lower of two heights is centred."""
    height = max(left.shape[1], right.shape[1])
    parts = [centred(left, height, left.shape[2])]
    if gap:
        parts.append(np.zeros((len(left), height, gap, 4), dtype=np.float32))
    return np.concatenate([*parts, centred(right, height, right.shape[2])], 2)


def centred(cells: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cells in the middle of a larger transparent ground."""
    h, w = max(0, height - cells.shape[1]), max(0, width - cells.shape[2])
    return np.pad(cells, ((0, 0), (h // 2, h - h // 2), (w // 2, w - w // 2), (0, 0)))
