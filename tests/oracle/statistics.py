"""Monte-Carlo means against exact values by z-score: |z| < 5, fixed seeds, no tolerance to
guess."""

from __future__ import annotations

import torch
from torch import Tensor

LIMIT = 5.0


def z_of_mean(sample: Tensor, exact: Tensor | float) -> Tensor:
    """(mean - exact) / standard error over the first axis; where nothing varies, 0 if equal to 1e-9
    and infinity if not."""
    sample = sample.double()
    exact = torch.as_tensor(exact, dtype=torch.float64)
    off = sample.mean(0) - exact
    error = sample.std(0) / len(sample) ** 0.5
    scale = 1 + exact.abs()
    still = error <= 1e-13 * scale
    z = off / error.where(~still, torch.ones(()).double())
    return torch.where(still, torch.where(off.abs() <= 1e-9 * scale, 0.0, torch.inf), z)


def assert_mean(sample: Tensor, exact: Tensor | float, what: str = "mean") -> None:
    """Every element of the mean over the first axis agrees with `exact`."""
    z = z_of_mean(sample, exact)
    worst = float(z.abs().max())
    assert worst < LIMIT, (
        f"{what}: |z| = {worst:.2f}; mean {sample.mean(0).tolist()}, exact"
        f" {torch.as_tensor(exact).tolist()}"
    )


def assert_moments(sample: Tensor, mean: Tensor, covariance: Tensor, what: str = "draws") -> None:
    """Mean and every second moment of Gaussian draws `(N, d)`."""
    sample, mean, covariance = sample.double(), mean.double(), covariance.double()
    assert sample.ndim == 2
    assert mean.shape == sample.shape[1:]
    assert covariance.shape == 2 * sample.shape[1:]
    assert_mean(sample, mean, f"{what}: mean")
    centred = sample - mean
    assert_mean(centred[:, :, None] * centred[:, None, :], covariance, f"{what}: covariance")
