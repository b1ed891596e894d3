"""A model of one's own is short: laws, names of latents, a sum of divergences."""

from __future__ import annotations

import types

import pytest
import torch

import wyner
from wyner.errors import OptionError
from wyner.models import WynerVAE
from wyner.networks import MLPs

FILE = '''
from __future__ import annotations
from typing import Unpack
from wyner import KL, Model, Real
from wyner.models import ModelOptions
from wyner.variables import Space

class Bridge(Model):
    """A chain x - z - y: z from x alone, and y from z."""

    def __init__(
        self, *, x: Space, y: Space, z: int = 2, price: float = 0.1, **options: Unpack[ModelOptions]
    ) -> None:
        super().__init__(
            observed={"x": x, "y": y},
            latent={"z": Real(z)},
            laws={
                "x2y": ("q(x,y) q(z|x)", "q(x) q(z|x) p(y|z)"),
                "rate": ("q(x) q(z|x)", "q(x) p(z)"),
            },
            objective=KL("x2y") + price * KL("rate"),
            common=("z",),
            **options,
        )
'''


def bridge() -> type[wyner.Model]:
    module = types.ModuleType("bridge")
    exec(compile(FILE, "bridge.py", "exec"), vars(module))
    return module.Bridge


def test_a_model_in_25_lines_trains_translates_and_comes_back(tmp_path):
    assert len(FILE.strip().splitlines()) <= 25
    torch.manual_seed(0)
    x = torch.randn(40, 3)
    make = lambda: bridge()(x=wyner.Real(3), y=wyner.Real(2), z=1, networks=MLPs((4,)))
    model = make()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    run = wyner.fit(model, {"x": x, "y": x[:, :2]}, epochs=1, batch_size=20, progress=False)
    assert any(not torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert run.history
    assert model.translate(x=x[:5], n=3).shape == (3, 5, 2)
    assert model.config == {
        "name": "Bridge",
        "arguments": {
            **{"x": {"kind": "real", "shape": [3]}, "y": {"kind": "real", "shape": [2]}, "z": 1},
            "networks": wyner.codec.encode(MLPs((4,))),
        },
    }
    again = wyner.load(model.save(tmp_path / "m"), into=make())
    given = {"x": x[:5]}
    assert torch.equal(again.encode(**given)["z"].mean, model.encode(**given)["z"].mean)


def test_options_of_a_users_own_model_are_checked_and_searched_by_a_grid():
    with pytest.raises(OptionError, match="Bridge: unknown argument 'prise': did you mean 'price'"):
        bridge()(x=wyner.Real(3), y=wyner.Real(2), prise=1.0)
    x = torch.randn(20, 3)
    model = bridge()(x=wyner.Real(3), y=wyner.Real(2), networks=MLPs((4,)))
    run = wyner.fit(
        model, {"x": x, "y": x[:, :2]}, grid={"price": [0.0, 1.0]}, epochs=1, progress=False
    )
    assert [m.model.config["arguments"]["price"] for m in run.members] == [0.0, 1.0]
    assert all(m.model.networks == MLPs((4,)) for m in run.members)


def test_a_model_built_on_another_takes_its_options_under_old_names_too():
    class Mine(WynerVAE):
        def __init__(self, **options):
            super().__init__(**options, z=1, u=1, v=1)

    with pytest.warns(FutureWarning, match="private is now called local_rate"):
        model = Mine(x=wyner.Real(2), y=wyner.Real(2), private=0.5)
    assert "private" in model.laws
    assert model.config["name"] == "Mine"
