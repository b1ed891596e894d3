"""Common information of tables: closed forms, exact decompositions, bounds from both sides,
refusals."""

from __future__ import annotations

import functools
import math
import time

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from wyner.errors import DataError, OptionError
from wyner.information import gaussian, pmf
from wyner.information.discrete.table import entropy, reduced
from wyner.information.discrete.threads import one_thread

MOG = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 1]]) / 5
THREE = np.array([[0.85, 0.07, 0.08], [0.04, 0.88, 0.08], [0.06, 0.02, 0.92]]).T * np.array(
    [0.25, 0.35, 0.40]
)
GOLDEN = np.array([[1, 1], [1, 0]]) / 3


def h(p: float) -> float:
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def dsbs(a0: float) -> np.ndarray:
    return np.array([[1 - a0, a0], [a0, 1 - a0]]) / 2


def dsbs_wyner(a0: float) -> float:
    return 1 + h(a0) - 2 * h((1 - math.sqrt(1 - 2 * a0)) / 2)


def erasure(p: float) -> np.ndarray:
    return np.array([[(1 - p) / 2, p / 2, 0], [0, p / 2, (1 - p) / 2]])


@functools.cache
def solved(name: str, value: float):
    return pmf({"dsbs": dsbs, "erasure": erasure}[name](value), unit="bits")


def is_exact(found, table) -> bool:
    z = found.latent
    made = np.einsum("z,zx,zy->xy", z.weights, *z.given_z)
    return np.abs(made - table).max() < 1e-8 and found.exact_violation < 1e-15


@pytest.mark.parametrize(
    ("a0", "wyner", "mutual"),
    [
        (0.05, "0.942141", "0.713603"),
        (0.10, "0.872761", "0.531004"),
        (0.25, "0.609526", "0.188722"),
        (0.40, "0.269971", "0.029049"),
    ],
)
def test_section_7_symmetric_source(a0, wyner, mutual):
    found = solved("dsbs", a0)
    assert f"{found.wyner:.6f}" == wyner
    assert f"{found.mutual_information:.6f}" == mutual
    assert found.wyner == pytest.approx(dsbs_wyner(a0), rel=1e-9)
    assert found.gacs_korner == 0.0
    assert found.wyner - 3e-6 < found.lower_bound <= found.wyner
    assert is_exact(found, dsbs(a0))


@pytest.mark.parametrize(("p", "wyner"), [(0.2, 1.0), (0.5, 1.0), (0.7, 0.881291), (0.9, 0.468996)])
def test_section_7_erasure(p, wyner):
    found = solved("erasure", p)
    assert found.wyner == pytest.approx(wyner, abs=5e-7)
    assert found.wyner == pytest.approx(1.0 if p <= 0.5 else h(p), rel=1e-9)
    assert found.mutual_information == pytest.approx(1 - p, rel=1e-12)
    assert found.wyner - 3e-6 < found.lower_bound <= found.wyner


@pytest.mark.parametrize(
    ("lam", "rate", "residual"),
    [
        (0.5, 0.671205, 0.064191),
        (0.2, 0.828919, 0.004885),
        (0.05, 0.864490, 0.000213),
        (0.9, 0.0, 0.531004),
    ],
)
def test_section_7_lagrangian_of_the_symmetric_source(lam, rate, residual):
    """One-parameter family of section 3; the printed digits are rounded, some of them from a
    coarser optimum."""
    found = solved("dsbs", 0.10).lagrangian(lam)
    assert found.rate == pytest.approx(rate, abs=5e-6)
    assert found.residual == pytest.approx(residual, abs=5e-6)
    assert found.value == pytest.approx(found.residual + lam * found.rate, rel=1e-12)
    a0 = 0.1
    grid = np.linspace(a0**2 / 8, (1 - a0) / 2, 200_001)
    t = grid[(grid * (1 - a0 - grid) >= a0**2 / 4 * (1 - 1e-9))]
    hn = -(t * np.log2(t) + (1 - a0 - t) * np.log2(1 - a0 - t) + a0 * np.log2(a0 / 2))
    q = t + a0 / 2
    best = (2 * -(q * np.log2(q) + (1 - q) * np.log2(1 - q)) - hn + lam * (1 + h(a0) - hn)).min()
    assert found.value == pytest.approx(best, abs=1e-8)


