"""Pictures with their draws, one below the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from wyner.canvas import INK, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def families_of(real: np.ndarray, drawn: Mapping[str, np.ndarray], title: str) -> Figure:
    """Real pictures `(N, 1, H, W)` and the draws `(n, N, 1, H, W)` of every model by label."""
    made = figure(2.3 * len(drawn), 0.3 * len(real) + 0.45)
    axes = made.subplots(1, len(drawn), squeeze=False)[0]
    for ax, (label, draws) in zip(axes, drawn.items(), strict=True):
        ax.imshow(1 - sheet(real, draws), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(label, fontsize=9, color=INK, loc="left")
        ax.set_axis_off()
    made.suptitle(title, fontsize=9.5, color=INK, x=0.01, ha="left")
    return made


def sheet(real: np.ndarray, drawn: np.ndarray, gap: int = 1) -> np.ndarray:
    """Pictures as one array, a row each: `(N, 1, H, W)`, then its draws `(n, N, 1, H, W)`."""
    frame = ((0, 0), (0, 0), (0, gap), (0, gap))
    space = np.zeros((*real.shape[:-2], real.shape[-2] + gap, 4 * gap))
    columns = [np.pad(c, frame, constant_values=0.35) for c in (real, *drawn)]
    columns.insert(1, space)
    return np.concatenate([np.concatenate(list(c[:, 0]), 0) for c in columns], 1)
