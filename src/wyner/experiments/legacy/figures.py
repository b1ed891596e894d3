"""Figures of a reproduction: curves over epochs with bands over seeds, clouds of generated pairs,
completed pictures.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wyner.canvas import DATA, DPI, INK, LINES, MODEL, dress, figure, png
from wyner.data import Dataset
from wyner.experiments.legacy import sheets
from wyner.experiments.legacy.lambdas import lambda_curves
from wyner.experiments.legacy.measure import CURVES
from wyner.experiments.legacy.plan import Protocol, Row
from wyner.experiments.legacy.rows import Member
from wyner.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Members = Mapping[str, Sequence[Member]]
SHOWN, DIGITS, DRAWS = 2000, 8, 4
"""Points of a cloud; given halves and draws of the sheet of completions."""
TITLES = {"nll_joint": "joint nll", "nll_conditional": "conditional nll of y given x"}
STYLES = ("solid", (0, (5, 1.2)), (0, (1.2, 1)), (0, (6, 1.2, 1.2, 1.2)))


def draw_all(folder: Path, protocol: Protocol, dataset: Dataset, members: Members) -> list[Path]:
    """Draws every figure that the protocol names and that there are models for; PNG and PDF, sheets
    of samples also as SVG.
    """
    chosen = protocol.figures
    made = []

    def rows(name: str) -> list[Row]:
        known = {r.slug: r for r in protocol.rows}
        return [known[s] for s in chosen.get(name, []) if members.get(s)]

    def keep(name: str, picture: Figure | None) -> None:
        if picture is not None:
            made.extend(save(picture, folder / f"{protocol.name}-{name}"))

    colour = {s: LINES[k % len(LINES)] for k, s in enumerate(dict.fromkeys(_slugs(chosen)))}
    if some := rows("curves"):
        keep("curves", curves(some, members, dataset.truth, colour, set(chosen.get("crowded", []))))
    if some := rows("crowded"):
        keep("crowded", crowded(some, members, dataset.truth, colour))
    if some := rows("scatter"):
        keep("scatter", clouds(some, members, dataset))
    if some := rows("completions"):
        stem = folder / f"{protocol.name}-completions"
        sheet = completions(some, members, dataset)
        write_bytes(stem.with_suffix(".png"), sheet)
        write_bytes(stem.with_suffix(".pdf"), framed(sheet))
        made += [stem.with_suffix(".png"), stem.with_suffix(".pdf")]
    if some := rows("lambda"):
        keep("lambda", lambda_curves(some, rows("flat"), members, dataset.truth))
    if some := rows("samples"):
        for name, grid in sheets.sheets(some, members, dataset, chosen.get("turned", ())):
            made += sheets.save(grid, folder / f"{protocol.name}-{name}")
    return made


def framed(sheet: bytes) -> bytes:
    """A PNG file as a page of PDF."""
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(sheet))
    made = figure(pixels.shape[1] / DPI, pixels.shape[0] / DPI)
    made.figimage(pixels)
    return _pdf(made, DPI)


def _slugs(chosen: Mapping[str, Any]) -> list[str]:
    return [
        s for name in ("curves", "crowded", "scatter", "completions") for s in chosen.get(name, [])
    ]


def save(picture: Figure, stem: Path) -> list[Path]:
    """Writes a figure as PNG and PDF; equal figures give equal bytes."""
    write_bytes(stem.with_suffix(".png"), png(picture))
    write_bytes(stem.with_suffix(".pdf"), _pdf(picture))
    return [stem.with_suffix(".png"), stem.with_suffix(".pdf")]


def _pdf(picture: Figure, dpi: float = 150) -> bytes:
    buffer = io.BytesIO()
    picture.savefig(
        buffer,
        format="pdf",
        dpi=dpi,
        metadata={"CreationDate": None, "Producer": None, "Creator": None},
    )
    return buffer.getvalue()


def curve(members: Sequence[Member], name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Epochs, mean and standard deviation over seeds of a number of the probe; empty where it was
    not measured.
    """
    table: dict[float, list[float]] = {}
    for m in members:
        for r in m.history:
            if r.get("split") == "probe" and name in r["terms"]:
                table.setdefault(float(r["epoch"]), []).append(r["terms"][name])
    at = sorted(e for e, v in table.items() if len(v) == max(map(len, table.values())))
    return (
        np.array(at),
        np.array([np.mean(table[e]) for e in at]),
        np.array([np.std(table[e], ddof=1) if len(table[e]) > 1 else 0.0 for e in at]),
    )


