"""Grids of small pictures with headings, transparent between them for light and dark pages."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from wyner.canvas import DPI, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
        rows: cells, None where there is none; cells of one column have one width, of one row one
            height.
        heads: texts over columns, `(first, last, text)`, of one or more lines.
        sides: a text beside each row, of one or more lines; none if empty.
        after_columns, after_rows: after which there is more room.
        title: what is shown, above everything; broken into lines that fit.
        groups: texts above the heads, for columns that belong together.
    """

    rows: Sequence[Sequence[Cell | None]]
    heads: Sequence[tuple[int, int, str]] = ()
    sides: Sequence[str] = ()
    after_columns: Collection[int] = ()
    after_rows: Collection[int] = field(default_factory=tuple)
    title: str = ""
    groups: Sequence[tuple[int, int, str]] = ()


def draw(grid: Grid, size: int = 84) -> bytes:
    """The grid as a PNG file.

    Args:
        grid: what to draw.
        size: pixels of the side of a cell, about; pictures are enlarged a whole number of times.
    """
    buffer = io.BytesIO()
    sheet(grid, size).savefig(
        buffer, format="png", dpi=DPI, transparent=True, metadata={"Software": None}
    )
    return buffer.getvalue()


def sheet(grid: Grid, size: int = 84, ground: str = "none") -> Figure:
    """The grid as a figure: pictures pixel for pixel, texts as texts.

    Args:
        grid: what to draw.
        size: pixels of the side of a cell, about.
        ground: colour behind it; "none" for a page that may be light or dark.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [max((c.shape[0] for c in row if c is not None), default=1) for row in grid.rows]
    widths = [
        max((c.shape[1] for c in column if c is not None), default=1)
        for column in zip(*grid.rows, strict=True)
    ]
    scale = max(1, round(size / max(heights)))
    em = FONT * DPI / 72
    # hinted glyphs are wider than outlines
    left = round(1.05 * max(map(_widest, grid.sides)) + 1.2 * em) if grid.sides else 0
    xs, width = _places(widths, scale, grid.after_columns, left)
    wide = [scale * w for w in widths]
    levels = [_level(texts, xs, wide) for texts in (grid.groups, grid.heads) if texts]
    tops = [round((1.9 + 1.25 * max(t.count("\n") for *_, t in spans)) * em) for spans in levels]
    top = sum(tops)
    ys, height = _places(heights, scale, grid.after_rows, top)
    mosaic = np.zeros((height, width, 4), dtype=np.float32)
    for row, y in zip(grid.rows, ys, strict=True):
        for cell, x in zip(row, xs, strict=True):
            if cell is not None:
                big = cell.repeat(scale, 0).repeat(scale, 1)
                mosaic[y : y + big.shape[0], x : x + big.shape[1]] = big
    right = max(
        [width, *(round((a + b + _widest(t)) / 2 + 1) for spans in levels for a, b, t in spans)]
    )
    lines = _wrapped(grid.title, right)
    head = round(1.45 * em * len(lines)) + (round(0.5 * em) if lines else 0)
    border = round(0.8 * em) if ground != "none" else 0
    size_ = (right + 2 * border) / DPI, (height + head + 2 * border) / DPI
    made = Figure(figsize=size_, dpi=DPI, facecolor=ground)
    FigureCanvasAgg(made)
    ax = made.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.axis("off")
    ax.imshow(mosaic, extent=(0, width, height, 0), interpolation="nearest", aspect="auto")
    ax.set_xlim(-border, right + border)
    ax.set_ylim(height + border, -head - border)
    ink = TEXT if ground == "none" else INK
    plain: dict[str, Any] = {"va": "baseline", "color": ink, "parse_math": False}
    for k, line in enumerate(lines):
        ax.text(0, 1.45 * em * (k + 0.75) - head, line, ha="left", fontsize=1.1 * FONT, **plain)
    for spans, bottom in zip(levels, np.cumsum(tops), strict=True):
        for a, b, text in spans:
            if b - a > 1.2 * scale * max(widths):
                rule: dict[str, Any] = {"color": ink, "linewidth": 0.8, "solid_capstyle": "butt"}
                ax.plot([a, b], [bottom - 0.36 * em] * 2, **rule)
            for k, line in enumerate(reversed(text.split("\n"))):
                place = max(a + b, _widest(text)) / 2, bottom - (0.62 + 1.25 * k) * em
                ax.text(*place, line, ha="center", fontsize=FONT, **plain)
    for side, y, h in zip(grid.sides, ys, heights, strict=False):
        middle = left - 0.6 * em, y + scale * h / 2
        ax.text(*middle, side, ha="right", fontsize=FONT, **plain | {"va": "center"})
    return made


def _level(
    texts: Sequence[tuple[int, int, str]], xs: Sequence[int], widths: Sequence[int]
) -> list[tuple[int, int, str]]:
    """Headings of one level: from where to where, in pixels, and the text broken to fit."""
    ends = [(xs[a], xs[b] + widths[b], text) for a, b, text in texts]
    return [(a, b, _fitted(text, b - a)) for a, b, text in ends]


def _wrapped(text: str, width: float, size: float = 1.1) -> list[str]:
    """A text in lines that fit; `size` times that of headings."""
    lines: list[str] = []
    for word in filter(None, text.split(" ")):
        if lines and size * _width(f"{lines[-1]} {word}") <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines


def _fitted(text: str, width: float) -> str:
    """A heading broken at spaces to the width of its columns; `= 0.1)` stays with its word."""
    kept = text.replace(" = ", "\u00a0=\u00a0").replace("+ ", "+\u00a0")
    return "\n".join("\n".join(_wrapped(line, width, 1.0)) for line in kept.split("\n"))


@cache
def _width(text: str) -> float:
    """Width of a heading in pixels."""
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    return float(TextPath((0, 0), text, size=FONT).get_extents().x1) * DPI / 72


def _widest(text: str) -> float:
    """Width of a heading of several lines."""
    return max(map(_width, text.split("\n")))


def _places(
    sizes: Sequence[int], scale: int, wide: Collection[int], start: int
) -> tuple[list[int], int]:
    """Where cells begin, in pixels, and where the last one ends."""
    at, out = start, []
    for k, size in enumerate(sizes):
        out.append(at)
        at += scale * size + (24 if k in wide else 6)
    return out, out[-1] + scale * sizes[-1]


def coloured(images: np.ndarray, drawn: bool, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Pictures `(N, H, W)` or `(N, C, H, W)` as cells `(N, H, W, 4)`; grey ones that the model drew
    are tinted.

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
