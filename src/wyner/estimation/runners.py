"""The estimators as rows of a table: each says what it has to say of the evidence.

To add one: a function from `Evidence` to rows, and a line in `ESTIMATORS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wyner.estimation import gaussian_fit, neural, plug_in
from wyner.estimation.crossfit import CrossFit, Fold, cross_fit
from wyner.estimation.density import negentropy
from wyner.estimation.relaxed import bound
from wyner.estimation.rows import Estimate, around
from wyner.estimation.samples import Sample
from wyner.estimation.table import RARE, merge

WIDEST = 12
"""Columns of both sides together up to which nearest neighbours are used."""
Number = tuple[float, float]
"""A value and its standard error."""


@dataclass(frozen=True)
class Evidence:
    """A sample, and the features of it that critics learn when they are first asked for."""

    sample: Sample

    @cached_property
    def fit(self) -> CrossFit:
        """Learned features of both halves of the rows."""
        return cross_fit(self.sample)

    @cached_property
    def scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Normal scores of both sides."""
        x, y = (gaussian_fit.normal_scores(s.values) for s in (self.sample.x, self.sample.y))
        return x, y


def by_plug_in(evidence: Evidence) -> Iterator[Estimate]:
    """Tables of the categories, or of bins and clusters of what is continuous."""
    sample = evidence.sample
    discrete, counts = sample.kind == "discrete", plug_in.table_of(sample)
    exact = discrete and min(merge(counts)[0].shape) <= plug_in.SOLVED
    rare, wyner = 0.0 if discrete else RARE, plug_in.solved if exact else bound
    found = plug_in.describe(counts, rare, sample.seed, wyner)
    how = f"{_shape(counts)} table{'' if discrete else ' of bins or clusters'}"
    notes = (
        f"{how}, Miller-Madow",
        f"{how}, merged to {_shape(found.p)}, {'J solved' if exact else 'L / lambda'}",
        "components of the observed support; one unseen cell can join two",
    )
    kinds = ("estimate" if discrete else "lower", "estimate" if exact else "lower", "estimate")
    common = _entropy(found.gacs_korner, len(sample))
    shown = plug_in.held_out_information(counts)
    return _three("plug-in", (*_numbers(found), common), kinds, notes, shown)


def by_copula(evidence: Evidence) -> Iterator[Estimate]:
    """The Gaussian with the correlations of the normal scores."""
    found, shown = gaussian_fit.canonical(*evidence.scores), gaussian_fit.explains(*evidence.scores)
    note = f"{len(found.r)} canonical correlations beyond chance; exact if a Gaussian copula"
    return _gaussian("copula", _numbers(found), note, shown.value)


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
        yield _row(name.lower(), "I", (max(0.0, found.value), found.error), "lower", note)


def by_codes(evidence: Evidence) -> Iterator[Estimate]:
    """Tables of clusters of learned features: lower bounds, exact where the codes lose nothing."""
    fit, seed = evidence.fit, evidence.sample.seed
    counts = [plug_in.table_of_fold(fold, seed) for fold in fit.folds]
    found = [plug_in.describe(c, RARE, seed) for c in counts]
    common = float(np.mean([f.gacs_korner for f in found]))
    mutual, wyner = map(_mean, zip(*map(_numbers, found), strict=True))
    numbers = mutual, wyner, _entropy(common, sum(int(c.sum()) for c in counts))
    notes = (
        "clusters of learned features, cross-fitted",
        f"L / lambda of {' and '.join(_shape(f.p) for f in found)} tables of codes",
        f"joint values below {RARE:.0%} of both codes taken for noise",
    )
    shown = float(np.mean([plug_in.held_out_information(c) for c in counts]))
    return _three("learned-codes", numbers, ("lower", "lower", "estimate"), notes, shown)


def by_learned_gaussian(evidence: Evidence) -> Iterator[Estimate]:
    """The Gaussian in as many directions of the critic as show most of I on new rows."""
    found, shown = [], []
    for fold in evidence.fit.folds:
        m, each = _directions(fold)
        found.append(gaussian_fit.canonical(fold.f[:, :m], fold.g[:, :m]))
        shown.append(each)
    mutual, wyner = map(_mean, zip(*map(_numbers, found), strict=True))
    counts = " and ".join(str(len(c.r)) for c in found)
    note = f"{counts} learned directions; exact if an invertible image of a Gaussian"
    return _gaussian("learned-gaussian", (mutual, wyner), note, float(np.mean(shown)))


