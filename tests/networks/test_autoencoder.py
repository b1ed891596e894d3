"""The autoencoder around a model: trained first, then frozen; losses are taken on images through
its decoder."""

from __future__ import annotations

import pytest
import torch

import wyner
from wyner import Image
from wyner.errors import ShapeError
from wyner.networks import Autoencoded, CodeDecoder, CodeEncoder
from wyner.networks.autoencoder import standardise

SMALL = Autoencoded(hidden=(16,), code=8, width=4, epochs=2, batch_size=20)


def pictures(n: int, seed: int = 0) -> torch.Tensor:
    """Squares at random places."""
    g = torch.Generator().manual_seed(seed)
    x = torch.zeros(n, 1, 16, 16)
    for row, (i, j) in zip(x, torch.randint(2, 10, (n, 2), generator=g).tolist(), strict=True):
        row[0, i : i + 4, j : j + 4] = 1
    return x


def model(seed: int = 0) -> wyner.models.WVAE:
    torch.manual_seed(seed)
    return wyner.models.WVAE(x=Image(1, 16, 16), y=Image(1, 16, 16), networks=SMALL, variance=0.05)


def test_pretraining_lowers_the_error_and_freezes():
    torch.manual_seed(0)
    encoder, decoder, x = (
        CodeEncoder((1, 16, 16), 8, 4),
        CodeDecoder((1, 16, 16), 8, 4),
        pictures(200),
    )
    before = float((decoder(encoder(x)) - x).square().mean().detach())
    errors: list[float] = []
    builder = Autoencoded(code=8, width=4, epochs=10, batch_size=20)
    last = builder.pretrain(encoder, decoder, x, torch.Generator().manual_seed(0), errors.append)
    assert len(errors) == 100
    assert last < 0.5 * before
    assert encoder.frozen
    assert not any(p.requires_grad for p in [*encoder.parameters(), *decoder.parameters()])


def test_codes_have_mean_0_and_deviation_1_and_pictures_stay_as_they_are():
    torch.manual_seed(0)
    encoder, decoder, x = (
        CodeEncoder((1, 16, 16), 8, 4).double(),
        CodeDecoder((1, 16, 16), 8, 4).double(),
        pictures(200).double(),
    )
    before = decoder(encoder(x))
    standardise(encoder, decoder, x)
    codes = encoder(x)
    torch.testing.assert_close(
        codes.mean(0), torch.zeros(8, dtype=torch.float64), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(codes.std(0), torch.ones(8, dtype=torch.float64))
    torch.testing.assert_close(decoder(codes), before)


def test_fit_trains_the_autoencoder_first_and_no_phase_changes_it():
    m, x = model(), pictures(100)
    start = {k: v.clone() for k, v in m.state_dict().items()}
    wyner.fit(m, {"x": x, "y": x}, epochs=1, batch_size=20, progress=False)
    outer = {k for k in start if ".outer." in k or k.startswith("features")}
    assert {k.split(".")[0] for k in outer} == {"features", "factors"}
    moved = {k for k, v in m.state_dict().items() if not torch.equal(v, start[k])}
    assert outer <= moved
    twin = model()
    twin.prepare({"x": x, "y": x}, None, 0, False)
    for k in outer:
        torch.testing.assert_close(m.state_dict()[k], twin.state_dict()[k], rtol=0, atol=0)


def test_a_resumed_run_freezes_without_training(tmp_path):
    m, x = model(), pictures(100)
    wyner.fit(m, {"x": x, "y": x}, epochs=1, batch_size=20, progress=False, out=tmp_path / "run")
    again = wyner.fit(
        model(1),
        {"x": x, "y": x},
        epochs=1,
        batch_size=20,
        progress=False,
        out=tmp_path / "run",
        resume=True,
    )
    for k, v in m.state_dict().items():
        assert torch.equal(v, again.model.state_dict()[k]), k
    loaded = wyner.load(tmp_path / "run")
    assert torch.equal(
        loaded.translate(x=x[:3], n=2, seed=0), m.translate(x=x[:3], n=2, seed=0)
    )  # the builder is part of the configuration


def test_pictures_must_halve_twice():
    with pytest.raises(ShapeError, match="multiples of 4"):
        wyner.models.WVAE(x=Image(1, 15, 16), y=Image(1, 16, 16), networks=SMALL)
