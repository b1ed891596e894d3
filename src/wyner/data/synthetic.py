"""Pairs whose exact answers are known: a mixture of Gaussians and linear-Gaussian pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wyner.data.dataset import PARTS, Dataset
from wyner.errors import OptionError
from wyner.families import Fixed, Gaussian, Trainable
from wyner.information.gaussian import gaussian as gaussian_information
from wyner.seeds import DATA, mix
from wyner.variables import Real

MEANS = np.array([[0, 0], [4, 4], [-4, 4], [-4, -4], [4, -4]], dtype=np.float64)
"""mu_1, mu_2 of the five components, equation (60) of the Wyner VAE paper."""


def mog(train: int = 50_000, validation: int = 5_000, test: int = 10_000, seed: int = 0) -> Dataset:
    """Mixture-of-Gaussians pairs in R^10 x R^10, equation (60) of the Wyner VAE paper.

        X = [mu_1(Z) 1_5 + U ; mu_1(Z) 1_5 - U],   Y = [mu_2(Z) 1_5 + V ; mu_2(Z) 1_5 - V],   Z
                                                   uniform on five values

    Exact facts (specification, section 10): C_GK = I = J = h_b(1/5) = 0.500402 nats, not log 5: the
    pair shares only whether Z is the centre. With decoder variance 1/2 no model of the family has a
    lower nll than the floors in `truth`.
    """
    rng = np.random.default_rng(mix(seed, DATA))

    def draw(n: int) -> dict[str, np.ndarray]:
        label = rng.integers(0, 5, n)
        sides = []
        for side in (0, 1):
            noise = rng.standard_normal((n, 5))
            mean = MEANS[label, side][:, None]
            sides.append(np.concatenate([mean + noise, mean - noise], 1).astype(np.float32))
        return {"x": sides[0], "y": sides[1], "label": label}

    b = 2.5 * math.log(4 * math.pi * math.e)
    a = 2.5 * math.log(math.pi)
    shared = math.log(5) - 1.6 * math.log(2)
    truth = {
        "common_information": shared,
        "mutual_information": shared,
        "gacs_korner": shared,
        "best_log_density": best_log_density,
        "nll_joint": 2 * (b + a) + math.log(5),
        "nll_marginal": b + a + math.log(5) - 0.8 * math.log(2),
        "nll_conditional": b + a + 0.8 * math.log(2),
    }
    notes = (
        "Decoder variance fixed at 1/2; nll's are proper densities with all constants (add"
        " 3.4657 nats per vector for the published scale).",
    )
    source = dict(name="mog", train=train, validation=validation, test=test, seed=seed)
    return _drawn(source, draw, 10, 10, Fixed(0.5), truth=truth, notes=notes)


def _drawn(
    source: dict[str, Any],
    draw: Callable[[int], dict[str, np.ndarray]],
    dx: int,
    dy: int,
    variance: Fixed | Trainable,
    **more: Any,
) -> Dataset:
    parts = {k: draw(source[k]) for k in PARTS}
    families = {"x": Gaussian(variance), "y": Gaussian(variance)}
    return Dataset.of(source, parts, {"x": Real(dx), "y": Real(dy)}, families=families, **more)


def best_log_density(rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """Log density of the mixture under the best model with decoder variance 1/2, in nats per row,
    `(N,)`.

    In rotated coordinates a = (top + bottom)/sqrt 2, b = (top - bottom)/sqrt 2 of each vector:

        log p = log 1/5 sum_k prod_vectors N(a; sqrt 2 mu(k) 1, I/2) N(b; 0, 2 I)

    Minus its mean over the law of the data is a floor of `truth` (specification, section 10).

    Args:
        rows: `x`, `y` or both, `(N, 10)`.
    """
    parts = []
    for name, v in rows.items():
        v = np.asarray(v, dtype=np.float64)
        a, b = (v[:, :5] + v[:, 5:]) / math.sqrt(2), (v[:, :5] - v[:, 5:]) / math.sqrt(2)
        centre = math.sqrt(2) * MEANS[:, "xy".index(name)]
        near = -((a[:, None] - centre[:, None]) ** 2).sum(-1) - 2.5 * math.log(math.pi)
        parts.append(near - (b**2).sum(-1)[:, None] / 4 - 2.5 * math.log(4 * math.pi))
    return np.logaddexp.reduce(sum(parts), axis=1) - math.log(5)


def gaussian(
    correlations: Sequence[float] = (0.8,),
    dx: int | None = None,
    dy: int | None = None,
    train: int = 20_000,
    validation: int = 2_000,
    test: int = 5_000,
    seed: int = 0,
) -> Dataset:
    """Jointly Gaussian pairs with the given canonical correlations and unit variances, extra
    coordinates independent.

    Coordinate i of x and y has correlation r_i. `truth` holds I, J, the entropies, and functions
    for the density.

    Args:
        correlations: r_i in (-1, 1).
        dx, dy: widths; by default as many as correlations.
        train, validation, test: rows.
        seed: of the draws.
    """
    r = np.atleast_1d(np.asarray(correlations, dtype=float))
    dx, dy = dx or len(r), dy or len(r)
    if len(r) > min(dx, dy) or np.any(np.abs(r) >= 1):
        raise OptionError(
            f"gaussian: expected at most {min(dx, dy)} correlations between -1 and 1, got"
            f" {list(map(float, r))}"
        )
    exact = gaussian_information(correlations=[float(v) for v in r])
    rng = np.random.default_rng(mix(seed, DATA))

    def draw(n: int) -> dict[str, np.ndarray]:
        x, y = rng.standard_normal((n, dx)), rng.standard_normal((n, dy))
        k = len(r)
        y[:, :k] = r * x[:, :k] + np.sqrt(1 - r * r) * y[:, :k]
        return {"x": x.astype(np.float32), "y": y.astype(np.float32)}

    one = 0.5 * math.log(2 * math.pi * math.e)
    truth = {
        "common_information": exact.wyner,
        "mutual_information": exact.mutual_information,
        "gacs_korner": 0.0,
        "entropy": (dx + dy) * one - exact.mutual_information,
        "nll_joint": (dx + dy) * one - exact.mutual_information,
        "nll_marginal": dx * one,
        "nll_conditional": dy * one - exact.mutual_information,
    }
    source = dict(name="gaussian", correlations=[float(v) for v in r], dx=dx, dy=dy)
    source |= dict(train=train, validation=validation, test=test, seed=seed)
    return _drawn(source, draw, dx, dy, Trainable(), truth=truth)
