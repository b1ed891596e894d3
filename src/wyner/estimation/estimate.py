"""Common information from samples: every estimator that fits the data, in one table, with what each
of them proves. Nats.

J cannot be read off samples without a description of the dependence (I40, I41 of a model are not
estimators of it). Some descriptions have
an exact J: a table, and a Gaussian pair. They compete by the mutual information that they show on
    rows they were not fitted to, a
lower bound of I(X;Y) that only the true ratio p(x,y) / (p(x) p(y)) attains: what shows all of I has
lost nothing, and its J is the J of the pair. Where no description shows all, the Wyner VAE's number
stands, between the largest lower bound and its own upper end.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from wyner.errors import OptionError, unknown
from wyner.estimation.crossfit import CrossFit, cross_fit
from wyner.estimation.rows import Estimate
from wyner.estimation.runners import (
    NAMES,
    WIDEST,
    by_codes,
    by_copula,
    by_critic,
    by_gaussian_bound,
    by_learned_gaussian,
    by_neural,
    by_plug_in,
)
from wyner.estimation.samples import Sample, read

CLOSE, SHARE = 0.03, 0.06
"""A description counts as complete if what it shows is within this many nats, or this share, of the
most that any estimator shows."""
MATCH = 0.02
"""Descriptions that show the same within this share of I are not told apart: their intervals are
joined."""


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
        """The one answer for "I", "J" or "C_GK", chosen by what the data show and never by a known
        truth.

        Discrete pairs: the plug-in value. Others: the value of the description that shows most of I
            on new rows, if it shows all that
        any estimator shows, its interval widened by what it may have lost; else for J the Wyner
        VAE, for I the largest bound.

        Raises:
            OptionError: another quantity, or one that no estimator that ran can answer.
        """
        if quantity not in ("I", "J", "C_GK"):
            raise OptionError(unknown("quantity", quantity, ("I", "J", "C_GK")))
        if not self.of(quantity):
            raise OptionError(f"best({quantity!r}): none of the estimators that ran speaks of it")
        plain = [r for r in self.of(quantity) if r.estimator == "plug-in"]
        if self.kind == "discrete" and plain:
            return plain[0]
        if quantity == "J":
            return self._wyner()
        chosen = self._complete()
        for r in self.of(quantity):
            if chosen and r.estimator == chosen[0].estimator:
                if quantity == "C_GK":
                    return r
                high = (
                    max(r.interval[1], self.shown)
                    if math.isfinite(r.interval[1])
                    else r.value + (r.value - r.interval[0]) + self._lost(r)
                )
                return dataclasses.replace(r, interval=(r.interval[0], high), kind="estimate")
        return max(self.of(quantity), key=lambda r: r.value)

    @property
    def shown(self) -> float:
        """The most mutual information that any estimator shows on rows it was not fitted to, in
        nats.
        """
        bounds = [r.value for r in self.of("I") if r.estimator in ("infonce", "dv")]
        return max([0.0, *bounds, *(r.explains for r in self.rows if r.explains is not None)])

    def _lost(self, row: Estimate) -> float:
        return max(0.0, self.shown - (row.explains if row.explains is not None else row.value))

    def _complete(self) -> list[Estimate]:
        """Descriptions with an exact J that show all of the mutual information, the best first."""
        found = [
            r
            for r in self.of("J")
            if r.explains is not None and self._lost(r) <= max(CLOSE, SHARE * self.shown)
        ]
        return sorted(found, key=lambda r: -(r.explains or 0.0))

    def _wyner(self) -> Estimate:
        complete = self._complete()
        if not complete:
            return self._bracket()
        first = complete[0]
        equal = [r for r in complete if self._lost(r) - self._lost(first) <= MATCH * self.shown]
        low = min(r.interval[0] for r in equal)
        high = max(self._raised(r) for r in equal)
        return dataclasses.replace(first, kind="estimate", interval=(max(low, 0.0), high))

    def _raised(self, row: Estimate) -> float:
        """The upper end of a complete description: what it may have lost counts as much in J as
        what it has.
        """
        high = (
            row.interval[1] if math.isfinite(row.interval[1]) else 2 * row.value - row.interval[0]
        )
        return high + self._lost(row) * max(1.0, row.value / max(row.explains or 0.0, 1e-9))

    def _bracket(self) -> Estimate:
        """No description is complete: the Wyner VAE, held against every lower bound; without it the
        largest lower bound.
        """
        low = max(
            [r.interval[0] for r in self.rows if r.kind == "lower" and r.quantity in ("I", "J")],
            default=0.0,
        )
        for r in self.of("J"):
            if r.estimator == "wyner-vae":
                start = max(min(low, r.interval[1]), 0.0)
                return dataclasses.replace(
                    r, value=max(r.value, low), interval=(start, max(r.interval[1], low))
                )
        rows = [r for r in self.of("J") if r.kind == "lower"] or self.of("J")
        top = max(rows, key=lambda r: r.value)
        return dataclasses.replace(top, interval=(max(low, top.interval[0]), math.inf))

    def __str__(self) -> str:
        head = ("estimator", "of", "nats", "interval", "kind", "shows", "s", "note")
        body = [
            (
                r.estimator,
                r.quantity,
                f"{r.value:.3f}",
                interval_text(r.interval),
                r.kind,
                "" if r.explains is None else f"{r.explains:.3f}",
                f"{r.seconds:.1f}",
                r.note,
            )
            for r in self.rows
        ]
        width = [max(len(line[k]) for line in (head, *body)) for k in range(len(head))]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(line, width, strict=True)).rstrip()
            for line in (head, *body)
        ]
        answers = [
            f"{q} = {b.value:.3f} nats {interval_text(b.interval)} by {b.estimator}"
            for q in ("I", "J", "C_GK")
            if self.of(q)
            for b in [self.best(q)]
        ]
        return f"{self.n} {self.kind} pairs\n" + "\n".join(lines) + "\n\n" + "\n".join(answers)

    def as_rows(self) -> list[dict[str, Any]]:
        """The rows as dictionaries that JSON can hold; an infinite end of an interval is None."""
        return [row_as_json(r) for r in self.rows]


def interval_text(interval: tuple[float, float]) -> str:
    """[0.123, 0.456], with inf for an open end."""
    low, high = interval
    return f"[{low:.3f}, {high:.3f}]" if math.isfinite(high) else f"[{low:.3f}, inf)"


def row_as_json(row: Estimate) -> dict[str, Any]:
    """An estimate as a dictionary that JSON can hold; an infinite end of the interval is None."""
    found = dataclasses.asdict(row)
    found["interval"] = [end if math.isfinite(end) else None for end in row.interval]
    return found


def estimate(
    x: Any,
    y: Any,
    *,
    estimators: Sequence[str] | None = None,
    kinds: tuple[str, str] = ("auto", "auto"),
    seed: int = 0,
) -> Estimates:
    """I(X;Y), Wyner's J(X;Y) and Gacs and Korner's C_GK(X;Y) of pairs of samples, by every
    estimator that fits them. Nats.

    | estimator | runs on | says |
    | --- | --- | --- |
    | plug-in | all | I, J, C_GK of the table of categories, merged and denoised; of bins or clusters: lower bounds of I, J |
    | copula | continuous | I, J of the Gaussian with the correlations of the normal scores |
    | gaussian-bound | continuous, 12 columns in all | J >= J_Gauss + h(X,Y) - h_Gauss, entropies by nearest neighbours |
    | critic | all but discrete | InfoNCE, DV, NWJ: lower bounds of I, on rows the critic has not seen |
    | learned-codes | the same | lower bounds of I, J, exact where codes of learned features lose nothing |
    | learned-gaussian | continuous | I, J of learned features as a Gaussian pair |
    | wyner-vae | as critic | J by a Wyner VAE on learned features, with I(X,Y;Z) and I(X;Y|Z) by density ratios |

    Args:
        x, y: `(N, ...)` arrays or tensors, row by row a pair; events are flattened.
        estimators: names of the above; all that fit by default.
        kinds: "auto", "discrete" or "continuous", for x and for y. "auto": whole numbers with at
            most 32 values and texts are discrete.
        seed: of everything random.

    Returns:
        An `Estimates`: `print` it, read `.rows`, ask for `.best("J")`. Intervals are meant to hold
            the quantity in 95 of 100 samples; what
        they cover on tasks with known answers is what `wyner reproduce common-information`
        measures.

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
    names = _chosen(sample, estimators)
    rows: list[Estimate] = []
    fit, seconds = None, 0.0
    if set(names) & {"critic", "learned-codes", "learned-gaussian", "wyner-vae"}:
        start = time.perf_counter()
        fit = cross_fit(sample)
        seconds = time.perf_counter() - start
    for name in names:
        start = time.perf_counter()
        found = list(_run(name, sample, fit))
        spent = time.perf_counter() - start + (seconds if name == "critic" else 0.0)
        rows += [dataclasses.replace(r, seconds=spent) for r in found]
    return Estimates(tuple(rows), sample.kind, len(sample))


