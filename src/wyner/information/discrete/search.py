"""The penalty solver: augmented Lagrangian from many starts, then the products that are missing.

Section 6.1 of the specification with two changes: prices of the cells (multipliers) take the misfit
to 1e-10 at moderate penalties, and the same prices tell where a local optimum can be improved
(`pricing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wyner.information.discrete.decomposition import Decomposition, Program
from wyner.information.discrete.lbfgs import minimise
from wyner.information.discrete.newton import stationary
from wyner.information.discrete.pricing import (
    Found,
    best_products,
    dual_value,
    gains,
    random_starts,
)
from wyner.information.discrete.rectangles import Rectangle
from wyner.information.discrete.repair import exact
from wyner.information.discrete.table import entropy

LEAP = 1.0
"""Largest change of a price at once, in nats: far from a fit the first-order update overshoots."""
SETTLED = 1e-6
"""Nats between an exact decomposition and its dual bound at which the search ends."""
FIT = 1e-3
"""Largest relative misfit of a cell after Newton's method that counts as a fit."""
NEAR = 0.01
"""Values of Z whose factors differ by less, entry by entry, become one between descents."""


@dataclass(frozen=True)
class Effort:
    """How hard the search tries.

    Attributes:
        starts: random starts, all at once.
        components: values of Z to start with; None for twice as many as always suffice to fit.
        rounds: times that missing products are looked for.
        gain: nats that a missing product must promise to be taken in.
        probes: random products that each such look starts from.
    """

    starts: int = 8
    components: int | None = None
    rounds: int = 8
    gain: float = 1e-5
    probes: int = 256


@dataclass(frozen=True)
class Solved:
    """A decomposition that fits to about 1e-10, and the prices of the cells that belong to it."""

    decomposition: Decomposition
    prices: np.ndarray


