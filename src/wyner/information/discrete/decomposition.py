"""Decompositions into products: P(x_1..x_n) = sum_z w_z prod_i a_iz(x_i), and their program.

J = min I(X;Z) = H(P) - max sum_z w_z sum_i H(a_iz)    over all such decompositions of P
                                                       (section 6.1)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wyner.information.discrete.table import xlogx

LOWEST = -1e30
"""Logit of a value that a factor may not take."""
RARE = 1e-3
"""Mass below which a logit is not scaled up any more: what it moves is hardly seen."""
FLOOR = 0.05
"""Cells below this share of the mean cell weigh no more than it: relative misfits of rare cells
would make the problem stiff."""


@dataclass(frozen=True)
class Decomposition:
    """A mixture of products.

    Attributes:
        weights: p(z), `(nz,)`.
        factors: p(x_i|z) for each variable, `(nz, n_i)`.
    """

    weights: np.ndarray
    factors: tuple[np.ndarray, ...]

    @property
    def atoms(self) -> np.ndarray:
        """prod_i p(x_i|z), `(nz, n_1, ..., n_k)`."""
        made = self.factors[0]
        for a in self.factors[1:]:
            made = made[..., None] * a.reshape(len(a), *[1] * (made.ndim - 1), -1)
        return made

    @property
    def joint(self) -> np.ndarray:
        """p(z) prod_i p(x_i|z), `(nz, n_1, ..., n_k)`."""
        return self.weights.reshape(-1, *[1] * len(self.factors)) * self.atoms

    @property
    def table(self) -> np.ndarray:
        """sum_z p(z) prod_i p(x_i|z), `(n_1, ..., n_k)`."""
        return np.tensordot(self.weights, self.atoms, 1)

    @property
    def noises(self) -> np.ndarray:
        """sum_i H(X_i|Z=z) in nats, `(nz,)`."""
        return noises(self.factors)

    @property
    def noise(self) -> float:
        """sum_i H(X_i|Z) in nats."""
        return float(self.weights @ self.noises)

    @property
    def ends(self) -> np.ndarray:
        """Where the logits of each factor begin, behind log p(z), and where the last end."""
        return np.cumsum([1, *(a.shape[1] for a in self.factors)])

    @property
    def jacobian(self) -> np.ndarray:
        """Derivatives of the table in log p(z) and the logits of the factors, `(nz, D, *shape)`."""
        joint = self.joint
        rows = [joint[:, None]]
        for axis, a in enumerate(self.factors):
            mean = np.expand_dims(joint.sum(axis + 1), (1, axis + 2))
            moved = a[:, :, None] * (np.eye(a.shape[1]) - a[:, None])  # d a(k) / d logit(v)
            lone = [a.shape[1] if k == axis else 1 for k in range(len(self.factors))]
            rows.append(moved.reshape(*a.shape, *lone) * mean)
        return np.concatenate(rows, 1)

    def moved(self, step: np.ndarray) -> Decomposition:
        """With log p(z) and logits moved, `(nz, D)`; the weights are not normalised."""
        grown = []
        for a, begin, end in zip(self.factors, self.ends[:-1], self.ends[1:], strict=True):
            more = step[:, begin:end]
            b = a * np.exp(more - more.max(1, keepdims=True))
            grown.append(b / b.sum(1, keepdims=True))
        return Decomposition(self.weights * np.exp(step[:, 0]), tuple(grown))

    def kept(self, mask: np.ndarray) -> Decomposition:
        """The values of Z in a mask or an order, weights as they are."""
        return Decomposition(self.weights[mask], tuple(a[mask] for a in self.factors))

    def rate(self, entropy: float) -> float:
        """I(X;Z) = H(X) - sum_i H(X_i|Z) in nats, if it is that of a table of this entropy."""
        return entropy - self.noise


def noises(factors: Sequence[np.ndarray]) -> np.ndarray:
    """sum_i H(a_i) of each row, `(nz,)`."""
    return -sum(xlogx(a).sum(1) for a in factors)


class Program:
    """min -sum_z w_z sum_i H(a_iz) + <L, D> + rho/2 <D, D/P>, D = sum_z w_z a_z - P, for R starts.

    The augmented Lagrangian of the problem above: prices L of the cells and a weight rho of the
    squared misfit for each start. Points are rows of logits of w and of the factors; logits outside
    a rectangle stay at minus infinity, so that no cell of probability 0 is ever reached.
    """

    def __init__(self, p: np.ndarray, masks: Sequence[np.ndarray]) -> None:
        """`masks`: `(R, nz, n_i)` for each variable."""
        self.p, self.shape = p, p.shape
        self.inside = [None if m.all() else m for m in masks]
        self.starts, self.nz = masks[0].shape[:2]
        self.precision = np.where(p > 0, 1 / np.maximum(p, FLOOR / p.size), 0.0)
        self.prices = np.zeros((self.starts, *p.shape))
        self.rho = np.ones(self.starts)
        self._ends = np.cumsum([self.nz, *(self.nz * n for n in self.shape)])

    def values(self, points: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
        """p(z) `(R, nz)`, p(x_i|z) `(R, nz, n_i)`, log p(x_i|z), the last 0 where the factor is."""
        factors, kept = [], []
        for m, begin, end in zip(self.inside, self._ends[:-1], self._ends[1:], strict=True):
            logits = points[:, begin:end].reshape(len(points), self.nz, -1)
            a, logs = softmax(logits if m is None else np.where(m, logits, LOWEST))
            factors.append(a)
            kept.append(logs if m is None else np.where(m, logs, 0.0))
        return softmax(points[:, : self.nz])[0], factors, kept

    def metric(self, points: np.ndarray) -> np.ndarray:
        """Inverse Fisher information of the logits, 1 / p(z), 1 / p(z, x_i), `(R, D)`; cut."""
        w, factors, _ = self.values(points)
        parts = [w, *((w[..., None] * a).reshape(len(w), -1) for a in factors)]
        return 1 / np.maximum(np.concatenate(parts, 1), RARE)

    def misfit(self, weights: np.ndarray, factors: list[np.ndarray]) -> np.ndarray:
        """sum_z w_z a_z - P, `(R, *shape)`."""
        made = weights[..., None] * factors[0]
        for a in factors[1:-1]:
            made = (made[..., None] * a[:, :, None]).reshape(*made.shape[:2], -1)
        made = made.swapaxes(1, 2) @ factors[-1]
        return made.reshape(-1, *self.shape) - self.p

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values `(R,)` and gradients `(R, D)`."""
        w, factors, logs = self.values(points)
        d = self.misfit(w, factors)
        scaled = self.rho.reshape(-1, *[1] * (d.ndim - 1)) * self.precision * d
        costs = _expected(self.prices + scaled, factors)
        minus_h = sum(np.einsum("rzn,rzn->rz", a, log) for a, log in zip(factors, logs))
        dw = minus_h + np.einsum("rzn,rzn->rz", factors[0], costs[0])
        spent = (self.prices + 0.5 * scaled) * d
        value = (w * minus_h).sum(1) + spent.reshape(len(d), -1).sum(1)
        parts = [w * (dw - (w * dw).sum(1, keepdims=True))]
        for a, log, cost in zip(factors, logs, costs, strict=True):
            slope = log + cost
            slope -= np.einsum("rzn,rzn->rz", a, slope)[..., None]
            parts.append((w[..., None] * a * slope).reshape(len(w), -1))
        return value, np.concatenate(parts, 1)


def _expected(prices: np.ndarray, factors: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Mean price of each value of each variable given the others' factors, `(R, nz, n_i)`."""
    if len(factors) == 2:
        return [factors[1] @ prices.swapaxes(1, 2), factors[0] @ prices]
    found = []
    for axis in range(len(factors)):
        others = [a for k, a in enumerate(factors) if k != axis]
        turned = np.moveaxis(prices, axis + 1, -1)
        mean = others[0] @ turned.reshape(len(turned), turned.shape[1], -1)
        for a in others[1:]:
            mean = a[:, :, None] @ mean.reshape(*a.shape, -1)
            mean = mean[:, :, 0]
        found.append(mean)
    return found


def softmax(logits: np.ndarray, axis: int = -1) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities over an axis, and their logarithms."""
    moved = logits - logits.max(axis, keepdims=True)
    e = np.exp(moved)
    total = e.sum(axis, keepdims=True)
    return e / total, moved - np.log(total)
