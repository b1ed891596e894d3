"""Probes of latents against numbers by hand and models whose latents are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wyner
from wyner.data import load
from wyner.data.dataset import Dataset
from wyner.errors import DataError, OptionError, ShapeError
from wyner.metrics import common_probe, latent_probes, linear_probe, majority
from wyner.networks import MLPs
from wyner.variables import Real


def test_a_probe_reaches_the_best_linear_accuracy():
    """Two Gaussians N(+-a, I): the best classifier is linear and right with probability Phi(a)."""
    rng, n, a = np.random.default_rng(0), 5_000, 1.0
    labels = rng.integers(0, 2, (2, n))
    codes = rng.standard_normal((2, n, 3))
    codes[:, :, 0] += a * (2 * labels - 1)
    found = linear_probe(100 * codes[0] + 7, labels[0], 100 * codes[1] + 7, labels[1])
    exact = 0.8413447460685429
    assert abs(found - exact) < 5 * (exact * (1 - exact) / n) ** 0.5
    noise = linear_probe(codes[0][:, 1:], labels[0], codes[1][:, 1:], labels[1])
    assert abs(noise - 0.5) < 5 * (0.25 / n) ** 0.5


def test_a_latent_that_says_nothing_gives_the_majority():
    a, b = np.array([0, 1, 1, 2, 1]), np.array([1, 0, 1])
    assert majority(a, b) == pytest.approx(2 / 3)
    assert linear_probe(np.full((5, 2), 3.0), a, np.full((3, 2), 3.0), b) == pytest.approx(2 / 3)
    with pytest.raises(DataError, match="two classes"):
        linear_probe(np.zeros((3, 1)), [0, 0, 0], np.zeros((2, 1)), [0, 0])
    with pytest.raises(ShapeError, match="train: expected codes"):
        linear_probe(np.zeros((3, 1)), [0, 0], np.zeros((2, 1)), [0, 0])


def planted() -> tuple[wyner.models.WynerVAE, Dataset]:
    """A model whose z is the label by construction, and whose u and v are not; x = (label, noise),
    y likewise."""
    rng = np.random.default_rng(0)

    def draw(n: int) -> dict[str, np.ndarray]:
        label = rng.integers(0, 3, n)
        side = lambda: np.c_[label, rng.standard_normal(n)].astype(np.float32)
        return {"x": side(), "y": side(), "label": label}

    data = Dataset("planted", draw(600), {}, draw(900), {"x": Real(2), "y": Real(2)})
    model = wyner.models.WynerVAE(x=Real(2), y=Real(2), z=2, u=1, v=1, networks=MLPs(()))
    with torch.no_grad():
        for name, rows in {
            "q(z|x,y)": {(0, 0): 1.0, (1, 0): -1.0},
            "q(u|z,x)": {(0, 3): 1.0},
            "q(v|z,y)": {},
        }.items():
            last = model.factors[name].network.last
            last.weight.zero_()
            for (i, j), value in rows.items():
                last.weight[i, j] = value
            if (
                name == "q(z|x,y)"
            ):  # a hinge would be better, but one-hot codes of three classes need only two lines
                last.weight[1, 0] = -1.0
    return model, data


def test_the_three_accuracies_of_a_model_whose_latents_are_known():
    model, data = planted()
    found = latent_probes(model, data)
    assert list(found) == ["z", "u", "v", "majority"]
    assert found["z"] == 1.0
    chance = majority(data.train["label"], data.test["label"])
    assert found["majority"] == found["v"] == chance  # v is constant
    assert abs(found["u"] - 1 / 3) < 5 * (2 / 9 / 900) ** 0.5
    assert latent_probes(model, data, rows=300)["z"] == 1.0
    sign = {k: getattr(data, k)["x"][:, 1] > 0 for k in ("train", "test")}  # what u holds
    other = latent_probes(model, data, labels=sign)
    assert other["u"] > 0.97
    assert abs(other["z"] - 0.5) < 5 * (0.25 / 900) ** 0.5
    one = model.factors["q(z|x)"].network.last
    with torch.no_grad():
        one.weight.zero_()
        one.weight[0, 1] = 1.0  # so that z as inferred from x alone knows the noise only
    aside = latent_probes(model, data, given=["x"])
    assert abs(aside["z"] - 1 / 3) < 5 * (2 / 9 / 900) ** 0.5
    assert aside.keys() == {"z", "u", "majority"}  # v needs y
    with pytest.raises(OptionError, match="unknown modality 'w'"):
        latent_probes(model, data, given=["w"])
    assert common_probe(model, data, part="test") == found["z"]  # z alone is common
    with pytest.raises(DataError, match="no validation rows"):
        latent_probes(model, data, part="validation")
    with pytest.raises(DataError, match="no validation rows"):
        common_probe(model, data)
    bare = Dataset(**{**vars(data), "train": {k: data.train[k] for k in "xy"}})
    with pytest.raises(DataError, match="no labels in its train rows"):
        latent_probes(model, bare)


def test_probes_read_8_bit_pictures():
    d = load("digits-add1", train=60, validation=10, test=40)
    small = {
        k: {
            n: (v * 255).round().astype(np.uint8) if n in "xy" else v
            for n, v in getattr(d, k).items()
        }
        for k in ("train", "test")
    }
    eight = Dataset(**{**vars(d), **small})
    model = wyner.models.WynerVAE(**d.spaces, z=3, u=2, v=2, networks=MLPs((8,)))
    assert latent_probes(model, eight) == latent_probes(model, d)


def test_the_penalty_is_that_of_the_sum_over_rows():
    """Rows twice, penalty twice: the same classifier; and the mean's penalty is N times less."""
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((40, 3)), rng.standard_normal((300, 3))
    label = lambda x: (x[:, 0] + 0.3 * x[:, 1] > 0.4).astype(int)
    one = linear_probe(a, label(a), b, label(b), penalty=5.0)
    two = linear_probe(np.tile(a, (2, 1)), np.tile(label(a), 2), b, label(b), penalty=10.0)
    assert one == two
    assert linear_probe(a, label(a), b, label(b), penalty=1e6) == majority(label(a), label(b))
