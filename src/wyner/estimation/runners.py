"""The estimators as rows of a table: each takes a sample (or what was learned from it) and yields
what it has to say.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from wyner.estimation import gaussian_fit, plug_in
from wyner.estimation.crossfit import CrossFit, Fold
from wyner.estimation.density import negentropy
from wyner.estimation.neural import PRICE, Learned, learn
from wyner.estimation.relaxed import bound
from wyner.estimation.rows import Estimate, around
from wyner.estimation.samples import Sample
from wyner.estimation.table import RARE, merge

NAMES = (
    "plug-in",
    "copula",
    "gaussian-bound",
    "critic",
    "learned-codes",
    "learned-gaussian",
    "wyner-vae",
)
WIDEST = 12
"""Columns of both sides together up to which nearest neighbours are used."""


def by_plug_in(sample: Sample) -> Iterator[Estimate]:
    """Tables of the categories, or of bins and clusters of what is continuous."""
    discrete = sample.kind == "discrete"
    counts = plug_in.table_of(sample)
    exact = discrete and min(merge(counts)[0].shape) <= plug_in.SOLVED
    found = plug_in.describe(
        counts, 0.0 if discrete else RARE, sample.seed, plug_in.solved if exact else bound
    )
    kind = "estimate" if discrete else "lower"
    how = f"{counts.shape[0]} x {counts.shape[1]} table" + (
        "" if discrete else " of bins or clusters"
    )
    yield Estimate(
        "plug-in",
        "I",
        found.mutual,
        around(found.mutual, found.mutual_error, kind),
        kind,
        note=f"{how}, Miller-Madow",
    )
    kind = "estimate" if exact else "lower"
    how += (
        f", merged to {found.p.shape[0]} x {found.p.shape[1]},"
        f" {'J solved' if exact else 'L / lambda'}"
    )
    explains = plug_in.held_out_information(counts)
    yield Estimate(
        "plug-in",
        "J",
        found.wyner,
        around(found.wyner, found.wyner_error, kind),
        kind,
        note=how,
        explains=explains,
    )
    gk = found.gacs_korner
    yield Estimate(
        "plug-in",
        "C_GK",
        gk,
        around(gk, _entropy_error(gk, len(sample))),
        "estimate",
        note="components of the observed support; one unseen cell can join two",
    )


def _entropy_error(value: float, n: int) -> float:
    """A generous standard error of an entropy: the deviation of -log p is at most about 1 + the
    entropy.
    """
    return (1 + value) / math.sqrt(n) if value > 0 else 0.0


def by_copula(sample: Sample) -> Iterator[Estimate]:
    """The Gaussian with the correlations of the normal scores."""
    x, y = gaussian_fit.normal_scores(sample.x.values), gaussian_fit.normal_scores(sample.y.values)
    found = gaussian_fit.canonical(x, y)
    shown = gaussian_fit.explains(x, y)
    note = f"{len(found.r)} canonical correlations beyond chance; exact if a Gaussian copula"
    yield Estimate(
        "copula", "I", found.mutual, around(found.mutual, found.mutual_error), "estimate", note=note
    )
    yield Estimate(
        "copula",
        "J",
        found.wyner,
        around(found.wyner, found.wyner_error),
        "estimate",
        note=note,
        explains=max(0.0, shown.value),
    )
    yield Estimate("copula", "C_GK", 0.0, (0.0, 0.0), "estimate", note="0 for every Gaussian")


def by_gaussian_bound(sample: Sample) -> Iterator[Estimate]:
    """J >= J of the Gaussian with the same covariance + h(X,Y) - h of that Gaussian (Sula and
    Gastpar, arXiv 2102.08157).
    """
    x, y = gaussian_fit.normal_scores(sample.x.values), gaussian_fit.normal_scores(sample.y.values)
    found = gaussian_fit.canonical(x, y)
    joint = np.concatenate([x, y], 1)
    if np.linalg.eigvalsh(joint.T @ joint / len(joint)).min() < 1e-6:
        yield Estimate(
            "gaussian-bound",
            "J",
            0.0,
            (0.0, math.inf),
            "lower",
            note="0: the columns are linearly dependent, h(X,Y) = -infinity",
        )
        return
    lost, error = negentropy(joint, sample.seed)
    value = max(0.0, found.wyner - lost)
    note = (
        f"Gaussian {found.wyner:.3f} less {lost:.3f} of joint negentropy by nearest neighbours,"
        " after normal scores"
    )
    yield Estimate(
        "gaussian-bound",
        "J",
        value,
        around(value, math.hypot(error, found.wyner_error), "lower"),
        "lower",
        note=note,
    )


def by_critic(fit: CrossFit) -> Iterator[Estimate]:
    """Bounds of I, and therefore of J >= I, by a learned critic."""
    for name in ("InfoNCE", "DV", "NWJ"):
        found = fit.bound(name)
        value = max(0.0, found.value)
        note = f"cap log {round(math.exp(found.cap))} = {found.cap:.2f}; cross-fitted"
        yield Estimate(
            name.lower(), "I", value, around(value, found.error, "lower"), "lower", note=note
        )


def by_codes(fit: CrossFit, seed: int) -> Iterator[Estimate]:
    """Tables of clusters of the learned features: lower bounds, exact where the codes lose no
    mutual information.
    """
    counts = [plug_in.table_of_fold(fold, seed) for fold in fit.folds]
    found = [plug_in.describe(c, RARE, seed) for c in counts]
    mutual, mutual_error = _mean([f.mutual for f in found], [f.mutual_error for f in found])
    wyner, wyner_error = _mean([f.wyner for f in found], [f.wyner_error for f in found])
    gk = float(np.mean([f.gacs_korner for f in found]))
    shapes = " and ".join(f"{f.p.shape[0]} x {f.p.shape[1]}" for f in found)
    explains = float(np.mean([plug_in.held_out_information(c) for c in counts]))
    n = sum(int(c.sum()) for c in counts)
    yield Estimate(
        "learned-codes",
        "I",
        mutual,
        around(mutual, mutual_error, "lower"),
        "lower",
        note="clusters of learned features, cross-fitted",
    )
    yield Estimate(
        "learned-codes",
        "J",
        wyner,
        around(wyner, wyner_error, "lower"),
        "lower",
        note=f"L / lambda of {shapes} tables of codes",
        explains=explains,
    )
    yield Estimate(
        "learned-codes",
        "C_GK",
        gk,
        around(gk, _entropy_error(gk, n)),
        "estimate",
        note=f"joint values below {RARE:.0%} of both codes taken for noise",
    )


def by_learned_gaussian(fit: CrossFit) -> Iterator[Estimate]:
    """The Gaussian in as many directions of the critic as show most of I on new rows."""
    chosen = [_directions(fold) for fold in fit.folds]
    models = [
        gaussian_fit.canonical(fold.f[:, :m], fold.g[:, :m])
        for fold, (m, _) in zip(fit.folds, chosen, strict=True)
    ]
    mutual, mutual_error = _mean([c.mutual for c in models], [c.mutual_error for c in models])
    wyner, wyner_error = _mean([c.wyner for c in models], [c.wyner_error for c in models])
    explains = max(0.0, float(np.mean([shown for _, shown in chosen])))
    note = (
        f"{' and '.join(str(len(c.r)) for c in models)} learned directions; exact if an invertible"
        " image of a Gaussian"
    )
    yield Estimate(
        "learned-gaussian", "I", mutual, around(mutual, mutual_error), "estimate", note=note
    )
    yield Estimate(
        "learned-gaussian",
        "J",
        wyner,
        around(wyner, wyner_error),
        "estimate",
        note=note,
        explains=explains,
    )
    yield Estimate(
        "learned-gaussian", "C_GK", 0.0, (0.0, 0.0), "estimate", note="0 for every Gaussian"
    )


def _directions(fold: Fold) -> tuple[int, float]:
    """How many directions of the critic describe new rows best as a Gaussian pair, and the I that
    they show.
    """
    strength = fold.f.var(0)
    most = max(1, int((strength > 0.02 * max(float(strength[0]), 1e-9)).sum()))
    shown = [gaussian_fit.explains(fold.f[:, :m], fold.g[:, :m]).value for m in range(1, most + 1)]
    return int(np.argmax(shown)) + 1, max(shown)


def _mean(values: list[float], errors: list[float]) -> tuple[float, float]:
    """The mean of both folds, and its standard error: what the folds state and how far they are
    apart.
    """
    apart = abs(values[0] - values[1]) / 2
    return float(np.mean(values)), math.hypot(math.hypot(*errors) / 2, apart)


def least(fit: CrossFit) -> float:
    """What J is at least, since it is at least I: the lower end of InfoNCE."""
    found = fit.bound("InfoNCE")
    return around(max(0.0, found.value), found.error, "lower")[0]


def by_neural(fit: CrossFit, seed: int) -> Iterator[Estimate]:
    """A Wyner VAE on the learned features of one half of the rows."""
    found: Learned | None = learn(fit.folds[0], seed)
    if found is None:
        yield Estimate(
            "wyner-vae",
            "J",
            0.0,
            (0.0, 2 * fit.bound("InfoNCE").error),
            "estimate",
            note="new rows show no dependence to learn",
        )
        return
    value = float(found.high[found.best])
    left, error = found.residual
    low = min(value, least(fit))
    high = (
        float(found.high.max())
        + found.remainder(max(left, -0.5 * found.directions * math.log1p(-(PRICE**2))))
        + 2 * found.error
    )
    seeds = f"{len(found.low)} seeds, lambda to {PRICE}, {found.directions} learned directions"
    yield Estimate(
        "wyner-vae",
        "J",
        value,
        (low, high),
        "estimate",
        note=f"{seeds}; from the critic's I to what I(X;Y|Z) may still add",
    )
    yield Estimate(
        "wyner-vae",
        "I(X,Y;Z)",
        found.ratio.value,
        around(found.ratio.value, found.ratio.error, "lower"),
        "lower",
        note=(
            f"density ratio, cap {found.ratio.cap:.2f}; VAE: {found.low[found.best]:.3f} to"
            f" {value:.3f}"
        ),
    )
    yield Estimate(
        "wyner-vae",
        "I(X;Y|Z)",
        left,
        around(left, error),
        "estimate",
        note="difference of two density ratios",
    )
