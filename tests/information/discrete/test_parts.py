"""The parts of the numerical solver against closed forms, brute force and differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wyner.estimation.tasks import erasure_pair, erasures, flips, symmetric_binary
from wyner.information.discrete.certificate import _halved, _upper, largest_gain
from wyner.information.discrete.decomposition import Decomposition, Program
from wyner.information.discrete.newton import _gradient, _hessian, stationary
from wyner.information.discrete.pricing import best_products, dual_value, gains, random_starts
from wyner.information.discrete.rectangles import maximal_rectangles
from wyner.information.discrete.relaxed import Compression
from wyner.information.discrete.repair import exact, restored, trivial
from wyner.information.discrete.search import Effort, penalty
from wyner.information.discrete.table import components, entropy, gacs_korner, xlogx

RNG = np.random.default_rng(0)
GOLDEN = np.array([[1, 1], [1, 0]]) / 3


def test_components_by_hand():
    x, y = components(np.array([[0.2, 0, 0], [0, 0.3, 0], [0.1, 0, 0], [0, 0.4, 0]]))
    assert x.tolist() == [0, 1, 0, 1]
    assert y.tolist() == [0, 1, -1]


def test_maximal_rectangles_against_all_subsets():
    for seed in range(5):
        p = (np.random.default_rng(seed).random((4, 4)) > 0.45) * 1.0
        found, all_ = maximal_rectangles(p, RNG)
        assert all_
        expected = set()
        for mask in range(1, 16):
            rows = np.array([mask >> k & 1 for k in range(4)], bool)
            columns = (p[rows] > 0).all(0)
            if columns.any():
                closed = (p[:, columns] > 0).all(1)
                expected.add((tuple(closed), tuple(columns)))
        assert {(tuple(a), tuple(b)) for a, b in found} == expected


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 2), (2, 2, 3, 2)])
def test_gradients(shape):
    p = RNG.dirichlet(np.ones(math.prod(shape))).reshape(shape)
    program = Program(p, [np.ones((2, 4, n), bool) for n in shape])
    program.prices, program.rho = RNG.normal(size=(2, *shape)), np.array([3.0, 7.0])
    compression = Compression(p, 4, np.array([0.3, 0.8]))
    for objective, size in ((program, 4 * (1 + sum(shape))), (compression, 4 * p.size)):
        points = RNG.normal(size=(2, size))
        _, gradient = objective(points)
        for k in range(size):
            step = 1e-5 * (np.arange(size) == k)
            slope = (objective(points + step)[0] - objective(points - step)[0]) / 2e-5
            np.testing.assert_allclose(gradient[:, k], slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [(2, 4), (3, 2, 2)])
def test_jacobian_against_differences(shape):
    d = Decomposition(RNG.dirichlet(np.ones(3)), tuple(RNG.dirichlet(np.ones(n), 3) for n in shape))
    made = d.jacobian
    for z, k in np.ndindex(made.shape[:2]):
        step = np.zeros(made.shape[:2])
        step[z, k] = 1e-6
        slope = (d.moved(step).table - d.moved(-step).table) / 2e-6
        np.testing.assert_allclose(made[z, k], slope, atol=1e-9)


def test_repair_is_exact_whatever_it_is_given():
    p = RNG.dirichlet(np.ones(12)).reshape(3, 4)
    d = Decomposition(
        RNG.dirichlet(np.ones(5)),
        (RNG.dirichlet(np.ones(3), size=5), RNG.dirichlet(np.ones(4), size=5)),
    )
    for repaired in (exact(d, p), exact(restored(d, p), p), trivial(p)):
        np.testing.assert_allclose(repaired.table, p, atol=1e-15)
        assert repaired.rate(entropy(p)) <= entropy(p) + 1e-12
    assert trivial(p).rate(entropy(p)) == pytest.approx(
        min(entropy(p.sum(0)), entropy(p.sum(1))), rel=1e-12
    )


def test_proof_lies_above_every_product_and_near_the_best():
    prices = RNG.normal(size=(3, 4)) * 2
    p = np.full((3, 4), 1 / 12)
    rectangles, _ = maximal_rectangles(p, RNG)
    best = best_products(prices, *random_starts(rectangles, 200, RNG)).gains[0]
    proof = largest_gain(prices, rectangles, float(best))
    a, b = RNG.dirichlet(np.full(3, 0.5), 20_000), RNG.dirichlet(np.full(4, 0.5), 20_000)
    values = (
        -(a * np.log(a + 1e-300)).sum(1)
        - (b * np.log(b + 1e-300)).sum(1)
        - np.einsum("sx,xy,sy->s", a, prices, b)
    )
    assert values.max() <= best + 1e-12
    assert best <= proof <= best + 1e-3


@pytest.mark.parametrize(
    ("p", "wyner"),
    [
        (flips(0.05), symmetric_binary(0.05)[1]),
        (flips(0.1), symmetric_binary(0.1)[1]),
        (flips(0.25), symmetric_binary(0.25)[1]),
        (erasures(0.7), erasure_pair(0.7)[1]),
        (GOLDEN, 2 / 3 * math.log(2)),
    ],
)
def test_proof_is_sound_without_the_truth(p, wyner):
    """No product is named to the proof, and J is known exactly: the dual must not exceed it."""
    rng = np.random.default_rng(1)
    rectangles, all_ = maximal_rectangles(p, rng)
    _, prices = penalty(p, rectangles, Effort(), rng)
    proof = largest_gain(prices, rectangles, -math.inf, cells=20_000)
    assert all_
    assert wyner - 1e-3 < dual_value(entropy(p), p, prices, proof) <= wyner + 1e-12
    for _ in range(3):  # any prices give a bound
        other = prices + rng.normal(size=p.shape)
        proof = largest_gain(other, rectangles, -math.inf, cells=20_000)
        assert dual_value(entropy(p), p, other, proof) <= wyner + 1e-12


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 3)])
def test_bounds_of_cells_lie_above_all_that_is_in_them(shape):
    """Products drawn inside each cell; no value is named to the bound."""
    rng = np.random.default_rng(2)
    prices = 2 * rng.normal(size=shape)
    cells = [np.eye(n)[None] for n in shape[:-1]]
    for _ in range(5):
        for k, bound in enumerate(_upper(prices, cells)):
            factors = [rng.dirichlet(np.full(c.shape[1], 0.3), 300) @ c[k] for c in cells]
            mean = np.tensordot(factors[0], prices, 1)
            for a in factors[1:]:
                mean = np.einsum("sn,sn...->s...", a, mean)
            value = sum(-xlogx(a).sum(1) for a in factors) + np.log(np.exp(-mean).sum(1))
            assert value.max() <= bound + 1e-12
        cells = _halved(prices, cells)


def test_newton_ends_at_the_optimum_whose_prices_prove_it():
    """The symmetric source from factors that are off, with prices 0: J in closed form, the dual
    bound at its prices equal, and no start that is better."""
    p, truth = flips(0.1), symmetric_binary(0.1)[1]
    far = Decomposition(np.array([0.6, 0.4]), (np.array([[0.8, 0.2], [0.3, 0.7]]),) * 2)
    found, prices = stationary(p, far, np.zeros_like(p))
    np.testing.assert_allclose(found.table, p, rtol=1e-7)
    assert found.rate(entropy(p)) == pytest.approx(truth, rel=1e-7)
    np.testing.assert_allclose(gains(found, prices), gains(found, prices)[0], atol=1e-9)
    dual = dual_value(entropy(p), p, prices, float(gains(found, prices).max()))
    assert dual == pytest.approx(truth, rel=1e-7)


@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 2)])
def test_curvature_at_an_optimum_against_differences(shape):
    """Of the factors of each value of Z; elsewhere it lacks terms that vanish here."""
    flip = np.array([[0.9, 0.1], [0.2, 0.8]])
    p = np.tensordot(np.array([0.4, 0.6]), Decomposition(np.ones(2), (flip,) * len(shape)).atoms, 1)
    guess = np.array([[0.8, 0.2], [0.3, 0.7]])
    start = Decomposition(np.array([0.5, 0.5]), (guess,) * len(shape))
    found, prices = stationary(p, start, np.zeros_like(p))
    slope = lambda d: _gradient(d) + np.tensordot(d.jacobian, prices, len(shape))
    made = _hessian(found, prices)
    for z, k in np.ndindex(2, 1 + sum(shape)):
        if k > 0:
            step = np.zeros((2, 1 + sum(shape)))
            step[z, k] = 1e-5
            change = (slope(found.moved(step)) - slope(found.moved(-step)))[z, 1:] / 2e-5
            np.testing.assert_allclose(made[z, k, 1:], change, atol=1e-6)


def test_newton_with_three_variables_is_stationary():
    """At its end no move of the logits raises the noise at these prices: slopes by differences."""
    flip = np.array([[0.9, 0.1], [0.2, 0.8]])
    p = np.einsum("z,zx,zy,zw->xyw", [0.4, 0.6], flip, flip, flip)
    guess = np.array([[0.8, 0.2], [0.3, 0.7]])
    found, prices = stationary(
        p, Decomposition(np.array([0.5, 0.5]), (guess,) * 3), np.zeros_like(p)
    )
    np.testing.assert_allclose(found.table, p, rtol=1e-6)
    value = lambda d: -d.noise + float((prices * d.table).sum())
    for z, k in np.ndindex(2, 7):
        step = np.zeros((2, 7))
        step[z, k] = 1e-5
        slope = (value(found.moved(step)) - value(found.moved(-step))) / 2e-5
        mass = found.weights[z] if k == 0 else 0.0
        level = -gains(found, prices)[0] * mass  # more mass costs the common gain
        assert slope == pytest.approx(level, abs=1e-7)


def test_proof_of_products_that_are_known():
    """Without prices the largest gain is that of uniform factors, log n_1 + log n_2."""
    full = [tuple(np.ones(n, bool) for n in (3, 4))]
    proof = largest_gain(np.zeros((3, 4)), full, -math.inf, cells=20_000)
    assert math.log(12) <= proof + 1e-12 <= math.log(12) + 1e-3
    a, b = RNG.normal(size=3), RNG.normal(size=4)  # L = a + b: each factor is its own softmax
    proof = largest_gain(a[:, None] + b, full, -math.inf, cells=20_000)
    exact_gain = math.log(np.exp(-a).sum()) + math.log(np.exp(-b).sum())
    assert exact_gain <= proof + 1e-12 <= exact_gain + 1e-2


def test_components_of_three_variables_and_of_counts():
    p = np.zeros((2, 2, 3))
    p[0, 0, 1], p[1, 1, 0], p[1, 1, 2] = 0.5, 0.2, 0.3
    assert [c.tolist() for c in components(p)] == [[0, 1], [0, 1], [1, 0, 1]]
    assert gacs_korner(p) == pytest.approx(math.log(2), rel=1e-12)
    counts = np.array([[30.0, 0, 0], [0, 20, 20]])
    share = np.array([3, 4]) / 7
    assert gacs_korner(counts) == pytest.approx(-(share * np.log(share)).sum(), rel=1e-12)
    assert gacs_korner(counts / 70) == pytest.approx(gacs_korner(counts), rel=1e-12)
    assert gacs_korner(np.full((3, 3), 7.0)) == 0.0
