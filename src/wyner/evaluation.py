"""The table of numbers of a trained model on a data set: each with its unit, its error and how it
was estimated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wyner.data.dataset import Dataset
from wyner.errors import TaskError
from wyner.models.base import Model


@dataclass(frozen=True)
class Number:
    """One line of the table.

    Attributes:
        name: what it is.
        value: in `unit`.
        unit: for example "nats per pair".
        how: how it was estimated, with samples, rows and effective samples.
        error: standard error, in `unit`; None where there is none.
        reference: what it can be held against, in `unit`; None where nothing is known.
        reference_name: what the reference is, for example "floor".
    """

    name: str
    value: float
    unit: str
    how: str
    error: float | None = None
    reference: float | None = None
    reference_name: str = ""

    def __str__(self) -> str:
        text = (
            f"{self.name}: {self.value:.3f}"
            + (f" +- {self.error:.3f}" if self.error is not None else "")
            + f" {self.unit}"
        )
        return text + (
            f" ({self.reference_name} {self.reference:.3f})" if self.reference is not None else ""
        )


def evaluate(
    model: Model,
    dataset: Dataset,
    samples: int = 100,
    rows: int | None = None,
    seed: int = 0,
    part: str = "test",
) -> list[Number]:
    """Likelihoods and information of a model on held-out pairs; questions the model cannot answer
    are left out.

    Args:
        model: trained.
        dataset: its test part is used.
        samples: importance samples per row.
        rows: how many test rows; all by default.
        seed: of the estimates.
        part: another part of the data instead.

    Returns:
        Numbers in nats: joint, conditional and marginal nll, I41, I40, the aggregate estimate.
    """
    pairs = {k: v for k, v in dataset.pairs(part, rows).items() if k in model.observed}
    names = list(pairs)
    out: list[Number] = []
    asked: list[tuple[str, dict[str, Any], dict[str, Any] | None, str]] = [
        ("joint nll", pairs, None, "nll_joint")
    ]
    for name in reversed(names):
        own, rest = {name: pairs[name]}, {k: v for k, v in pairs.items() if k != name}
        others = ",".join(rest)
        asked.append((f"conditional nll of {name} given {others}", own, rest, "nll_conditional"))
        if len(names) > 2:
            asked.append((f"conditional nll of {others} given {name}", rest, own, ""))
    for name in reversed(names):
        title = f"marginal nll of {name}, without looking at the rest"
        asked.append((title, {name: pairs[name]}, None, "nll_marginal"))
    for title, targets, given, key in asked:
        try:
            found = model.log_likelihood(**targets, given=given, samples=samples, seed=seed)
        except TaskError:
            continue
        how = (
            f"importance sampling, S = {samples}, {len(found.value)} {part} rows,"
            f" {float(found.ess.mean()):.1f} effective samples on average (smallest"
            f" {float(found.ess.min()):.1f})"
        )
        if model.preprocessing.scalings.keys() & targets.keys():
            seen = -float(found.standardised.mean())
            how += f"; in the units of the data, {seen:.3f} nats for standardised columns"
        unit = f"nats per {'pair' if given is None and len(targets) == 2 else 'row'}"
        floor = (dataset.truth[key], "floor") if key in dataset.truth else ()
        out.append(Number(title, found.nll, unit, how, found.standard_error, *floor))
    out += _information(model, dataset, pairs)
    return out


def _information(model: Model, dataset: Dataset, pairs: Mapping[str, Any]) -> list[Number]:
    try:
        found = model.common_information(**pairs)
    except TaskError:
        return []
    true = dataset.truth.get("common_information")
    rows = len(next(iter(pairs.values())))
    most = f"{min(rows, 10_000)} rows; at most log of that"
    about = {
        "I41": (
            "rate of z (I41)",
            "mean KL(q(z|x,y) || p(z)), an upper bound of I(X,Y;Z), eq. (41)",
        ),
        "I40": ("I40", "h(p(z)) - mean h(q(z|x,y)), no bound, eq. (40), corrected"),
        "aggregate": (
            "I(X,Y;Z), aggregate estimate",
            f"mean log q(z|x,y) / mixture of the posteriors of {most}",
        ),
    }
    against = (None, true, "J(X;Y)") if true is not None else ()
    critic = "mean of its critic at draws of the law"
    named = [(*about.get(k, (k, critic)), v) for k, v in found.items()]
    return [Number(name, v, "nats", f"{how}, {rows} rows", *against) for name, how, v in named]


def as_rows(numbers: list[Number]) -> list[dict[str, Any]]:
    """The numbers as JSON."""
    return [dataclasses.asdict(n) for n in numbers]
