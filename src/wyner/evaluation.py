"""The numbers of a trained model on a data set, each with unit, error and how it was estimated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from wyner.data.dataset import Dataset
from wyner.errors import DataError, TaskError
from wyner.models.base import Model
from wyner.tasks.likelihood import ENOUGH, Likelihood


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
        mark: why the value is not to be taken at its word, for example "few effective samples";
            stands on the number wherever it is shown.
    """

    name: str
    value: float
    unit: str
    how: str
    error: float | None = None
    reference: float | None = None
    reference_name: str = ""
    mark: str = ""

    def __str__(self) -> str:
        text = (
            f"{self.name}: {self.value:.3f}"
            + (f" [{self.mark}]" if self.mark else "")
            + (f" +- {self.error:.3f}" if self.error is not None else "")
            + f" {self.unit}"
        )
        return text + (
            f" ({self.reference_name} {self.reference:.3f})" if self.reference is not None else ""
        )


FIRST, MOST = 100, 1600
"""Importance samples that an evaluation starts with and ends with, unless it is told a number."""


def evaluate(
    model: Model,
    dataset: Dataset,
    samples: int | None = None,
    rows: int | None = None,
    seed: int = 0,
    part: str = "test",
) -> list[Number]:
    """Likelihoods and information of a model on held-out pairs.

    Each question is asked on the rows that have all that it needs (`x_mask`); questions that no row
    or the model cannot answer are left out.

    Args:
        model: trained.
        dataset: its test part is used.
        samples: importance samples per row; None for 100, and four times as many until the
            estimates are reliable (`Likelihood.reliable`) or 1,600 are reached.
        rows: how many test rows; all by default.
        seed: of the estimates.
        part: another part of the data instead.

    Returns:
        Numbers in nats: joint, conditional and marginal nll, I41, I40, the aggregate estimate.

    Raises:
        DataError: no row has any of the modalities.
    """
    names = [k for k in dataset.pairs(part, 1) if k in model.observed]
    if not any(_count(dataset.complete([k], part)) for k in names):
        raise DataError(
            f"evaluate: expected {part} rows that have at least one of {', '.join(names)}; their"
            " masks say that none has"
        )
    asked: list[tuple[str, list[str], list[str], str]] = [("joint nll", names, [], "nll_joint")]
    for name in reversed(names):
        rest = [k for k in names if k != name]
        others = ",".join(rest)
        title = f"conditional nll of {name} given {others}"
        asked.append((title, [name], rest, "nll_conditional"))
        if len(names) > 2:
            asked.append((f"conditional nll of {others} given {name}", rest, [name], ""))
    for name in reversed(names):
        title = f"marginal nll of {name}, without looking at the rest"
        asked.append((title, [name], [], "nll_marginal"))
    out: list[Number] = []
    for title, scored, known, key in asked:
        pairs = dataset.complete([*scored, *known], part, rows)
        if not _count(pairs):
            continue
        targets = {k: pairs[k] for k in scored}
        given = {k: pairs[k] for k in known} or None
        try:
            found = _likelihood(model, targets, given, samples, seed)
        except TaskError:
            continue
        how = (
            f"importance sampling, S = {found.samples}, {len(found.value)} {part} rows,"
            f" {found.diagnosis}"
        )
        if model.preprocessing.scalings.keys() & targets.keys():
            seen = -float(found.standardised.mean())
            how += f"; in the units of the data, {seen:.3f} nats for standardised columns"
        unit = f"nats per {'pair' if given is None and len(targets) == 2 else 'row'}"
        truth = dataset.truth.get(key)
        made = Number(title, found.nll, unit, how, found.standard_error, mark=_mark(found))
        out.append(
            made if truth is None else replace(made, reference=truth, reference_name="floor")
        )
    pairs = dataset.complete(names, part, rows)
    return out + (_information(model, dataset, pairs) if _count(pairs) else [])


def _count(pairs: Mapping[str, Any]) -> int:
    return len(next(iter(pairs.values()), ()))


def _likelihood(
    model: Model,
    targets: Mapping[str, Any],
    given: Mapping[str, Any] | None,
    samples: int | None,
    seed: int,
) -> Likelihood:
    """By as many samples as asked, or by more and more until they suffice."""
    count = samples or FIRST
    while True:
        found = model.log_likelihood(**targets, given=given, samples=count, seed=seed)
        if samples is not None or found.reliable or 4 * count > MOST:
            return found
        count *= 4


def _mark(found: Likelihood) -> str:
    """What stands on the number: ten effective samples are too few, whatever the rest says."""
    if found.typical_ess < ENOUGH:
        return f"unreliable, ESS {found.typical_ess:.1f}"
    return "" if found.reliable else "unreliable"


def _information(model: Model, dataset: Dataset, pairs: Mapping[str, Any]) -> list[Number]:
    try:
        found = model.common_information(**pairs)
    except TaskError:
        return []
    true = dataset.truth.get("common_information")
    rows = _count(pairs)
    most = f"{found.rows} rows; at most log of that"
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
    critic, of = "mean of its critic at draws of the law", "" if true is None else "J(X;Y)"
    numbers = []
    for key, value in found.items():
        name, how = about.get(key, (key, critic))
        mark = "or more: at its cap" if key in found.capped else ""
        how = f"{how}, {rows} rows"
        numbers.append(Number(name, value, "nats", how, found.errors[key], true, of, mark))
    return numbers


def as_rows(numbers: list[Number]) -> list[dict[str, Any]]:
    """The numbers as JSON."""
    return [dataclasses.asdict(n) for n in numbers]
