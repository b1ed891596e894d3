"""Density ratios from draws: bounds that train T = log P/Q, and what a model minimises with T.

Specification of the variational Wyner model, section 2. T is a network's output without a sigmoid,
at draws of P and of Q, in nats.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from wyner.math import log_mean_exp
from wyner.objectives.measures import Ratio

LOG4 = 2 * math.log(2.0)

Ts = Float[Tensor, " _"]
Scalar = Float[Tensor, ""]


def js(t_p: Ts, t_q: Ts) -> Scalar:
    """E_P[log sigmoid(T)] + E_Q[log sigmoid(-T)] + 2 log 2 <= 2 JSD(P, Q).

    Equality holds at T = log P/Q; the value is in [0, 2 log 2] there.
    """
    return F.logsigmoid(t_p).mean() + F.logsigmoid(-t_q).mean() + LOG4


def dv(t_p: Ts, t_q: Ts) -> Scalar:
    """Donsker-Varadhan, both ways.

        E_P[T] - log E_Q[e^T] + E_Q[-T] - log E_P[e^-T] <= KL(P || Q) + KL(Q || P)

    T is determined up to a constant, which the difference E_P[T] - E_Q[T] does not contain.
    """
    return t_p.mean() - log_mean_exp(t_q) - t_q.mean() - log_mean_exp(-t_p)


def nwj(t_p: Ts, t_q: Ts) -> Scalar:
    """Nguyen, Wainwright, Jordan, both ways.

    E_P[T] - E_Q[e^T] + 1 + E_Q[-T] - E_P[e^-T] + 1 <= KL(P || Q) + KL(Q || P)
    """
    return t_p.mean() - t_q.exp().mean() - t_q.mean() - (-t_p).exp().mean() + 2


def ls(t_p: Ts, t_q: Ts) -> Scalar:
    """Least squares of the class probability s = sigmoid(T): 1/2 - E_P[(1-s)^2] - E_Q[s^2].

    Largest at T = log P/Q; in [0, 1/2] there.
    """
    return 0.5 - torch.sigmoid(-t_p).square().mean() - torch.sigmoid(t_q).square().mean()


TRAIN: dict[str, Callable[[Ts, Ts], Scalar]] = {"js": js, "dv": dv, "nwj": nwj, "ls": ls}
"""What a critic maximises."""


def plug_in(ratio: Ratio, t_p: Ts, t_q: Ts) -> Scalar:
    """What the model minimises, T held fixed: an estimate of a divergence, in nats but for "ls"."""
    if ratio.minimise == "symmetric":
        return t_p.mean() - t_q.mean()
    if ratio.minimise == "forward":
        return t_p.mean()
    if ratio.minimise == "reverse":
        return -t_q.mean()
    return js(t_p, t_q) if ratio.minimise == "js" else TRAIN[ratio.train](t_p, t_q)
