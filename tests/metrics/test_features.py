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
    with pytest.raises(ShapeError, match="multiples of 16"):
        train_features(torch.zeros(50, 1, 28, 28))


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
    other = images.clone()
    other[0, 0, 0, 0] += 1
    features_of(other, tmp_path)
    assert len(made) == 2
    for file in tmp_path.iterdir():
        file.write_bytes(b"no tensors")
    features_of(images, tmp_path)
    assert len(made) == 3
