"""The page of the estimators of common information: estimates beside truths, and what they miss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wyner.estimation.tasks import Task, task
from wyner.experiments.markdown import grid
from wyner.experiments.questions.estimates import inside
from wyner.experiments.results import Results, spread

ORDER = tuple(
    [
        "best",
        "plug-in",
        "copula",
        "gaussian-bound",
        "learned-codes",
        "learned-gaussian",
        "wyner-vae",
        "infonce",
        "dv",
        "nwj",
    ]
)
CLAIMED = 10_000
"""Pairs from which the checks are made."""
Found = Sequence[dict[str, Any]]


def every(found: Results) -> list[dict[str, Any]]:
    """All estimates of all cells."""
    return [e for cells in found.cells.values() for c in cells for e in c.about["estimates"]]


def pick(some: Found, estimator: str, quantity: str) -> list[dict[str, Any]]:
    """Estimates of a quantity by an estimator."""
    return [e for e in some if (e["estimator"], e["quantity"]) == (estimator, quantity)]


def checks(found: Results) -> str:
    """What should hold from 10,000 pairs, and whether it does in every cell."""
    made = [c for check in CHECKS if (c := check(every(found))) is not None]
    body = [
        [text, f"**{'holds' if ok else 'does not hold'}**", numbers] for text, ok, numbers in made
    ]
    return grid(["claim", "", "numbers"], body)


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


def estimates(found: Results, quantity: str, n: int) -> str:
    """Estimates of a quantity from n pairs (fewer where a task has fewer), a line a task."""
    some = every(found)
    used = [e for e in ORDER if pick(some, e, quantity)]
    lower = {e for e in used if all(r["kind"] == "lower" for r in pick(some, e, quantity))}
    head = ["task", f"true {quantity}", *(f"{'>= ' if e in lower else ''}{e}" for e in used)]
    body = []
    for r in found.rows:
        about = task(r.model.get("task", r.slug))
        mine = [e for e in some if (e["task"], e["n"]) == (about.name, min(n, about.most or n))]
        line = [f"{about.name}: {about.note}", f"{about.truth[quantity]:.3f}"]
        for name in used:
            rows = pick(mine, name, quantity)
            mean = spread([e["value"] for e in rows])
            good = f" ({sum(map(inside, rows))}/{len(rows)})"
            line.append(mean.text() + good if mean else "")
        body.append(line)
    return grid(head, body)


def misses(found: Results) -> str:
    """Every estimate of J that its interval does not save, the answers first."""
    body = []
    for e in every(found):
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


def seconds(found: Results) -> str:
    """What the estimators cost, per cell."""
    cells: dict[str, dict[tuple, float]] = {}
    for e in every(found):
        cells.setdefault(e["estimator"], {})[e["task"], e["n"], e["seed"]] = e["seconds"]
    spent = {k: list(cells[k].values()) for k in ORDER[1:] if k in cells}
    body = [[k, f"{sum(v) / len(v):.1f}", f"{max(v):.1f}"] for k, v in spent.items()]
    return grid(["estimator", "mean", "longest"], body)
