"""Elementary functions that stay finite, each tested by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)
EVEN = 1e-3
"""Log-weights that differ by less have no tail but rounding."""


def log_mean_exp(a: Float[Tensor, "*any"], dim: int = 0) -> Float[Tensor, "*lead"]:
    """Returns log( (1/S) sum_s exp a_s ) along `dim`, without overflow."""
    return torch.logsumexp(a, dim) - math.log(a.shape[dim])


def effective_samples(log_w: Float[Tensor, "*any"], dim: int = 0) -> Float[Tensor, "*lead"]:
    """Effective number of samples (sum w)^2 / sum w^2 of log-weights, between 1 and S."""
    return torch.exp(2 * torch.logsumexp(log_w, dim) - torch.logsumexp(2 * log_w, dim))


def pareto_shape(log_w: Float[Tensor, "*any"]) -> Float[Tensor, "*lead"]:
    """Shape k of the generalised Pareto law that the largest weights follow, along axis 0.

    Weights have moments below 1/k only: above 0.7 their mean is not to be trusted at any practical
    number of samples, however even they look (Vehtari, Simpson, Gelman, Yao and Gabry 2024). Fitted
    to the largest min(S/5, 3 sqrt(S)) by the estimator of Zhang and Stephens (2009), with the weak
    prior of ten observations at 1/2; nan below 25 samples, 0 where the weights are all but equal.
    """
    count = len(log_w)
    tail = int(min(count / 5, 3 * count**0.5))
    if tail < 5:
        return log_w.new_full(log_w.shape[1:], math.nan)
    largest = torch.sort(log_w.double(), 0).values[-tail - 1 :]
    weights = (largest - largest[-1]).exp()
    x = (weights[1:] - weights[0]).clamp_min(1e-300)
    grid = 30 + int(tail**0.5)
    j = torch.arange(1, grid + 1, dtype=x.dtype, device=x.device).reshape(-1, *[1] * (x.ndim - 1))
    quartile = x[int(tail / 4 + 0.5) - 1]
    theta = 1 / x[-1] + (1 - (grid / (j - 0.5)).sqrt()) / (3 * quartile)
    shape = torch.log1p(-theta[:, None] * x).mean(1)  # -k of Zhang and Stephens at each theta
    level = tail * ((-theta / shape).log() - shape - 1)
    best = (theta * level.softmax(0)).sum(0)
    k = (tail * torch.log1p(-best * x).mean(0) + 10 * 0.5) / (tail + 10)
    return torch.where(largest[-1] - largest[0] > EVEN, k, 0.0).to(log_w.dtype)


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """Returns the shape that tensors of these shapes take together.

    `torch.broadcast_shapes` does the same, but its first call loads SymPy: two seconds.

    Raises:
        RuntimeError: shapes that do not broadcast.
    """
    found = [1] * max(map(len, shapes), default=0)
    for shape in shapes:
        for i, n in enumerate(reversed(shape), 1):
            if n != 1:
                if found[-i] not in (1, n):
                    raise RuntimeError(f"shapes that do not broadcast: {shapes}")
                found[-i] = n
    return tuple(found)


def log_choose(a: Float[Tensor, "*one"], k: Float[Tensor, "*two"]) -> Float[Tensor, "*both"]:
    """Returns log( Gamma(a + k) / (Gamma(a) k!) ) for a > 0 and k >= 0, also where both are large.

    With m the larger and n the smaller of a and k + 1 it is log Gamma(a + k) - log Gamma(m) - log
    Gamma(n); the first two, which nearly cancel for large m, are one difference of Stirling's
    series.
    """
    m, n = torch.maximum(a, k + 1), torch.minimum(a, k + 1)
    small, large = m.clamp_max(STIRLING), m.clamp_min(STIRLING)
    direct = torch.lgamma((a + k).clamp_max(2 * STIRLING)) - torch.lgamma(small)
    series = (
        (large + n - 1.5) * torch.log1p((n - 1) / large)
        + (n - 1) * (torch.log(large) - 1)
        + _stirling(large + n - 1)
        - _stirling(large)
    )
    return torch.where(m > STIRLING, series, direct) - torch.lgamma(n)


STIRLING = 10.0
"""From here on `log_choose` uses Stirling's series; its first omitted term is below 1e-12."""


def _stirling(x: Tensor) -> Tensor:
    """Returns log Gamma(x) - [(x - 1/2) log x - x + log(2 pi) / 2], for x from about 10 up."""
    w = 1 / (x * x)
    return (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w / 1680))) / x


def softplus(a: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Returns log(1 + exp a), exact for large a too, where PyTorch's returns a."""
    return -F.logsigmoid(-a)


def sum_last(a: Float[Tensor, "*any"], n: int) -> Float[Tensor, "*lead"]:
    """Sum over the last `n` axes; `n = 0` returns `a`."""
    return a.sum(tuple(range(-n, 0))) if n else a


def total(a: Float[Tensor, "*any"], event: tuple[int, ...]) -> Float[Tensor, "*lead"]:
    """Sum over an event of a parameter `(*leading, *event)` that may be shared within the event.

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


def present(sequence: Float[Tensor, "*lead t d"]) -> Bool[Tensor, "*lead t 1"]:
    """Which steps of sequences exist; the others are NaN in every coordinate."""
    return ~torch.isnan(sequence[..., :1])


def filled(sequence: Float[Tensor, "*lead t d"], value: float = 0.0) -> Float[Tensor, "*lead t d"]:
    """Sequences with a number in place of the steps that do not exist; no gradient passes there."""
    return torch.where(torch.isnan(sequence), value, sequence)


def padded(
    sequence: Float[Tensor, "*lead t d"], there: Bool[Tensor, "*lead t 1"]
) -> Float[Tensor, "*lead t d"]:
    """Sequences with NaN where `there` says that a step does not exist."""
    return torch.where(there, sequence, math.nan)