@pytest.mark.parametrize(
    ("table", "value"),
    [
        (MOG, 0.500402),
        (np.eye(4) / 4, math.log(4)),
        (np.diag([0.1] * 10), math.log(10)),
        (np.outer([0.3, 0.7], [0.2, 0.5, 0.3]), 0.0),
    ],
)
def test_section_7_where_all_three_are_one(table, value):
    found = pmf(table)
    for measure in (found.gacs_korner, found.mutual_information, found.wyner, found.lower_bound):
        assert measure == pytest.approx(value, abs=5e-7)
    assert found.wyner == pytest.approx(found.mutual_information, abs=1e-12)
    assert found.lagrangian(0.3).value == pytest.approx(0.3 * value, abs=1e-6)


def test_section_7_three_by_three():
    found = pmf(THREE)
    assert f"{found.mutual_information:.4f}" == "0.6616"
    assert found.lower_bound > found.wyner - 1e-5
    assert is_exact(found, THREE)


def test_function_of_the_other():
    """Y = f(X): J = I = C_GK = H(Y)."""
    table = np.array([[0.1, 0], [0.3, 0], [0, 0.6]])
    found = pmf(table)
    assert (
        found.wyner == found.lower_bound == pytest.approx(entropy(np.array([0.4, 0.6])), rel=1e-12)
    )


def test_golden_mean_is_two_thirds_of_a_bit():
    found = pmf(GOLDEN, unit="bits")
    assert found.wyner == pytest.approx(2 / 3, rel=1e-9)
    assert found.lower_bound == pytest.approx(2 / 3, abs=3e-6)


def test_independent_parts_of_a_pair_add_up():
    found = pmf(np.kron(GOLDEN, np.eye(2) / 2), unit="bits")
    assert found.wyner == pytest.approx(2 / 3 + 1, rel=1e-9)


def test_units_differ_by_log_2():
    bits, nats = solved("dsbs", 0.25), pmf(dsbs(0.25))
    for name in ("wyner", "mutual_information", "lower_bound", "dual_total_correlation"):
        assert getattr(nats, name) == pytest.approx(math.log(2) * getattr(bits, name), rel=1e-12)


def test_more_than_two_variables():
    xor = np.zeros((2, 2, 2))
    for x in range(2):
        for y in range(2):
            xor[x, y, x ^ y] = 0.25
    found = pmf(xor, unit="bits")
    assert (found.mutual_information, found.dual_total_correlation) == (
        pytest.approx(1),
        pytest.approx(2),
    )
    assert found.wyner == pytest.approx(2) == found.lower_bound
    same = np.zeros((2, 2, 2))
    same[0, 0, 0], same[1, 1, 1] = 0.3, 0.7
    found = pmf(same, unit="bits")
    assert found.wyner == pytest.approx(h(0.3)) == found.gacs_korner
    assert "total correlation" in str(found)


def test_three_noisy_copies_of_a_bit():
    """X_i = Z + noise_i: this Z is feasible, so J <= I(X;Z); the bounds must enclose J."""
    flip = np.array([[0.9, 0.1], [0.1, 0.9]])
    table = np.einsum("zx,zy,zw->xyw", flip, flip, flip) / 2
    found = pmf(table, unit="bits")
    reached = entropy(table) / math.log(2) - 3 * h(0.1)
    assert found.lower_bound <= found.wyner <= reached + 1e-9
    assert found.wyner == pytest.approx(reached, rel=1e-6)
    assert found.lower_bound > found.wyner - 1e-3


def test_relaxed_is_the_symmetric_source_s_curve():
    found = solved("dsbs", 0.10)
    assert found.relaxed(0.0) == pytest.approx(found.wyner, rel=1e-12)
    assert found.relaxed(found.mutual_information) == 0.0
    for residual, rate in ((0.064191, 0.671205), (0.004885, 0.828919)):
        assert found.relaxed(residual) == pytest.approx(rate, abs=1e-4)
    assert found.relaxed(0.01) > found.relaxed(0.02) > found.relaxed(0.2)


@pytest.mark.parametrize("solver", ["alternating", "admm"])
def test_other_solvers_give_upper_bounds_near_the_truth(solver):
    found = pmf(dsbs(0.1), unit="bits", solver=solver)
    assert dsbs_wyner(0.1) - 1e-12 <= found.wyner < 1.01 * dsbs_wyner(0.1)
    assert found.exact_violation < 1e-15
    assert math.isnan(found.dual_estimate)
    assert solver in str(found)


