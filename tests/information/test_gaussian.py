"""Common information of Gaussian pairs: every test vector of the specification, and minima found by
other means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.optimize import minimize

from wyner.errors import DataError, OptionError
from wyner.information import canonical_correlations, gaussian

RNG = np.random.default_rng(0)


def printed(value: float, digits: str) -> bool:
    """Whether a value rounds to the digits that the specification prints."""
    return f"{value:.6f}" == digits


@pytest.mark.parametrize(
    ("r", "wyner", "mutual"),
    [((0.8,), "1.098612", "0.510826"), ((0.9, 0.6, 0.2), "2.368099", "1.073920")],
)
def test_section_7_wyner_and_mutual_information(r, wyner, mutual):
    found = gaussian(correlations=r)
    assert printed(found.wyner, wyner)
    assert printed(found.mutual_information, mutual)
    assert found.gacs_korner == 0.0


@pytest.mark.parametrize(
    ("r", "lam", "value", "residual", "rate"),
    [
        (0.8, 0.05, "0.053680", "0.001252", "1.048571"),
        (0.8, 0.3, "0.283883", "0.047155", "0.789093"),
        (0.5, 0.3, "0.119091", "0.047155", "0.239787"),
        (0.5, 0.6, "0.143841", "0.143841", "0.000000"),
    ],
)
def test_section_7_lagrangian(r, lam, value, residual, rate):
    found = gaussian(correlations=[r]).lagrangian(lam)
    assert printed(found.value, value)
    assert printed(found.residual, residual)
    assert printed(found.rate, rate)


@pytest.mark.parametrize(
    ("gamma", "value"), [(0.05, "1.818854"), (0.3, "1.083040"), (0.6, "0.576953")]
)
def test_section_7_relaxed(gamma, value):
    assert printed(gaussian(correlations=(0.9, 0.6, 0.2)).relaxed(gamma), value)


@pytest.mark.parametrize("r", [(), (0.0,), (0.0, 0.0)])
def test_section_7_independent_means_that_everything_is_zero(r):
    found = gaussian(correlations=r)
    assert (
        found.wyner,
        found.mutual_information,
        found.gacs_korner,
        found.relaxed(0.0),
        found.relaxed(0.3),
    ) == (0, 0, 0, 0, 0)
    assert (
        found.lagrangian(0.2).value,
        found.lagrangian(0.2).residual,
        found.lagrangian(0.2).rate,
    ) == (0, 0, 0)


def test_formulas_by_hand():
    found = gaussian(correlations=[-0.3, 0.7, 0.0])
    assert found.correlations == (0.7, 0.3, 0.0)
    assert found.mutual_information == pytest.approx(
        -0.5 * (math.log(1 - 0.49) + math.log(1 - 0.09)), rel=1e-12
    )
    assert found.wyner == pytest.approx(
        0.5 * (math.log(1.7 / 0.3) + math.log(1.3 / 0.7)), rel=1e-12
    )


def information_of_gaussian_z(r: float, a: float, n: float) -> tuple[float, float]:
    """I(X;Y|Z), I(X,Y;Z) of X = sqrt(a) Z + Nx, Y = sqrt(a) Z + Ny with noise correlation n, from
    determinants (section 4)."""
    noise = 1 - a
    joint = np.array([[1, r], [r, 1]])
    given = noise * np.array([[1, n], [n, 1]])
    return 0.5 * math.log(noise**2 / np.linalg.det(given)), 0.5 * math.log(
        np.linalg.det(joint) / np.linalg.det(given)
    )


@pytest.mark.parametrize(("r", "n"), [(0.8, 0.05), (0.8, 0.3), (0.5, 0.1), (0.95, 0.9)])
def test_relaxed_scalar_is_reached_by_the_gaussian_z_of_section_4(r, n):
    residual, rate = information_of_gaussian_z(r, (r - n) / (1 - n), n)
    assert gaussian(correlations=[r]).relaxed(residual) == pytest.approx(rate, rel=1e-9)


def conditional_covariances(k: int, count: int) -> np.ndarray:
    """Random positive definite matrices whose diagonal and correlation reach every value, `(count,
    2k, 2k)`."""
    a = RNG.normal(size=(count, 2 * k, 2 * k)) * np.exp(RNG.normal(size=(count, 1, 2 * k)))
    return a @ a.transpose(0, 2, 1)


@pytest.mark.parametrize(
    ("r", "lam"), [(0.8, 0.05), (0.8, 0.3), (0.5, 0.3), (0.5, 0.6), (0.9, 0.89)]
)
def test_lagrangian_scalar_is_the_minimum_over_all_gaussian_channels(r, lam):
    """Every Gaussian Z is a conditional covariance S <= K of (X, Y); minimise I(X;Y|Z) + lam
    I(X,Y;Z) over them."""
    k = np.array([[1, r], [r, 1]])
    root = np.linalg.cholesky(k)

    def cost(theta: np.ndarray) -> float:
        angle, e = theta[0], 1 / (1 + np.exp(-theta[1:]))  # S = L Q diag(e) Q' L' with 0 < e < 1
        q = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        s = root @ q @ np.diag(e) @ q.T @ root.T
        residual = 0.5 * math.log(s[0, 0] * s[1, 1] / np.linalg.det(s))
        return residual + lam * 0.5 * math.log(np.linalg.det(k) / np.linalg.det(s))

    starts = [np.array([t, 0.0, 0.0]) for t in np.linspace(0, math.pi, 7)]
    best = min(
        minimize(
            cost, s, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000}
        ).fun
        for s in starts
    )
    found = gaussian(correlations=[r]).lagrangian(lam)
    assert found.value == pytest.approx(best, abs=1e-7)
    assert found.value == pytest.approx(found.residual + lam * found.rate, rel=1e-12)


@pytest.mark.parametrize("lam", [0.05, 0.3, 0.7])
def test_no_random_gaussian_channel_beats_the_vector_lagrangian(lam):
    """In R^2 x R^2, Z = (X, Y) + noise of any covariance N: S = (K^-1 + N^-1)^-1."""
    k = np.eye(4)
    k[0, 2] = k[2, 0] = 0.9
    k[1, 3] = k[3, 1] = 0.4
    s = np.linalg.inv(np.linalg.inv(k) + np.linalg.inv(conditional_covariances(2, 20_000)))
    logdet = lambda m: np.linalg.slogdet(m)[1]
    residual = 0.5 * (logdet(s[:, :2, :2]) + logdet(s[:, 2:, 2:]) - logdet(s))
    rate = 0.5 * (logdet(k) - logdet(s))
    found = gaussian(correlations=[0.9, 0.4])
    assert (residual + lam * rate).min() >= found.lagrangian(lam).value
    for gamma in (0.05, 0.3, 0.8):
        assert rate[residual <= gamma].min() >= found.relaxed(gamma)


@pytest.mark.parametrize(
    "r", [(0.9, 0.6, 0.2), (0.7, 0.69, 0.1), (0.5, 0.5, 0.5), (0.95, 0.0, 0.3)]
)
@pytest.mark.parametrize("gamma", [0.0, 0.004, 0.03, 0.1, 0.25, 0.6])
def test_relaxed_vector_is_the_best_split_of_gamma(r, gamma):
    """Brute force: split gamma over the coordinates on a grid, then polish; each coordinate costs
    the scalar formula."""
    own = np.array([-0.5 * math.log(1 - a * a) for a in r])

    def cost(shares: np.ndarray) -> np.ndarray:
        n = np.sqrt(-np.expm1(-2 * np.clip(shares, 0, None)))
        a = np.array(r)
        return np.maximum(0, 0.5 * np.log((1 + a) * (1 - n) / ((1 - a) * (1 + n)))).sum(-1)

    def split(free: np.ndarray) -> np.ndarray:
        e = np.exp(free - free.max())
        return gamma * e / e.sum()

    grid = np.array([(i, j, 60 - i - j) for i in range(61) for j in range(61 - i)]) / 60 * gamma
    best = cost(grid)
    start = np.log(np.maximum(grid[best.argmin()], 1e-9 + gamma * 1e-6))
    options = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4000}
    polished = minimize(
        lambda f: float(cost(split(f))), start, method="Nelder-Mead", options=options
    )
    reached = min(float(best.min()), float(polished.fun))
    found = gaussian(correlations=r).relaxed(gamma)
    assert found <= reached + 1e-12
    assert found == pytest.approx(reached, abs=2e-6)
    if gamma >= own.sum():
        assert found == 0.0


def test_relaxed_at_its_ends():
    found = gaussian(correlations=(0.9, 0.6, 0.2))
    assert found.relaxed(0.0) == pytest.approx(found.wyner, rel=1e-12)
    assert found.relaxed(found.mutual_information) == 0.0
    assert found.relaxed(found.mutual_information - 1e-9) == pytest.approx(0.0, abs=1e-8)


def test_relaxed_and_lagrangian_are_one_curve():
    """dC/dgamma = -1/lam at the Lagrangian's optimum (section 1)."""
    found = gaussian(correlations=(0.9, 0.6, 0.2))
    for lam in (0.1, 0.35, 0.7):
        at = found.lagrangian(lam)
        assert found.relaxed(at.residual) == pytest.approx(at.rate, rel=1e-9)
        step = 1e-5
        slope = (found.relaxed(at.residual + step) - found.relaxed(at.residual - step)) / (2 * step)
        assert slope == pytest.approx(-1 / lam, rel=1e-3)


