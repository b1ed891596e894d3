"""Estimates of common information beside the truths: the page and the figure of the estimators.

An estimate is a row of `wyner.estimation.estimate.row_as_json` with its task, pairs and truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wyner.canvas import FAINT, INK, LINES, dress, figure, legend
from wyner.estimation.tasks import Task, task
from wyner.metrics.spread import spread
from wyner.report.markdown import grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORDER = (
    *("best", "plug-in", "copula", "gaussian-bound", "learned-codes", "learned-gaussian"),
    *("wyner-vae", "infonce", "dv", "nwj"),
)
CLAIMED = 10_000
"""Pairs from which the checks are made."""
GROUPS = dict(
    independent=LINES[7], gaussian=LINES[0], label=LINES[1], discrete=LINES[2], both=LINES[3]
)
MARKS = dict(
    **{"best": "D", "copula": "o", "learned-gaussian": "^", "wyner-vae": "s", "plug-in": ">"},
    **{"learned-codes": "<", "gaussian-bound": "1", "infonce": "|"},
)
COLOURS = dict(zip(MARKS, (INK, *LINES[:6], LINES[7]), strict=True))
WIDEST = 2.0
"""Errors beyond this many nats are drawn at the edge."""
Found = Sequence[dict[str, Any]]


def pick(some: Found, estimator: str, quantity: str) -> list[dict[str, Any]]:
    """Estimates of a quantity by an estimator."""
    return [e for e in some if (e["estimator"], e["quantity"]) == (estimator, quantity)]


def checks(some: Found) -> str:
    """What should hold from 10,000 pairs, and whether it does in every cell."""
    made = [c for check in CHECKS if (c := check(some)) is not None]
    word = lambda ok: f"**{'holds' if ok else 'does not hold'}**"
    return grid(["claim", "", "numbers"], [[text, word(ok), told] for text, ok, told in made])


def inside(estimate: Mapping[str, Any]) -> bool:
    """Whether the interval of an estimate holds the truth."""
    low, high = estimate["interval"]
    return low - 1e-9 <= estimate["truth"] and (high is None or estimate["truth"] <= high + 1e-9)


Check = Callable[[Found], tuple[str, bool, str] | None]


def _near(
    text: str, which: Callable[[Task], bool], relative: bool = False, most: float = 0.1
) -> Check:
    """J within so many nats, or such a share of it, in every cell of some tasks."""

    def check(some: Found) -> tuple[str, bool, str] | None:
        large = lambda e: e["n"] >= min(CLAIMED, task(e["task"]).most or CLAIMED)
        chosen = [e for e in pick(some, "best", "J") if which(task(e["task"])) and large(e)]
        if not chosen:
            return None
        errors = [abs(e["value"] - e["truth"]) / (e["truth"] if relative else 1) for e in chosen]
        worst = max(range(len(errors)), key=errors.__getitem__)
        good = sum(error <= most for error in errors)
        where = f"{chosen[worst]['task']}, seed {chosen[worst]['seed']}"
        numbers = f"{good} of {len(errors)} cells; worst {errors[worst]:.3f} ({where})"
        return text, good == len(errors), numbers

    return check


def _covered(quantity: str, share: float = 0.8) -> Check:
    """The interval of the answer holds the truth in a share of the cells."""

    def check(some: Found) -> tuple[str, bool, str] | None:
        chosen = [inside(e) for e in pick(some, "best", quantity)]
        text = (
            f"the true {quantity} is inside the printed interval in at least {share:.0%} of cells"
        )
        good = sum(chosen)
        return (text, good >= share * len(chosen), f"{good} of {len(chosen)}") if chosen else None

    return check


def _independent(some: Found, most: float = 0.05) -> tuple[str, bool, str] | None:
    """Nothing is found where nothing is."""
    alone = [e for e in some if task(e["task"]).group == "independent"]
    if not alone:
        return None
    worst = max(alone, key=lambda e: e["value"])
    of = f"{worst['estimator']}, {worst['quantity']}, {worst['task']}"
    text = f"independent pairs: every estimator at most {most:g} nats"
    return text, worst["value"] <= most, f"largest {worst['value']:.4f} ({of})"


LABELS = "J of label-correlated vectors within 0.1 nats of log K"
DIGITS = "J of pairs of digits within 0.1 nats of log 10, from the 5,500 pairs there are"
CHECKS: tuple[Check, ...] = (
    _near("J of Gaussian tasks within 10%", lambda t: t.group == "gaussian", relative=True),
    _near("J of the mixture within 0.1 nats of 0.5004", lambda t: t.name == "mog"),
    _near(LABELS, lambda t: t.name.startswith("labels")),
    _near(DIGITS, lambda t: t.name == "digits-add1"),
    *(_covered(quantity) for quantity in ("J", "I", "C_GK")),
    _independent,
)


def estimates(some: Found, tasks: Sequence[str], quantity: str, n: int) -> str:
    """Estimates of a quantity from n pairs (fewer where a task has fewer), a line a task."""
    used = [e for e in ORDER if pick(some, e, quantity)]
    lower = {e for e in used if all(r["kind"] == "lower" for r in pick(some, e, quantity))}
    head = ["task", f"true {quantity}", *(f"{'>= ' if e in lower else ''}{e}" for e in used)]
    body = []
    for about in map(task, tasks):
        mine = [e for e in some if (e["task"], e["n"]) == (about.name, min(n, about.most or n))]
        line = [f"{about.name}: {about.note}", f"{about.truth[quantity]:.3f}"]
        for name in used:
            rows = pick(mine, name, quantity)
            mean = spread([e["value"] for e in rows])
            good = f" ({sum(map(inside, rows))}/{len(rows)})"
            line.append(mean.text() + good if mean else "")
        body.append(line)
    return grid(head, body)


def misses(some: Found) -> str:
    """Every estimate of J that its interval does not save, the answers first."""
    body = []
    for e in some:
        if e["quantity"] == "J" and not inside(e):
            low, high = e["interval"]
            span = f"[{low:.3f}, {'inf' if high is None else f'{high:.3f}'}]"
            about = [e["estimator"], e["task"], str(e["n"]), str(e["seed"])]
            body.append([*about, f"{e['truth']:.3f}", f"{e['value']:.3f}", span, e["note"]])
    body.sort(key=lambda line: (ORDER.index(line[0]), line[1]))
    head = ["estimator", "task", "pairs", "seed", "true J", "value", "interval", "note"]
    if not body:
        return "No interval misses a true J."
    return "Intervals that miss the true J:\n\n" + grid(head, body)


def seconds(some: Found) -> str:
    """What the estimators cost, per cell."""
    cells: dict[str, dict[tuple, float]] = {}
    for e in some:
        cells.setdefault(e["estimator"], {})[e["task"], e["n"], e["seed"]] = e["seconds"]
    spent = {k: list(cells[k].values()) for k in ORDER[1:] if k in cells}
    body = [[k, f"{sum(v) / len(v):.1f}", f"{max(v):.1f}"] for k, v in spent.items()]
    return grid(["estimator", "mean", "longest"], body)


def figure_of(some: Found, tasks: Sequence[str]) -> Figure:
    """The answers with their intervals against the truth, and every estimator's errors by task, all
    from the largest samples.
    """
    largest = {t: max(e["n"] for e in some if e["task"] == t) for t in {e["task"] for e in some}}
    shown = [e for e in some if e["n"] == largest[e["task"]]]
    made = figure(11.0, 1.8 + 0.27 * len(tasks))
    left, right = made.subplots(1, 2, width_ratios=[1, 1.25])
    _against(left, pick(shown, "best", "J"))
    _errors(right, list(dict.fromkeys(e["task"] for e in shown)), shown)
    return made


def _against(ax: Axes, shown: Sequence[dict[str, Any]]) -> None:
    dress(ax, "true J (nats)", "estimated J (nats)", "the answer and its interval")
    end = lambda e: e["value"] if e["interval"][1] is None else e["interval"][1]
    top = 1.08 * max(*(max(e["truth"], end(e)) for e in shown), 0.1)
    ax.plot([0, top], [0, top], color=FAINT, linewidth=0.8)
    seen: set[str] = set()
    for e in shown:
        group, (low, high) = task(e["task"]).group, e["interval"]
        span, colour = [low, top if high is None else high], GROUPS[group]
        ax.plot([e["truth"]] * 2, span, color=colour, linewidth=1.2, alpha=0.7)
        label = "" if group in seen else group
        ax.plot(e["truth"], e["value"], "o", color=colour, markersize=4.5, label=label)
        seen.add(group)
    ax.set_xlim(-0.02 * top, top)
    ax.set_ylim(-0.02 * top, top)
    legend(ax, loc="upper left")


def _errors(ax: Axes, tasks: list[str], shown: Sequence[dict[str, Any]]) -> None:
    title = "every estimator, every seed; InfoNCE is a bound of I, at most J"
    dress(ax, "estimate - true J (nats; beyond 2 at the edge)", "", title)
    ax.axvline(0, color=FAINT, linewidth=0.8)
    truth = {e["task"]: e["truth"] for e in pick(shown, "best", "J")}
    for name, mark in MARKS.items():
        best = name == "best"
        style: dict[str, Any] = {"markersize": 6 if best else 5, "zorder": 2 if best else 3}
        style |= {"markerfacecolor": "none"} if best else {}
        for k, e in enumerate(pick(shown, name, "I" if name == "infonce" else "J")):
            error = max(-WIDEST, min(WIDEST, e["value"] - truth[e["task"]]))
            at, label = len(tasks) - 1 - tasks.index(e["task"]), "" if k else name
            ax.plot(error, at, mark, color=COLOURS[name], alpha=0.85, label=label, **style)
    ax.set_xlim(-WIDEST * 1.05, WIDEST * 1.05)
    ax.set_yticks(range(len(tasks)), tasks[::-1])
    legend(ax, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncol=4)