def penalty(
    p: np.ndarray, rectangles: Sequence[Rectangle], effort: Effort, rng: np.random.Generator
) -> tuple[Decomposition, np.ndarray]:
    """The cheapest decomposition of a table that the search finds, and its prices."""
    nz = effort.components or max(len(rectangles), min(p.size, 2 * (p.size // max(p.shape))))
    program = Program(p, _masks(rectangles, nz, effort.starts, rng))
    points = rng.normal(size=(program.starts, program.nz * (1 + sum(p.shape))))
    program.rho = np.full_like(program.rho, 10.0)
    points = _descend(program, points, steps=60, rounds=12)
    state = _best(program, points, entropy(p))
    found, cost, prices, dual = state.decomposition, np.inf, state.prices, -np.inf
    for _ in range(effort.rounds):
        tried = _refined(p, state, rectangles)
        state = min(tried, key=lambda s: _off(p, s.decomposition))
        for other in tried:
            if (now := _cost(p, other.decomposition)) < cost:
                found, cost = other.decomposition, now
        for probes in (effort.probes, 4 * effort.probes):  # what looks settled is looked at again
            climbed = best_products(state.prices, *random_starts(rectangles, probes, rng))
            bound = dual_value(entropy(p), p, state.prices, _largest(state, climbed))
            if cost - bound > SETTLED:
                break
        if bound > dual:
            prices, dual = state.prices, bound
        if cost - dual < SETTLED:
            break
        state = improved(state, climbed, effort)
    return found, prices


def _cost(p: np.ndarray, d: Decomposition) -> float:
    """Rate of the decomposition once it is made exact, in nats."""
    return exact(d, p).rate(entropy(p))


def _largest(state: Solved, climbed: Found) -> float:
    """Largest gain of any product that is known."""
    own = gains(state.decomposition, state.prices)
    return max(float(climbed.gains[0]), float(own.max()))


def _refined(p: np.ndarray, state: Solved, rectangles: Sequence[Rectangle]) -> list[Solved]:
    """By Newton's method; where that ends without a fit, or the table is large, also by descent."""
    lean = merged(state.decomposition, close=NEAR)
    found = Solved(*stationary(p, lean, state.prices))
    fits = _off(p, found.decomposition) < FIT
    return [found] if fits else [found, polish(p, state, rectangles)]


def _off(p: np.ndarray, d: Decomposition) -> float:
    """Largest relative misfit of a cell."""
    return float(np.abs(d.table[p > 0] / p[p > 0] - 1).max())


def _masks(
    rectangles: Sequence[Rectangle], nz: int, starts: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """A rectangle for every value of Z in every start, `(R, nz, n_i)`.

    Each rectangle once, the rest drawn from those that are free on two axes: on one axis a single
    product does it all.
    """
    everything = list(range(len(rectangles)))
    wide = [k for k in everything if sum(m.sum() > 1 for m in rectangles[k]) > 1] or everything
    picks = []
    for _ in range(starts):
        order = list(everything)
        while len(order) < nz:
            order += [wide[k] for k in rng.permutation(len(wide))]
        picks.append(order[: max(nz, len(rectangles))])
    axes = range(len(rectangles[0]))
    return [np.stack([[rectangles[k][axis] for k in pick] for pick in picks]) for axis in axes]


def _descend(
    program: Program, points: np.ndarray, *, steps: int, rounds: int, tolerance: float = 1e-11
) -> np.ndarray:
    """Minimises, moves the prices by rho times the misfit, raises rho where that does not fall."""
    best, fine = np.full_like(program.rho, np.inf), 1e-3
    for _ in range(rounds):
        points, _ = minimise(
            program, points, steps=steps, tolerance=fine, quorum=0.5, metric=program.metric(points)
        )
        w, factors, _ = program.values(points)
        d = program.misfit(w, factors)
        rho = program.rho.reshape([-1] + [1] * (d.ndim - 1))
        program.prices = program.prices + np.clip(rho * program.precision * d, -LEAP, LEAP)
        now = np.abs(d).reshape(len(d), -1).max(1)
        if (now < tolerance).all():
            break
        program.rho = np.minimum(np.where(now > 0.3 * best, 2.0, 1.0) * program.rho, 300.0)
        best = np.minimum(now, best)
        fine = max(1e-10, 1e-2 * float(now.min()))  # wrong prices deserve no sharp minimum
    return points


def _best(program: Program, points: np.ndarray, h: float) -> Solved:
    """The start with the lowest rate, misfit counted at its price, among those that fit."""
    w, factors, _ = program.values(points)
    d = program.misfit(w, factors)
    found = [Decomposition(v, tuple(a[r] for a in factors)) for r, v in enumerate(w)]
    priced = (program.prices * d).reshape(len(d), -1).sum(1)
    corrected = np.array([f.rate(h) for f in found]) + priced
    misfit = np.abs(d).reshape(len(d), -1).max(1)
    k = int(np.where(misfit <= max(1e-3, 2 * misfit.min()), corrected, np.inf).argmin())
    return Solved(found[k], program.prices[k])


def improved(state: Solved, climbed: Found, effort: Effort) -> Solved:
    """The decomposition, merged, with the products that it lacks, if any."""
    lean, prices = merged(state.decomposition, close=NEAR), state.prices
    level = float(lean.weights @ gains(lean, prices)) + effort.gain
    made, chosen = lean, 0
    for k in np.flatnonzero(climbed.gains > level)[:64]:
        fresh = tuple(b[[k]] for b in climbed.factors)
        far = _apart(made.factors, fresh).min()
        if far > 2 * NEAR and chosen < max(2, len(lean.weights) // 2):
            joined = [np.concatenate(pair) for pair in zip(made.factors, fresh, strict=True)]
            made, chosen = Decomposition(made.weights, tuple(joined)), chosen + 1
    if not chosen:
        return Solved(lean, prices)
    share = np.full(chosen, 0.1 / chosen)
    weights = np.concatenate([lean.weights * 0.9, share])
    return Solved(Decomposition(weights, made.factors), prices)


def _apart(factors: Sequence[np.ndarray], one: Sequence[np.ndarray]) -> np.ndarray:
    """Largest difference of any entry of the factors of each value of Z from those of one."""
    pairs = zip(factors, one, strict=True)
    return np.max([np.abs(a - b).max(1) for a, b in pairs], 0)


def merged(d: Decomposition, spent: float = 1e-7, close: float = 1e-5) -> Decomposition:
    """Without values of Z that have no mass; close ones become one, as flat directions are slow."""
    d = d.kept(np.argsort(-d.weights))
    d = d.kept(d.weights > spent)
    left = np.ones(len(d.weights), bool)
    weights, factors = [], []
    for k in range(len(left)):
        if left[k]:
            group = left & (_apart(d.factors, [a[k] for a in d.factors]) < close)
            left &= ~group
            weights.append(d.weights[group].sum())
            factors.append([d.weights[group] @ a[group] / weights[-1] for a in d.factors])
    total = np.array(weights)
    rows = tuple(np.stack(each) for each in zip(*factors, strict=True))
    return Decomposition(total / total.sum(), rows)


def polish(
    p: np.ndarray, state: Solved, rectangles: Sequence[Rectangle], rounds: int = 12
) -> Solved:
    """One start, from a given decomposition and its prices, to a tight fit."""
    d = merged(state.decomposition, close=1e-3)
    program = Program(p, [m[None] for m in inside(d, rectangles)])
    program.rho = np.full_like(program.rho, 10.0)
    program.prices = state.prices[None].copy()
    logits = [np.log(np.maximum(a, 1e-12)).ravel() for a in (d.weights, *d.factors)]
    points = np.concatenate(logits)[None]
    return _best(program, _descend(program, points, steps=200, rounds=rounds), entropy(p))


def inside(d: Decomposition, rectangles: Sequence[Rectangle]) -> list[np.ndarray]:
    """The rectangle that each value of Z has most of its mass in, `(nz, n_i)`."""
    masks = [np.stack(axis) for axis in zip(*rectangles, strict=True)]
    share = np.ones((len(d.weights), len(rectangles)))
    for a, m in zip(d.factors, masks, strict=True):
        share *= a @ m.T
    picks = share.argmax(1)
    return [m[picks] for m in masks]
