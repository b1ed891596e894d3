"""The neural route: a Wyner VAE on the learned features, what its z knows and what it leaves. Nats.

    I(X,Y;Z) lies between    mean_i [ log q(z_i|i) - log 1/M     sum_m      q(z_i|m) ]    (at most
                                                                                          log M)
                    and      mean_i [ log q(z_i|i) - log 1/(M-1) sum_{m != i} q(z_i|m) ],
                             mean_i KL(q(z|i) || p(z))

all on rows that the VAE has not seen. If X - Z - Y held exactly, I(X,Y;Z) would be an upper bound
of J. It never does; what is left, I(X;Y|Z), is measured by density ratios, and J(X;Y) <= I(X,Y;Z) +
J(X;Y|Z) with J(X;Y|Z) of a Gaussian remainder in m directions,

    J(X;Y|Z) = m artanh sqrt(1 - exp(-2 I(X;Y|Z) / m))

Nothing about this z bounds J from below: it may hold more than it must. The lower end of the
interval is a bound of I(X;Y) <= J.

lambda starts below 0, where z is paid to take what both sides need, and ends at `PRICE`: at 0
itself z would be free to keep anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wyner.estimation.critic import Bound, bounds, train
from wyner.estimation.crossfit import Fold
from wyner.families import Gaussian, Trainable
from wyner.families.distributions import Normal
from wyner.models import Model, WynerVAE
from wyner.networks import MLPs
from wyner.objectives.phases import After
from wyner.schedules import Path
from wyner.seeds import mix
from wyner.training.fit import fit
from wyner.variables import Real

PRICE, STEPS, BATCH, HIDDEN, SEEDS = 0.05, 600, 150, (32, 32), 3
SHARE, STRONG, RATIO_EPOCHS = 0.25, 0.05, 30
"""Rows set aside; directions of the critic that count, by their share of the strongest; epochs of
the density ratios."""


@dataclass(frozen=True)
class Learned:
    """What a Wyner VAE found.

    Attributes:
        low, high: the two sides of I(X,Y;Z), one entry a seed, `(S,)`; high is the smaller of its
            two bounds.
        loss: on the rows set aside, `(S,)`.
        error: standard error of `low` over rows.
        ratio: I(X,Y;Z) of the best seed by a density ratio.
        residual: I(X;Y|Z) of the best seed by density ratios, and its standard error.
        directions: m, features of each side.
    """

    low: np.ndarray
    high: np.ndarray
    loss: np.ndarray
    error: float
    ratio: Bound
    residual: tuple[float, float]
    directions: int

    @property
    def best(self) -> int:
        """The seed with the lowest loss on rows set aside."""
        return int(self.loss.argmin())

    def remainder(self, nats: float) -> float:
        """J of a Gaussian remainder with this much mutual information, spread over m directions."""
        m = self.directions
        return m * math.atanh(math.sqrt(-math.expm1(-2 * max(0.0, nats) / m)))


def learn(
    fold: Fold, seed: int, steps: int = STEPS, seeds: int = SEEDS, epochs: int = RATIO_EPOCHS
) -> Learned | None:
    """Wyner VAEs of the features of a fold, all seeds at once; None if there is no dependence.

    Args:
        fold: learned features of rows that their critic has not seen.
        seed: the first seed.
        steps: of training.
        seeds: how many copies.
        epochs: of the density ratios.
    """
    strength = np.minimum(fold.f.var(0), fold.g.var(0))
    m = int((strength > STRONG * max(strength[0], 1e-9)).sum())
    if m == 0 or not fold.dependent:
        return None
    x, y = _scaled(fold.f[:, :m]), _scaled(fold.g[:, :m])
    cut = round(SHARE * len(x))
    aside = {"x": x[:cut], "y": y[:cut]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, 26))
        model = WynerVAE(
            x=Real(m),
            y=Real(m),
            z=m,
            u=m,
            v=m,
            lam=Path(((0.0, -0.9), (0.4, PRICE))),
            networks=MLPs(hidden=HIDDEN),
            families={k: Gaussian(Trainable(0.5)) for k in "xy"},
            marginals=After(0.01),
        )
        run = fit(
            model,
            {"x": x[cut:], "y": y[cut:]},
            validation=aside,
            grid={"seed": [seed + k for k in range(seeds)]},
            steps=steps,
            batch_size=min(BATCH, len(x) - cut),
            lr=5e-3,
            schedule="one-cycle",
            progress=False,
        )
    members = run.members or (run,)
    low, high, error, z = zip(*(_knows(r.model, aside, seed) for r in members), strict=True)
    where = ("validation", "joint")
    logged = [[h for h in r.history if (h["split"], h["phase"]) == where] for r in members]
    loss = np.array([rows[-1]["loss"] for rows in logged])
    best = int(loss.argmin())
    ratio, residual = _ratios(aside["x"], aside["y"], z[best], seed, epochs)
    return Learned(np.array(low), np.array(high), loss, error[best], ratio, residual, m)


def _scaled(values: np.ndarray) -> np.ndarray:
    return ((values - values.mean(0)) / values.std(0)).astype(np.float32)


def _knows(
    model: Model, aside: dict[str, np.ndarray], seed: int
) -> tuple[float, float, float, np.ndarray]:
    """Both sides of I(X,Y;Z), the standard error of the lower one, and draws of z, `(M, m)`."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, 27))
        q = model.encode(x=torch.from_numpy(aside["x"]), y=torch.from_numpy(aside["y"]))["z"]
        z = q.sample()
        assert isinstance(q, Normal)
        all_q = Normal(q.loc[None].double(), q.log_scale[None].double(), q.event)
        log_q = all_q.log_prob(z[:, None].double())
        i41 = float(model.common_information(x=aside["x"], y=aside["y"])["I41"])
    low, high = sides(log_q)
    mean, error = float(low.mean()), float(low.std() / math.sqrt(len(low)))
    return mean, max(min(i41, float(high.mean())), mean), error, z.numpy()


def sides(log_q: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides of I(X,Y;Z) row by row, `(M,)` each, from log q(z_i|m), `(M, M)`.

    log q(z_i|i) less the log of the mean of q(z_i|m) over all m, and over all m but i.
    """
    own, n = log_q.diagonal(), len(log_q)
    others = log_q.masked_fill(torch.eye(n, dtype=torch.bool), -math.inf)
    means = log_q.logsumexp(1) - math.log(n), others.logsumexp(1) - math.log(n - 1)
    return own - means[0], own - means[1]


def _ratios(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, seed: int, epochs: int
) -> tuple[Bound, tuple[float, float]]:
    """I(X,Y;Z) and I(X;Y|Z) = I(X;Y,Z) - I(X;Z), critics of one half of the rows on the other."""
    z, cut = _scaled(z), len(x) // 2

    def information(a: np.ndarray, b: np.ndarray) -> Bound:
        critic = train(a[:cut], b[:cut], seed, epochs)
        return bounds(critic.scores(a[cut:], b[cut:]))["InfoNCE"]

    knows = information(np.concatenate([x, y], 1), z)
    both, alone = information(x, np.concatenate([y, z], 1)), information(x, z)
    return knows, (max(0.0, both.value - alone.value), math.hypot(both.error, alone.error))
