"""The estimators as rows of a table: each says what it has to say of the evidence.

To add one: a function from `Evidence` to rows, and a line in `ESTIMATORS`. A row of kind "estimate"
is a description of the dependence that the rows have not refused: it enters the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wyner.estimation import categories, gaussian_fit, neural, plug_in
from wyner.estimation.crossfit import Fold
from wyner.estimation.density import negentropy
from wyner.estimation.evidence import WIDE, Evidence
from wyner.estimation.gof import gaussian_copula
from wyner.estimation.independence import normal_scores
from wyner.estimation.rows import Estimate, around
from wyner.estimation.samples import Sample
from wyner.estimation.table import count

WIDEST, LEARN = 12, 1000
"""Columns of both sides together up to which nearest neighbours are used; rows from which networks
are trained."""
TRUST, FEW, CHANCE, CLEAR, UNSEEN = 0.2, 50, 0.01, 0.1, 0.5
"""p-values from which a Gaussian copula is taken for complete (up to twice as much from so few
rows, because a test of few rows sees little), the same where no dependence is shown, and that for
blobs; the share by which the interval of a copula is widened at so few rows, for departures that
the test lets pass (chosen on the development tasks)."""
DRAWS = "the rows are independent draws"
GAUSSIAN = "increasing maps of the columns make the pair Gaussian"
BLOBS = "each side tells of the other only which of its blobs it is in"
Number = tuple[float, float]
"""A value and its standard error."""


def by_plug_in(evidence: Evidence) -> Iterator[Estimate]:
    """The table of the categories."""
    found = evidence.described
    how = f"{_shape(evidence.table)} table, merged to {'x'.join(map(str, found.shape))}"
    more = "" if found.dense else "; more cells than rows: excess over shuffled rows"
    notes = (how + more, how, "components of the observed table; an unseen cell can join two")
    yield from _described("plug-in", found, notes, DRAWS, "", evidence.table_null)


def by_blobs(evidence: Evidence) -> Iterator[Estimate]:
    """The table of blobs, where both sides are made of blobs or categories."""
    if (found := evidence.blobs) is None:
        return
    a, b, p = found
    counts = count(a.values, b.values, a.levels, b.levels)
    described = categories.describe(counts, evidence.sample.seed, evidence.ceiling)
    note = f"{_shape(counts)} table of blobs, merged to {'x'.join(map(str, described.shape))}"
    tested = f"rows shuffled within each blob: p = {p:.2f}"
    rows = _described("blobs", described, (note,) * 3, BLOBS, tested, None)
    for row in rows:
        yield row if p > CLEAR else _bounded(row)


def by_copula(evidence: Evidence) -> Iterator[Estimate]:
    """The Gaussian with the correlations of the normal scores."""
    spectrum, p = evidence.spectrum, evidence.gaussian
    found = len(gaussian_fit.canonical(*evidence.scores).r)
    wide = 1 + UNSEEN * (FEW / spectrum.n) ** 1.5
    ends = [(low / wide, high * wide) for low, high in spectrum.intervals()]
    (low_i, high_i), (low_j, high_j) = ends
    mutual = min(max(spectrum.mutual, low_i), high_i)
    wyner = min(max(spectrum.wyner(found), low_j, mutual), high_j)
    trust = TRUST * (1 + min(1.0, FEW / spectrum.n)) if evidence.dependent else CHANCE
    tested = f"remainders of regressions on other rows, shuffled: p = {p:.2f}"
    if evidence.blobby:
        tested = f"a side is made of blobs ({tested})"
    accepted = p > trust and not evidence.blobby
    note = f"{found} of {len(spectrum.r)} canonical correlations beyond chance"
    kind = "estimate" if accepted else "refused"
    for quantity, value, interval in (
        ("I", mutual, (low_i, high_i)),
        ("J", wyner, (low_j, high_j)),
        ("C_GK", 0.0, (0.0, 0.0)),
    ):
        null = evidence.spectrum_null if quantity == "I" else None
        yield Estimate("copula", quantity, value, interval, kind, 0.0, note, GAUSSIAN, tested, null)


def by_held_out(evidence: Evidence) -> Iterator[Estimate]:
    """The best of some cheap critics, each fitted to one half of the rows and judged by the other.

    The interval allows for the choice of the best.
    """
    found, null = evidence.held_out.bounds(), evidence.lower_null
    name, best = max(found.items(), key=lambda item: item[1].value - CHOICE * item[1].error)
    low = max(0.0, best.value - CHOICE * best.error)
    if best.value <= null:
        low = 0.0
    note = f"Donsker-Varadhan with {name}; cap log {round(math.exp(best.cap))}"
    interval = (low, math.inf)
    value = max(0.0, best.value)
    yield Estimate("held-out", "I", value, interval, "lower", 0.0, note, DRAWS, "", null)


CHOICE = 2.5
"""Standard errors below the best of two bounds: one-sided, 0.6 in a hundred each."""


def by_gaussian_bound(evidence: Evidence) -> Iterator[Estimate]:
    """J >= J_Gauss + h(X,Y) - h_Gauss of the same covariance (Sula, Gastpar, arXiv 2102.08157)."""
    found, joint = gaussian_fit.canonical(*evidence.scores), np.concatenate(evidence.scores, 1)
    value, error = 0.0, math.inf
    note = "0: the columns are linearly dependent, h(X,Y) = -infinity"
    if np.linalg.eigvalsh(joint.T @ joint / len(joint)).min() >= 1e-6:
        lost, spread = negentropy(joint, evidence.sample.seed)
        value, error = max(0.0, found.wyner - lost), math.hypot(spread, found.wyner_error)
        note = (
            f"Gaussian {found.wyner:.3f} less {lost:.3f} of joint negentropy by nearest neighbours,"
            " after normal scores"
        )
    yield _row("gaussian-bound", "J", (value, error), "lower", note)


def by_critic(evidence: Evidence) -> Iterator[Estimate]:
    """Bounds of I, and therefore of J >= I, by a learned critic."""
    for name in ("InfoNCE", "DV", "NWJ"):
        found = evidence.fit.bound(name)
        note = f"cap log {round(math.exp(found.cap))} = {found.cap:.2f}; cross-fitted"
        number = max(0.0, found.value), found.error
        yield _row(name.lower(), "I", number, "lower", note, evidence.learned_null)


def by_codes(evidence: Evidence) -> Iterator[Estimate]:
    """Tables of clusters of learned features of rows the critic has not seen: lower bounds."""
    fit, seed = evidence.fit, evidence.sample.seed
    found = [categories.describe(plug_in.table_of_fold(fold, seed), seed) for fold in fit.folds]
    for quantity in ("I", "J"):
        a, b = (_quantity(f, quantity) for f in found)
        low, value = (a.interval[0] + b.interval[0]) / 2, (a.value + b.value) / 2
        shapes = " and ".join("x".join(map(str, f.shape)) for f in found)
        note = f"{shapes} tables of clusters of learned features, cross-fitted"
        yield Estimate("learned-codes", quantity, value, (low, math.inf), "lower", note=note)


def by_learned_gaussian(evidence: Evidence) -> Iterator[Estimate]:
    """The Gaussian in as many directions of the critic as show most of I on new rows."""
    found, p = [], []
    for fold in evidence.fit.folds:
        m = _directions(fold)
        f, g = normal_scores(fold.f[:, :m]), normal_scores(fold.g[:, :m])
        found.append(gaussian_fit.canonical(f, g))
        p.append(gaussian_copula(f, g, evidence.sample.seed))
    counts = " and ".join(str(len(c.r)) for c in found)
    note = f"{counts} learned directions, of features that may have lost something"
    tested = f"as for copula, on rows new to the features: p = {min(1.0, 2 * min(p)):.2f}"
    kind = "lower" if min(p) > TRUST / 2 else "refused"
    for quantity, numbers in (
        ("I", [(c.mutual, c.mutual_error) for c in found]),
        ("J", [(c.wyner, c.wyner_error) for c in found]),
    ):
        value, error = _mean(numbers)
        low = around(value, error)[0]
        yield Estimate(
            "learned-gaussian", quantity, value, (low, math.inf), kind, 0.0, note, GAUSSIAN, tested
        )


def by_neural(evidence: Evidence) -> Iterator[Estimate]:
    """A Wyner VAE on the learned features of one half of the rows."""
    fit, name = evidence.fit, "wyner-vae"
    found, info = neural.learn(fit.folds[0], evidence.sample.seed), fit.bound("InfoNCE")
    if found is None:
        note = "new rows show no dependence to learn"
        yield Estimate(name, "J", 0.0, (0.0, math.inf), "model", note=note)
        return
    value = float(found.high[found.best])
    least = around(max(0.0, info.value), info.error, "lower")[0]  # J is at least I
    left = max(found.residual[0], -0.5 * found.directions * math.log1p(-(neural.PRICE**2)))
    high = float(found.high.max()) + found.remainder(left) + 2 * found.error
    seeds = (
        f"{len(found.low)} seeds, lambda to {neural.PRICE}, {found.directions} learned directions"
    )
    note = f"{seeds}; from the critic's I to what I(X;Y|Z) may still add"
    assumption = "the VAE has found the best z for these features"
    yield Estimate(
        name, "J", value, (min(value, least), high), "model", 0.0, note, assumption, "not tested"
    )
    ratio = found.ratio
    span = f"VAE: {found.low[found.best]:.3f} to {value:.3f}"
    note = f"density ratio, cap {ratio.cap:.2f}; {span}"
    yield _row(name, "I(X,Y;Z)", (ratio.value, ratio.error), "lower", note)
    note = "difference of two density ratios"
    yield _row(name, "I(X;Y|Z)", found.residual, "model", note)


@dataclass(frozen=True)
class Estimator:
    """An estimator: the function that runs it, the kinds of data that it fits, a further demand,
    and whether it costs little.
    """

    run: Callable[[Evidence], Iterator[Estimate]]
    kinds: tuple[str, ...] = ("continuous",)
    fits: Callable[[Sample], bool] = lambda sample: True
    cheap: bool = False


def _columns(sample: Sample) -> int:
    return sample.x.values.shape[1] + sample.y.values.shape[1]


def _many(sample: Sample) -> bool:
    return len(sample) >= LEARN


_NUMBERS = ("mixed", "continuous")
ESTIMATORS: Mapping[str, Estimator] = {
    "plug-in": Estimator(by_plug_in, ("discrete",), cheap=True),
    "blobs": Estimator(by_blobs, _NUMBERS, cheap=True),
    "copula": Estimator(by_copula, fits=lambda s: len(s) > WIDE * _columns(s) + 10, cheap=True),
    "held-out": Estimator(by_held_out, _NUMBERS, cheap=True),
    "gaussian-bound": Estimator(by_gaussian_bound, fits=lambda s: _columns(s) <= WIDEST),
    "critic": Estimator(by_critic, _NUMBERS, _many),
    "learned-codes": Estimator(by_codes, _NUMBERS, _many),
    "learned-gaussian": Estimator(by_learned_gaussian, fits=_many),
    "wyner-vae": Estimator(by_neural, _NUMBERS, _many),
}
"""By name, in the order in which they run."""


def _row(
    name: str, quantity: str, number: Number, kind: str, note: str, null: float | None = None
) -> Estimate:
    return Estimate(name, quantity, number[0], around(*number, kind), kind, note=note, null=null)


def _described(
    name: str,
    found: categories.Described,
    notes: Sequence[str],
    assumption: str,
    tested: str,
    null: float | None,
) -> Iterator[Estimate]:
    """I, J and C_GK of a table."""
    for quantity, note in zip(("I", "J", "C_GK"), notes, strict=True):
        q = _quantity(found, quantity)
        kind, shown = "lower" if q.lower else "estimate", null if quantity == "I" else None
        yield Estimate(
            name, quantity, q.value, q.interval, kind, 0.0, note, assumption, tested, shown
        )


def _quantity(found: categories.Described, name: str) -> categories.Quantity:
    return {"I": found.mutual, "J": found.wyner, "C_GK": found.common}[name]


def _bounded(row: Estimate) -> Estimate:
    """A row of codes that lose something: for I and J a lower bound."""
    kind = "refused" if row.quantity == "C_GK" else "lower"
    return replace(row, interval=(row.interval[0], math.inf), kind=kind)


def _shape(table: np.ndarray) -> str:
    return " x ".join(map(str, table.shape))


def _directions(fold: Fold) -> int:
    """How many directions describe new rows best as a Gaussian pair."""
    strength = fold.f.var(0)
    most = max(1, int((strength > 0.02 * max(float(strength[0]), 1e-9)).sum()))
    shown = [gaussian_fit.explains(fold.f[:, :m], fold.g[:, :m]).value for m in range(1, most + 1)]
    return int(np.argmax(shown)) + 1


def _mean(numbers: Sequence[Number]) -> Number:
    """The mean of both folds; its error holds what they state and how far they are apart."""
    (a, error_a), (b, error_b) = numbers
    return (a + b) / 2, math.hypot(math.hypot(error_a, error_b) / 2, abs(a - b) / 2)
