"""What is done to columns and undone: against NumPy, and densities against SciPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from wyner.errors import DataError, OptionError, RunError
from wyner.preprocessing import FILE, Preprocessing, Scaling, steps_of

ROWS = np.random.default_rng(0).gamma(2.0, 300.0, (200, 3))


@pytest.mark.parametrize("log", [False, True])
def test_there_and_back(log: bool) -> None:
    scaling = Scaling.fitted(ROWS, log)
    f = np.log1p(ROWS) if log else ROWS
    seen = scaling.apply(torch.from_numpy(ROWS))
    np.testing.assert_allclose(seen.numpy(), (f - f.mean(0)) / f.std(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(scaling.invert(seen).numpy(), ROWS, rtol=1e-12)


@pytest.mark.parametrize("log", [False, True])
def test_the_jacobian_is_that_of_autograd(log: bool) -> None:
    scaling = Scaling.fitted(ROWS, log)
    x = torch.from_numpy(ROWS[:4])
    found = scaling.log_jacobian(x)
    for row, value in zip(x, found, strict=True):
        jacobian = torch.autograd.functional.jacobian(scaling.apply, row)
        assert float(torch.linalg.slogdet(jacobian).logabsdet) == pytest.approx(
            float(value), rel=1e-12
        )


def test_a_normal_density_in_its_own_units() -> None:
    """log N(x; m, s) = log N(z; 0, 1) + log |dz/dx|, the log-normal one with log1p."""
    scaling = Scaling(np.array([3.0]), np.array([0.5]), np.array([True]))
    x = torch.tensor([[1.0], [30.0]], dtype=torch.float64)
    z = scaling.apply(x)
    standard = -0.5 * z[:, 0] ** 2 - 0.5 * math.log(2 * math.pi)
    exact = stats.lognorm(s=0.5, scale=math.exp(3.0)).logpdf(x[:, 0].numpy() + 1)
    np.testing.assert_allclose((standard + scaling.log_jacobian(x)).numpy(), exact, rtol=1e-12)


def test_columns_that_are_not_scaled_stay() -> None:
    scaling = Scaling.fitted(ROWS, True, np.array([True, False, True]))
    seen = scaling.apply(torch.from_numpy(ROWS)).numpy()
    np.testing.assert_array_equal(seen[:, 1], ROWS[:, 1])
    assert abs(seen[:, 0].std() - 1) < 1e-12


def test_it_is_kept_in_a_folder(tmp_path) -> None:
    found = Preprocessing({"x": Scaling.fitted(ROWS)}, {"x": ("a", "b", "c"), "y": ("d",)})
    assert Preprocessing.load(tmp_path) is None
    found.save(tmp_path)
    assert Preprocessing.load(tmp_path) == found
    content = bytearray((tmp_path / FILE).read_bytes())
    content[-1] ^= 1
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(RunError, match="checksum"):
        Preprocessing.load(tmp_path)


def test_what_is_asked_for() -> None:
    assert steps_of(True, ["x", "y"]) == {"x": "standardise", "y": "standardise"}
    assert steps_of({"x": "log1p", "y": False}, ["x", "y"]) == {"x": "log1p", "y": "none"}
    with pytest.raises(OptionError, match="standardise: unknown modality 'z'"):
        steps_of({"z": True}, ["x"])
    with pytest.raises(DataError, match="needs numbers from 0 up, got -2"):
        Preprocessing({"x": Scaling.fitted(ROWS, True)}).apply("x", torch.full((1, 3), -2.0))
