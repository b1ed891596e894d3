"""Elementary functions that stay finite, each tested by itself."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def log_mean_exp(a: Tensor, dim: int = 0) -> Tensor:
    """log( (1/S) sum_s exp a_s ) along `dim`, without overflow."""
    return torch.logsumexp(a, dim) - math.log(a.shape[dim])


def effective_samples(log_w: Tensor, dim: int = 0) -> Tensor:
    """Effective number of samples (sum w)^2 / sum w^2 of log-weights, between 1 and S."""
    return torch.exp(2 * torch.logsumexp(log_w, dim) - torch.logsumexp(2 * log_w, dim))


def sum_last(a: Tensor, n: int) -> Tensor:
    """Sum over the last `n` axes; `n = 0` returns `a`."""
    return a.sum(tuple(range(-n, 0))) if n else a


def total(a: Tensor, event: tuple[int, ...]) -> Tensor:
    """Sum over an event of a parameter that may be shared within it: shape `(*leading, *event)` or
    broadcastable.

    A scalar counts once per coordinate, a channel parameter `(C, 1, 1)` once per pixel, without
    being expanded.
    """
    n, copies = len(event), 1
    for i in range(1, n + 1):
        have = a.shape[-i] if a.ndim >= i else 1
        if have != event[-i]:
            copies *= event[-i]
    summed = sum_last(a, min(n, a.ndim))
    return summed * copies if copies != 1 else summed


def present(sequence: Tensor) -> Tensor:
    """Which steps of sequences `(*leading, t, d)` exist, `(*leading, t, 1)`: the others are NaN, in
    every coordinate.
    """
    return ~torch.isnan(sequence[..., :1])


def filled(sequence: Tensor, value: float = 0.0) -> Tensor:
    """Sequences with a number in place of the steps that do not exist; no gradient passes there."""
    return torch.where(torch.isnan(sequence), value, sequence)


def padded(sequence: Tensor, there: Tensor) -> Tensor:
    """Sequences with NaN where `there` `(*leading, t, 1)` says that a step does not exist."""
    return torch.where(there, sequence, math.nan)
