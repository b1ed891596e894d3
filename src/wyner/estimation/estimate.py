"""Common information from samples: what the rows show, what they allow, and what they refuse. Nats.

J cannot be read off samples without a description of the dependence (I40, I41 of a model are not
estimators of it). Some descriptions have an exact J: a table, blobs, a Gaussian copula. Each is
tested, and one that the rows refuse only bounds; where all are refused, so is an upper end.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wyner.errors import OptionError, unknown
from wyner.estimation.answer import QUANTITIES, answer
from wyner.estimation.checks import check, infinite, one_thread
from wyner.estimation.evidence import Evidence
from wyner.estimation.rows import Estimate, interval_text, row_as_json
from wyner.estimation.runners import ESTIMATORS
from wyner.estimation.samples import Sample, read

CHEAP = "cheap"


@dataclass(frozen=True)
class Estimates:
    """What was found about a pair.

    Attributes:
        rows: every estimate.
        answers: the one answer for each of "I", "J", "C_GK".
        kind: of the data: "discrete", "continuous" or "mixed".
        n: pairs that were used.
        p: p-value of the hypothesis that the two sides are independent.
        words: what was found out about the rows.
    """

    rows: tuple[Estimate, ...]
    answers: Mapping[str, Estimate]
    kind: str
    n: int
    p: float = 0.0
    words: tuple[str, ...] = ()

    def of(self, quantity: str) -> list[Estimate]:
        """Rows of one quantity."""
        return [r for r in self.rows if r.quantity == quantity]

    def best(self, quantity: str = "J") -> Estimate:
        """The one answer for "I", "J" or "C_GK", chosen by what the data show, never by a truth.

        C_GK <= I <= J holds in the values and in both ends of the intervals. A value of kind
        "lower" is a lower bound, and the upper end of its interval is infinite unless categories
        bound it.

        Raises:
            OptionError: another quantity.
        """
        if quantity not in QUANTITIES:
            raise OptionError(unknown("quantity", quantity, QUANTITIES))
        return self.answers[quantity]

    def __str__(self) -> str:
        lines = [("estimator", "of", "nats", "interval", "kind", "shuffled", "s", "note")]
        for r in self.rows:
            null = "" if r.null is None else f"{r.null:.3f}"
            value = r.estimator, r.quantity, f"{r.value:.3f}", interval_text(r.interval)
            note = "; ".join(t for t in (r.note, r.tested) if t)
            lines.append((*value, r.kind, null, f"{r.seconds:.1f}", note))
        width = [max(map(len, column)) for column in zip(*lines, strict=True)]
        pad = lambda line: "  ".join(c.ljust(w) for c, w in zip(line, width, strict=True)).rstrip()
        test = f"test of independence, rows shuffled: p = {self.p:.3f}"
        answers = []
        for q in QUANTITIES:
            best = self.best(q)
            why = f"if {best.assumption}" if best.assumption and best.kind == "estimate" else ""
            by = f"by {best.estimator}" if best.estimator != "none" else best.note
            answers.append(
                f"{q} = {best.text} {by}{', ' if why else ''}{why}".replace("= >=", ">=")
            )
        head = f"{self.n} {self.kind} pairs"
        return "\n".join([head, *self.words, test, *map(pad, lines), "", *answers])

    def as_rows(self) -> list[dict[str, Any]]:
        """The rows as dictionaries that JSON can hold; an infinite end of an interval is None."""
        return [row_as_json(r) for r in self.rows]


def estimate(
    x: Any,
    y: Any,
    *,
    estimators: str | Sequence[str] | None = None,
    kinds: tuple[str, str] = ("auto", "auto"),
    ordered: bool = True,
    seed: int = 0,
) -> Estimates:
    """I(X;Y), J(X;Y) and C_GK(X;Y) of pairs of samples, by every estimator that fits them. Nats.

    | estimator | runs on | says |
    | --- | --- | --- |
    | plug-in | discrete | I, J, C_GK of the table |
    | blobs | all but discrete | the same of blobs, unless they lose something: then bounds |
    | copula | continuous | I, J of the Gaussian with the correlations of the normal scores |
    | held-out | all but discrete | lower bound of I by cheap critics of the other half |
    | gaussian-bound | continuous, 12 columns in all | J >= J_Gauss + h(X,Y) - h_Gauss (kNN) |
    | critic | all but discrete, from 1,000 rows | InfoNCE, DV, NWJ: lower bounds of I |
    | learned-codes | the same | lower bounds of I, J |
    | learned-gaussian | continuous, from 1,000 rows | I, J of learned features as a Gaussian pair |
    | wyner-vae | as critic | J by a Wyner VAE on learned features; not part of the answer |

    The kind of a row: "estimate" if its assumption was not refused by the rows, "lower" for a lower
    bound, "refused" if the rows refuse its assumption, "model" for what nothing tests.

    Args:
        x, y: `(N, ...)` arrays or tensors, row by row a pair; events are flattened.
        estimators: names of the above, or "cheap" for the first four; all that fit by default.
        kinds: "auto", "discrete" or "continuous", for x and for y. "auto": whole numbers with at
            most 32 values and texts are discrete.
        ordered: whether rows that follow each other may depend on each other, as in time; if both
            sides show it, the rows are thinned. False for rows whose order means nothing (sorted).
        seed: of everything random.

    Returns:
        An `Estimates`: `print` it, read `.rows`, ask for `.best("J")`. Intervals are meant to hold
        the quantity in 95 of 100 samples; what they cover on tasks with known answers is what
        `wyner reproduce calibration` measures.

    Raises:
        DataError: sides that do not pair up, fewer than 20 rows, values that are not finite.
        OptionError: unknown names, or estimators that do not fit the data.

    Example:
        >>> import numpy as np
        >>> from wyner import information
        >>> bit, flip = np.random.default_rng(0).random((2, 20000)) < [[0.5], [0.1]]
        >>> found = information.estimate(bit, bit ^ flip)
        >>> abs(found.best("J").value - 0.604952) < 0.02
        True
    """
    with one_thread():
        checked = check(read(x, y, kinds, seed), ordered)
        evidence, rows = Evidence(checked.sample), []
        for name in _chosen(checked.sample, estimators):
            start = time.perf_counter()
            found = list(ESTIMATORS[name].run(evidence))
            spent = time.perf_counter() - start
            rows += [replace(r, seconds=spent) for r in found]
        why = infinite(checked.sample)
        words = (*checked.words, why) if why else checked.words
        p = evidence.test.p
        answers = answer(rows, p, evidence.ceiling, why)
        return Estimates(tuple(rows), answers, checked.sample.kind, len(checked.sample), p, words)


def fitting(sample: Sample) -> list[str]:
    """Names of the estimators that fit a sample."""
    return [n for n, e in ESTIMATORS.items() if sample.kind in e.kinds and e.fits(sample)]


def _chosen(sample: Sample, asked: str | Sequence[str] | None) -> list[str]:
    fit = fitting(sample)
    if asked == CHEAP:
        return [n for n in fit if ESTIMATORS[n].cheap]
    asked = [asked] if isinstance(asked, str) else asked
    for name in asked or ():
        if name not in ESTIMATORS:
            raise OptionError(unknown("estimator", name, ESTIMATORS))
        if name not in fit:
            raise OptionError(
                f"{name} does not fit these {sample.kind} pairs; those that do: {', '.join(fit)}"
            )
    return [n for n in fit if asked is None or n in asked]