def _run(name: str, sample: Sample, fit: CrossFit | None) -> Iterator[Estimate]:
    plain: dict[str, Callable[[Sample], Iterator[Estimate]]] = {
        "plug-in": by_plug_in,
        "copula": by_copula,
        "gaussian-bound": by_gaussian_bound,
    }
    if name in plain:
        return plain[name](sample)
    assert fit is not None
    if name == "critic":
        return by_critic(fit)
    if name == "learned-codes":
        return by_codes(fit, sample.seed)
    return by_learned_gaussian(fit) if name == "learned-gaussian" else by_neural(fit, sample.seed)


def fitting(sample: Sample) -> list[str]:
    """Names of the estimators that fit a sample."""
    if sample.kind == "discrete":
        return ["plug-in"]
    if sample.kind == "mixed":
        return ["plug-in", "critic", "learned-codes", "wyner-vae"]
    wide = sample.x.values.shape[1] + sample.y.values.shape[1] > WIDEST
    many = len(sample) < 4 * (sample.x.values.shape[1] + sample.y.values.shape[1])
    left_out = ({"gaussian-bound"} if wide else set()) | ({"copula"} if many else set())
    return [n for n in NAMES if n not in left_out]


def _chosen(sample: Sample, asked: Sequence[str] | None) -> list[str]:
    fit = fitting(sample)
    if asked is None:
        return fit
    for name in asked:
        if name not in NAMES:
            raise OptionError(unknown("estimator", name, NAMES))
        if name not in fit:
            raise OptionError(
                f"{name} does not fit these {sample.kind} pairs; those that do: {', '.join(fit)}"
            )
    return [n for n in NAMES if n in asked]
