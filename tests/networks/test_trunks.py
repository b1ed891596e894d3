"""Shared trunks, linear encoders and decoders with one hidden layer, in any model, saved and
loaded."""

from __future__ import annotations

import pytest
import torch

import wyner
from wyner import Image, Real
from wyner.errors import OptionError
from wyner.models import IIAE, JVAE, VariationalWyner, WynerVAE
from wyner.networks import Trunks


def test_the_trunk_of_a_side_is_one_network():
    model = VariationalWyner(x=Real(6), y=Real(5), z=3, u=2, v=2, networks=Trunks(width=8))
    assert set(model.features) == {"x", "y"}
    assert model.factors["q(z|x,y)"].network.layers[0].in_features == 16  # both trunks
    assert model.factors["q(u|z,x)"].network.layers[0].in_features == 3 + 8
    decoder = model.factors["p(x|z,u)"].network.body
    assert [type(m).__name__ for m in decoder] == [
        "Linear",
        "BatchNorm1d",
        "ReLU",
        "Linear",
        "Unflatten",
    ]
    assert (decoder[0].in_features, decoder[0].out_features, decoder[3].out_features) == (5, 5, 6)


@pytest.mark.parametrize("kind", [WynerVAE, IIAE, JVAE])
def test_every_model_takes_them(kind, tmp_path):
    torch.manual_seed(0)
    model = kind(x=Real(6), y=Image(1, 2, 2), networks=Trunks(width=8, dropout=0.25))
    x, y = torch.randn(40, 6), torch.rand(40, 1, 2, 2)
    wyner.fit(model, {"x": x, "y": y}, epochs=1, batch_size=20, progress=False)
    assert model.translate(x=x[:4], n=3).shape == (3, 4, 1, 2, 2)
    again = wyner.load(model.save(tmp_path / "model"))
    name = model.common[0]
    torch.testing.assert_close(again.encode(x=x)[name].mean, model.eval().encode(x=x)[name].mean)


def test_spectral_normalisation_bounds_the_first_layers():
    torch.manual_seed(0)
    model = WynerVAE(
        x=Real(6), y=Real(5), z=3, u=2, v=2, networks=Trunks(width=8, spectral=True)
    ).eval()
    for layer in (model.features["x"].body[1], model.factors["p(x|z,u)"].network.body[0]):
        assert float(torch.linalg.matrix_norm(layer.weight, 2)) == pytest.approx(1, rel=0.05)


def test_refusals():
    with pytest.raises(OptionError, match="positive width and a dropout"):
        Trunks(width=0)
    with pytest.raises(OptionError, match=r"dropout in \[0, 1\)"):
        Trunks(dropout=1.0)
