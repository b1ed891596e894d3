"""Training as curves: the loss of every phase, every term under its printed name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wyner.canvas import DATA, LINES, MODEL, dress, figure, legend, limits, png
from wyner.report.subject import Part, Picture, Refusal

Rows = Sequence[Mapping[str, Any]]


def curves(history: Rows) -> list[Part]:
    """The loss, and a figure of terms for each phase.

    Args:
        history: logged rows of a training, as in `metrics.jsonl`.
    """
    phases = list(dict.fromkeys(str(r["phase"]) for r in history if "phase" in r))
    if not phases:
        return [Refusal("Training", "No rows were logged, so there are no curves to show.")]
    terms = [_terms(history, phase, _stem(phases, k)) for k, phase in enumerate(phases)]
    return [_loss(history, phases), *(p for p in terms if p is not None)]


def _line(
    rows: Rows, phase: str, split: str, term: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and values of the loss, or of a term."""
    found = [r for r in rows if str(r.get("phase")) == phase and r.get("split") == split]
    pairs = [
        (r["epoch"], r["loss"] if term is None else r["terms"][term])
        for r in found
        if term is None or term in r.get("terms", {})
    ]
    table = np.array(sorted(pairs, key=lambda p: p[0]), dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _draw(ax: Any, at: tuple[np.ndarray, np.ndarray], **options: Any) -> None:
    """A line with a dot on each value while there are few."""
    ax.plot(*at, marker="o" if len(at[0]) <= 40 else None, markersize=2.6, **options)


def _loss(history: Rows, phases: list[str]) -> Picture:
    made = figure(10, 2.9 * len(phases))
    enlarged = False
    for axes, phase in zip(made.subplots(len(phases), 2, squeeze=False), phases, strict=True):
        lines = {split: _line(history, phase, split) for split in ("train", "validation")}
        half = max((float(at[-1]) for at, _ in lines.values() if len(at)), default=0.0) / 2
        name = f"phase “{phase}”" if len(phases) > 1 else ""
        late = any((at >= half).sum() > 2 for at, _ in lines.values())
        axes[1].set_visible(late)
        enlarged |= late
        for ax, since, title in (
            (axes[0], 0.0, name or "all epochs"),
            (axes[1], half, f"{name}, later half" if name else "later half"),
        ):
            for (split, (at, value)), colour in zip(lines.items(), (DATA, MODEL), strict=True):
                if len(at):
                    some, text = at >= since, f"{split}, last {value[-1]:.2f}"
                    _draw(ax, (at[some], value[some]), color=colour, linewidth=1.5, label=text)
            y = "loss (nats per example)" if ax is axes[0] else ""
            dress(ax, "epoch of the phase", y, title)
            _epochs(ax)
            legend(ax, loc="upper right")
    caption = (
        "What was minimised, weights included and constants left out, by epoch; lower is better."
    )
    caption += " The right side enlarges the later half." if enlarged else ""
    if any(len(_line(history, p, "validation")[0]) for p in phases):
        caption += (
            " Training values are means since the value before, so they lag behind. A rising"
            " validation curve means overfitting."
        )
    return Picture("loss", "Loss", caption, png(made))


def _epochs(ax: Any) -> None:
    """Whole numbers on the axis of epochs, where there are enough of them."""
    from matplotlib.ticker import MaxNLocator

    low, high = ax.get_xlim()
    if high - low < 0.2:  # a single value
        low, high = ax.set_xlim((low + high) / 2 - 0.6, (low + high) / 2 + 0.6)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=high - low >= 1, min_n_ticks=1))


def _stem(phases: list[str], k: int) -> str:
    """A name of a file for a phase, different for each."""
    stems = [re.sub(r"[^A-Za-z0-9]+", "-", p).strip("-").lower() for p in phases]
    return stems[k] if stems[k] and stems.count(stems[k]) == 1 else f"{stems[k]}-{k + 1}".strip("-")


def _terms(history: Rows, phase: str, stem: str) -> Picture | None:
    rows = [r for r in history if str(r.get("phase")) == phase and r.get("split") != "probe"]
    names = list(dict.fromkeys(name for r in rows for name in r.get("terms", {})))
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.split(":")[0].strip() if ":" in name else "", []).append(name)
    if not groups:
        return None
    heights = [max(1.5, 0.55 + 0.21 * len(g)) for g in groups.values()]
    made = figure(10, sum(heights) + 0.35)
    width = max(len(m.split(":", 1)[-1].strip()) for m in names)
    how: dict[str, Any] = {"sharex": True, "gridspec_kw": {"height_ratios": heights}}
    axes = made.subplots(len(groups), 1, squeeze=False, **how)[:, 0]
    cut = held = False
    for ax, (group, members) in zip(axes, groups.items(), strict=True):
        shorts = [m.split(":", 1)[-1].strip() for m in members]
        values = []
        for k, (name, short) in enumerate(zip(members, shorts, strict=True)):
            colour = LINES[k % len(LINES)]
            train, validation = (
                _line(history, phase, split, name) for split in ("train", "validation")
            )
            best = validation if len(validation[0]) else train
            held |= len(validation[0]) > 0
            if len(validation[0]):
                _draw(ax, train, color=colour, linewidth=0.9, alpha=0.45)
            text = f"{short:<{width}} {best[1][-1]:8.2f}"
            _draw(ax, best, color=colour, linewidth=1.5, label=text)
            values += [train[1], validation[1]]
        if bounds := limits(values):
            ax.set_ylim(*bounds)
            cut = True
        dress(ax, "epoch of the phase" if ax is axes[-1] else "", "nats per example", group)
        _epochs(ax)
        legend(ax, mono=True, loc="upper left", bbox_to_anchor=(1.01, 1.04), borderaxespad=0.0)
    caption = (
        "Every term of every divergence by its printed name, without its weight, with its last"
        " value in nats on the right"
    )
    caption += ": strong lines are validation rows, faint lines training rows." if held else "."
    if len(groups) > 1:
        caption += " A term that several divergences share stands under the first of them."
    caption += " Steep starts lie above the frames." if cut else ""
    return Picture(f"terms-{stem}", f"Terms of phase “{phase}”", caption, png(made))
