"""Networks of the variational Wyner model for pictures: the sizes of the specification, section
4."""

from __future__ import annotations

import pytest
import torch

from wyner import Image, Real
from wyner.errors import OptionError, ShapeError
from wyner.models import VariationalWyner
from wyner.networks import Critics, Strided


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_sizes_are_those_of_the_paper():
    made = Strided()
    trunk = made.features(Image(3, 32, 32))
    assert trunk.output == (1024,)
    assert trunk(torch.zeros(2, 3, 32, 32)).shape == (2, 1024)
    convolutions = [3 * 32, 32 * 64, 64 * 128, 128 * 256]
    assert parameters(trunk) == 25 * sum(convolutions) + 3 * (
        32 + 64 + 128 + 256
    )  # bias, scale and shift of each channel
    decoder = made.factor(Image(3, 32, 32), [(16,), (8,)], (3, 32, 32), True)
    picture = decoder(torch.randn(2, 16), torch.randn(2, 8))
    assert picture.shape == (2, 3, 32, 32)
    assert float(picture.detach().min()) > 0
    assert float(picture.detach().max()) < 1
    first, last = (24 + 1) * 8192 + 2 * 512, 25 * 128 * 3 + 3
    assert parameters(decoder) == first + 25 * (512 * 256 + 256 * 128) + 3 * (256 + 128) + last


def test_spectral_norm_is_on_the_first_layer_of_decoders():
    plain, normed = (
        Strided(8, spectral=s).factor(Image(1, 32, 32), [(4,)], (1, 32, 32), True)
        for s in (False, True)
    )
    weight = normed.body[0].weight.detach()
    assert float(torch.linalg.matrix_norm(weight, 2)) == pytest.approx(1, abs=0.05)
    assert type(plain.body[0]) is torch.nn.Linear


def test_a_model_of_pictures_and_vectors_trains():
    networks, critics = Strided(width=2), Critics(conv=2, width=8)
    model = VariationalWyner(
        x=Image(1, 32, 32), y=Real(3), z=2, u=1, v=1, networks=networks, critics=critics
    )
    assert model.translate(y=torch.zeros(4, 3), n=2, seed=0).shape == (2, 4, 1, 32, 32)
    assert model.generate(2)["x"].shape == (2, 1, 32, 32)


def test_refusals():
    with pytest.raises(ShapeError, match="multiples of 16, got \\(1, 28, 28\\)"):
        Strided().features(Image(1, 28, 28))
    with pytest.raises(OptionError, match="positive width, got 0"):
        Strided(width=0)
