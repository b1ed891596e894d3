"""Counts and mixed columns over a categorical z: exact likelihoods by sums over its values."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

from oracle.statistics import LIMIT, assert_mean
from wyner import KL, Binary, Categorical, Counts, Mixed, Model, Real
from wyner.families import Categorical as Codes
from wyner.families import NegativeBinomial
from wyner.networks import MLPs

pytestmark = pytest.mark.usefixtures("float64")

X, Y = Mixed(Counts(1), Real(1), Binary(1), Categorical(1, 3)), Counts(3)
K = 4


@pytest.fixture
def model() -> Model:
    torch.manual_seed(3)
    model = Model(
        observed={"x": X, "y": Y},
        latent={"z": Categorical(1, K)},
        laws={
            "joint": ("q(x,y) q(z|x,y)", "p(z) p(x|z) p(y|z)"),
            "x2y": ("q(x,y) q(z|x,y)", "q(x) q(z|x) p(y|z)"),
        },
        objective=KL("joint") + KL("x2y"),
        common=("z",),
        networks=MLPs(hidden=()),
        families={"z": Codes(summed=True, trained=True), "y": NegativeBinomial(library=True)},
    )
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.4 * torch.randn(p.shape))
    return model.eval()


ROWS = {
    "x": [[2.0, 0.3, 1.0, 2.0], [0.0, -1.0, 0.0, 0.0], [7.0, 0.0, 1.0, 1.0]],
    "y": [[3.0, 0.0, 1.0], [0.0, 0.0, 2.0], [10.0, 4.0, 0.0]],
}


def rows() -> dict[str, Tensor]:
    return {k: torch.tensor(v) for k, v in ROWS.items()}


@torch.no_grad()
def conditionals(model: Model, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Log p(z), log p(x|z) and log p(y|z) at every value of z, `(N, K)`, written out by SciPy."""
    z = torch.eye(K)[:, None, :]
    raw = model.factors["p(x|z)"].network(z).numpy()
    scale = model.factors["p(x|z)"].head.groups[1].head.log_scale.exp().numpy()
    r = model.factors["p(x|z)"].head.groups[0].head.log_dispersion.exp().numpy()
    x = values["x"].numpy()[:, None, :]
    codes = torch.log_softmax(torch.tensor(raw[:, 3:6]), -1).numpy()
    log_x = (
        stats.nbinom.logpmf(x[..., 0], r, r / (r + torch.tensor(raw[:, 0]).exp().numpy()))
        + stats.norm.logpdf(x[..., 1], raw[:, 1], scale)
        + stats.bernoulli.logpmf(x[..., 2], torch.tensor(raw[:, 2]).sigmoid().numpy())
        + codes[:, x[:, 0, 3].astype(int)].T
    )
    shares = torch.softmax(model.factors["p(y|z)"].network(z), -1)
    mean = (shares * values["y"].sum(-1)[:, None, None]).numpy()
    r = model.factors["p(y|z)"].head.log_dispersion.exp().numpy()
    log_y = stats.nbinom.logpmf(values["y"].numpy()[:, None], r, r / (r + mean)).sum(-1)
    prior = torch.log_softmax(model.factors["p(z)"].head.logits, -1)
    return {"z": prior, "x": torch.as_tensor(log_x), "y": torch.as_tensor(log_y)}


def test_the_loss_is_the_exact_bound(model):
    """KL(joint), z summed over: sum_z q(z) [ log q(z) - log p(z) - log p(x|z) - log p(y|z) ]."""
    values, log_p = rows(), conditionals(model, rows())
    with torch.no_grad():
        found = model.program(KL("joint"))
        noise = found.noise((3,), torch.zeros(()))
        loss, _ = found(values, noise, torch.ones(1), None)
        read = [model.features[k](values[k]) for k in "xy"]
        q = model.factors["q(z|x,y)"](*read).mean[:, 0]
    each = q * (q.log() - log_p["z"] - log_p["x"] - log_p["y"])
    torch.testing.assert_close(loss, each.sum(-1).mean(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("given", [(), ("x",)])
def test_likelihoods_are_sums_over_z(model, given):
    """E_q w = p by z-score; w takes K values, so its exact variance is known."""
    values, log_p = rows(), conditionals(model, rows())
    with torch.no_grad():
        read = [model.features[k](values[k]) for k in "xy"]
        q = model.factors["q(z|x,y)"](*read).mean[:, 0]
        prior = model.factors["q(z|x)"](read[0]).mean[:, 0].log() if given else log_p["z"]
    w = (prior + log_p["y"] + (0 if given else log_p["x"])).exp() / q
    exact, second = (q * w).sum(-1), (q * w**2).sum(-1)
    repeats = 4000
    many = {k: v.repeat_interleave(repeats, 0) for k, v in values.items()}
    targets = {k: v for k, v in many.items() if k not in given}
    found = model.log_likelihood(targets, given={k: many[k] for k in given}, samples=2, seed=1)
    ratio = found.value.exp().reshape(3, repeats) / exact[:, None]
    error = ((second / exact**2 - 1) / (2 * repeats)).sqrt()
    assert float(((ratio.mean(1) - 1) / error).abs().max()) < LIMIT


def test_translations_have_the_exact_means(model):
    values, log_p = rows(), conditionals(model, rows())
    n, library = 20_000, torch.tensor([5.0, 50.0, 500.0])
    with torch.no_grad():
        q = model.factors["q(z|x)"](model.features["x"](values["x"])).mean[:, 0]
        shares = torch.softmax(model.factors["p(y|z)"].network(torch.eye(K)[:, None, :]), -1)
    exact = (q @ shares) * library[:, None]
    for sample in (False, True):
        found = model.translate(x=values["x"], n=n, library=library, sample=sample, seed=2)
        assert_mean(found, exact)
    assert bool((log_p["y"] < 0).all())