def test_canonical_correlations_of_a_covariance():
    a = RNG.normal(size=(5, 5))
    s = a @ a.T + np.eye(5)
    sx, sy, sxy = s[:2, :2], s[2:, 2:], s[:2, 2:]
    expected = np.linalg.svd(
        np.linalg.inv(sqrtm(sx).real) @ sxy @ np.linalg.inv(sqrtm(sy).real), compute_uv=False
    )
    np.testing.assert_allclose(canonical_correlations(s, (2, 3)), expected, rtol=1e-9)
    found = gaussian(covariance=s, dims=(2, 3))
    by_determinants = 0.5 * math.log(np.linalg.det(sx) * np.linalg.det(sy) / np.linalg.det(s))
    assert found.mutual_information == pytest.approx(by_determinants, rel=1e-9)
    assert len(found.correlations) == 2


def test_canonical_correlations_do_not_see_invertible_maps():
    r = np.array([0.85, 0.3])
    k = np.block([[np.eye(2), np.diag(r)], [np.diag(r), np.eye(2)]])
    t = np.zeros((4, 4))
    t[:2, :2], t[2:, 2:] = RNG.normal(size=(2, 2)), RNG.normal(size=(2, 2))
    np.testing.assert_allclose(canonical_correlations(t @ k @ t.T, (2, 2)), r, rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: gaussian(), OptionError, "either correlations= or covariance="),
        (
            lambda: gaussian(correlations=[0.1], covariance=np.eye(2), dims=(1, 1)),
            OptionError,
            "either",
        ),
        (
            lambda: gaussian(correlations=[0.2, 1.0]),
            OptionError,
            "between -1 and 1, not included, got 1",
        ),
        (lambda: gaussian(correlations=[float("nan")]), OptionError, "between -1 and 1"),
        (lambda: gaussian(covariance=np.eye(3)), OptionError, r"dx \+ dy = 3"),
        (
            lambda: gaussian(covariance=np.eye(3), dims=(1, 1)),
            OptionError,
            r"dx \+ dy = 3, got \(1, 1\)",
        ),
        (lambda: gaussian(covariance=np.eye(3), dims=(3, 0)), OptionError, r"dx \+ dy = 3"),
        (lambda: gaussian(covariance=np.zeros((2, 3)), dims=(1, 1)), DataError, "square"),
        (
            lambda: gaussian(covariance=np.array([[1, 0.5], [0.2, 1]]), dims=(1, 1)),
            DataError,
            "symmetric",
        ),
        (
            lambda: gaussian(covariance=np.array([[1.0, 2.0], [2.0, 1.0]]), dims=(1, 1)),
            DataError,
            "positive definite",
        ),
        (
            lambda: gaussian(correlations=[0.5]).relaxed(-0.1),
            OptionError,
            "gamma: expected a number of nats from 0 up",
        ),
        (
            lambda: gaussian(correlations=[0.5]).lagrangian(0.0),
            OptionError,
            "lam: expected a positive number",
        ),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
