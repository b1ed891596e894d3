"""The digit classifier: it learns, it is kept with its accuracy, and a damaged file is made
again."""

from __future__ import annotations

import pytest
import torch

from wyner.data.digits import embedded
from wyner.errors import ShapeError
from wyner.files import write_tensors
from wyner.metrics import Classifier, train_classifier
from wyner.metrics import classifier as module
from wyner.metrics.classifier import HouseNumberNet, LeNet5, digit_classifier


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
