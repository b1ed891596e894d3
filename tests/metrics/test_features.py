"""The feature extractor of Frechet distances: its shapes, its training and its cache."""

from __future__ import annotations

import pytest
import torch

from wyner.errors import ShapeError
from wyner.metrics import features as module
from wyner.metrics import features_of, frechet, train_features
from wyner.metrics.features import FeatureDecoder, FeatureEncoder


def test_the_extractor_has_the_published_shape():
    encoder, decoder = FeatureEncoder(1), FeatureDecoder((1, 32, 32))
    h = encoder(torch.randn(2, 1, 32, 32))
    assert h.shape == (2, 1024)
    assert decoder(h).shape == (2, 1, 32, 32)
    assert decoder(h).abs().max() < 1
    up = [m for m in decoder.body if hasattr(m, "stride")]
    assert [m.in_channels for m in up] + [up[-1].out_channels] == [256, 128, 64, 32, 1]
    assert {m.kernel_size + m.stride for m in up} == {(5, 5, 2, 2)}
    kinds = [type(m).__name__ for m in encoder.body]
    assert kinds == ["Conv2d", "BatchNorm2d", "LeakyReLU"] * 4 + ["Flatten"]
    assert [m.out_channels for m in encoder.body if hasattr(m, "out_channels")] == [
        32,
        64,
        128,
        256,
    ]
    assert {m.kernel_size + m.stride for m in encoder.body if hasattr(m, "stride")} == {
        (5, 5, 2, 2)
    }


def pictures(n: int = 120) -> torch.Tensor:
    """A bright square somewhere on a dark ground, uint8."""
    out = torch.zeros(n, 1, 16, 16, dtype=torch.uint8)
    for k, (i, j) in enumerate(torch.randint(0, 10, (n, 2)).tolist()):
        out[k, 0, i : i + 6, j : j + 6] = 200
    return out


def test_it_learns_and_tells_pictures_from_noise():
    images, before = pictures(), torch.get_rng_state()
    found = train_features(images, width=4, epochs=8, batch_size=20, lr=1e-2)
    assert torch.equal(before, torch.get_rng_state())
    untrained = train_features(images, width=4, epochs=1, batch_size=200, lr=1e-9)
    assert found.error < 0.5 * untrained.error
    assert torch.equal(found(images[:5]), found(images[:5].float() / 255))
    near, far = (
        found(pictures(60)),
        found(torch.randint(0, 256, (60, 1, 16, 16), dtype=torch.uint8)),
    )
    assert frechet(near, found(images)) < 0.2 * frechet(far, found(images))
    again = train_features(images, width=4, epochs=8, batch_size=20, lr=1e-2)
    assert torch.equal(again(images), found(images))
    for shape in ((50, 1, 28, 28), (50, 1, 28, 16), (50, 1, 16, 28), (50, 16, 16), (19, 1, 16, 16)):
        with pytest.raises(ShapeError, match="multiples of 16"):
            train_features(torch.zeros(shape))


@pytest.mark.parametrize(
    ("errors", "epochs", "best"),
    [
        ([3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 1.0, 1.5, 1.0], 7 + 5, 1.0),
        ([1.0, 2.0], 1 + 5, 1.0),
        ([100.0 - k for k in range(50)], 50, 51.0),
    ],
)
def test_it_ends_when_held_out_pictures_have_not_improved_for_five_epochs(
    errors, epochs, best, monkeypatch
):
    """Errors as listed, the last one from then on; by default at most 50 epochs."""
    asked = []

    def loss(both, images):
        if both.training:
            return 0 * next(both.parameters()).sum()
        asked.append(errors[min(len(asked), len(errors) - 1)])
        return torch.tensor(asked[-1])

    monkeypatch.setattr(module, "_loss", loss)
    found = train_features(torch.zeros(20, 1, 16, 16), width=1)
    assert (len(asked), found.error) == (epochs, best)


def test_the_cache_knows_the_pictures(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        module,
        "train_features",
        lambda images, **o: made.append(1) or module.Features(FeatureEncoder(1).eval(), 0.25),
    )
    images = pictures(30)
    first, second = features_of(images, tmp_path), features_of(images.numpy(), tmp_path)
    assert len(made) == 1
    assert second.error == 0.25
    assert torch.equal(first(images), second(images))
    assert not any(p.requires_grad for f in (first, second) for p in f.encoder.parameters())
    other = images.clone()
    other[0, 0, 0, 0] += 1
    features_of(other, tmp_path)
    assert len(made) == 2
    for file in tmp_path.iterdir():
        file.write_bytes(b"no tensors")
    features_of(images, tmp_path)
    assert len(made) == 3
