"""Clouds of pairs, one beside the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wyner.canvas import DATA, dress, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def clouds(
    x: np.ndarray,
    shown: Sequence[tuple[str, np.ndarray, str]],
    true: np.ndarray,
    names: Sequence[str],
) -> Figure:
    """Points (x, y) for every label, y and colour, the first alone, the others over the true ones.

    Args:
        x, true: `(N,)`.
        shown: label, y `(N,)` and colour of each cloud.
        names: of both axes.
    """
    across = min(4, len(shown))
    down = -(-len(shown) // across)
    made = figure(2.35 * across, 2.45 * down)
    axes = made.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    edge = 1.08 * float(np.abs(np.concatenate([x, true])).max())
    style: dict[str, Any] = {"markersize": 2.2, "alpha": 0.35, "markeredgewidth": 0}
    for k, ax in enumerate(axes.flat):
        if k >= len(shown):
            ax.set_visible(False)
            continue
        label, y, colour = shown[k]
        for values, paint in ((true, DATA), (y, colour)) if k else ((y, colour),):
            ax.plot(x, values, ".", color=paint, rasterized=True, **style)
        ax.set(xlim=(-edge, edge), ylim=(-edge, edge), aspect="equal")
        bottom = k + across >= len(shown)
        dress(ax, names[0] * bottom, names[1] * (k % across == 0), label, False)
        ax.tick_params(labelbottom=bottom)
    return made
