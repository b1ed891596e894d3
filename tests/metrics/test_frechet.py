"""Frechet distances against closed forms and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from wyner import metrics
from wyner.errors import DataError, ShapeError

pytestmark = pytest.mark.usefixtures("float64")


def spd(d: int, rank: int | None = None) -> torch.Tensor:
    a = torch.randn(d, rank or d)
    return a @ a.T / d


def test_isotropic_gaussians():
    """|m1 - m2|^2 + d (s1 - s2)^2, specification of metrics, section 7."""
    d, m1, m2 = 7, torch.randn(7), torch.randn(7)
    for s1, s2 in ((1.0, 1.0), (0.3, 2.0), (0.0, 1.5)):
        a, b = (metrics.Moments(m, s * s * torch.eye(d), 10) for m, s in ((m1, s1), (m2, s2)))
        exact = float((m1 - m2).square().sum()) + d * (s1 - s2) ** 2
        assert metrics.frechet_distance(a, b) == pytest.approx(exact, rel=1e-12)


def test_commuting_covariances():
    values = torch.rand(2, 6) * 3
    basis = torch.linalg.qr(torch.randn(6, 6))[0]
    a, b = (metrics.Moments(torch.zeros(6), (basis * v) @ basis.T, 10) for v in values)
    assert metrics.frechet_distance(a, b) == pytest.approx(
        float((values[0].sqrt() - values[1].sqrt()).square().sum()), rel=1e-9
    )


@pytest.mark.parametrize("rank", [None, 3])
def test_any_covariances_against_scipy(rank):
    a, b = (
        metrics.Moments(torch.randn(8), spd(8, rank), 10),
        metrics.Moments(torch.randn(8), spd(8), 10),
    )
    root = sqrtm(a.covariance.numpy() @ b.covariance.numpy())
    exact = (
        float((a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace())
        - 2 * root.trace().real
    )
    assert metrics.frechet_distance(a, b) == pytest.approx(
        exact, rel=1e-5 if rank else 1e-9
    )  # SciPy's root of a singular product is rough
    assert metrics.frechet_distance(b, a) == pytest.approx(metrics.frechet_distance(a, b), rel=1e-7)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_moments_are_those_of_numpy_whatever_the_blocks():
    x = torch.randn(103, 4).float() + 5
    found = metrics.moments(x, block=10)
    np.testing.assert_allclose(found.mean, x.double().mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(x.double().numpy().T), rtol=1e-10)
    assert found.count == 103


def test_samples_of_one_law_are_a_small_and_known_distance_apart():
    """For n samples each of N(0, I_d), E|m1 - m2|^2 = 2 d / n; covariances I + A, I + B add |A -
    B|^2 / 4 to second order."""
    d, n = 5, 4000
    found = [metrics.frechet(torch.randn(n, d), torch.randn(n, d)) for _ in range(40)]
    expected = 2 * d / n + d * (d + 1) / (2 * n)
    z = (np.mean(found) - expected) / (np.std(found, ddof=1) / len(found) ** 0.5)
    assert abs(z) < 5


def test_joint_distance_sees_what_marginal_ones_do_not():
    n = 3000
    a = torch.randn(n, 2)
    together, apart = (
        {"x": a, "y": a + 0.1 * torch.randn(n, 2)},
        {"x": a, "y": a[torch.randperm(n)] + 0.1 * torch.randn(n, 2)},
    )
    assert metrics.joint_frechet(apart, together) > 0.5
    assert metrics.frechet(apart["y"], together["y"]) < 0.01
    assert metrics.joint_frechet(apart, together) == pytest.approx(
        metrics.frechet(
            torch.cat([apart["x"], apart["y"]], 1), torch.cat([together["x"], together["y"]], 1)
        )
    )
    with pytest.raises(ShapeError, match="features of x, y, got x"):
        metrics.joint_frechet({"x": a}, together)
    with pytest.raises(ShapeError, match="as many rows"):
        metrics.joint_frechet({"x": a, "y": a[:5]}, together)


def test_conditional_distance_is_the_mean_over_conditions():
    reference, labels = torch.randn(300, 3), torch.arange(300) % 3
    samples, asked = torch.randn(4, 50, 3), torch.tensor([0, 2, 2, 1])
    by_hand = [
        metrics.frechet(s, reference[labels == k]) for s, k in zip(samples, asked, strict=True)
    ]
    assert metrics.conditional_frechet(samples, asked, reference, labels) == pytest.approx(
        sum(by_hand) / 4
    )
    with pytest.raises(DataError, match="with label 3, got 0"):
        metrics.conditional_frechet(samples, asked + 1, reference, labels)
    with pytest.raises(ShapeError, match="a label for each condition"):
        metrics.conditional_frechet(samples, asked[:2], reference, labels)


def test_bad_features():
    with pytest.raises(ShapeError, match="rows, numbers"):
        metrics.moments(torch.zeros(3))
    with pytest.raises(DataError, match="at least 2 rows"):
        metrics.moments(torch.zeros(1, 3))
    with pytest.raises(DataError, match="not finite"):
        metrics.moments(torch.full((3, 2), float("nan")))
    with pytest.raises(ShapeError, match="the same number on both sides, got 2 and 3"):
        metrics.frechet(torch.randn(5, 2), torch.randn(5, 3))
