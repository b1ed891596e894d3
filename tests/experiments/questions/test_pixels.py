"""The bound and the watching critic of a PixelCNN-VAE, row by row, against its laws."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from wyner.data import load
from wyner.errors import OptionError
from wyner.experiments.questions.pixels import Pixels
from wyner.families import Autoregressive
from wyner.metrics.bound import divergences, watched_information
from wyner.metrics.checks import share_error
from wyner.models import PixelCNNVAE
from wyner.networks import ImageCritics, ResNets
from wyner.objectives import KL
from wyner.seeds import TASK, forked, mix


@pytest.fixture(scope="module")
def digits():
    return load("binary-digits", size=14, train=120, validation=20, test=30)


def model(**options):
    torch.manual_seed(0)
    few = Autoregressive(channels=4, kernels=(3, 3, 3, 3), split=3)
    parts = dict(networks=ResNets(channels=4, blocks=2, width=8), critics=ImageCritics(channels=4))
    made = PixelCNNVAE(x=load_space(), z=3, pixels=few, **parts, **options)
    for p in made.factors["q(z|x)"].parameters():
        torch.nn.init.normal_(p, std=0.3)
    return made.eval()


def load_space():
    return load("binary-digits", size=14, train=2, validation=1, test=1).spaces["x"]


def test_every_row_is_scored_by_its_own_draw(digits):
    made, x = model(), torch.from_numpy(digits.test["x"])
    with forked(1):
        found = divergences(made, {k: made.laws[k] for k in ("elbo", "rate")}, x, 7)
    with torch.no_grad():
        q = made.encode(x=x)["z"]
        rate = kl_divergence(Normal(q.mean, q.variance.sqrt()), Normal(0.0, 1.0)).sum(-1)
        with forked(1):
            noise = torch.cat([torch.randn(len(b), 3) for b in x.split(7)])
        z = q.mean + q.variance.sqrt() * noise
        nll = -made.factors["p(x|z)"](z).log_prob(x)
    np.testing.assert_allclose(found["rate"].numpy(), rate.double().numpy(), rtol=1e-5)
    np.testing.assert_allclose(found["elbo"].numpy(), (rate + nll).double().numpy(), rtol=1e-5)


def test_numbers_rows_and_errors(digits):
    made = model()
    found = Pixels(codes=3, each=2, draws=2, rows=25).answer(made, digits, "test", seed=2)
    assert found["nelbo"] == pytest.approx(found["kl"] + found["recon"])
    for name in ("nelbo", "kl", "information"):
        rows = found[f"{name}_rows"].astype(np.float64)
        assert len(rows) == 25
        assert found[name] == pytest.approx(rows.mean(), rel=1e-5)
        assert found[f"{name}_se"] == pytest.approx(rows.std(ddof=1) / 5, rel=1e-4)
    program = made.program(KL("elbo"))
    with forked(mix(2, TASK)):
        x = torch.from_numpy(digits.test["x"][:25])
        with torch.no_grad():
            scores = program.scores({"x": x}, program.noise((25,), x))
    assert found["nelbo"] == pytest.approx(sum(float(v.mean()) for v in scores.values()), rel=1e-6)
    for name in ("AoLR", "AoSVM", "mCAS", "mCAS_SVM", "baseline", "baseline_SVM"):
        p = found[name]
        assert p * 25 == pytest.approx(round(p * 25), abs=1e-9)  # a share of 25 pictures
        assert found[f"{name}_se"] == pytest.approx(math.sqrt(p * (1 - p) / 25))


def test_the_part_that_is_asked_is_scored(digits):
    swapped = dataclasses.replace(digits, validation=digits.test, test=digits.validation)
    question = Pixels(codes=3, each=2, draws=2)
    one, other = (
        question.answer(model(), d, p) for d, p in ((digits, "test"), (swapped, "validation"))
    )
    for k in question.columns:
        assert one[k] == pytest.approx(other[k], rel=1e-9), k


def test_information_is_what_the_watching_critic_says(digits):
    """T(z,s) = <e(s), z> with e made constant: the rows are inner products of the draws of z."""
    x = torch.from_numpy(digits.test["x"])
    assert watched_information(model(watch=False, objective="elbo"), x) == {}
    watched = model(objective="elbo")
    b = torch.tensor([0.5, -1.0, 2.0])
    ((name, head),) = watched.critics.heads.items()
    last = [m for m in head.modules() if isinstance(m, torch.nn.Conv2d)][-1]
    torch.nn.init.zeros_(last.weight)
    last.bias.data.copy_(b)
    with forked(4):
        found = watched_information(watched, x)["information"]
    with forked(4), torch.no_grad():
        q = watched.encode(x=x)["z"]
        z = q.mean + q.variance.sqrt() * torch.randn(30, 3)
    assert name == "I(z;s) q features"
    np.testing.assert_allclose(found.numpy(), (z @ b).numpy(), rtol=1e-4, atol=1e-5)


def test_errors_of_shares():
    assert share_error(0.5, 100) == pytest.approx(0.05)
    assert share_error(1.0, 7) == 0.0


def test_pictures_need_labels(digits):
    part = {"x": digits.test["x"]}
    with pytest.raises(OptionError, match="which has no labels"):
        Pixels().check(dataclasses.replace(digits, train=part, test=part), "test")
