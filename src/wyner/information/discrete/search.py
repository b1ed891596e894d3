"""The penalty solver: augmented Lagrangian from many starts at once, then products that the prices
show to be missing.

Section 6.1 of the specification with two changes: prices of the cells (multipliers) take the misfit
    to 1e-10 at moderate
penalties, and the same prices tell where a local optimum can be improved (`pricing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wyner.information.discrete.decomposition import Decomposition, Program
from wyner.information.discrete.lbfgs import minimise
from wyner.information.discrete.pricing import best_products, dual_value, random_starts
from wyner.information.discrete.rectangles import Rectangle
from wyner.information.discrete.repair import restored
from wyner.information.discrete.table import entropy

LEAP = 1.0
"""Largest change of a price at once, in nats: far from a fit the first-order update overshoots."""
SETTLED = 1e-6
"""Nats between an exact decomposition and its dual bound at which the search ends."""
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
        fit: largest misfit of a cell at which the search may end.
        probes: random products that each such look starts from.
        device: where the starts are computed.
    """

    starts: int = 8
    components: int | None = None
    rounds: int = 6
    gain: float = 1e-5
    fit: float = 1e-8
    probes: int = 256
    device: str = "cpu"


@dataclass(frozen=True)
class Solved:
    """A decomposition that fits to about 1e-10, and the prices of the cells that belong to it
    (None: the solver has none).
    """

    decomposition: Decomposition
    prices: np.ndarray | None


def penalty(
    p: np.ndarray, rectangles: Sequence[Rectangle], effort: Effort, rng: np.random.Generator
) -> Solved:
    """The cheapest decomposition of a table that the search finds."""
    enough = p.size // max(p.shape)
    nz = effort.components or max(len(rectangles), min(p.size, 2 * enough))
    masks = masks_for(rectangles, nz, effort.starts, rng)
    program = Program(p, masks, effort.device)
    points = torch.from_numpy(
        rng.normal(size=(program.starts, program.nz * (1 + sum(p.shape))))
    ).to(effort.device)
    program.rho = torch.full_like(program.rho, 10.0)
    for _ in range(4):
        points = descend(program, points, steps=60, rounds=3)
        state = _best(program, points, entropy(p))
        if (done := settled(p, state, rectangles, rng)) is not None:
            return done
    for _ in range(effort.rounds):
        fresh = improved(state, rectangles, effort, rng)
        if fresh is None and np.abs(state.decomposition.table - p).max() < effort.fit:
            break
        state = polish(p, fresh or state, rectangles, effort.device, rounds=12)
        if (done := settled(p, state, rectangles, rng)) is not None:
            return done
    return state


def settled(
    p: np.ndarray, state: Solved, rectangles: Sequence[Rectangle], rng: np.random.Generator
) -> Solved | None:
    """The state, its spent values of Z dropped and its fit made exact, if its rate is within
    `SETTLED` of its own dual bound.
    """
    h, found = entropy(p), None
    assert state.prices is not None
    if p.size <= 300:
        for spent in (0.03, 1e-3, 1e-6):
            lean = restored(merged(state.decomposition, spent, close=1e-3), p)
            if np.abs(lean.table - p).max() < 1e-13 and (found is None or lean.noise > found.noise):
                found = lean
    if found is None:
        return None
    climbed = best_products(state.prices, *random_starts(rectangles, 64, rng))
    phi = max(float(climbed.gains[0]), float(gains(found, state.prices).max()))
    done = found.rate(h) - dual_value(h, p, state.prices, phi) < SETTLED
    return Solved(found, state.prices) if done else None