def _band(
    ax: Any, found: tuple[np.ndarray, ...], colour: str, label: str = "", **style: Any
) -> None:
    from matplotlib.ticker import MaxNLocator

    at, mean, std = found
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.plot(
        at,
        mean,
        color=colour,
        linewidth=1.4,
        label=label,
        marker="o" if len(at) < 3 else None,
        markersize=3,
        **style,
    )
    if std.any():
        ax.fill_between(at, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0)


def _floor(ax: Any, value: Any, text: str, at: str = "bottom") -> None:
    if isinstance(value, (int, float)):
        ax.axhline(value, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        ax.annotate(
            f"{text} {value:.3f}" if value > 1 else f"{text} {value:.4f}",
            (0.995, value),
            xycoords=("axes fraction", "data"),
            ha="right",
            va=at,
            fontsize=8,
            color=INK,
            xytext=(0, 2 if at == "bottom" else -2),
            textcoords="offset points",
        )


def _frame(ax: Any, lines: Sequence[tuple[np.ndarray, ...]], floor: Any) -> None:
    """A range that shows what happens after the first quarter, down to the floor."""
    later = np.concatenate(
        [m[len(m) // 4 :] + s for at, m, s in ((a, b, c[len(b) // 4 :]) for a, b, c in lines)]
    )
    lowest = np.concatenate([m - s for _, m, s in lines])
    if not len(later):
        return
    low = min([float(lowest.min())] + ([float(floor)] if isinstance(floor, (int, float)) else []))
    high = float(later.max())
    room = max(high - low, 1e-6)
    ax.set_ylim(low - 0.1 * room, high + 0.05 * room)


def curves(
    rows: Sequence[Row],
    members: Members,
    truth: Mapping[str, Any],
    colour: Mapping[str, str],
    aside: set[str],
) -> Figure | None:
    """Figure 4: joint nll, conditional nll (without rows that are far off), information in z,
    against epochs.
    """
    found = {r.slug: {name: curve(members[r.slug], name) for name in CURVES} for r in rows}
    has = {n: [r for r in rows if len(found[r.slug][n][0])] for n in CURVES}
    has["nll_conditional"] = [r for r in has["nll_conditional"] if r.slug not in aside]
    panels = [n for n in ("nll_joint", "nll_conditional", "I41") if has[n]]
    if not panels:
        return None
    made = figure(3.45 * len(panels), 3.35)
    axes = made.subplots(1, len(panels), squeeze=False)[0]
    dash = {r.slug: STYLES[k % len(STYLES)] for k, r in enumerate(rows)}
    for letter, ax, name in zip("abc", axes, panels, strict=False):
        for r in has[name]:
            _band(ax, found[r.slug][name], colour[r.slug], linestyle=dash[r.slug])
            if name == "I41" and len(found[r.slug]["I40"][0]):
                at, mean, _ = found[r.slug]["I40"]
                ax.plot(
                    at,
                    mean,
                    color=colour[r.slug],
                    linewidth=0.8,
                    alpha=0.65,
                    linestyle=dash[r.slug],
                )
        if name == "I41":
            dress(ax, "epoch", "nats", f"({letter}) information in z: I41, thin I40")
            _logarithmic(
                ax, [found[r.slug][name][1] for r in has[name]], truth.get("common_information")
            )
            _floor(ax, truth.get("common_information"), "true J")
        else:
            dress(
                ax, "epoch", "nats per row" if ax is axes[0] else "", f"({letter}) {TITLES[name]}"
            )
            _frame(ax, [found[r.slug][name] for r in has[name]], truth.get(name))
            _floor(ax, truth.get(name), "floor", "top")
    _key(made, rows, colour, dash)
    return made


def _logarithmic(ax: Any, lines: Sequence[np.ndarray], truth: Any) -> None:
    """A logarithmic axis where rows differ by much, down to the true value."""
    values = np.concatenate([*lines, np.array([truth] if isinstance(truth, (int, float)) else [])])
    if values.min() > 0 and values.max() > 8 * values.min():
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        ax.set_yscale("log")
        ax.set_ylim(max(0.05, 0.7 * float(values.min())), 1.3 * float(values.max()))
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())


def _key(
    made: Figure, rows: Sequence[Row], colour: Mapping[str, str], dash: Mapping[str, Any]
) -> None:
    """One legend below all panels."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour[r.slug], linestyle=dash[r.slug], linewidth=1.6, label=r.label)
        for r in rows
    ]
    key = made.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(4, len(rows)),
        frameon=False,
        fontsize=8,
    )
    for text in key.get_texts():
        text.set_color(INK)


def crowded(
    rows: Sequence[Row], members: Members, truth: Mapping[str, Any], colour: Mapping[str, str]
) -> Figure | None:
    """Figure 8: conditional nll of the models that are far above the others, a panel each."""
    found = {r.slug: curve(members[r.slug], "nll_conditional") for r in rows}
    rows = [r for r in rows if len(found[r.slug][0])]
    if not rows:
        return None
    made = figure(3.6 * len(rows), 2.9)
    for ax, r in zip(made.subplots(1, len(rows), squeeze=False)[0], rows, strict=True):
        _band(ax, found[r.slug], colour[r.slug])
        dress(ax, "epoch", "nats per row", f"{r.label}: {TITLES['nll_conditional']}")
        _frame(ax, [found[r.slug]], truth.get("nll_conditional"))
        _floor(ax, truth.get("nll_conditional"), "floor")
    return made


def clouds(rows: Sequence[Row], members: Members, dataset: Dataset) -> Figure:
    """Figure 9: the first coordinate of a test x against that of y, true or generated from x (the
    decoder's mean, one a row).
    """
    pairs = dataset.pairs("test", SHOWN)
    a, b = list(pairs)[:2]
    x = pairs[a].reshape(len(pairs[a]), -1)[:, 0]
    true = pairs[b].reshape(len(pairs[b]), -1)[:, 0]
    shown = [("test pairs (grey everywhere)", true, DATA)]
    for r in rows:
        given: dict[str, Any] = {a: pairs[a]}
        drawn = np.asarray(members[r.slug][0].model().translate(**given, to=b, n=1, seed=0))[0]
        shown.append((r.label, drawn.reshape(len(drawn), -1)[:, 0], MODEL))
    columns = min(4, len(shown))
    lines = -(-len(shown) // columns)
    made = figure(2.35 * columns, 2.45 * lines)
    axes = made.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    edge = 1.08 * float(np.abs(np.concatenate([x, true])).max())
    for k, ax in enumerate(axes.flat):
        if k >= len(shown):
            ax.set_visible(False)
            continue
        label, y, colour = shown[k]
        for values, paint in ((true, DATA), (y, colour)) if k else ((y, colour),):
            ax.plot(
                x,
                values,
                ".",
                color=paint,
                markersize=2.2,
                alpha=0.35,
                markeredgewidth=0,
                rasterized=True,
            )
        ax.set_xlim(-edge, edge)
        ax.set_ylim(-edge, edge)
        ax.set_aspect("equal")
        bottom = k + columns >= len(shown)
        left = k % columns == 0
        dress(
            ax,
            f"first coordinate of {a}" if bottom else "",
            f"first coordinate of {b}" if left else "",
            label,
            False,
        )
        ax.tick_params(labelbottom=bottom)
    return made


def completions(rows: Sequence[Row], members: Members, dataset: Dataset) -> bytes:
    """Given left halves, completed several times by each model (the decoder's means)."""
    from wyner.report.looks import Halves
    from wyner.report.panel import Grid, draw

    pairs = dataset.pairs("test")
    a, b = list(pairs)[:2]
    at = np.linspace(0, len(pairs[a]) - 1, DIGITS).round().astype(int)
    values = {k: v[at] for k, v in pairs.items()}
    look = Halves((a, b), {a: (0.0, 1.0), b: (0.0, 1.0)}, {k: v[:1] for k, v in values.items()}, "")
    columns = [look.pair(values), look.alone(a, values[a])]
    heads, after = [(0, 0, "true"), (1, 1, "given")], [1]
    for r in rows:
        drawn = np.asarray(
            members[r.slug][0].model().translate(**{a: values[a]}, to=b, n=DRAWS, seed=0)
        )
        heads.append((len(columns), len(columns) + DRAWS - 1, r.label))
        columns += [look.answer(a, values[a], b, d) for d in drawn]
        after.append(len(columns) - 1)
    grid = Grid([[c[i] for c in columns] for i in range(DIGITS)], heads, after_columns=after[:-1])
    return draw(grid, 112)
