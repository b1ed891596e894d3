"""Estimates beside truths, as Markdown and as JSON; failures have a section of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wyner.experiments.common_information.cells import NAME, Cell, Protocol
from wyner.experiments.legacy.stats import spread
from wyner.experiments.markdown import grid
from wyner.files import write_bytes, write_json
from wyner.information import tasks as benchmark
from wyner.runs import versions

ORDER = (
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
)
CLAIMED = 10_000
"""Rows at which the claims are checked."""


def write(folder: Path, plan: Protocol, cells: Sequence[Cell], command: str, device: str) -> None:
    """Writes `PROTOCOL.json` and `PROTOCOL.md`."""
    write_json(folder / f"{plan.name}.json", as_json(plan, cells, command, device))
    write_bytes(folder / f"{plan.name}.md", markdown(plan, cells, command, device).encode())


def as_json(plan: Protocol, cells: Sequence[Cell], command: str, device: str) -> dict[str, Any]:
    """One entry for each estimate of each cell."""
    rows = []
    for c in cells:
        for r in c.rows:
            settings = {
                "task": c.task,
                "n": c.n,
                "quantity": r["quantity"],
                "kind": r["kind"],
                "note": r["note"],
            }
            low, high = r["interval"]
            metrics = {
                "value": r["value"],
                "low": low,
                "high": high,
                "truth": c.truth.get(r["quantity"]),
                "seconds": r["seconds"],
            }
            rows.append(
                {"model": r["estimator"], "settings": settings, "seed": c.seed, "metrics": metrics}
            )
    checks = [
        {"text": text, "verdict": "holds" if ok else "does not hold", "numbers": numbers}
        for text, ok, numbers in claims(cells)
    ]
    return {
        "experiment": NAME,
        "protocol": plan.name,
        "command": command,
        "versions": versions(),
        "device": device,
        "wall_s": round(sum(c.seconds for c in cells), 1),
        "tasks": {t: benchmark.task(t).truth for t in plan.tasks},
        "rows": rows,
        "claims": checks,
    }


def holds(row: dict[str, Any], truth: float) -> bool:
    """Whether the interval of an estimate holds the truth."""
    low, high = row["interval"]
    return low - 1e-9 <= truth <= (math.inf if high is None else high) + 1e-9


def _best(
    cells: Sequence[Cell], pick: Callable[[benchmark.Task], bool]
) -> list[tuple[Cell, float, float]]:
    found = []
    for c in cells:
        row = c.of("best", "J")
        if (
            c.n >= min(CLAIMED, benchmark.task(c.task).most or CLAIMED)
            and pick(benchmark.task(c.task))
            and row is not None
        ):
            found.append((c, row["value"], c.truth["J"]))
    return found


def claims(cells: Sequence[Cell]) -> list[tuple[str, bool, str]]:
    """What should hold from 10,000 pairs: sentence, whether it does in every cell, the numbers."""
    out: list[tuple[str, bool, str]] = []

    def check(
        text: str,
        found: list[tuple[Cell, float, float]],
        error: Callable[[float, float], float],
        most: float,
    ) -> None:
        if found:
            errors = [abs(error(v, t)) for _, v, t in found]
            worst = max(range(len(found)), key=lambda k: errors[k])
            good = sum(e <= most for e in errors)
            numbers = (
                f"{good} of {len(errors)} cells; worst {errors[worst]:.3f} ({found[worst][0].task},"
                f" seed {found[worst][0].seed})"
            )
            out.append((text, good == len(errors), numbers))

    relative = lambda v, t: v / t - 1
    plain = lambda v, t: v - t
    check(
        "J of Gaussian tasks within 10%",
        _best(cells, lambda t: t.group == "gaussian"),
        relative,
        0.1,
    )
    check(
        "J of the mixture within 0.1 nats of 0.5004",
        _best(cells, lambda t: t.name == "mog"),
        plain,
        0.1,
    )
    check(
        "J of label-correlated vectors within 0.1 nats of log K",
        _best(cells, lambda t: t.name.startswith("labels")),
        plain,
        0.1,
    )
    digits = _best(cells, lambda t: t.name == "digits-add1")
    check(
        "J of pairs of digits within 0.1 nats of log 10, from the 5,500 pairs there are",
        digits,
        plain,
        0.1,
    )
    for quantity in ("J", "I", "C_GK"):
        every = [(c, r) for c in cells if (r := c.of("best", quantity)) is not None]
        if every:
            good = sum(holds(r, c.truth[quantity]) for c, r in every)
            out.append(
                (
                    f"the true {quantity} is inside the printed interval in at least 80% of cells",
                    good >= 0.8 * len(every),
                    f"{good} of {len(every)}",
                )
            )
    alone = [
        (c, r)
        for c in cells
        if benchmark.task(c.task).group == "independent"
        for r in c.rows
        if r["quantity"] in c.truth
    ]
    if alone:
        worst = max(alone, key=lambda pair: pair[1]["value"])
        out.append(
            (
                "independent pairs: every estimator at most 0.05 nats",
                worst[1]["value"] <= 0.05,
                (
                    f"largest {worst[1]['value']:.4f} ({worst[1]['estimator']},"
                    f" {worst[1]['quantity']}, {worst[0].task})"
                ),
            )
        )
    return out


def markdown(plan: Protocol, cells: Sequence[Cell], command: str, device: str) -> str:
    """The tables, the claims and the failures."""
    sizes = ", ".join(f"{n}" for n in plan.sizes)
    intro = (
        f"Every estimator that fits on {len(plan.tasks)} tasks with exact answers; {sizes} pairs"
        f" (fewer where a task has fewer), {plan.seeds} seeds of data and estimators. Nats. `best`"
        " is the answer that `wyner.information.estimate` gives, chosen without the truth. In"
        " brackets: cells whose interval holds the truth, of all cells; for lower bounds (column"
        " head with >=) the interval has no upper end."
    )
    parts = [
        f"# Common information from samples, {plan.name} protocol",
        intro,
        "## What it should show",
        _claims(cells),
    ]
    for n in plan.sizes:
        parts += [f"## J from {n} pairs", _matrix(plan, cells, "J", n)]
        parts += [
            f"## I from {n} pairs",
            _matrix(plan, cells, "I", n),
            f"## C_GK from {n} pairs",
            _matrix(plan, cells, "C_GK", n),
        ]
    parts += ["## Failures", _failures(cells), "## Seconds", _seconds(cells)]
    stamp = ", ".join(f"{k} {v}" for k, v in versions().items())
    parts.append(
        f"`{command}`; {device}; {sum(c.seconds for c in cells) / 60:.1f} minutes of estimation;"
        f" {stamp}."
    )
    return "\n\n".join(parts) + "\n"


def _claims(cells: Sequence[Cell]) -> str:
    body = [
        [text, "**holds**" if ok else "**does not hold**", numbers]
        for text, ok, numbers in claims(cells)
    ]
    return grid(["claim", "", "numbers"], body)


def _matrix(plan: Protocol, cells: Sequence[Cell], quantity: str, n: int) -> str:
    used = [e for e in ORDER if any(c.of(e, quantity) for c in cells)]
    lower = {
        e for e in used if all(r["kind"] == "lower" for c in cells if (r := c.of(e, quantity)))
    }
    head = ["task", f"true {quantity}", *(f"{'>= ' if e in lower else ''}{e}" for e in used)]
    body = []
    for name in plan.tasks:
        task = benchmark.task(name)
        mine = [c for c in cells if c.task == name and c.n == min(n, task.most or n)]
        line = [f"{name}: {task.note}", f"{task.truth[quantity]:.3f}"]
        for e in used:
            rows = [r for c in mine if (r := c.of(e, quantity))]
            line.append(_cell(rows, task.truth[quantity]))
        body.append(line)
    return grid(head, body)


def _cell(rows: Sequence[dict[str, Any]], truth: float) -> str:
    if not rows:
        return ""
    return (
        f"{spread([r['value'] for r in rows])} ({sum(holds(r, truth) for r in rows)}/{len(rows)})"
    )


def _failures(cells: Sequence[Cell]) -> str:
    """Every estimate of J that its interval does not save, the answers first."""
    body = []
    for c in cells:
        for r in c.rows:
            truth = c.truth.get(r["quantity"])
            if r["quantity"] == "J" and truth is not None and not holds(r, truth):
                high = "inf" if r["interval"][1] is None else f"{r['interval'][1]:.3f}"
                body.append(
                    [
                        r["estimator"],
                        c.task,
                        str(c.n),
                        str(c.seed),
                        f"{truth:.3f}",
                        f"{r['value']:.3f}",
                        f"[{r['interval'][0]:.3f}, {high}]",
                        r["note"],
                    ]
                )
    body.sort(key=lambda line: (ORDER.index(line[0]), line[1]))
    if not body:
        return "No interval misses a true J."
    return "Intervals that miss the true J:\n\n" + grid(
        ["estimator", "task", "pairs", "seed", "true J", "value", "interval", "note"], body
    )


def _seconds(cells: Sequence[Cell]) -> str:
    spent: dict[str, list[float]] = {}
    for c in cells:
        for name, seconds in {
            r["estimator"]: r["seconds"] for r in c.rows if r["estimator"] != "best"
        }.items():
            spent.setdefault(name, []).append(seconds)
    body = [
        [e, f"{sum(spent[e]) / len(spent[e]):.1f}", f"{max(spent[e]):.1f}"]
        for e in ORDER
        if e in spent
    ]
    return grid(["estimator", "mean", "longest"], body)
