"""A separable critic of pairs, and the bounds of I(X;Y) that it proves on new rows. Nats.

It is trained to tell true pairs from shuffled ones:

    T(x,y) = f(x) . g(y) + b(x) + c(y)       the best critic is log p(x,y) / (p(x) p(y)), up to a
                                             constant

A Gaussian pair has exactly this form with f, g linear, and so has every invertible image of it; a
shared label has it with f, g constant on each value of the label. Trained by InfoNCE in both
directions (van den Oord et al., arXiv 1807.03748): the rows of the matrix of scores determine b and
the columns c, up to one constant. All bounds are of I(X;Y), on rows that training has not seen:

    InfoNCE = mean_i [ T_ii - log 1/n sum_j exp T_ij ]         at most log n
    DV      = mean_i T_ii - log mean_{i != j} exp T_ij         Donsker and Varadhan 1983
    NWJ     = 1 + mean_i T_ii - mean_{i != j} exp T_ij         Nguyen, Wainwright and Jordan 2010;
                                                               constant of T from other rows

No bound that holds with high probability can show more than about log n nats from n rows
(McAllester and Stratos, arXiv 1811.04251). For DV and NWJ, T is therefore cut at log n: a critic
like any other, without the few huge scores that would ruin both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from wyner.estimation.samples import Sample
from wyner.networks import MLP
from wyner.seeds import mix

WIDTHS, FEATURES, BATCH, EPOCHS, PATIENCE, RATE = (64, 64), 8, 256, 60, 25, 1e-2
DIMENSIONS = 48
"""Principal components that a network reads of a wider side."""
PAIRS = 2000
"""Rows of which all pairs are scored."""


class Tower(nn.Module):
    """One side: an affine map plus an MLP, to k features and one offset; features start small."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.straight = nn.Linear(inputs, FEATURES + 1)
        self.bent = MLP([(inputs,)], (FEATURES + 1,), WIDTHS, "silu")
        with torch.no_grad():
            self.straight.weight.mul_(0.3)
            dict(self.bent.layers[-1].named_parameters())["weight"].mul_(0.1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        both = self.straight(x) + self.bent(x)
        return both[:, :-1], both[:, -1]


@dataclass(frozen=True)
class Bound:
    """A lower bound of I(X;Y), its standard error over rows, and what it cannot exceed."""

    value: float
    error: float
    cap: float

    @classmethod
    def mean(cls, a: Bound, b: Bound) -> Bound:
        """The mean of the bounds of two halves."""
        return cls((a.value + b.value) / 2, math.hypot(a.error, b.error) / 2, a.cap)


@dataclass(frozen=True)
class Critic:
    """A trained critic.

    Attributes:
        towers: f and g; None if no dependence was found on validation rows, T = 0.
        known: y of training rows; T is shifted so that exp T(x,y) has mean 1 over them for every x.
            InfoNCE alone leaves a constant open for every part of the data that the critic tells
            apart for certain.
    """

    towers: tuple[Tower, Tower] | None
    known: Tensor

    @torch.no_grad()
    def features(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f(x), g(y): `(N, k)` each; columns of 0 for a critic that found nothing."""
        if self.towers is None:
            return np.zeros((len(x), 1)), np.zeros((len(y), 1))
        f, g = (t(torch.from_numpy(v))[0] for t, v in zip(self.towers, (x, y), strict=True))
        return f.double().numpy(), g.double().numpy()

    @torch.no_grad()
    def scores(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """T of every x with every y, `(N, N)`."""
        if self.towers is None:
            return np.zeros((len(x), len(y)))
        given = torch.from_numpy(x)
        level = _scores(*self.towers, given, self.known).logsumexp(1, keepdim=True)
        level = level - math.log(len(self.known))
        return (_scores(*self.towers, given, torch.from_numpy(y)) - level).double().numpy()


def _scores(f: Tower, g: Tower, x: Tensor, y: Tensor) -> Tensor:
    (fx, bx), (gy, cy) = f(x), g(y)
    return fx @ gy.T + bx[:, None] + cy[None]


def _contrast(scores: Tensor) -> Tensor:
    """InfoNCE in nats, the mean of both directions."""
    own = scores.diagonal().mean()
    sums = scores.logsumexp(0).mean() + scores.logsumexp(1).mean()
    return own + math.log(len(scores)) - 0.5 * sums


def inputs(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """What networks read of the two sides, float32; of wide sides the first principal components.

    I and J can only fall by that.
    """
    return _narrow(sample.x.numbers), _narrow(sample.y.numbers)


def _narrow(values: np.ndarray) -> np.ndarray:
    if values.shape[1] <= DIMENSIONS:
        return values
    centred = values - values.mean(0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    found = centred @ vectors[:, ::-1][:, :DIMENSIONS]
    return (found / found.std(0).max() * 3).astype(np.float32)


def train(x: np.ndarray, y: np.ndarray, seed: int, epochs: int = EPOCHS) -> Critic:
    """A critic by InfoNCE with Adam; a fifth of the rows says when to stop, and if to trust it.

    Args:
        x, y: `(N, d)` float32.
        seed: of weights and order.
        epochs: at most.
    """
    generator = torch.Generator().manual_seed(mix(seed, 21))
    order, cut = torch.randperm(len(x), generator=generator), max(2, len(x) // 5)
    validation, kept = order[:cut], order[cut:]
    xs, ys = torch.from_numpy(x), torch.from_numpy(y)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, 22))
        f, g = Tower(x.shape[1]), Tower(y.shape[1])
    parameters = [*f.parameters(), *g.parameters()]
    batch = min(BATCH, len(kept))
    total = epochs * max(1, len(kept) // batch)
    adam = torch.optim.AdamW(parameters, lr=RATE, weight_decay=1e-3, fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=total + 1, pct_start=0.2)
    best, weights, since = 0.0, None, 0
    for _ in range(epochs):
        rows = kept[torch.randperm(len(kept), generator=generator)]
        for part in rows[: len(rows) // batch * batch].split(batch):
            loss = -_contrast(_scores(f, g, xs[part], ys[part]))
            adam.zero_grad()
            loss.backward()
            adam.step()
            rate.step()
        with torch.no_grad():
            now = _lower_end(_scores(f, g, xs[validation], ys[validation]))
        since += 1
        if now > best:
            best, weights, since = now, [p.detach().clone() for p in parameters], 0
        elif since >= PATIENCE:
            break
    if weights is None:
        return Critic(None, ys[:0])
    with torch.no_grad():
        for p, w in zip(parameters, weights, strict=True):
            p.copy_(w)
    return Critic((f.eval(), g.eval()), ys[kept[:PAIRS]])


def _lower_end(scores: Tensor) -> float:
    """InfoNCE less three standard errors: chance must not do as well in a hundred epochs."""
    sums = scores.logsumexp(0) + scores.logsumexp(1)
    info = scores.diagonal() + math.log(len(scores)) - 0.5 * sums
    return float(info.mean() - 3 * info.std() / math.sqrt(len(info)))


def bounds(scores: np.ndarray) -> dict[str, Bound]:
    """InfoNCE, DV and NWJ from the scores of all pairs of n new rows, `(n, n)`.

    Pairs that belong together are on the diagonal.
    """
    n = len(scores)
    rows, columns = scores.max(1), scores.max(0)
    across = rows + np.log(np.exp(scores - rows[:, None]).mean(1))
    down = columns + np.log(np.exp(scores - columns).mean(0))
    info = np.diag(scores) - 0.5 * (across + down)
    cut = np.minimum(scores, math.log(n))
    own, weights = np.diag(cut), np.exp(cut)
    mean = float(weights.sum() - np.trace(weights)) / (n * (n - 1))
    tilt = (weights.mean(1) + weights.mean(0)) / max(mean, 1e-300)
    level = float(own.mean())
    found = {  # the value, and the influence of each row on it
        "InfoNCE": (float(info.mean()), info),
        "DV": (level - math.log(max(mean, 1e-300)), own - tilt),
        "NWJ": (1 + level - mean, own - tilt * mean),
    }
    error = lambda influence: float(influence.std() / math.sqrt(n))
    return {name: Bound(value, error(each), math.log(n)) for name, (value, each) in found.items()}
