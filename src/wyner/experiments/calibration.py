"""The page of the calibration benchmark: do intervals hold the truth, and how wide are they."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from wyner.estimation.tasks import task
from wyner.experiments.results import Results
from wyner.report.estimates import inside, pick
from wyner.report.markdown import grid

HALVES = ("development", "test")
Found = Sequence[Mapping[str, Any]]


def answers(found: Results, quantity: str, half: str = "", estimator: str = "best") -> Found:
    """The answers of one half of the tasks, or of both."""
    some = pick(found.estimates, estimator, quantity)
    return [e for e in some if half in ("", task(e["task"]).half)]


def by_size(some: Found) -> dict[int, Found]:
    """Estimates by the number of pairs that was asked for."""
    sizes = sorted({e["n"] for e in some})
    return {n: [e for e in some if e["n"] == n] for n in sizes}


def share(some: Found) -> float:
    """The share of intervals that hold the truth."""
    return sum(map(inside, some)) / len(some)


def width(e: Mapping[str, Any]) -> float:
    """Of an interval; infinite without an end."""
    low, high = e["interval"]
    return math.inf if high is None else high - low


def middle(some: Found) -> str:
    """The median width as text."""
    found = median(map(width, some))
    return "open" if math.isinf(found) else f"{found:.3f}"


def coverage(found: Results) -> str:
    """Coverage at every n: I and J of both halves, and what others would print."""
    body = []
    for half in HALVES:
        for quantity in ("I", "J"):
            sizes = by_size(answers(found, quantity, half))
            body.append([f"{quantity}, {half}", *_line(found, sizes, _share)])
    for name in sorted({e["estimator"] for e in found.estimates} - {"best"}):
        sizes = by_size(answers(found, "I", estimator=name))
        body.append([f"I by {name}, tasks that it fits", *_line(found, sizes, _share)])
    return grid(["pooled over tasks", *_heads(found)], body)


def nothing(found: Results) -> str:
    """Independent tasks: how often the interval of J holds 0."""
    body = []
    for half in HALVES:
        some = [e for e in answers(found, "J", half) if e["truth"] == 0]
        body.append([f"J = 0 inside, {half}", *_line(found, by_size(some), _share)])
    return grid(["independent tasks", *_heads(found)], body)


def by_task(found: Results, quantity: str) -> str:
    """Every task: coverage over all n, then median width and mean error at each n."""
    body = []
    for half in HALVES:
        mine = answers(found, quantity, half)
        for name in dict.fromkeys(e["task"] for e in mine):
            some = [e for e in mine if e["task"] == name]
            text = lambda e: f"{share(e):.2f}; {middle(e)}; {_bias(e)}"
            cells = _line(found, by_size(some), text)
            body.append([name, half, f"{some[0]['truth']:.3f}", f"{share(some):.3f}", *cells])
    head = ["task", "half", f"true {quantity}", "coverage", *_heads(found)]
    return grid(head, body)


def _bias(some: Found) -> str:
    if any(e["kind"] == "lower" for e in some):
        return ">="
    return f"{sum(e['value'] - e['truth'] for e in some) / len(some):+.3f}"


def _heads(found: Results) -> list[str]:
    return [f"n = {n}" for n in by_size(answers(found, "I"))]


def _line(found: Results, sizes: Mapping[int, Found], text: Callable[[Found], str]) -> list[str]:
    every_size = by_size(answers(found, "I"))
    return [text(sizes[n]) if n in sizes else "" for n in every_size]


def _share(some: Found) -> str:
    return f"{share(some):.3f}"


def checks(found: Results, pooled: float = 0.9, single: float = 0.75) -> str:
    """What the benchmark has to show, and whether it does."""
    body = []

    def add(text: str, good: bool, numbers: str) -> None:
        body.append([text, f"**{'holds' if good else 'does not hold'}**", numbers])

    for half in HALVES:
        for quantity in ("I", "J"):
            if not (mine := answers(found, quantity, half)):
                continue
            worst = min((share(some), n) for n, some in by_size(mine).items())
            text = f"{half}: the interval of {quantity} holds the truth in {pooled:.0%} at every n"
            add(text, worst[0] >= pooled, f"least {worst[0]:.3f}, n = {worst[1]}")
            names = {e["task"] for e in mine}
            least = min((share([e for e in mine if e["task"] == k]), k) for k in names)
            text = f"{half}: {quantity} of no task below {single:.0%}"
            add(text, least[0] >= single, f"least {least[0]:.3f}, {least[1]}")
        if zero := [e for e in answers(found, "J", half) if e["truth"] == 0]:
            worst = min((share(some), n) for n, some in by_size(zero).items())
            text = f"{half}: independent pairs, 0 inside in 95% at every n"
            add(text, worst[0] >= 0.95, f"least {worst[0]:.3f}, n = {worst[1]}")
    cells = Counter[tuple]()
    values: dict[tuple, dict[str, float]] = {}
    for e in pick(found.estimates, "best", "I") + pick(found.estimates, "best", "J"):
        values.setdefault((e["task"], e["n"], e["seed"]), {})[e["quantity"]] = e["value"]
    for e in pick(found.estimates, "best", "C_GK"):
        i, j = (values[e["task"], e["n"], e["seed"]][q] for q in "IJ")
        cells[e["value"] <= i + 1e-9 and i <= j + 1e-9,] += 1
    add("C_GK <= I <= J in every cell", not cells[False,], f"{cells[True,]} cells")
    return grid(["claim", "", "numbers"], body)
