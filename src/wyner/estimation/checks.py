"""What to know of the rows before anything is estimated: repeats, neighbours, copies, functions."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from wyner.estimation.independence import spheres
from wyner.estimation.samples import LEAST, Sample, Side

MOST, LAGS, ALIKE = 20_000, 50, 4.0
"""Rows that are used of continuous and mixed pairs; lags; deviations of a serial correlation that
counts."""
SAME = 1e-7
"""1 - r below which two directions are one."""


@dataclass(frozen=True)
class Checked:
    """Rows that may be used as independent draws, and what was done to get there.

    Attributes:
        sample: the rows that are used.
        words: sentences for the reader.
    """

    sample: Sample
    words: tuple[str, ...]


def check(sample: Sample, ordered: bool) -> Checked:
    """Leaves out repeated rows, thins rows that follow each other, draws from too many."""
    words = []
    sample, said = _distinct(sample)
    words += said
    if ordered:
        sample, said = _thinned(sample)
        words += said
    if len(sample) > MOST and sample.kind != "discrete":
        rows = np.random.default_rng([sample.seed, 40]).choice(len(sample), MOST, replace=False)
        words.append(f"{MOST} of {len(sample)} rows were drawn for this; the others were not used")
        sample = _some(sample, np.sort(rows))
    return Checked(sample, tuple(words))


def _some(sample: Sample, rows: np.ndarray) -> Sample:
    return replace(sample, x=sample.x.rows(rows), y=sample.y.rows(rows))


def _distinct(sample: Sample) -> tuple[Sample, list[str]]:
    """Rows of numbers that occur again, in both sides, are one draw written twice."""
    if sample.kind == "discrete":
        return sample, []
    both = np.column_stack([sample.x.values, sample.y.values])
    first = np.sort(np.unique(both, axis=0, return_index=True)[1])
    if len(first) == len(both) or len(first) < LEAST:
        return sample, []
    return _some(sample, first), [
        f"{len(both) - len(first)} of {len(both)} rows are repeats of others; each was counted once"
    ]


def _thinned(sample: Sample) -> tuple[Sample, list[str]]:
    """Every m-th row where neighbouring rows of both sides are alike.

    The mean of products of two series whose correlations at lag k are a_k, b_k has the variance of
    n / (1 + 2 sum a_k b_k) independent rows (Bartlett 1935).
    """
    n = len(sample)
    lags = range(1, min(LAGS, n // 4) + 1)
    a, b = (_serial(side, lags) for side in (sample.x, sample.y))
    limit = ALIKE / math.sqrt(n)
    if min(a[0], b[0]) < limit:
        return sample, []
    stop = next((k for k, v in enumerate(np.minimum(a, b)) if v < limit / 2), len(a))
    step = math.ceil(1 + 2 * float((a[:stop] * b[:stop]).sum()))
    step = max(2, min(step, n // LEAST))
    text = (
        f"neighbouring rows are alike (correlations {a[0]:.2f} and {b[0]:.2f}): one in {step} was"
        " used; say ordered=False if their order means nothing"
    )
    return _some(sample, np.arange(0, n, step)), [text]


def _serial(side: Side, lags: range) -> np.ndarray:
    """The largest correlation of a column with itself, so many rows on."""
    numbers = side.indicators(16) if side.discrete else side.values[:, :16]
    white = (numbers - numbers.mean(0)) / numbers.std(0).clip(1e-12)
    return np.array([float((white[:-k] * white[k:]).mean(0).max()) for k in lags])


def infinite(sample: Sample) -> str:
    """Why the mutual information of two sides of numbers is infinite; empty if it need not be."""
    if sample.kind != "continuous":
        return ""
    x, y = sample.x.values, sample.y.values
    if len(x) > 2 * (x.shape[1] + y.shape[1]) and _shares(x, y):
        return "a direction of x is a direction of y: I and J are infinite"
    for a, b, text in ((x, y, "y is a function of x"), (y, x, "x is a function of y")):
        if a.shape[1] == 1 and _follows(a[:, 0], b):
            return f"{text}, as far as rows this close show: I and J are infinite"
    return ""


def _shares(x: np.ndarray, y: np.ndarray) -> bool:
    a, b = spheres(x), spheres(y)
    if float(np.linalg.svd(a.T @ b / len(a), compute_uv=False)[0]) > 1 - SAME:
        return True
    if x.shape[1] > 1 or y.shape[1] > 1:
        ranks = [np.argsort(np.argsort(v, axis=0), axis=0) for v in (x, y)]
        same = [(ranks[0][:, i, None] == ranks[1]).all(0).any() for i in range(x.shape[1])]
        return bool(any(same))
    order = np.argsort(x[:, 0], kind="stable")
    step = np.diff(y[order, 0])
    return bool((step > 0).all() or (step < 0).all())


def _follows(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether some column of y moves as little as x does between neighbours of x."""
    n = len(x)
    if n < 300:
        return False
    order = np.argsort(x)
    for column in y.T:
        near = np.abs(np.diff(column[order])).clip(1e-300)
        far = np.abs(column - np.roll(column, n // 3)).clip(1e-300)
        if np.mean(np.log(near)) - np.mean(np.log(far)) < -0.65 * math.log(n):
            return True
    return False


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread for tensors as small as these; the caller's numbers come back."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
