"""I(z;s) by a critic of its own against the exact value of a Gaussian pair."""

from __future__ import annotations

import math

import pytest
import torch

from wyner.errors import ShapeError
from wyner.estimation.shared import shared_information


class _Quadratic(torch.nn.Module):
    """log q(z,s)/q(z)q(s) of a Gaussian pair is a quadratic form: nothing is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.form = torch.nn.Linear(4, 1)

    def forward(self, z, s):
        s = s.flatten(1)
        return self.form(torch.cat([z * z, z * s, s * s, z + s], 1))[:, 0]


def _pair(n: int, r: float, seed: int):
    a, b = torch.randn(2, n, 1, generator=torch.Generator().manual_seed(seed))
    return a, (r * a + math.sqrt(1 - r * r) * b)[:, None]


@pytest.mark.parametrize("r", [0.0, 0.8])
def test_gaussian_pair(r):
    torch.manual_seed(0)
    found = shared_information(
        _Quadratic(), *_pair(4000, r, 0), *_pair(20_000, r, 1), steps=500, lr=1e-2
    )
    exact = -0.5 * math.log(1 - r * r)
    assert abs(found.value - exact) < 0.03
    assert 0 < found.error < 0.02
    assert abs(found.fitted - found.value) < 0.05


def test_counts_must_agree():
    z, s = _pair(10, 0.5, 0)
    with pytest.raises(ShapeError, match="as many draws"):
        shared_information(_Quadratic(), z, s[:5], z, s)
