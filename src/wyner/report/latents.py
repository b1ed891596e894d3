"""Latent variables as plots: what each dimension costs, and where the posteriors lie."""

from __future__ import annotations

from typing import Any

import numpy as np

from wyner.canvas import CLASSES, INK, MODEL, dress, figure, plane, png
from wyner.errors import TaskError
from wyner.report.subject import SEED, Part, Picture, Subject, attempt, first_answer, numpy
from wyner.tasks import rate_per_dimension

USED = 0.1
"""Nats from which a dimension of a latent counts as used."""


def latents(about: Subject) -> list[Part]:
    """Rates per dimension and the posterior means in their first two principal directions."""
    return [
        attempt("Rate of each dimension", lambda: _rates(about)),
        attempt("Posterior means", lambda: _means(about)),
    ]


def _subsets(about: Subject) -> list[dict[str, np.ndarray]]:
    """What to encode: all modalities together, or one after another."""
    alone = [{k: v} for k, v in about.arrays.items()]
    return [about.arrays, *alone] if len(alone) > 1 else [about.arrays]


def _rates(about: Subject) -> Picture:
    given, found = first_answer(
        *(lambda s=s: (s, rate_per_dimension(about.model, s)) for s in _subsets(about))
    )
    rates = {k: np.sort(numpy(v))[::-1] for k, v in found.items()}
    if not rates:
        raise TaskError(
            f"{about.model.title} has no Gaussian latent with a Gaussian prior, so there is no rate"
            " per dimension"
        )
    used = {k: int((r > USED).sum()) for k, r in rates.items()}
    across = min(4, len(rates))
    down = -(-len(rates) // across)
    made = figure(10, 2.6 * down + 0.1)
    axes = made.subplots(down, across, squeeze=False).ravel()
    for ax, (name, rate) in zip(axes, rates.items(), strict=False):
        at = np.arange(1, len(rate) + 1)
        ax.bar(at, rate, width=0.8, color=[MODEL if r > USED else "#b9c4cc" for r in rate])
        ax.axhline(USED, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
        title = f"{name}: {used[name]} of {len(rate)} used, {rate.sum():.2f} nats in all"
        dress(ax, "dimension, most used first", "rate (nats)" * (ax in axes[::across]), title)
        ax.set_xlim(0.3, len(rate) + 0.7)
        ax.set_xticks(_ticks(len(rate)))
        ax.grid(False, axis="x")
    for ax in axes[len(rates) :]:
        ax.set_visible(False)
    shown = "; ".join(f"{k} uses {used[k]} of {len(rates[k])} dimensions" for k in rates)
    caption = (
        "What each dimension of each latent tells about its pair: the divergence of its posterior"
        f" given {','.join(given)} from its prior, in nats, on average over {about.count}"
        f" {about.part} rows. Dimensions above the broken line at {USED} nats count as used:"
        f" {shown}."
    )
    return Picture("rates", "Rate of each dimension", caption, png(made))


def _ticks(n: int) -> list[int]:
    step = max(1, round(n / 5)) if n > 8 else 1
    return [k for k in range(1, n + 1) if k == 1 or k % step == 0]


def _means(about: Subject) -> Picture:
    given, found = first_answer(
        *(lambda s=s: (s, about.model.encode(**s, seed=SEED)) for s in _subsets(about))
    )
    means = {k: numpy(d.mean).reshape(about.count, -1) for k, d in found.items()}
    if not means:
        raise TaskError(f"{about.model.title} has no latent to show")
    across = min(3, len(means))
    down = -(-len(means) // across)
    made = figure(10, 3.5 * down if across > 2 else 4.2 * down)
    axes = made.subplots(down, across, squeeze=False).ravel()
    colours: Any = None
    for ax, (name, mean) in zip(axes, means.items(), strict=False):
        (points,), shares = plane(mean)
        colours = _scatter(ax, points, about.labels) or colours
        one, (first, second) = mean.shape[1] == 1, (f"{100 * s:.0f} %" for s in shares)
        across_ = f"1st principal direction ({first} of variance)"
        dress(ax, across_, "" if one else f"2nd ({second})", name)
        if one:
            ax.set_yticks([])
    for ax in axes[len(means) :]:
        ax.set_visible(False)
    if colours is not None:
        bar = made.colorbar(colours, ax=list(axes[: len(means)]), shrink=0.8, pad=0.01)
        bar.set_label("label", fontsize=9, color=INK)
        bar.ax.tick_params(labelsize=8, labelcolor=INK)
    single = any(m.shape[1] == 1 for m in means.values())
    flat = "The height of dots of a single dimension means nothing. " * single
    kind = "" if about.labels is None else "; colour is the label of the row"
    if about.labels is not None and _classes(about.labels):
        kind = "; colour and number are the label of the row, which the model never saw"
    caption = (
        f"Posterior means given {','.join(given)} of {about.count} {about.part} rows, one dot each,"
        f" in the two directions in which they differ most{kind}. {flat}A common latent should"
        " separate what both sides share, a local one should not."
    )
    return Picture("latents", "Where the posteriors lie", caption, png(made))


def _classes(labels: np.ndarray) -> bool:
    """Whether labels are few whole numbers, to be told apart by colour."""
    return len(np.unique(labels)) <= len(CLASSES) and bool(np.all(labels == np.round(labels)))


def _scatter(ax: Any, points: np.ndarray, labels: np.ndarray | None) -> Any:
    """Dots; returns what a colour bar needs if the labels are a continuous scale."""
    dot = 7 if len(points) > 500 else 14
    if not points[:, 1].any():  # one dimension: the height means nothing, it shows the dots
        points = np.stack([points[:, 0], (np.arange(len(points)) * 0.618034) % 1 - 0.5], 1)
    if labels is None:
        ax.scatter(*points.T, s=dot, color=MODEL, alpha=0.5, linewidths=0)
        return None
    if not _classes(labels):
        scale: dict[str, Any] = {"c": labels.astype(float), "cmap": "viridis"}
        return ax.scatter(*points.T, s=dot, alpha=0.7, linewidths=0, **scale)
    names = np.unique(labels)
    # no class lies on top of all others
    order = np.argsort((np.arange(len(points)) * 0.618034) % 1)
    colours = np.array([CLASSES[k] for k in np.searchsorted(names, labels)])
    ax.scatter(*points[order].T, s=dot, c=colours[order], alpha=0.65, linewidths=0)
    middles = np.stack([np.median(points[labels == value], 0) for value in names])
    frame = np.array([ax.get_xlim(), ax.get_ylim()])
    corner, size = frame[:, 0], np.ptp(frame, 1)
    places = _apart((middles - corner) / size) * size + corner
    for k, (value, at) in enumerate(zip(names, places, strict=True)):
        ring = {"boxstyle": "circle,pad=0.22", "edgecolor": CLASSES[k], "linewidth": 1.8}
        style: dict[str, Any] = {"fontsize": 8.5, "fontweight": "bold", "color": INK}
        style |= {"ha": "center", "va": "center", "bbox": {"facecolor": "white", **ring}}
        ax.annotate(f"{value:g}", at, **style)
    return None


def _apart(places: np.ndarray, distance: float = 0.085) -> np.ndarray:
    """Labels `(N, 2)`, in shares of the frame, moved until they do not lie on each other."""
    turn = 2.4 * np.arange(len(places), dtype=np.float64)
    places = places + 1e-3 * np.stack([np.cos(turn), np.sin(turn)], 1)
    for _ in range(100):
        delta = places[:, None] - places
        gap = np.linalg.norm(delta, axis=-1) + np.eye(len(places))
        places = places + 0.5 * (
            np.clip(distance - gap, 0, None)[..., None] * delta / gap[..., None]
        ).sum(1)
    return np.clip(places, 0.03, 0.97)