def masks_for(
    rectangles: Sequence[Rectangle], nz: int, starts: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """A rectangle for every value of Z in every start, `(R, nz, n_i)`.

    Each rectangle once, the rest drawn from those that are free on two axes: on one axis a single
        product does it all.
    """
    wide = [k for k, r in enumerate(rectangles) if sum(m.sum() > 1 for m in r) > 1] or list(
        range(len(rectangles))
    )
    picks = []
    for _ in range(starts):
        order = list(range(len(rectangles)))
        while len(order) < nz:
            order += [wide[k] for k in rng.permutation(len(wide))]
        picks.append(order[: max(nz, len(rectangles))])
    axes = range(len(rectangles[0]))
    return [np.stack([[rectangles[k][axis] for k in pick] for pick in picks]) for axis in axes]


def descend(
    program: Program, points: Tensor, *, steps: int, rounds: int, tolerance: float = 1e-11
) -> Tensor:
    """From the present rho: minimises, moves the prices by rho times the misfit, raises rho where
    the misfit does not fall; again.
    """
    best = torch.full_like(program.rho, float("inf"))
    fine = 1e-3
    for _ in range(rounds):
        points, _ = minimise(
            program, points, steps=steps, tolerance=fine, quorum=0.5, metric=program.metric(points)
        )
        w, factors, _ = program.values(points)
        d = program.misfit(w, factors)
        rho = program.rho.view([-1] + [1] * (d.ndim - 1))
        program.prices = program.prices + (rho * program.precision * d).clamp(-LEAP, LEAP)
        now = d.abs().flatten(1).amax(1)
        if bool((now < tolerance).all()):
            break
        program.rho = torch.where(now > 0.3 * best, 2.0 * program.rho, program.rho).clamp_max(300.0)
        best = torch.minimum(now, best)
        fine = max(
            1e-10, 1e-2 * float(now.min())
        )  # with wrong prices there is nothing to gain from a sharp minimum
    return points


def _best(program: Program, points: Tensor, h: float) -> Solved:
    """The start with the lowest rate, each nat of misfit counted at its price, among those that
    fit.
    """
    w, factors, _ = program.values(points)
    d = program.misfit(w, factors)
    axes = tuple(range(1, d.ndim))
    found = [
        Decomposition(w[r].cpu().numpy(), tuple(a[r].cpu().numpy() for a in factors))
        for r in range(len(w))
    ]
    corrected = np.array([f.rate(h) for f in found]) + (program.prices * d).sum(axes).cpu().numpy()
    misfit = d.abs().flatten(1).amax(1).cpu().numpy()
    k = int(np.where(misfit <= max(1e-3, 2 * misfit.min()), corrected, np.inf).argmin())
    return Solved(found[k], program.prices[k].cpu().numpy())


def gains(decomposition: Decomposition, prices: np.ndarray) -> np.ndarray:
    """sum_i H(a_iz) - <L, a_z> of each value of Z; equal, and largest among all products, at the
    optimum.
    """
    logs = [np.log(np.where(a > 0, a, 1.0)) for a in decomposition.factors]
    noise = -sum((a * log).sum(1) for a, log in zip(decomposition.factors, logs, strict=True))
    return noise - (decomposition.atoms * prices).reshape(len(noise), -1).sum(1)


def improved(
    state: Solved, rectangles: Sequence[Rectangle], effort: Effort, rng: np.random.Generator
) -> Solved | None:
    """The decomposition without spent and double values of Z, with the products it lacks; None if
    it lacks none.
    """
    lean, prices = merged(state.decomposition, close=NEAR), state.prices
    assert prices is not None
    found = best_products(prices, *random_starts(rectangles, effort.probes, rng))
    level = float(lean.weights @ gains(lean, prices)) + effort.gain
    known = [list(a) for a in lean.factors]
    chosen: list[int] = []
    for k in np.flatnonzero(found.gains > level)[:64]:
        far = np.max(
            [np.abs(np.array(a) - b[k]).max(1) for a, b in zip(known, found.factors, strict=True)],
            0,
        )
        if far.min() > 2 * NEAR and len(chosen) < max(2, len(lean.weights) // 2):
            chosen.append(int(k))
            for a, b in zip(known, found.factors, strict=True):
                a.append(b[k])
    if not chosen:
        return None
    share = np.full(len(chosen), 0.1 / len(chosen))
    factors = tuple(
        np.concatenate([a, b[chosen]]) for a, b in zip(lean.factors, found.factors, strict=True)
    )
    return Solved(Decomposition(np.concatenate([lean.weights * 0.9, share]), factors), prices)


def merged(d: Decomposition, spent: float = 1e-7, close: float = 1e-5) -> Decomposition:
    """Without values of Z that have no mass, those that are close made one, their mean: flat
    directions slow the descent.
    """
    d = d.kept(np.argsort(-d.weights))
    d = d.kept(d.weights > spent)
    left = np.ones(len(d.weights), bool)
    weights, factors = [], []
    for k in range(len(left)):
        if left[k]:
            group = left & (np.max([np.abs(a - a[k]).max(1) for a in d.factors], 0) < close)
            left &= ~group
            weights.append(d.weights[group].sum())
            factors.append([d.weights[group] @ a[group] / weights[-1] for a in d.factors])
    total = np.array(weights)
    return Decomposition(
        total / total.sum(), tuple(np.stack(rows) for rows in zip(*factors, strict=True))
    )


def polish(
    p: np.ndarray,
    state: Solved,
    rectangles: Sequence[Rectangle],
    device: str = "cpu",
    rounds: int = 25,
) -> Solved:
    """One start, from a given decomposition and its prices, to a tight fit."""
    d = merged(state.decomposition, close=1e-3)
    masks = [m[None] for m in inside(d, rectangles)]
    program = Program(p, masks, device)
    program.rho = torch.full_like(program.rho, 10.0)
    if state.prices is not None:
        program.prices = torch.as_tensor(state.prices, dtype=torch.float64, device=device)[
            None
        ].clone()
    log = lambda a: np.log(np.maximum(a, 1e-12)).ravel()
    points = torch.from_numpy(np.concatenate([log(d.weights), *map(log, d.factors)])).to(device)[
        None
    ]
    return _best(program, descend(program, points, steps=200, rounds=rounds), entropy(p))


def inside(d: Decomposition, rectangles: Sequence[Rectangle]) -> list[np.ndarray]:
    """The rectangle that each value of Z has most of its mass in, `(nz, n_i)`."""
    share = np.ones((len(d.weights), len(rectangles)))
    for axis, a in enumerate(d.factors):
        share *= a @ np.stack([r[axis] for r in rectangles]).T
    picks = share.argmax(1)
    return [np.stack([rectangles[k][axis] for k in picks]) for axis in range(len(d.factors))]
