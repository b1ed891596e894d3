"""The optimal Z of a Gaussian pair by determinants, and covariances from rows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wyner.errors import DataError, OptionError, ShapeError
from wyner.information import canonical_correlations, gaussian
from wyner.information.shrinkage import joint_covariance, ledoit_wolf

RNG = np.random.default_rng(1)
A = RNG.normal(size=(5, 5))
S = A @ A.T + 0.5 * np.eye(5)


def measures(found, z) -> tuple[float, float]:
    """I(X;Y|Z) and I(X,Y;Z) of Z = M (x, y) + noise, from determinants of the covariance S."""
    m = np.concatenate([z.matrix_x, z.matrix_y], 1)
    given = S - S @ m.T @ np.linalg.inv(m @ S @ m.T + np.diag(z.noise)) @ m @ S
    logdet = lambda c: np.linalg.slogdet(c)[1]
    return 0.5 * (logdet(given[:2, :2]) + logdet(given[2:, 2:]) - logdet(given)), 0.5 * (
        logdet(S) - logdet(given)
    )


@pytest.mark.parametrize(
    "options", [{}, {"gamma": 0.05}, {"gamma": 0.4}, {"lam": 0.1}, {"lam": 0.6}]
)
def test_latent_reaches_what_the_formulas_say(options):
    found = gaussian(covariance=S, dims=(2, 3))
    z = found.latent(**options)
    residual, rate = measures(found, z)
    if "lam" in options:
        expected = found.lagrangian(options["lam"])
        assert (residual, rate) == (
            pytest.approx(expected.residual, abs=1e-9),
            pytest.approx(expected.rate, rel=1e-9),
        )
    else:
        gamma = options.get("gamma", 0.0)
        assert residual == pytest.approx(gamma, abs=1e-9)
        assert rate == pytest.approx(found.relaxed(gamma), rel=1e-9)
    assert z.rate == pytest.approx(rate, rel=1e-9)


def test_beyond_the_mutual_information_nothing_is_encoded():
    z = gaussian(correlations=[0.5, 0.3]).latent(gamma=5.0)
    assert z.matrix_x.shape == (0, 2)
    assert z.rate == 0.0


def test_sampled_z_separates_the_pair():
    """Partial correlations of x and y given Z are zero, by z-score."""
    n = 40_000
    rows = RNG.multivariate_normal(np.arange(5.0), S, size=n)
    z = gaussian(covariance=S, dims=(2, 3)).latent()
    drawn = z.sample(rows[:, :2] - np.arange(2.0), rows[:, 2:] - np.arange(2.0, 5.0), seed=3)
    assert abs(drawn.var(0) - 1).max() < 5 * math.sqrt(2 / n)
    centred = rows - rows.mean(0)
    left = centred - drawn @ np.linalg.lstsq(drawn, centred, rcond=None)[0]
    correlation = np.corrcoef(left.T)[:2, 2:]
    assert np.abs(correlation).max() < 5 / math.sqrt(n)


def test_data_give_the_measures_of_their_covariance():
    rows = RNG.multivariate_normal(np.zeros(5), S, size=3000)
    found = gaussian(data=(rows[:, :2], rows[:, 2:]), shrinkage=0.0)
    expected = canonical_correlations(np.cov(rows.T), (2, 3))
    np.testing.assert_allclose(found.correlations, expected, rtol=1e-9)
    assert found.shrinkage == 0.0
    moved = gaussian(data=(rows[:, :2] * [3, 0.01] + 7, rows[:, 2:]))
    np.testing.assert_allclose(
        moved.correlations, gaussian(data=(rows[:, :2], rows[:, 2:])).correlations, rtol=1e-9
    )
    assert "shrunk by" in str(moved)


def test_shrinkage_is_ledoit_and_wolf_s():
    """Their formula, row by row: b = (1/n^2) sum_k |x_k x_k' - S|^2 over D = |S - mu I|^2."""
    for n, d in ((20, 8), (200, 5)):
        x = RNG.normal(size=(n, d)) @ RNG.normal(size=(d, d))
        x -= x.mean(0)
        s = x.T @ x / n
        far = ((s - np.trace(s) / d * np.eye(d)) ** 2).sum()
        spread = sum(((np.outer(row, row) - s) ** 2).sum() for row in x) / n**2
        assert ledoit_wolf(x) == pytest.approx(min(spread, far) / far, rel=1e-9)


def test_more_columns_than_rows_can_be_measured():
    _, s, share = joint_covariance(RNG.normal(size=(10, 12)), RNG.normal(size=(10, 12)), None)
    assert 0 < share <= 1
    assert np.linalg.eigvalsh(s).min() > 0


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: gaussian(data=(np.ones((3, 1)), np.ones((4, 1)))), DataError, "as many rows"),
        (
            lambda: gaussian(data=(np.ones((3, 1)), np.arange(3.0))),
            DataError,
            "column 0 .* constant",
        ),
        (lambda: gaussian(data=(np.array([1.0, np.nan]), np.arange(2.0))), DataError, "finite"),
        (lambda: gaussian(data=np.ones((3, 2, 1))), OptionError, "two arrays"),
        (
            lambda: gaussian(data=(np.arange(5.0), np.arange(5.0) ** 2), shrinkage=1.0),
            OptionError,
            "share",
        ),
        (lambda: gaussian(correlations=[0.5]).latent(gamma=0.1, lam=0.1), OptionError, "not both"),
        (lambda: gaussian(correlations=[0.5]).latent(lam=0.0), OptionError, "positive"),
        (
            lambda: gaussian(correlations=[0.5]).latent().mean(np.ones(3), np.ones(3)),
            ShapeError,
            "expected rows",
        ),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
