"""Sheets of what a search found: each query, then its hits, nearest first, right or wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wyner.report.panel import Cell, Grid, coloured, draw

RIGHT, WRONG = np.array([0.0, 0.62, 0.45, 1.0]), np.array([0.84, 0.37, 0.0, 1.0])
"""Okabe and Ito's green and vermilion; the shape of the mark says the same."""
EDGE = 0.04
"""Width of a frame, as a share of the picture's side."""
TICK = ("......#", ".....##", "#...##.", "##.##..", ".###...", "..#....", ".......")
CROSS = ("#.....#", "##...##", ".##.##.", "..###..", ".##.##.", "##...##", "#.....#")


def sheet(
    queries: np.ndarray,
    found: Sequence[np.ndarray],
    right: np.ndarray | None = None,
    sides: Sequence[str] = (),
    size: int = 84,
) -> bytes:
    """A PNG file with a row for every query.

    Args:
        queries: pictures `(Q, C, H, W)` in [0, 1] or uint8.
        found: for every query its hits `(k, C', H, W)`, nearest first.
        right: whether each hit is right, bool `(Q, k)`; None if nobody knows.
        sides: a text beside each row.
        size: pixels of a picture's side, about.
    """
    rows: list[list[Cell | None]] = []
    for i, query in enumerate(queries):
        hits = list(cells(found[i]))
        if right is not None:
            hits = [marked(cell, bool(yes)) for cell, yes in zip(hits, right[i], strict=True)]
        first = cells(query[None])[0]
        rows.append([framed(first, np.zeros(4)) if right is not None else first, *hits])
    k = len(found[0])
    heads = [(0, 0, "query"), (1, k, f"nearest {k}")]
    return draw(Grid(rows, heads=heads, sides=sides, after_columns=[0]), size)


def cells(images: np.ndarray) -> np.ndarray:
    """Pictures `(N, C, H, W)`, uint8 or in [0, 1], as cells `(N, H, W, 4)`."""
    unit = images.astype(np.float32) / 255 if images.dtype == np.uint8 else images
    return coloured(unit, False)


def marked(cell: Cell, right: bool) -> Cell:
    """A cell in a green frame with a tick or a vermilion one with a cross, at the upper right."""
    colour = RIGHT if right else WRONG
    out = framed(cell, colour)
    shape = np.array([[c == "#" for c in line] for line in (TICK if right else CROSS)])
    times = max(1, round(out.shape[0] * 0.2 / len(shape)))
    mark = np.pad(shape.repeat(times, 0).repeat(times, 1), times)
    h, w = mark.shape
    if h < out.shape[0] and w < out.shape[1]:
        out[:h, -w:] = np.where(mark[..., None], np.ones(4), colour)
    return out


def framed(cell: Cell, colour: np.ndarray) -> Cell:
    """A cell with a frame around it."""
    edge = max(1, round(cell.shape[0] * EDGE))
    out = np.empty((cell.shape[0] + 2 * edge, cell.shape[1] + 2 * edge, 4), np.float32)
    out[:] = colour
    out[edge:-edge, edge:-edge] = cell
    return out
