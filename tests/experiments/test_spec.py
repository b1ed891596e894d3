"""Plain values of an experiment become objects; what is wrong is said in one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from wyner.errors import OptionError
from wyner.experiments import Experiment


def small(**model) -> Experiment:
    return Experiment(
        {"name": "mog", "train": 20, "validation": 4, "test": 4}, model, {"hidden": [4]}
    )


def test_plain_values_become_objects():
    from wyner.objectives.phases import Alternating
    from wyner.schedules import Linear, Path

    e = small(
        lam={"knots": [[0.0, -0.9], [1.0, 0.1]]},
        z={"categorical": [1, 10]},
        alpha={"x2y": {"start": 0, "end": 1}},
    )
    model = e.build(e.load())
    weights = {t.law: t.weight for t in model.phases[0].objective.terms}
    assert weights["rate"] == Path(((0.0, -0.9), (1.0, 0.1)))
    assert weights["x2y"] == Linear(0, 1)
    assert model.latent["z"].shape == (1, 10)
    e = small(name="JVAE", marginals={"kind": "Alternating", "every": 2, "epochs": 3})
    assert e.build(e.load()).phases[1].when == Alternating(2, 3)


def test_a_categorical_latent_can_have_a_temperature():
    e = small(
        z={"categorical": [1, 3]}, families={"z": {"temperature": {"start": 1.0, "end": 0.1}}}
    )
    model = e.build(e.load())
    head = model.factors["q(z|x,y)"].head
    head.anneal(1.0)
    assert float(head.temperature) == pytest.approx(0.1)
    assert model.factors["p(z)"].head.logits.requires_grad


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"temperature": 0.1, "floor": 0.1}, "has no variance"),
        ({"flor": 0.1}, "did you mean 'floor'"),
        ({"floor": 2.0}, "variance >= floor"),
        ("trianed", "did you mean 'trained'"),
    ],
)
def test_bad_families_are_refused(choice, said):
    with pytest.raises(OptionError, match=said):
        small(families={"x": choice}).build(small().load())


def test_a_number_in_place_of_a_path_is_where_it_ends():
    e = small(lam={"knots": [[0.0, -0.9], [1.0, 0.1]]}).changed(model={"lam": 0.3})
    assert e.model["lam"] == {"knots": [[0.0, -0.9], [1.0, 0.3]]}
    e = small(lam={"start": -0.9, "end": 0.1}).changed(model={"lam": 0.3})
    assert e.model["lam"] == {"start": -0.9, "end": 0.3}


def test_sizes_where_none_are_given():
    e = small(name="JVAE")
    assert e.build(e.load()).latent["w"].size == 30
    e = small(name="WVAE")
    assert e.build(e.load()).latent["u"].shape == (2, 10)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"marginals": {"kind": "Afterwards"}}, "did you mean 'After'"),
        ({"lam": {"end": 1.0, "untill": 0.5}}, "cannot read"),
        ({"lam": {"knots": [[0.5, 1.0], [0.5, 2.0]]}}, "rising shares"),
        ({"name": "CVAE", "lam": 0.5}, "unknown argument 'lam'"),
    ],
    ids=["phase", "linear", "path", "argument"],
)
def test_bad_values_of_a_model_are_refused(model, said):
    with pytest.raises(OptionError, match=said):
        small(**model).build(small().load())


def test_a_model_of_a_pair_refuses_three_modalities(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "three.npz", **{k: rng.standard_normal((40, 2)) for k in "abc"})
    e = Experiment({"name": str(tmp_path / "three.npz")}, {"name": "CVAE"}, {"hidden": [4]})
    with pytest.raises(OptionError, match="CVAE takes x and y; .* a, b, c"):
        e.build(e.load())
    assert Experiment(e.data, {"name": "WynerVAE"}, e.networks).build(e.load()).common == ("z",)
