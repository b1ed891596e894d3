"""The Lagrangian of relaxed common information: min over Z of TC(X|Z) + lam I(X;Z).

For many lam and starts at once. TC is I(X;Y) for two variables. Z is an encoder p(z|x_1..x_n), so
every point is exact: no constraint, no violation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from wyner.information.discrete.decomposition import RARE, Decomposition, softmax
from wyner.information.discrete.lbfgs import minimise
from wyner.information.discrete.table import entropy, total_correlation

TINY = 1e-300


@dataclass(frozen=True)
class Point:
    """The best encoder found at one lam: p(z|x), `(nz, *shape)`, its residual and rate in nats."""

    lam: float
    encoder: np.ndarray
    residual: float
    rate: float

    @property
    def value(self) -> float:
        """TC(X|Z) + lam I(X;Z) in nats."""
        return self.residual + self.lam * self.rate


class Compression:
    """Residual + lam rate and gradients in the logits of p(z|x), `(R, nz * cells)`; lam `(R,)`."""

    def __init__(self, p: np.ndarray, nz: int, lam: np.ndarray) -> None:
        self.p, self.lam, self.nz, self.h = p, lam, nz, entropy(p)

    def encoder(self, points: np.ndarray) -> np.ndarray:
        """p(z|x), `(R, nz, *shape)`."""
        return softmax(points.reshape(len(points), self.nz, *self.p.shape), 1)[0]

    def metric(self, points: np.ndarray) -> np.ndarray:
        """Inverse Fisher information of the logits, 1 / (p(x) p(z|x)), `(R, D)`; cut."""
        return 1 / np.maximum(self.encoder(points) * self.p, RARE).reshape(len(points), -1)

    def measures(
        self, encoder: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
        """TC(X|Z), I(X;Z), log p(x|z) and every log p(x_i|z), shaped to broadcast."""
        joint = encoder * self.p
        axes = tuple(range(2, joint.ndim))
        log_z = safe_log(joint.sum(axes, keepdims=True))
        log_given = safe_log(joint) - log_z
        others = [tuple(j for j in axes if j != k) for k in axes]
        singles = [safe_log(joint.sum(o, keepdims=True)) - log_z for o in others]
        h_given = -(joint * log_given).sum((1, *axes))
        h_each = -sum((joint * s).sum((1, *axes)) for s in singles)
        return h_each - h_given, self.h - h_given, log_given, singles

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values `(R,)` and gradients `(R, D)`."""
        e = self.encoder(points)
        residual, rate, log_given, singles = self.measures(e)
        lam = self.lam.reshape(-1, *[1] * (e.ndim - 1))
        slope = (1 + lam) * log_given - sum(singles)
        g = self.p * e * (slope - (e * slope).sum(1, keepdims=True))
        return residual + self.lam * rate, g.reshape(len(g), -1)


def safe_log(a: np.ndarray) -> np.ndarray:
    """Logarithm, of 0 about -690."""
    return np.log(np.maximum(a, TINY))


def minima(
    p: np.ndarray,
    lams: np.ndarray,
    warm: list[np.ndarray],
    nz: int,
    starts: int,
    rng: np.random.Generator,
    steps: int = 300,
) -> list[Point]:
    """The best point of each lam, over random and given starts and the points of other lam.

    Args:
        p: the table.
        lams: positive numbers.
        warm: encoders to start from as well, `(nz, *shape)`.
        nz: values of Z.
        starts: random starts for each lam.
    """
    random = rng.normal(size=(len(lams) * starts, nz * p.size)) * 3.0
    given = [np.log(np.maximum(_padded(w, nz), 1e-6)).ravel() for w in warm]
    tiled = [np.tile(w, (len(lams), 1)) for w in given]
    points = np.concatenate([random, *tiled])
    lam = np.concatenate([np.repeat(lams, starts), *[lams for _ in warm]])
    program = Compression(p, nz, lam)
    descend = partial(minimise, program, steps=steps // 3, tolerance=1e-8)
    for quorum in (0.6, 0.8, 1.0):  # the metric is taken anew; what lags is waited for at the end
        points, _ = descend(points, quorum=quorum, metric=program.metric(points))
    encoders = program.encoder(points)
    residual, rate, *_ = program.measures(encoders)
    r, c = residual.clip(0), rate.clip(0)
    tc, constant = total_correlation(p), np.zeros((nz, *p.shape))
    constant[0] = 1.0
    best = []
    for value in map(float, lams):
        k = int((r + value * c).argmin())  # found for one lam, it may be the best for another
        if tc <= r[k] + value * c[k]:
            best.append(Point(value, constant, tc, 0.0))
        else:
            best.append(Point(value, encoders[k], float(r[k]), float(c[k])))
    return best


def _padded(encoder: np.ndarray, nz: int) -> np.ndarray:
    """An encoder with as many values of Z as asked, the largest ones or some that never occur."""
    if len(encoder) >= nz:
        return encoder[np.argsort(-encoder.reshape(len(encoder), -1).sum(1))[:nz]]
    return np.concatenate([encoder, np.zeros((nz - len(encoder), *encoder.shape[1:]))])


def encoder_of(d: Decomposition) -> np.ndarray:
    """p(z|x) of a decomposition, `(nz, *shape)`; uniform where it puts no mass."""
    joint = d.joint
    total = joint.sum(0)
    return np.where(total > 0, joint / np.where(total > 0, total, 1.0), 1.0 / len(joint))


def decoder_of(p: np.ndarray, encoder: np.ndarray) -> Decomposition:
    """p(z) and p(x_i|z) of an encoder; their mixture is the table only if Z makes independent."""
    joint = encoder * p
    weights = joint.reshape(len(joint), -1).sum(1)
    kept = weights > 1e-12
    joint, weights = joint[kept], weights[kept]
    axes = range(1, joint.ndim)
    sums = [joint.sum(tuple(j for j in axes if j != k)) for k in axes]
    return Decomposition(weights / weights.sum(), tuple(s / s.sum(1, keepdims=True) for s in sums))
