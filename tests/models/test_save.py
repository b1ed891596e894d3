"""A model written to a folder and read back is the same model."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import wyner
from oracle.cases import NAMES, build
from wyner import KL, Binary, Categorical, Image, Real
from wyner.errors import RunError
from wyner.families import Fixed, Gaussian, Trainable
from wyner.models import WynerVAE
from wyner.networks import Convolutional, MLPs
from wyner.objectives.phases import After, Alternating, Phase
from wyner.schedules import Linear


def same(a: nn.Module, b: nn.Module) -> None:
    """Equal parameters and buffers, bit by bit."""
    assert list(a.state_dict()) == list(b.state_dict())
    for (name, p), (_, q) in zip(a.state_dict().items(), b.state_dict().items(), strict=True):
        assert p.dtype == q.dtype, name
        assert torch.equal(p, q), name


def subsets(model: wyner.Model) -> list[list[str]]:
    """What the model can encode."""
    return [text.strip("()").split(",") for text in model.abilities()["encode"].split()]


def rich() -> WynerVAE:
    """One argument of every kind."""
    model = WynerVAE(
        x=Image(1, 8, 8),
        y=Categorical(2, 3),
        z=Categorical(1, 4),
        u=2,
        v=0,
        lam=Linear(0.0, 0.3, until=0.5),
        alpha={"x2y": 1.0},
        marginals=Alternating(every=2, epochs=3),
        networks=Convolutional(hidden=(8,), width=2, blocks=1),
        families={"x": Gaussian(Trainable(0.5, per="event")), "q(u|z,x)": Gaussian(Fixed(0.1))},
    )
    return model


@pytest.mark.parametrize("name", NAMES)
def test_every_model_comes_back_exactly(name, tmp_path):
    model, data = build(name, 2)
    found = wyner.load(model.save(tmp_path / "m"))
    same(model, found)
    assert str(found.objective) == str(model.objective)
    assert found.config == model.config
    rows = {k: v.float() for k, v in data.sample(3).items()}
    for subset in subsets(model):
        before, after = (
            model.encode(**{k: rows[k] for k in subset}),
            found.encode(**{k: rows[k] for k in subset}),
        )
        assert list(before) == list(after)
        assert all(torch.equal(before[latent].mean, after[latent].mean) for latent in before)


def test_spaces_families_builders_schedules_and_phases_come_back(tmp_path):
    model = rich()
    model.generate(2)
    found = wyner.load(model.save(tmp_path / "m"))
    same(model, found)
    assert found.variables == model.variables
    assert str(found.objective) == str(model.objective)
    assert [(p.name, p.objective, p.train, p.freeze, p.when) for p in found.phases] == [
        (p.name, p.objective, p.train, p.freeze, p.when) for p in model.phases
    ]
    x = torch.rand(4, 1, 8, 8)
    assert torch.equal(model.translate(x=x, n=3, seed=1), found.translate(x=x, n=3, seed=1))
    pair = {"x": x, "y": torch.tensor([[0, 2], [1, 1], [2, 0], [0, 0]])}
    assert torch.equal(
        model.log_likelihood(**pair, seed=1).value, found.log_likelihood(**pair, seed=1).value
    )


def test_a_model_declared_on_the_spot_comes_back(tmp_path):
    laws = {"e": ("q(x) q(z|x)", "p(z) p(x|z)"), "rate": ("q(x) q(z|x)", "q(x) p(z)")}
    objective = KL("e") + Linear(0.0, 1.0) * KL("rate")
    phases = [Phase("main", objective), Phase("more", KL("e"), train=("q(z|x)",), when=After(0.5))]
    model = wyner.Model(
        observed={"x": Binary(3, 2)},
        latent={"z": Real(2)},
        laws=laws,
        objective=objective,
        common=("z",),
        phases=phases,
        networks=MLPs(hidden=(4,), activation="silu"),
    )
    found = wyner.load(model.save(tmp_path / "m"))
    same(model, found)
    assert found.common == ("z",)
    assert found.phases == model.phases
    x = torch.bernoulli(torch.full((5, 3, 2), 0.5))
    assert torch.equal(
        found.log_likelihood(x=x, seed=3).value, model.log_likelihood(x=x, seed=3).value
    )


def test_weights_are_stored_once_and_by_factor():
    model = WynerVAE(x=Real(2), y=Real(2), z=2, u=1, v=1, networks=MLPs(hidden=()))
    state = model.state_dict()
    assert "factors.q(z|x,y).network.layers.0.weight" in state
    assert all(k.startswith(("factors.", "features.")) for k in state)
    assert len({p.data_ptr() for p in state.values()}) == len(state)


def test_float64_weights_come_back_as_the_model_that_takes_them(tmp_path):
    model = WynerVAE(x=Real(2), y=Real(2), z=2, u=1, v=1, networks=MLPs(hidden=())).double()
    folder = model.save(tmp_path / "m")
    into = WynerVAE(x=Real(2), y=Real(2), z=2, u=1, v=1, networks=MLPs(hidden=())).double()
    same(model, wyner.load(folder, into=into))


def test_a_network_of_ones_own_needs_the_model_to_load_into(tmp_path):
    make = lambda: wyner.Model(
        observed={"x": Real(3)},
        latent={"z": Real(2)},
        laws={"e": ("q(x) q(z|x)", "p(z) p(x|z)")},
        objective=KL("e"),
        networks=MLPs(hidden=()),
        modules={"p(x|z)": nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3))},
    )
    model, into = make(), make()
    folder = model.save(tmp_path / "m")
    same(model, wyner.load(folder, into=into))
    with pytest.raises(RunError, match=r"network of your own .*wyner.load\(folder, into=model\)"):
        wyner.load(folder)


def test_weights_of_another_model_are_refused(tmp_path):
    folder = WynerVAE(x=Real(2), y=Real(2), z=2, networks=MLPs(hidden=())).save(tmp_path / "m")
    with pytest.raises(RunError, match="the weights are of another model"):
        wyner.load(folder, into=WynerVAE(x=Real(2), y=Real(2), z=3, networks=MLPs(hidden=())))


def test_a_trained_constant_without_parents_is_stored(tmp_path):
    laws = {"e": ("q(x) q(z|x)", "p(x) p(z|x)")}
    model = wyner.Model(
        observed={"x": Binary(3)},
        latent={"z": Real(2)},
        laws=laws,
        objective=KL("e"),
        networks=MLPs(hidden=()),
    )
    with torch.no_grad():
        model.factors["p(x)"].network.layers[0].bias.copy_(torch.tensor([0.5, -1.0, 2.0]))
    same(model, wyner.load(model.save(tmp_path / "m")))


def test_a_copy_shares_nothing_with_the_original_and_everything_with_itself():
    model = WynerVAE(x=Real(2), y=Real(2), z=2, u=1, v=1, networks=MLPs(hidden=()))
    twin = copy.deepcopy(model)
    same(model, twin)
    with torch.no_grad():
        for p in twin.parameters():
            p.add_(1.0)
    given = {"x": torch.randn(4, 2), "y": torch.randn(4, 2)}
    noise = model.objective.noise((4,), given["x"])
    with torch.no_grad():
        old, new = (m.objective(given, noise, torch.ones(1))[0] for m in (model, twin))
        fresh = twin.program(KL("joint"))(given, noise, torch.ones(1))[0]
    assert float(old) != float(new)
    assert float(new) == float(fresh)  # the copy's objective sees the copy's weights
