"""A start at the linear optimum against ridge regression and exact Gaussian densities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wyner
from oracle.gaussian import empty, joint_of
from wyner import Binary, Categorical, Real
from wyner.errors import OptionError
from wyner.families import Gaussian, Trainable
from wyner.information.common_factors import common_factors
from wyner.models import CVAE, DMVAE, JMVAE, JVAE, MVAE, VCCAPrivate, WynerVAE
from wyner.networks import MLPs
from wyner.training.linear_start import start_at_linear_optimum
from wyner.training.rows import rows_of

NETWORKS = MLPs((8,), linear=True)
DIMS = {"x": 4, "y": 3}


def rows(n: int = 400, seed: int = 0, dims=DIMS) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(n, 2, generator=g)
    made = {}
    for i, (name, d) in enumerate(dims.items()):
        noise = 0.5 * torch.randn(n, d, generator=g)
        made[name] = (z @ torch.randn(2, d, generator=g) + noise) * 3**i + 2
    return {k: v.to(torch.get_default_dtype()) for k, v in made.items()}


def trained_variances(dims=DIMS):
    return {k: Gaussian(Trainable()) for k in dims}


def made(kind, dims=DIMS, **sizes):
    spaces = {k: Real(d) for k, d in dims.items()}
    given = spaces if dims is DIMS else {"modalities": spaces}
    return kind(**given, **sizes, networks=NETWORKS, families=trained_variances(dims))


MODELS = {
    "WynerVAE": lambda: made(WynerVAE, z=3, u=3, v=2),
    "VCCAPrivate": lambda: made(VCCAPrivate, z=3, u=3, v=2),
    "DMVAE": lambda: made(DMVAE, z=3, u=3, v=2),
    "MVAE": lambda: made(MVAE, z=9),
    "JVAE": lambda: made(JVAE, w=9),
    "JMVAE": lambda: made(JMVAE, w=9),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", MODELS)
def test_step_0_predicts_by_ridge_regression(name):
    model, data = MODELS[name](), rows()
    start_at_linear_optimum(model, rows_of(model, data, ("x", "y")), 0)
    views = common_factors(data, None, 3)
    for a, b in (("x", "y"), ("y", "x")):
        if name == "VCCAPrivate" and a == "y":
            continue
        u, v = data[a].numpy(), data[b].numpy()
        s, t = (u - u.mean(0)) / u.std(0), (v - v.mean(0)) / v.std(0)
        ridge = views[a].ridge * len(s) * np.eye(s.shape[1])
        map_ = np.linalg.solve(s.T @ s + ridge, s.T @ t)
        expected = s @ map_ * v.std(0) + v.mean(0)
        found = model.translate({a: data[a]}, to=b, means=True)[0].numpy()
        np.testing.assert_allclose(found, expected, atol=1e-6 * v.std(), rtol=1e-3)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", [WynerVAE, DMVAE, MVAE])
def test_three_views_predict_each_other_by_the_common_factors(kind):
    dims = {"a": 4, "b": 3, "c": 3}
    sizes = {"z": 8} if kind is MVAE else {"z": 2, "local": 2}
    model, data = made(kind, dims, **sizes), rows(dims=dims)
    start_at_linear_optimum(model, rows_of(model, data, tuple(dims)), 0)
    views = common_factors(data, None, 2)
    for a, b in (("a", "b"), ("c", "a")):
        s = (data[a] - views[a].mean) / views[a].scale
        expected = s @ (views[b].loadings @ views[a].reader).T * views[b].scale + views[b].mean
        found = model.translate({a: data[a]}, to=b, means=True)[0]
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", ["WynerVAE", "JVAE"])
def test_step_0_scores_rows_as_the_exact_gaussian(name):
    """With nearly exact posteriors every importance weight is nearly the density."""
    model, data = MODELS[name](), rows(4000)
    start_at_linear_optimum(model, rows_of(model, data, ("x", "y")), 0)
    some = {k: v[:200] for k, v in data.items()}
    exact = joint_of(model, model.laws["joint"][1], empty()).log_prob(some)
    found = model.log_likelihood(**some, samples=200, seed=0)
    assert abs(float((found.value - exact).mean())) < 0.05
    assert float(found.ess.mean()) > (180 if name == "WynerVAE" else 50)
    sample = torch.cat(list(data.values()), 1)
    best = torch.distributions.MultivariateNormal(sample.mean(0), sample.T.cov())
    assert float(best.log_prob(torch.cat(list(some.values()), 1)).mean() - exact.mean()) < 0.1


def test_missing_views_and_other_kinds_of_columns():
    data = rows(300)
    data["y"] = (data["y"] > data["y"].mean(0)).float()
    codes = {"x": data["x"], "y": data["y"].sum(1).long()}
    mask = (torch.rand(300) > 0.3).float()
    for space, given in ((Binary(3), data), (Categorical(1, 4), codes)):
        model = WynerVAE(x=Real(4), y=space, z=2, u=1, v=1, networks=NETWORKS)
        start_at_linear_optimum(model, rows_of(model, {**given, "y_mask": mask}, ("x", "y")), 0)
        made_ = model.translate(x=given["x"], means=True)[0]
        truth = model.observed["y"].prepare(given["y"])
        assert float(((made_ - truth) ** 2).mean()) < 0.8 * float(truth.var(0).mean())


def test_training_is_never_worse_on_validation_rows_than_where_it_began():
    data = rows(120)
    model = MODELS["WynerVAE"]()
    run = wyner.fit(
        model, data, start="linear", validation=0.3, epochs=4, batch_size=20, lr=1.0, progress=False
    )
    held = [r for r in run.history if r["split"] == "validation" and r["phase"] == "joint"]
    assert held[0]["step"] == 0
    assert held[0]["loss"] == min(r["loss"] for r in held)
    other = MODELS["WynerVAE"]()
    first = wyner.fit(
        other,
        data,
        start="linear",
        validation=0.3,
        epochs=1,
        batch_size=84,
        lr=1e-30,
        progress=False,
    )
    a, b = (r.model.translate(x=data["x"], means=True) for r in (run, first))
    torch.testing.assert_close(a, b)


def test_what_has_no_closed_form_is_refused_in_a_sentence():
    data = rows(50)
    plain = WynerVAE(x=Real(4), y=Real(3), z=2, u=1, v=1, networks=MLPs((8,)))
    with pytest.raises(OptionError, match=r"start='linear': .*linear=True"):
        wyner.fit(plain, data, start="linear", epochs=1, progress=False)
    given = CVAE(x=Real(4), y=Real(3), networks=NETWORKS)
    with pytest.raises(OptionError, match="start='linear'"):
        wyner.fit(given, data, start="linear", epochs=1, progress=False)
    affine = WynerVAE(x=Real(4), y=Real(3), z=2, u=1, v=1, networks=MLPs(()))
    wyner.fit(affine, data, start="linear", epochs=1, progress=False)
