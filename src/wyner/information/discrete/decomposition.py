"""P(x_1..x_n) = sum_z w_z prod_i a_iz(x_i): what makes the variables independent given Z, and the
search for the cheapest.

J = min I(X;Z) = H(P) - max sum_z w_z sum_i H(a_iz)    over all such decompositions of P
                                                       (section 6.1)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

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
    def table(self) -> np.ndarray:
        """sum_z p(z) prod_i p(x_i|z), `(n_1, ..., n_k)`."""
        return np.tensordot(self.weights, self.atoms, 1)

    @property
    def atoms(self) -> np.ndarray:
        """prod_i p(x_i|z), `(nz, n_1, ..., n_k)`."""
        return products(self.factors)

    @property
    def noise(self) -> float:
        """sum_i H(X_i|Z) in nats."""
        logs = [np.log(np.where(a > 0, a, 1.0)) for a in self.factors]
        return float(
            -sum(self.weights @ (a * log).sum(1) for a, log in zip(self.factors, logs, strict=True))
        )

    def kept(self, mask: np.ndarray) -> Decomposition:
        """The values of Z in a mask or an order, weights as they are."""
        return Decomposition(self.weights[mask], tuple(a[mask] for a in self.factors))

    def rate(self, entropy: float) -> float:
        """I(X;Z) = H(X) - sum_i H(X_i|Z) in nats, if the decomposition is that of a table of this
        entropy.
        """
        return entropy - self.noise


def products(factors: Sequence[np.ndarray]) -> np.ndarray:
    """Outer products row by row, `(nz, n_1, ..., n_k)`."""
    made = factors[0]
    for a in factors[1:]:
        made = made[..., None] * a.reshape(len(a), *[1] * (made.ndim - 1), -1)
    return made


class Program:
    """min -sum_z w_z sum_i H(a_iz) + <L, D> + rho/2 <D, D/P>, D = sum_z w_z a_z - P, for R starts
    at once.

    The augmented Lagrangian of the problem above: prices L of the cells and a weight rho of the
        squared misfit for each start.

    Points are rows of logits of w and of the factors; logits outside a rectangle stay at minus
    infinity, so that no cell of probability 0 is ever reached.
    """

    def __init__(self, p: np.ndarray, masks: Sequence[np.ndarray], device: str = "cpu") -> None:
        """`masks`: `(R, nz, n_i)` for each variable."""
        tensor = lambda a: torch.as_tensor(a, dtype=torch.float64, device=device)
        self.p, self.shape = tensor(p), p.shape
        self.inside = [torch.as_tensor(m, device=device) for m in masks]
        self.starts, self.nz = masks[0].shape[:2]
        self.precision = torch.where(self.p > 0, 1 / self.p.clamp_min(FLOOR / self.p.numel()), 0.0)
        self.prices = torch.zeros((self.starts, *p.shape), dtype=torch.float64, device=device)
        self.rho = torch.ones(self.starts, dtype=torch.float64, device=device)
        n = "abcdefghijklmnopqrstuvw"[: p.ndim]
        each = [f"rz{k}" for k in n]
        self._sum = ",".join(["rz", *each]) + f"->r{n}"
        self._others = [
            ",".join([f"r{n}", *each[:i], *each[i + 1 :]]) + f"->rz{n[i]}" for i in range(p.ndim)
        ]

    def split(self, points: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits of w, `(R, nz)`, and of the factors, `(R, nz, n_i)`, masked."""
        sizes = [self.nz, *(self.nz * n for n in self.shape)]
        first, *rest = points.split(sizes, 1)
        cut = [t.view(-1, self.nz, n) for t, n in zip(rest, self.shape, strict=True)]
        return first, [torch.where(m, t, LOWEST) for m, t in zip(self.inside, cut, strict=True)]

    def values(self, points: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """p(z), p(x_i|z) and log p(x_i|z), the last 0 where the factor is 0."""
        first, rest = self.split(points)
        logs = [t.log_softmax(2) for t in rest]
        factors = [t.exp() for t in logs]
        return (
            first.softmax(1),
            factors,
            [torch.where(m, t, 0.0) for m, t in zip(self.inside, logs, strict=True)],
        )

    def metric(self, points: Tensor) -> Tensor:
        """Inverse Fisher information of the logits, 1 / p(z) and 1 / p(z, x_i), kept below 1 /
        `RARE`; `(R, D)`.
        """
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
        axes = tuple(range(1, d.ndim))
        if len(factors) == 2:
            costs = [factors[1] @ marginal_prices.transpose(1, 2), factors[0] @ marginal_prices]
        else:
            pick = lambda i: [a for k, a in enumerate(factors) if k != i]
            costs = [torch.einsum(s, marginal_prices, *pick(i)) for i, s in enumerate(self._others)]
        minus_h = sum((a * log).sum(2) for a, log in zip(factors, logs, strict=True))
        dw = minus_h + (factors[0] * costs[0]).sum(2)
        value = (w * minus_h).sum(1) + ((self.prices + 0.5 * scaled) * d).sum(axes)
        parts = [w * (dw - (w * dw).sum(1, keepdim=True))]
        for a, log, cost in zip(factors, logs, costs, strict=True):
            slope = log + cost
            slope = w[..., None] * a * (slope - (a * slope).sum(2, keepdim=True))
            parts.append(slope.flatten(1))
        return value, torch.cat(parts, 1)
