"""J of a table: reduced, cut into its components, solved, made exact, bounded from below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wyner.information.discrete.alternating import admm, alternating
from wyner.information.discrete.certificate import largest_gain
from wyner.information.discrete.decomposition import Decomposition
from wyner.information.discrete.pricing import best_products, dual_value, gains, random_starts
from wyner.information.discrete.rectangles import Rectangle, maximal_rectangles
from wyner.information.discrete.repair import exact, restored, trivial
from wyner.information.discrete.search import Effort, inside, merged, penalty
from wyner.information.discrete.table import components, dual_total_correlation, entropy, reduced

Solver = Callable[
    [np.ndarray, Sequence[Rectangle], Effort, np.random.Generator],
    tuple[Decomposition, np.ndarray | None],
]
"""A decomposition that fits nearly, and prices of the cells or None."""
SOLVERS: Mapping[str, Solver] = {"penalty": penalty, "alternating": alternating, "admm": admm}
PROVEN = 1e-6
"""Share of J between the bounds at which a proof ends."""
SETTLED = 1e-12
"""Nats between the bounds at which nothing is left to search."""


@dataclass(frozen=True)
class Answer:
    """J of a table, in nats.

    Attributes:
        exact: a decomposition of the table itself (up to rounding); its rate is at least J.
        found: what the solver returned, before it was made exact.
        lower: a proven lower bound: dual total correlation, or the dual with branch and bound.
        dual: the dual bound with the maximum over products searched from many starts, not proven;
            nan if there are no prices.
    """

    exact: Decomposition
    found: Decomposition
    lower: float
    dual: float


def solve(
    p: np.ndarray, solver: Solver, effort: Effort, rng: np.random.Generator, prove: bool | int
) -> Answer:
    """J of a table of full generality.

    Z must tell which connected component of the support it is, a function of each variable, so J is
    the entropy of the component plus the mean J inside.
    """
    small = reduced(p)
    labels = components(small.table)
    parts = []
    for k in range(labels[0].max() + 1):
        values = [np.flatnonzero(label == k) for label in labels]
        block = small.table[np.ix_(*values)]
        mass = float(block.sum())
        parts.append((mass, values, _connected(block / mass, solver, effort, rng, prove)))
    between = entropy(np.array([mass for mass, *_ in parts]))

    def whole(pick: Callable[[Answer], Decomposition]) -> Decomposition:
        weights = np.concatenate([mass * pick(a).weights for mass, _, a in parts])
        factors = []
        for axis, channel in enumerate(small.channels):
            rows = [pick(a).factors[axis] @ channel[values[axis]] for _, values, a in parts]
            factors.append(np.concatenate(rows))
        return Decomposition(weights, tuple(factors))

    lower = between + sum(mass * a.lower for mass, _, a in parts)
    dual = between + sum(mass * a.dual for mass, _, a in parts)
    return Answer(whole(lambda a: a.exact), whole(lambda a: a.found), lower, dual)


def _connected(
    p: np.ndarray, solver: Solver, effort: Effort, rng: np.random.Generator, prove: bool | int
) -> Answer:
    h, lower, simple = entropy(p), dual_total_correlation(p), trivial(p)
    if simple.rate(h) - lower < SETTLED:
        return Answer(simple, simple, lower, lower)
    rectangles, all_ = maximal_rectangles(p, rng)
    solved, prices = solver(p, rectangles, effort, rng)
    found = merged(solved)
    cut = _contained(found, rectangles)
    again = _contained(restored(cut, p), rectangles)
    best = min([simple, exact(cut, p), exact(again, p)], key=lambda d: d.rate(h))
    dual = float("nan")
    if prices is not None:
        climbed = best_products(prices, *random_starts(rectangles, 4 * effort.probes, rng))
        known = max(float(climbed.gains[0]), float(gains(found, prices).max()))
        dual = max(lower, dual_value(h, p, prices, known))
        cells, near = None if prove is True else int(prove), max(SETTLED, PROVEN * best.rate(h))
        proven = largest_gain(prices, rectangles, known, near, cells) if prove and all_ else None
        if proven is not None:
            lower = max(lower, dual_value(h, p, prices, proven))
    return Answer(best, found, min(lower, best.rate(h)), min(dual, best.rate(h)))


def _contained(d: Decomposition, rectangles: Sequence[Rectangle]) -> Decomposition:
    """Factors cut to the rectangle with most of their mass: cells of probability 0 stay so."""
    cut = [np.where(m, a, 0.0) for a, m in zip(d.factors, inside(d, rectangles), strict=True)]
    return Decomposition(d.weights, tuple(a / a.sum(1, keepdims=True) for a in cut))
