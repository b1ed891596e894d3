"""Classifiers learn, are kept with their accuracy, and are made again from a damaged file."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wyner.data.digits import embedded
from wyner.data.warp import warped
from wyner.errors import ShapeError
from wyner.files import write_tensors
from wyner.metrics import Classifier, train_classifier
from wyner.metrics import classifier as module
from wyner.metrics.classifier import HouseNumberNet, LeNet5, digit_classifier, kept, svhn_classifier


def digits(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    d = embedded()
    ready = lambda a: torch.from_numpy(a[:, None]).float() / 255
    return (
        ready(d.train_images[:n]),
        torch.from_numpy(d.train_labels[:n]),
        ready(d.test_images[:500]),
        torch.from_numpy(d.test_labels[:500]),
    )


def test_it_learns_digits_and_repeats_itself():
    data, before = digits(1000), torch.get_rng_state()
    judge = train_classifier(*data, epochs=4, batch_size=20, shift=0, seed=1)
    assert judge.accuracy > 0.85
    assert judge.accuracy == float((judge(data[2]) == data[3]).double().mean())
    again = train_classifier(*data, epochs=4, batch_size=20, shift=0, seed=1)
    for a, b in zip(judge.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(before, torch.get_rng_state())


def test_padding_a_picture_changes_nothing():
    torch.manual_seed(0)
    network, x = LeNet5().eval(), torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(network(x), network(torch.nn.functional.pad(x, (2, 2, 2, 2))))


def test_small_pictures_are_enlarged_before_they_are_read():
    torch.manual_seed(0)
    for network, channels in ((LeNet5().eval(), 1), (HouseNumberNet(4).eval(), 3)):
        x = torch.rand(3, channels, 16, 16)
        large = torch.nn.functional.interpolate(x, (32, 32), mode="bilinear")
        torch.testing.assert_close(network(x), network(large))


def test_other_sizes_are_refused():
    with pytest.raises(ShapeError, match="28, 28"):
        train_classifier(
            torch.zeros(4, 1, 16, 16),
            torch.zeros(4).long(),
            torch.zeros(4, 1, 16, 16),
            torch.zeros(4),
        )


def test_the_cache_is_read_and_a_damaged_file_is_made_again(tmp_path, monkeypatch):
    torch.manual_seed(3)
    made = []

    def quick(*data: torch.Tensor, **options: object) -> Classifier:
        made.append(len(data[0]))
        return Classifier(LeNet5().eval(), 0.5)

    monkeypatch.setattr(module, "train_classifier", quick)
    first = digit_classifier(cache=tmp_path)
    second = digit_classifier(cache=tmp_path)
    assert made == [6000]
    assert second.accuracy == 0.5
    x = torch.rand(5, 1, 28, 28)
    assert torch.equal(first.network(x), second.network(x))
    (file,) = tmp_path.iterdir()
    write_tensors(file, {"other": torch.zeros(2)}, {"accuracy": 0.9})
    assert digit_classifier(cache=tmp_path).accuracy == 0.5
    file.write_bytes(b"no tensors")
    digit_classifier(cache=tmp_path)
    assert made == [6000] * 3


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


def test_the_house_number_network_has_five_convolutions_without_biases():
    """Batch normalisation takes means off again; 24, 48, 48, 96, 96 channels."""
    convolutions = 24 * 3 * 25 + 9 * (48 * 24 + 48 * 48 + 96 * 48 + 96 * 96)
    normalisations, linear = 2 * (24 + 48 + 48 + 96 + 96), 10 * (96 * 16 + 1)
    count = sum(p.numel() for p in HouseNumberNet().parameters())
    assert count == convolutions + normalisations + linear


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


@pytest.mark.parametrize(("pictures", "epochs"), [(1000, 25), (100_000, 4), (500_000, 1)])
def test_house_numbers_are_read_400000_times_and_twice_below_90_percent(
    pictures, epochs, tmp_path, monkeypatch
):
    """At most 25 epochs, at least one; epochs that are asked for have a file of their own."""
    images, labels = np.zeros((pictures, 1), np.uint8), np.zeros(pictures, np.int64)
    found = SimpleNamespace(
        train_images=images, train_labels=labels, test_images=images, test_labels=labels
    )
    monkeypatch.setattr(module, "svhn", lambda split: found)
    asked, accuracies = [], iter([0.89, 0.91, 0.9])

    def quick(*data, seed, epochs, **options):
        asked.append((seed, epochs))
        return Classifier(HouseNumberNet().eval(), next(accuracies))

    monkeypatch.setattr(module, "train_classifier", quick)
    for wanted, accuracy in ((None, 0.91), (3, 0.9), (None, 0.91), (3, 0.9)):
        assert svhn_classifier(cache=tmp_path, epochs=wanted).accuracy == accuracy
    assert asked == [(0, epochs), (1, epochs), (0, 3)]
    named = f"svhn-{pictures}-1"
    assert sorted(f.stem for f in tmp_path.iterdir()) == [named, f"{named}-3"]


@pytest.mark.parametrize(("accuracies", "tried"), [([0.98, 0.99], 2), ([0.99], 1)])
def test_digits_are_learned_again_below_99_percent(accuracies, tried, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "mnist", embedded)
    asked = []

    def quick(*data, seed, epochs):
        asked.append((seed, epochs))
        return Classifier(LeNet5().eval(), accuracies[seed])

    monkeypatch.setattr(module, "train_classifier", quick)
    assert digit_classifier(full=True, cache=tmp_path).accuracy == 0.99
    assert asked == [(seed, 12) for seed in range(tried)]
