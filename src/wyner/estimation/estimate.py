"""Common information from samples: every estimator that fits, and what each of them proves. Nats.

J cannot be read off samples without a description of the dependence (I40, I41 of a model are not
estimators of it). Some descriptions have an exact J: a table, and a Gaussian pair. They compete by
the mutual information that they show on rows they were not fitted to, a lower bound of I(X;Y) that
only the true ratio p(x,y) / (p(x) p(y)) attains: what shows all of I has lost nothing, and its J is
the J of the pair. Where no description shows all, the Wyner VAE's number stands, between the
largest lower bound and its own upper end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from wyner.errors import OptionError, unknown
from wyner.estimation.rows import Estimate, interval_text, row_as_json
from wyner.estimation.runners import ESTIMATORS, Evidence
from wyner.estimation.samples import Sample, read

CLOSE, SHARE = 0.03, 0.06
"""A description counts as complete if what it shows is within this many nats, or this share, of the
most that any estimator shows."""
MATCH = 0.02
"""Descriptions that show the same within this share of I are not told apart: their intervals are
joined."""
QUANTITIES = ("I", "J", "C_GK")


@dataclass(frozen=True)
class Estimates:
    """What was found about a pair: rows of `Estimate`.

    Attributes:
        rows: every estimate.
        kind: of the data: "discrete", "continuous" or "mixed".
        n: pairs.
    """

    rows: tuple[Estimate, ...]
    kind: str
    n: int

    def of(self, quantity: str) -> list[Estimate]:
        """Rows of one quantity."""
        return [r for r in self.rows if r.quantity == quantity]

    def best(self, quantity: str = "J") -> Estimate:
        """The one answer for "I", "J" or "C_GK", chosen by what the data show, never by a truth.

        Discrete pairs: the plug-in value. Others: the value of the description that shows most of I
        on new rows, if it shows all that any estimator shows, its interval widened by what it may
        have lost; else for J the Wyner VAE, for I the largest bound.

        Raises:
            OptionError: another quantity, or one that no estimator that ran can answer.
        """
        if quantity not in QUANTITIES:
            raise OptionError(unknown("quantity", quantity, QUANTITIES))
        if not (rows := self.of(quantity)):
            raise OptionError(f"best({quantity!r}): none of the estimators that ran speaks of it")
        if self.kind == "discrete" and (plain := [r for r in rows if r.estimator == "plug-in"]):
            return plain[0]
        if quantity == "J":
            return self._wyner()
        first = [c.estimator for c in self._complete()[:1]]
        for r in (r for r in rows if r.estimator in first):
            if quantity == "C_GK":
                return r
            low, high = r.interval
            high = (
                max(high, self.shown) if math.isfinite(high) else 2 * r.value - low + self._lost(r)
            )
            return replace(r, interval=(low, high), kind="estimate")
        return max(rows, key=lambda r: r.value)

    @property
    def shown(self) -> float:
        """The most I that any estimator shows on rows it was not fitted to, in nats."""
        bounds = [r.value for r in self.of("I") if r.estimator in ("infonce", "dv")]
        return max([0.0, *bounds, *(r.explains for r in self.rows if r.explains is not None)])

    def _lost(self, row: Estimate) -> float:
        return max(0.0, self.shown - (row.explains if row.explains is not None else row.value))

    def _complete(self) -> list[Estimate]:
        """Descriptions with an exact J that show all of the mutual information, the best first."""
        most = max(CLOSE, SHARE * self.shown)
        found = [r for r in self.of("J") if r.explains is not None and self._lost(r) <= most]
        return sorted(found, key=lambda r: -(r.explains or 0.0))

    def _wyner(self) -> Estimate:
        """J of the best complete description; the interval is that of all that show as much."""
        if not (complete := self._complete()):
            return self._bracket()
        first = complete[0]
        equal = [r for r in complete if self._lost(r) - self._lost(first) <= MATCH * self.shown]
        low = max(min(r.interval[0] for r in equal), 0.0)
        return replace(first, kind="estimate", interval=(low, max(self._raised(r) for r in equal)))

    def _raised(self, row: Estimate) -> float:
        """The upper end of a complete description; what it lost counts as much as what it has."""
        low, high = row.interval
        high = high if math.isfinite(high) else 2 * row.value - low
        return high + self._lost(row) * max(1.0, row.value / max(row.explains or 0.0, 1e-9))

    def _bracket(self) -> Estimate:
        """Nothing is complete: the Wyner VAE within all bounds, or else the largest lower bound."""
        bounds = [r for r in self.rows if r.kind == "lower" and r.quantity in ("I", "J")]
        low = max([r.interval[0] for r in bounds], default=0.0)
        for r in self.of("J"):
            if r.estimator == "wyner-vae":
                start, high = max(min(low, r.interval[1]), 0.0), max(r.interval[1], low)
                return replace(r, value=max(r.value, low), interval=(start, high))
        rows = [r for r in self.of("J") if r.kind == "lower"] or self.of("J")
        top = max(rows, key=lambda r: r.value)
        return replace(top, interval=(max(low, top.interval[0]), math.inf))

    def __str__(self) -> str:
        lines = [("estimator", "of", "nats", "interval", "kind", "shows", "s", "note")]
        for r in self.rows:
            shows = "" if r.explains is None else f"{r.explains:.3f}"
            value = r.estimator, r.quantity, f"{r.value:.3f}", interval_text(r.interval)
            lines.append((*value, r.kind, shows, f"{r.seconds:.1f}", r.note))
        width = [max(map(len, column)) for column in zip(*lines, strict=True)]
        pad = lambda line: "  ".join(c.ljust(w) for c, w in zip(line, width, strict=True)).rstrip()
        answers = []
        for q in QUANTITIES:
            if self.of(q):
                b = self.best(q)
                where = f"{interval_text(b.interval)} by {b.estimator}"
                answers.append(f"{q} = {b.value:.3f} nats {where}")
        return "\n".join([f"{self.n} {self.kind} pairs", *map(pad, lines), "", *answers])

    def as_rows(self) -> list[dict[str, Any]]:
        """The rows as dictionaries that JSON can hold; an infinite end of an interval is None."""
        return [row_as_json(r) for r in self.rows]


def estimate(
    x: Any,
    y: Any,
    *,
    estimators: Sequence[str] | None = None,
    kinds: tuple[str, str] = ("auto", "auto"),
    seed: int = 0,
) -> Estimates:
    """I(X;Y), J(X;Y) and C_GK(X;Y) of pairs of samples, by every estimator that fits them. Nats.

    | estimator | runs on | says |
    | --- | --- | --- |
    | plug-in | all | I, J, C_GK of the table; of bins or clusters: bounds |
    | copula | continuous | I, J of the Gaussian with the correlations of the normal scores |
    | gaussian-bound | continuous, 12 columns in all | J >= J_Gauss + h(X,Y) - h_Gauss (kNN) |
    | critic | all but discrete | InfoNCE, DV, NWJ: lower bounds of I, on held-out rows |
    | learned-codes | the same | lower bounds of I, J; exact where the codes lose nothing |
    | learned-gaussian | continuous | I, J of learned features as a Gaussian pair |
    | wyner-vae | as critic | J by a Wyner VAE on learned features, by density ratios |

    Args:
        x, y: `(N, ...)` arrays or tensors, row by row a pair; events are flattened.
        estimators: names of the above; all that fit by default.
        kinds: "auto", "discrete" or "continuous", for x and for y. "auto": whole numbers with at
            most 32 values and texts are discrete.
        seed: of everything random.

    Returns:
        An `Estimates`: `print` it, read `.rows`, ask for `.best("J")`. Intervals are meant to hold
        the quantity in 95 of 100 samples; what they cover on tasks with known answers is what
        `wyner reproduce common-information` measures.

    Raises:
        DataError: sides that do not pair up, fewer than 50 rows, values that are not finite.
        OptionError: unknown names, or estimators that do not fit the data.

    Example:
        >>> import numpy as np
        >>> from wyner import information
        >>> bit, flip = np.random.default_rng(0).random((2, 20000)) < [[0.5], [0.1]]
        >>> found = information.estimate(bit, bit ^ flip)
        >>> abs(found.best("J").value - 0.604952) < 0.02
        True
    """
    sample = read(x, y, kinds, seed)
    evidence, rows = Evidence(sample), []
    for name in _chosen(sample, estimators):
        start = time.perf_counter()
        found = list(ESTIMATORS[name].run(evidence))
        spent = time.perf_counter() - start
        rows += [replace(r, seconds=spent) for r in found]
    return Estimates(tuple(rows), sample.kind, len(sample))


def fitting(sample: Sample) -> list[str]:
    """Names of the estimators that fit a sample."""
    return [n for n, e in ESTIMATORS.items() if sample.kind in e.kinds and e.fits(sample)]


def _chosen(sample: Sample, asked: Sequence[str] | None) -> list[str]:
    fit = fitting(sample)
    for name in asked or ():
        if name not in ESTIMATORS:
            raise OptionError(unknown("estimator", name, ESTIMATORS))
        if name not in fit:
            raise OptionError(
                f"{name} does not fit these {sample.kind} pairs; those that do: {', '.join(fit)}"
            )
    return [n for n in fit if asked is None or n in asked]
