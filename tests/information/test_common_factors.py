"""Common factors against ridge regression and conditional Gaussians written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wyner.information import common_factors as module
from wyner.information.common_factors import common_factors, posterior


def planted(n: int = 300, views: int = 2, seed: int = 0) -> dict[str, torch.Tensor]:
    """Views of 6, 5, 4, ... columns that share two numbers, on scales of their own."""
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(n, 2, generator=g, dtype=torch.float64)
    made = {}
    for i, name in enumerate("abcd"[:views]):
        d = 6 - i
        own = torch.randn(n, d, generator=g, dtype=torch.float64)
        map_ = torch.randn(2, d, generator=g, dtype=torch.float64)
        made[name] = (z @ map_ + own) * 10.0**i + 3
    return made


def standard(x: torch.Tensor) -> np.ndarray:
    x = x.numpy()
    return (x - x.mean(0)) / x.std(0)


def test_two_views_predict_each_other_by_ridge_regression():
    data = planted()
    views = common_factors(data, None, 5)
    x, y = standard(data["a"]), standard(data["b"])
    for u, v, a, b in ((x, y, "a", "b"), (y, x, "b", "a")):
        ridge = views[a].ridge * len(u) * np.eye(u.shape[1])
        map_ = np.linalg.solve(u.T @ u + ridge, u.T @ v)
        found = views[b].loadings @ views[a].reader
        np.testing.assert_allclose(found.T, map_, atol=2e-3)
        np.testing.assert_allclose(views[a].scale, data[a].numpy().std(0))


def test_the_chosen_ridge_is_the_best_of_the_list_on_parts_set_aside():
    """Noise alone is predicted with the largest ridge, a map without noise with the least."""
    g = torch.Generator().manual_seed(1)
    x, y = torch.randn(60, 12, generator=g), torch.randn(60, 3, generator=g)
    assert common_factors({"x": x, "y": y}, None, 3)["x"].ridge == max(module.RIDGES)
    exact = x[:, :3] @ torch.randn(3, 3, generator=g)
    assert common_factors({"x": x, "y": exact}, None, 3)["x"].ridge == min(module.RIDGES)


@pytest.mark.parametrize("given", ["a", "ab", "abc"])
def test_the_posterior_of_z_is_that_of_the_gaussian(given, monkeypatch):
    """x_i = W_i z + noise of covariance S_ii + rho I - W_i W_i^T, conditioned by hand."""
    data = planted(views=3)
    views = common_factors(data, None, 2)
    w = torch.cat([views[k].loadings for k in given])
    blocks = []
    for k in given:
        x = torch.from_numpy(standard(data[k]))
        own = x.T @ x / len(x) + views[k].ridge * torch.eye(x.shape[1], dtype=x.dtype)
        blocks.append(own - views[k].loadings @ views[k].loadings.T)
    noise = torch.linalg.inv(torch.block_diag(*blocks))
    precision = torch.eye(2, dtype=w.dtype) + w.T @ noise @ w
    read, found = posterior([views[k] for k in given])
    torch.testing.assert_close(found, precision, rtol=1e-6, atol=1e-8)
    by_hand = torch.linalg.solve(precision, w.T @ noise)
    torch.testing.assert_close(torch.cat(read, 1), by_hand, rtol=1e-6, atol=1e-8)
    if given == "abc":  # of all views it is diagonal, as encoders are
        torch.testing.assert_close(found, torch.diag(torch.diagonal(found)))


def test_what_is_private_is_read_from_the_rest_of_the_view():
    view = common_factors(planted(), None, 2)["a"]
    own = view.private(3)
    v, psi = own.loadings, torch.diag(own.noise)
    gram = v.T @ torch.linalg.inv(psi) @ v
    torch.testing.assert_close(gram, torch.diag(torch.diagonal(gram)), atol=1e-10, rtol=0)
    by_hand = v.T @ torch.linalg.inv(v @ v.T + psi)
    torch.testing.assert_close(own.reader, by_hand)
    total = view.loadings.square().sum(1) + v.square().sum(1) + own.noise
    torch.testing.assert_close(total, view.variance)


def test_a_fixed_noise_is_kept():
    view = common_factors(planted(), None, 2)["a"]
    noise = torch.full((6,), 0.3, dtype=torch.float64)
    own = view.private(5, noise)
    assert torch.equal(own.noise, noise)
    values, vectors = torch.linalg.eigh(view.residual)
    best = (vectors * (values - 0.3).clamp_min(0)) @ vectors.T
    torch.testing.assert_close(own.loadings @ own.loadings.T, best)


def test_rows_without_a_view_count_for_the_others_only():
    data, g = planted(400), torch.Generator().manual_seed(2)
    mask = (torch.rand(400, generator=g) > 0.4).double()
    masks = {"a": torch.ones(400), "b": mask}
    spoiled = {**data, "b": torch.where(mask[:, None] > 0, data["b"], 1e6)}
    one, other = (common_factors(d, masks, 2) for d in (data, spoiled))
    for k in "ab":
        torch.testing.assert_close(one[k].loadings, other[k].loadings)
    torch.testing.assert_close(one["a"].mean, data["a"].mean(0))
    torch.testing.assert_close(one["b"].mean, data["b"][mask > 0].mean(0))
    cells = {k: m[:, None].expand(-1, data[k].shape[1]) for k, m in masks.items()}
    torch.testing.assert_close(common_factors(data, cells, 2)["b"].reader, one["b"].reader)


def test_wide_views_are_read_through_their_principal_components(monkeypatch):
    data = planted(200)
    plain = common_factors(data, None, 3)
    monkeypatch.setattr(module, "MOST", 5)
    short = common_factors(data, None, 3)
    assert short["a"].basis.shape == (6, 5)
    x = torch.from_numpy(standard(data["a"]))
    made = [x @ (v["b"].loadings @ v["a"].reader).T for v in (plain, short)]
    assert float(torch.corrcoef(torch.stack([m.flatten() for m in made]))[0, 1]) > 0.97


def test_constant_columns_are_left_alone():
    data = planted()
    data["a"][:, 2] = 7.0
    view = common_factors(data, None, 2)["a"]
    assert float(view.scale[2]) == 1.0
    torch.testing.assert_close(view.loadings[2], torch.zeros(2, dtype=torch.float64))
    assert torch.isfinite(view.private(3).reader).all()
