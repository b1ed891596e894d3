"""Decompositions into products: P(x_1..x_n) = sum_z w_z prod_i a_iz(x_i), and their program.

J = min I(X;Z) = H(P) - max sum_z w_z sum_i H(a_iz)    over all such decompositions of P
                                                       (section 6.1)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

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

    def __init__(self, p: np.ndarray, masks: Sequence[np.ndarray], device: str = "cpu") -> None:
        """`masks`: `(R, nz, n_i)` for each variable."""
        self.p, self.shape = torch.as_tensor(p, dtype=torch.float64, device=device), p.shape
        self.inside = [torch.as_tensor(m, device=device) for m in masks]
        self.starts, self.nz = masks[0].shape[:2]
        self.precision = torch.where(self.p > 0, 1 / self.p.clamp_min(FLOOR / self.p.numel()), 0.0)
        self.prices = self.p.new_zeros(self.starts, *p.shape)
        self.rho = self.p.new_ones(self.starts)
        n = "abcdefghijklmnopqrstuvw"[: p.ndim]
        each = [f"rz{k}" for k in n]
        self._sum = ",".join(["rz", *each]) + f"->r{n}"
        self._others = [
            ",".join([f"r{n}", *each[:i], *each[i + 1 :]]) + f"->rz{n[i]}" for i in range(p.ndim)
        ]

    def values(self, points: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """p(z) `(R, nz)`, p(x_i|z) `(R, nz, n_i)`, log p(x_i|z), the last 0 where the factor is."""
        first, *rest = points.split([self.nz, *(self.nz * n for n in self.shape)], 1)
        factors, kept = [], []
        for m, t, n in zip(self.inside, rest, self.shape, strict=True):
            logs = torch.where(m, t.view(-1, self.nz, n), LOWEST).log_softmax(2)
            factors.append(logs.exp())
            kept.append(torch.where(m, logs, 0.0))
        return first.softmax(1), factors, kept

    def metric(self, points: Tensor) -> Tensor:
        """Inverse Fisher information of the logits, 1 / p(z), 1 / p(z, x_i), `(R, D)`; cut."""
        w, factors, _ = self.values(points)
        parts = [w, *((w[..., None] * a).flatten(1) for a in factors)]
        return 1 / torch.cat(parts, 1).clamp_min(RARE)

    def misfit(self, weights: Tensor, factors: list[Tensor]) -> Tensor:
        """sum_z w_z a_z - P, `(R, *shape)`."""
        if len(factors) == 2:
            return (weights[..., None] * factors[0]).transpose(1, 2) @ factors[1] - self.p
        return torch.einsum(self._sum, weights, *factors) - self.p

    def __call__(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Values `(R,)` and gradients `(R, D)`."""
        w, factors, logs = self.values(points)
        d = self.misfit(w, factors)
        scaled = self.rho.view(-1, *[1] * (d.ndim - 1)) * self.precision * d
        marginal_prices = self.prices + scaled
        if len(factors) == 2:
            costs = [factors[1] @ marginal_prices.transpose(1, 2), factors[0] @ marginal_prices]
        else:
            pick = lambda i: [a for k, a in enumerate(factors) if k != i]
            costs = [torch.einsum(s, marginal_prices, *pick(i)) for i, s in enumerate(self._others)]
        minus_h = sum((a * log).sum(2) for a, log in zip(factors, logs, strict=True))
        dw = minus_h + (factors[0] * costs[0]).sum(2)
        spent = (self.prices + 0.5 * scaled) * d
        value = (w * minus_h).sum(1) + spent.sum(tuple(range(1, d.ndim)))
        parts = [w * (dw - (w * dw).sum(1, keepdim=True))]
        for a, log, cost in zip(factors, logs, costs, strict=True):
            slope = log + cost
            slope = w[..., None] * a * (slope - (a * slope).sum(2, keepdim=True))
            parts.append(slope.flatten(1))
        return value, torch.cat(parts, 1)
