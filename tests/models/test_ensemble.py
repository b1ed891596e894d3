"""Ensembles: averages of their members, one recipe for tables, and their run folders."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import wyner
from wyner import Real
from wyner.errors import OptionError
from wyner.families import Gaussian, Trainable
from wyner.models import WynerVAE
from wyner.models.ensemble import Ensemble
from wyner.networks import MLPs
from wyner.training import ensemble as training
from wyner.training.recipe import MEMBERS
from wyner.training.single import Folds, shares


def rows(n: int = 60, seed: int = 0) -> dict[str, np.ndarray]:
    g = np.random.default_rng(seed)
    x = g.normal(size=(n, 3)).astype(np.float32)
    return {"x": x, "y": (x[:, :2] + 0.3 * g.normal(size=(n, 2))).astype(np.float32)}


def member(seed: int, hidden=(4,)) -> WynerVAE:
    torch.manual_seed(seed)
    return WynerVAE(x=Real(3), y=Real(2), z=2, u=1, v=1, alpha=1.0, networks=MLPs(hidden))


@pytest.fixture
def three() -> Ensemble:
    return Ensemble.of([member(k) for k in range(3)], rows())


def test_tasks_average(three):
    data = rows(5, seed=1)
    each = np.stack([m.translate(x=data["x"], means=True) for m in three.members])
    found = three.translate(x=data["x"], means=True)
    np.testing.assert_allclose(found, each.mean(0), atol=1e-6)
    np.testing.assert_allclose(three.spread(x=data["x"]), each[:, 0].std(0, ddof=1), atol=1e-6)
    scores = np.stack([m.log_likelihood(**data, seed=0).value for m in three.members])
    mixture = np.log(np.exp(scores).mean(0))
    np.testing.assert_allclose(three.log_likelihood(**data, seed=0).value, mixture, rtol=1e-5)
    drawn = three.translate(x=data["x"], n=4, sample=True, seed=3)
    each = np.stack([m.translate(x=data["x"], n=4, sample=True, seed=3) for m in three.members])
    assert (np.abs(drawn - each).max(-1).min(0) == 0).all()  # every draw is one of a member
    assert {k: v.shape for k, v in three.generate(7, seed=0).items()} == {"x": (7, 3), "y": (7, 2)}
    assert set(three.common_information(**data)) == set(member(0).common_information(**data))


def test_latents_are_turned_to_those_of_the_first_member():
    """A copy whose z has its axes exchanged and one of them reversed says the same."""
    first, second = member(0, ()), member(0, ())
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    with torch.no_grad():
        for name, factor in second.factors.items():
            last = factor.network.last if factor.network is not None else None
            if name.startswith("q(z|"):
                for part in (last.weight, last.bias):
                    part[:2] = turn @ part[:2]
                    part[2:] = turn.abs() @ part[2:]
            elif "|z," in name:
                last.weight[:, :2] = last.weight[:, :2] @ turn.T
    both, data = Ensemble.of([first, second], rows()), rows(9, seed=2)
    for name, expected in first.encode(**data).items():
        found = both.encode(**data)[name]
        torch.testing.assert_close(found.mean, expected.mean, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found.variance, expected.variance, atol=1e-5, rtol=1e-4)


def test_an_ensemble_is_saved_and_loaded(three, tmp_path):
    again, data = wyner.load(three.save(tmp_path / "three")), rows(5)
    assert isinstance(again, Ensemble)
    assert len(again.members) == 3
    for ask in (
        lambda m: m.translate(y=data["y"], means=True),
        lambda m: m.encode(**data)["z"].mean,
    ):
        np.testing.assert_array_equal(np.asarray(ask(again)), np.asarray(ask(three)))


def test_small_tables_are_fitted_by_members_that_share_out_the_rows(tmp_path):
    model, data = WynerVAE(x=Real(3), y=Real(2), z=2, u=1, v=1), rows()
    run = wyner.fit(model, data, batch_size=48, seed=3, out=tmp_path / "run", progress=False)
    assert isinstance(run.model, Ensemble)
    assert len(run.members) == MEMBERS
    assert [m.point["seed"] for m in run.members] == [3, 4, 5, 6, 7]
    x = torch.from_numpy(data["x"])
    one = run.model.members[0].translate(x=x, means=True)
    torch.testing.assert_close(model.translate(x=x, means=True), one)  # the caller's model
    assert next(r["step"] for r in run.history if r["split"] == "validation") == 0
    size = sum(f.stat().st_size for f in tmp_path.rglob("metrics.jsonl"))
    assert size < 1_000_000
    loaded = wyner.load(tmp_path / "run")
    torch.testing.assert_close(
        loaded.translate(x=x, means=True), run.model.translate(x=x, means=True)
    )
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["model"]["name"] == "ensemble"
    assert config["fit"]["patience"]
    assert (tmp_path / "run" / training.MEMBERS / "grid.json").exists()
    again = wyner.fit(
        WynerVAE(x=Real(3), y=Real(2), z=2, u=1, v=1),
        data,
        batch_size=48,
        seed=3,
        out=tmp_path / "run",
        resume=True,
        progress=False,
    )
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            again.model.state_dict().values(), loaded.state_dict().values(), strict=True
        )
    )


def test_every_row_is_set_aside_once():
    held = [shares(23, Folds(5, 0), 9, k) for k in range(5)]
    assert {len(b) for _, b in held} == {5}
    assert sorted({int(i) for _, b in held for i in b}) == list(range(23))
    assert all(not set(a.tolist()) & set(b.tolist()) and len(a) == 18 for a, b in held)


def test_members_that_cannot_be_made_are_refused():
    model = WynerVAE(
        x=Real(3),
        y=Real(2),
        z=2,
        u=0,
        v=0,
        modules={"p(x|z)": torch.nn.Linear(2, 3)},
        families={"x": Gaussian(Trainable())},
    )
    with pytest.raises(OptionError, match=r"members: .*of your own.*members=1"):
        wyner.fit(model, rows(), members=2, epochs=1, progress=False)
    with pytest.raises(OptionError, match="positive whole number"):
        wyner.fit(member(0), rows(), members=0, epochs=1, progress=False)