def test_equal_seeds_equal_results_and_the_callers_array_and_random_state_are_left_alone():
    table = THREE.copy()
    state, legacy = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    a, b = pmf(table, seed=3), pmf(torch.from_numpy(table), seed=3)
    assert a.wyner == b.wyner
    np.testing.assert_array_equal(table, THREE)
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], legacy)  # noqa: NPY002


def test_values_without_mass_and_values_that_say_the_same_change_nothing():
    wide = np.zeros((4, 3))
    wide[:3, :2] = np.array([[0.45, 0.05], [0.02, 0.18], [0.03, 0.27]])
    found = pmf(wide)
    assert found.wyner == pytest.approx(pmf([[0.45, 0.05], [0.05, 0.45]]).wyner, rel=1e-9)
    assert found.latent.given_z[0].shape[1] == 4
    assert is_exact(found, wide)
    assert reduced(wide).table.shape == (2, 2)


def test_bounds_enclose_random_tables():
    for seed in range(3):
        p = np.random.default_rng(seed).dirichlet(np.ones(6)).reshape(2, 3)
        found = pmf(p)
        assert found.mutual_information <= found.lower_bound <= found.wyner <= min(found.entropies)
        assert found.wyner - found.lower_bound < 2e-4


def test_a_tiny_cell_traps_no_solver():
    """Findings B6: from a cell of 4e-8 the penalty solver ended 0.006 nats above J."""
    p = np.array(
        [
            [0.015530756, 0.040383576, 0.008262425],
            [0.015680335, 0.020385800, 0.094734956],
            [4.1085e-8, 0.732150236, 0.072871874],
        ]
    )
    found = pmf(p / p.sum())
    assert found.wyner == pytest.approx(0.40540, abs=5e-6)
    assert found.wyner - 1e-5 < found.lower_bound <= found.wyner


def test_lower_bound_of_six_by_six_is_near_the_value():
    """Findings B8: it was I, 0.2 of 0.95."""
    p = np.random.default_rng(1).random((6, 6))
    found = pmf(p / p.sum())
    assert found.lower_bound <= found.wyner < 1.05 * found.lower_bound
    rough = pmf(p / p.sum(), prove=1000)
    assert found.mutual_information <= rough.lower_bound < found.lower_bound


def test_threads_are_the_callers_and_one_is_used():
    """Findings B7: CPU time is that of one thread, and the caller keeps the number it has set."""
    p = np.random.default_rng(0).random((8, 8))
    before = torch.get_num_threads()
    wall, cpu = time.perf_counter(), time.process_time()
    pmf(p / p.sum())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert torch.get_num_threads() == before
    assert cpu < 1.2 * wall + 0.1
    with threadpool_limits(2):
        counts = lambda: [pool["num_threads"] for pool in threadpool_info()]
        outside = counts()
        with one_thread():
            assert set(counts()) == {1}
        assert counts() == outside


def test_latent_samples_by_its_encoder():
    z = solved("dsbs", 0.10).latent
    np.testing.assert_allclose(z.encoder.sum(0), 1, rtol=1e-12)
    np.testing.assert_allclose((z.encoder * dsbs(0.1)).sum((1, 2)), z.weights, rtol=1e-9)


def test_figure():
    pytest.importorskip("matplotlib")
    assert len(pmf(MOG).plot().axes) == 4


def test_below_the_gaussian_of_which_it_is_a_cut():
    """Quantising both sides cannot raise J."""
    u = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 100_000) > 0
    table = np.histogram2d(*u.T, bins=2)[0] / len(u)
    assert pmf(table).wyner < gaussian(correlations=[0.8]).wyner


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: pmf([0.5, 0.5]), DataError, "at least two"),
        (lambda: pmf([[0.5, 0.6], [0.1, 0.1]]), DataError, "sum to 1, got 1.3"),
        (lambda: pmf([[1.1, -0.1], [0.0, 0.0]]), DataError, r"got -0.1 at \(0, 1\)"),
        (lambda: pmf([[float("nan"), 1.0]]), DataError, "finite"),
        (lambda: pmf("table"), DataError, "not numbers"),
        (lambda: pmf(MOG, unit="bit"), OptionError, "did you mean 'bits'"),
        (lambda: pmf(MOG, solver="newton"), OptionError, "unknown solver"),
        (lambda: pmf(MOG, starts=0), OptionError, "at least 1"),
        (lambda: pmf(MOG, prove=-5), OptionError, "number of cells, got -5"),
        (lambda: pmf(MOG).relaxed(-1.0), OptionError, "gamma"),
        (lambda: pmf(MOG).lagrangian(0.0), OptionError, "lam"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
