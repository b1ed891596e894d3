"""Tables that are too large for dit, some with a known J: independent pairs add up."""

from __future__ import annotations

import functools
import math

import numpy as np


def h(p: float) -> float:
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def symmetric(a0: float) -> tuple[np.ndarray, float]:
    """Doubly symmetric binary source, and its J in bits (Wyner 1975)."""
    a1 = (1 - math.sqrt(1 - 2 * a0)) / 2
    return np.array([[1 - a0, a0], [a0, 1 - a0]]) / 2, 1 + h(a0) - 2 * h(a1)


def together(*pairs: tuple[np.ndarray, float]) -> tuple[np.ndarray, float]:
    """Independent pairs as one: (X1..Xk, Y1..Yk)."""
    return functools.reduce(np.kron, [p for p, _ in pairs]), sum(j for _, j in pairs)


def hidden(n: int, classes: int, seed: int) -> tuple[np.ndarray, None]:
    """X and Y drawn from `classes` common causes with random factors; J is at most log of their
    number, not known."""
    rng = np.random.default_rng(seed)
    draw = lambda: rng.dirichlet(np.full(n, 0.3), size=classes) + 1e-4
    p = np.einsum("z,zx,zy->xy", rng.dirichlet(np.full(classes, 5.0)), draw(), draw())
    return p / p.sum(), None


def cut_gaussian(n: int, r: float) -> tuple[np.ndarray, None]:
    """A Gaussian density on a grid of n x n equal steps in [-2, 2], normalised; J is not known."""
    g = np.linspace(-2, 2, n)
    p = np.exp(-(g[:, None] ** 2 - 2 * r * g[:, None] * g + g**2) / (2 * (1 - r * r)))
    return p / p.sum(), None


TABLES = {
    "16 x 16: four symmetric pairs": together(*map(symmetric, (0.1, 0.1, 0.1, 0.1))),
    "16 x 16: four unequal pairs": together(*map(symmetric, (0.05, 0.1, 0.2, 0.3))),
    "16 x 16: five hidden causes": hidden(16, 5, 0),
    "16 x 16: Gaussian grid, r = 0.5": cut_gaussian(16, 0.5),
    "32 x 32: five symmetric pairs": together(*map(symmetric, (0.1,) * 5)),
    "32 x 32: eight hidden causes": hidden(32, 8, 0),
    "32 x 32: Gaussian grid, r = 0.5": cut_gaussian(32, 0.5),
}