def by_neural(evidence: Evidence) -> Iterator[Estimate]:
    """A Wyner VAE on the learned features of one half of the rows."""
    fit, name = evidence.fit, "wyner-vae"
    found, info = neural.learn(fit.folds[0], evidence.sample.seed), fit.bound("InfoNCE")
    if found is None:
        note = "new rows show no dependence to learn"
        yield _row(name, "J", (0.0, info.error), "estimate", note)
        return
    value = float(found.high[found.best])
    least = around(max(0.0, info.value), info.error, "lower")[0]  # J is at least I
    left = max(found.residual[0], -0.5 * found.directions * math.log1p(-(neural.PRICE**2)))
    high = float(found.high.max()) + found.remainder(left) + 2 * found.error
    seeds = (
        f"{len(found.low)} seeds, lambda to {neural.PRICE}, {found.directions} learned directions"
    )
    note = f"{seeds}; from the critic's I to what I(X;Y|Z) may still add"
    yield Estimate(name, "J", value, (min(value, least), high), "estimate", note=note)
    ratio = found.ratio
    span = f"VAE: {found.low[found.best]:.3f} to {value:.3f}"
    note = f"density ratio, cap {ratio.cap:.2f}; {span}"
    yield _row(name, "I(X,Y;Z)", (ratio.value, ratio.error), "lower", note)
    note = "difference of two density ratios"
    yield _row(name, "I(X;Y|Z)", found.residual, "estimate", note)


@dataclass(frozen=True)
class Estimator:
    """An estimator: the function that runs it, the kinds of data that it fits, a further demand."""

    run: Callable[[Evidence], Iterator[Estimate]]
    kinds: tuple[str, ...] = ("continuous",)
    fits: Callable[[Sample], bool] = lambda sample: True


def _columns(sample: Sample) -> int:
    return sample.x.values.shape[1] + sample.y.values.shape[1]


ESTIMATORS: Mapping[str, Estimator] = {
    "plug-in": Estimator(by_plug_in, ("discrete", "mixed", "continuous")),
    "copula": Estimator(by_copula, fits=lambda s: len(s) >= 4 * _columns(s)),
    "gaussian-bound": Estimator(by_gaussian_bound, fits=lambda s: _columns(s) <= WIDEST),
    "critic": Estimator(by_critic, ("mixed", "continuous")),
    "learned-codes": Estimator(by_codes, ("mixed", "continuous")),
    "learned-gaussian": Estimator(by_learned_gaussian),
    "wyner-vae": Estimator(by_neural, ("mixed", "continuous")),
}
"""By name, in the order in which they run."""


def _row(name: str, quantity: str, number: Number, kind: str, note: str) -> Estimate:
    return Estimate(name, quantity, number[0], around(*number, kind), kind, note=note)


def _three(
    name: str,
    numbers: Sequence[Number],
    kinds: Sequence[str],
    notes: Sequence[str],
    explains: float,
) -> Iterator[Estimate]:
    """I, J and C_GK of a description that shows so many nats of I on new rows."""
    for q, number, kind, note in zip(("I", "J", "C_GK"), numbers, kinds, notes, strict=True):
        interval = around(*number, kind)
        shown = explains if q == "J" else None
        yield Estimate(name, q, number[0], interval, kind, note=note, explains=shown)


def _gaussian(
    name: str, numbers: tuple[Number, Number], note: str, shown: float
) -> Iterator[Estimate]:
    """I, J and C_GK = 0 of a Gaussian description."""
    notes = (note, note, "0 for every Gaussian")
    return _three(name, (*numbers, (0.0, 0.0)), ("estimate",) * 3, notes, max(0.0, shown))


def _numbers(found: gaussian_fit.Canonical | plug_in.Described) -> tuple[Number, Number]:
    """I and J of a description."""
    return (found.mutual, found.mutual_error), (found.wyner, found.wyner_error)


def _shape(table: np.ndarray) -> str:
    return " x ".join(map(str, table.shape))


def _entropy(value: float, n: int) -> Number:
    """With a generous error: the deviation of -log p is at most about 1 + the entropy."""
    return value, (1 + value) / math.sqrt(n) if value > 0 else 0.0


def _directions(fold: Fold) -> tuple[int, float]:
    """How many directions describe new rows best as a Gaussian pair, and the I that they show."""
    strength = fold.f.var(0)
    most = max(1, int((strength > 0.02 * max(float(strength[0]), 1e-9)).sum()))
    shown = [gaussian_fit.explains(fold.f[:, :m], fold.g[:, :m]).value for m in range(1, most + 1)]
    return int(np.argmax(shown)) + 1, max(shown)


def _mean(numbers: Sequence[Number]) -> Number:
    """The mean of both folds; its error holds what they state and how far they are apart."""
    (a, error_a), (b, error_b) = numbers
    return (a + b) / 2, math.hypot(math.hypot(error_a, error_b) / 2, abs(a - b) / 2)
