"""Probes of latents and attribute accuracies, against numbers by hand; classifiers of house numbers
on made-up ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wyner
from wyner.data import load
from wyner.data.dataset import Dataset
from wyner.errors import DataError, ShapeError
from wyner.metrics import (
    Classifier,
    attribute_accuracy,
    attribute_majority,
    attribute_table,
    latent_probes,
    linear_probe,
    majority,
    train_classifier,
)
from wyner.metrics import classifier as module
from wyner.metrics.classifier import HouseNumberNet, LeNet5, kept, svhn_classifier, warped
from wyner.networks import MLPs
from wyner.variables import Real

# attributes


def test_attribute_accuracy_by_hand():
    bits = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    predicted = torch.tensor([[0.9, 0.2, 0.4], [0.5, 0.7, 0.8]])
    assert attribute_accuracy(predicted, bits) == pytest.approx(4 / 6)
    assert attribute_accuracy(torch.stack([predicted, bits]), bits) == pytest.approx(10 / 12)
    train = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    assert attribute_majority(train, bits) == pytest.approx(5 / 6)
    table = attribute_table(predicted, bits, train)
    assert table["accuracy"].tolist() == [1.0, 0.5, 0.5]
    assert table["majority"].tolist() == [0.5, 1.0, 1.0]
    assert table["gain"].tolist() == [0.5, -0.5, -0.5]
    assert float(table["accuracy"].mean()) == pytest.approx(attribute_accuracy(predicted, bits))
    with pytest.raises(ShapeError, match=r"expected shape \(..., 2, 3\)"):
        attribute_accuracy(predicted[:1], bits)


# probes


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
    with pytest.raises(DataError, match="no validation rows"):
        latent_probes(model, data, part="validation")
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


# classifiers


def house_numbers(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Bars at one of four angles, of any two brightnesses: what is left when brightness and
    contrast do not count."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (n,), generator=g)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    angle = labels * np.pi / 4
    bar = (x * angle.cos()[:, None, None] + y * angle.sin()[:, None, None]).abs() < 0.3
    low, high = torch.rand(2, n, 1, 1, generator=g)
    picture = torch.where(bar, 0.2 * low, 0.3 + 0.7 * high)
    return (255 * picture[:, None].expand(-1, 3, -1, -1)).round().byte(), labels


def test_the_house_number_network_learns_and_repeats_itself():
    train, test = house_numbers(200, 0), house_numbers(100, 1)
    options = {
        "network": lambda: HouseNumberNet(4, 4),
        "augment": warped,
        "epochs": 4,
        "batch_size": 20,
        "lr": 1e-2,
        "bf16": True,
    }
    one = train_classifier(*train, *test, **options)
    assert one.accuracy > 0.9
    again = train_classifier(*train, *test, **options)
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.network.parameters(), again.network.parameters(), strict=True)
    )
    x = test[0].float() / 255
    assert torch.equal(one(test[0]), one(x))
    dim = one.network(0.5 * x + 0.2) - one.network(x)
    assert float(dim.detach().abs().mean()) < 0.3 * float(
        one.network(x).detach().abs().mean()
    )  # brightness and contrast hardly count


def test_warps_without_size_do_nothing_but_negatives():
    x = torch.rand(40, 3, 32, 32)
    found = warped(x, 0, 0, 0, 0)
    same, negative = (((found - y).abs().amax((1, 2, 3)) < 1e-5) for y in (x, 1 - x))
    assert bool((same ^ negative).all())
    assert abs(int(negative.sum()) - 20) < 5 * 10**0.5
    assert bool(((warped(x) >= -1e-5) & (warped(x) <= 1 + 1e-5)).all())


def test_another_seed_is_tried_below_the_least_accuracy(tmp_path):
    seeds: list[int] = []

    def train(accuracies: list[float]):
        return lambda seed: seeds.append(seed) or Classifier(LeNet5().eval(), accuracies[seed])

    assert kept("a", LeNet5, train([0.97, 0.995]), 0.99, tmp_path).accuracy == 0.995
    assert kept("a", LeNet5, train([]), 0.99, tmp_path).accuracy == 0.995  # from the cache
    assert kept("b", LeNet5, train([0.992]), 0.99, tmp_path).accuracy == 0.992
    assert kept("c", LeNet5, train([0.98, 0.97]), 0.99, tmp_path).accuracy == 0.98
    assert seeds == [0, 1, 0, 0, 1]


def test_house_numbers_come_from_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WYNER_DATA_DIR", str(tmp_path))
    (tmp_path / "svhn").mkdir()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)
    np.savez(tmp_path / "svhn" / "s.npz", images=images, labels=np.arange(50) % 10)
    sizes: list[tuple[int, int]] = []

    def quick(images, labels, test_images, test_labels, **options):
        sizes.append((len(images), len(test_images)))
        return Classifier(HouseNumberNet().eval(), 0.93)

    monkeypatch.setattr(module, "train_classifier", quick)
    assert svhn_classifier(cache=tmp_path / "cache").accuracy == 0.93
    assert svhn_classifier(cache=tmp_path / "cache").accuracy == 0.93
    assert sizes == [(40, 10)]
