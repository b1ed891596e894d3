"""Choice of lambda, or of any argument, on validation data: a grid with several seeds, hopeless
values dropped on the way. Test rows are never looked at; `RULES` says how it is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wyner.data import Dataset
from wyner.errors import DataError, OptionError
from wyner.experiments.spec import Experiment
from wyner.experiments.sweep.page import write
from wyner.experiments.sweep.runs import Plan
from wyner.report.sweep import CRITERION, ArmResult, Outcome
from wyner.runs import command, device_name, versions

LAMBDAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
RULES = (
    "rungs: after a quarter and after half of the epochs a value is dropped if its mean conditional"
    " nll on the validation rows exceeds that of the best value by more than twice the standard"
    " error of the difference over seeds, and also what the best value had at half of these epochs",
    "best: the value with the lowest mean conditional nll on the validation rows",
    "chosen: of the values within one standard error of the best: the largest lambda; for other"
    " arguments the lowest rate I41",
)


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
            another sweep. KeyboardInterrupt: after saving. Diverged: no value is left.
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
    chosen_from = {k: list(v) for k, v in over.items()}
    plan = Plan(base, chosen_from, seeds, Path(out), dataset, samples, rows)
    plan.check()
    try:
        plan.train(prune, progress)
        arms = plan.results()
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted and saved; go on with the same command") from None
    left = [a for a in arms if a.state == "finished" and CRITERION in a.spreads]
    if not left:
        raise OptionError(
            f"{base.model.get('name', 'WynerVAE')} has no conditional likelihood of y given x to"
            " choose by"
        )
    about: dict[str, Any] = dict(
        data=dataset.source, model=base.model, fit=base.fit, networks=base.networks
    )
    about |= dict(over=plan.over, seeds=seeds, samples=samples, prune=prune)
    about["validation_rows"] = plan.rows
    about |= dict(rules=list(RULES if prune else RULES[1:]), device=device_name())
    about |= dict(versions=versions(), command=command())
    outcome = Outcome(arms, *choose(left, tuple(over)), plan.out, about)
    write(outcome, figures)
    return outcome


def choose(left: Sequence[ArmResult], keys: Sequence[str]) -> tuple[ArmResult, ArmResult]:
    """The best value, and the one to take: the most succinct within one standard error of it."""
    best = min(left, key=lambda a: a.spreads[CRITERION].mean)
    error = best.spreads[CRITERION].error
    reach = best.spreads[CRITERION].mean + (error if math.isfinite(error) else 0.0)
    near = [a for a in left if a.spreads[CRITERION].mean <= reach]
    if tuple(keys) == ("lam",) and all(isinstance(a.values["lam"], (int, float)) for a in near):
        return best, max(near, key=lambda a: a.values["lam"])
    if all("I41" in a.spreads for a in near):
        return best, min(near, key=lambda a: a.spreads["I41"].mean)
    return best, best
