"""Choice of lambda, or of any argument, on validation data: a grid with several seeds, hopeless
values dropped on the way.

Rules, stated in the result:

    rungs    after a quarter and after half of the epochs a value is dropped if its mean conditional
             nll on the validation rows exceeds that of the best value by more than twice the
             standard error of the difference over seeds, and also what the best value had at half
             of these epochs
    best     the value with the lowest mean conditional nll on the validation rows
    chosen   of the values within one standard error of the best: the largest lambda; for other
             arguments the lowest rate I41

Test rows are never looked at.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wyner.data import Dataset
from wyner.errors import DataError, OptionError
from wyner.experiments.spec import Experiment
from wyner.experiments.sweep_runs import CRITERION, Plan, Standing
from wyner.runs import command, device_name, versions

LAMBDAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
SWEEP = "sweep.json"


@dataclass(frozen=True)
class Outcome:
    """What a sweep found: every value, the best and the chosen one, the folder."""

    standings: list[Standing]
    best: Standing
    chosen: Standing
    folder: Path
    about: dict[str, Any]


def parse_values(text: str) -> tuple[str, list[Any]]:
    """`key=v1,v2,...` with numbers, truth values, lists or words.

    >>> parse_values("lam=0,0.05")
    ('lam', [0, 0.05])
    """
    key, _, values = text.partition("=")
    if not key.strip() or not values.strip():
        raise OptionError(
            f"--over {text}: expected key=v1,v2,..., for example z=2,5,10 or"
            " networks.hidden=[64],[128,128]"
        )
    try:
        found = tomllib.loads(f"v = [{values}]")["v"]
    except tomllib.TOMLDecodeError:
        found = [v.strip() for v in values.split(",")]
    return key.strip(), found


def sweep(
    base: Experiment,
    over: Mapping[str, Sequence[Any]],
    *,
    seeds: int = 3,
    samples: int = 50,
    rows: int = 1000,
    prune: bool = True,
    out: str | Path = Path("runs") / "sweep",
    figures: bool = True,
    progress: bool = True,
    dataset: Dataset | None = None,
) -> Outcome:
    """Trains every combination of the values with every seed and chooses on validation rows.

    The folder keeps an ordinary run for every model (`grid.json`), and `sweep.json`, `sweep.md` and
    the figure. The same call again goes on with what was interrupted.

    Args:
        base: everything that is not swept.
        over: values by argument of the model, setting of the training, or `networks.KEY`.
        seeds: how many for each.
        samples: importance samples of the numbers.
        rows: validation rows of the numbers, at most.
        prune: drop hopeless values on the way.
        out: the folder.
        figures: draw the figure.
        progress: show a bar.
        dataset: the experiment's data, if they are loaded already.

    Raises:
        OptionError: nothing to sweep. DataError: no validation rows. RunError: the folder holds
            another sweep.
        KeyboardInterrupt: after saving. Diverged: no value is left.
    """
    if seeds < 1 or not over or not all(over.values()):
        raise OptionError(
            "sweep: expected at least one seed, and at least one value of every argument that is"
            " swept"
        )
    dataset = dataset or base.load()
    if not dataset.validation or not len(next(iter(dataset.validation.values()))):
        raise DataError(
            f"{dataset.name} has no validation rows, and a sweep chooses on them; set some aside"
            " (validation = ...)"
        )
    plan = Plan(
        base, {k: list(v) for k, v in over.items()}, seeds, Path(out), dataset, samples, rows
    )
    plan.check()
    try:
        plan.train(prune, progress)
        standings = plan.standings()
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted and saved; go on with the same command") from None
    left = [s for s in standings if s.state == "finished" and CRITERION in s.spreads]
    if not left:
        raise OptionError(
            f"{base.model.get('name', 'WynerVAE')} has no conditional likelihood of y given x to"
            " choose by"
        )
    best, chosen = choose(left, tuple(over))
    about = {
        "data": dataset.source,
        "model": base.model,
        "fit": base.fit,
        "networks": base.networks,
        "over": plan.over,
        "seeds": seeds,
        "samples": samples,
        "rows": plan.ruler_rows,
        "prune": prune,
        "rules": rules(prune),
        "device": device_name(),
        "versions": versions(),
        "command": command(),
    }
    outcome = Outcome(standings, best, chosen, plan.out, about)
    from wyner.experiments.sweep_report import write_sweep

    write_sweep(outcome, figures)
    return outcome


def rules(prune: bool) -> list[str]:
    """The rules of a sweep in words."""
    text = (__doc__ or "").split("stated in the result:")[1].split("Test rows")[0]
    found = [" ".join(part.split()) for part in text.split("\n    ") if part.strip()]
    joined: list[str] = []
    for part in found:
        if part.split()[0] in ("rungs", "best", "chosen"):
            joined.append(part.replace(" ", ": ", 1))
        else:
            joined[-1] += " " + part
    return joined if prune else joined[1:]


def choose(left: Sequence[Standing], keys: Sequence[str]) -> tuple[Standing, Standing]:
    """The best value, and the one to take: the most succinct within one standard error of the
    best.
    """
    best = min(left, key=lambda s: s.spreads[CRITERION].mean)
    error = best.spreads[CRITERION].error
    reach = best.spreads[CRITERION].mean + (error if math.isfinite(error) else 0.0)
    near = [s for s in left if s.spreads[CRITERION].mean <= reach]
    if tuple(keys) == ("lam",) and all(isinstance(s.values["lam"], (int, float)) for s in near):
        return best, max(near, key=lambda s: s.values["lam"])
    if all("I41" in s.spreads for s in near):
        return best, min(near, key=lambda s: s.spreads["I41"].mean)
    return best, best
