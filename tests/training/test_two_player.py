"""Two players: steps of each, averages of weights, exact resume, and what is said when critics
fail."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import wyner
from wyner import KL, Information, Model, Real, SymmetricKL
from wyner.errors import DataError, OptionError, TrainingWarning
from wyner.files import read_tensors
from wyner.models import VariationalWyner
from wyner.networks import Critics, MLPs
from wyner.objectives import Ratio
from wyner.objectives.phases import After, Phase, TwoPlayer
from wyner.runs import RunFolder
from wyner.schedules import Linear
from wyner.training.average import Average

SMALL = {"networks": MLPs((8,)), "critics": Critics(width=8, hidden=(8,))}
LAWS = {"m": ("q(x,y) q(z|x,y)", "p(z) p(x|z) p(y|z)"), "x2x": ("q(x) q(z|x)", "p(z) p(x|z)")}


def data(n: int = 96) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(5)
    x = torch.randn(n, 2, generator=g)
    return {"x": x, "y": x[:, :1] + torch.randn(n, 1, generator=g)}


def declare(objective, phases=(), **more) -> Model:
    torch.manual_seed(1)
    more = {**SMALL, **more}
    return Model(
        observed={"x": Real(2), "y": Real(1)},
        latent={"z": Real(1)},
        laws=LAWS,
        objective=objective,
        common=("z",),
        phases=phases,
        **more,
    ).keep_weights()


def states(model: Model, out, **more) -> dict[str, torch.Tensor]:
    """What the last checkpoint holds."""
    wyner.fit(model, data(), out=out, batch_size=16, progress=False, loggers=[], **more)
    return RunFolder(out).read_checkpoint()[0]


@pytest.mark.parametrize(("critic", "model"), [(1, 1), (3, 1), (2, 2)])
def test_each_player_takes_its_steps_on_every_batch(tmp_path, critic, model):
    objective = SymmetricKL("m")
    found = states(
        declare(objective, [TwoPlayer("main", objective, critic=critic, model=model)]),
        tmp_path / "run",
        epochs=2,
    )
    steps = {k: int(v) for k, v in found.items() if k.endswith(".step")}
    assert {v for k, v in steps.items() if ".rival." in k} == {12 * critic}
    assert {v for k, v in steps.items() if ".rival." not in k} == {12 * model}


def test_with_fresh_batches_the_players_take_turns(tmp_path):
    objective = SymmetricKL("m")
    phases = [TwoPlayer("main", objective, critic=2, model=1, fresh=True)]
    found = states(declare(objective, phases), tmp_path / "run", epochs=2)
    steps = {k: int(v) for k, v in found.items() if k.endswith(".step")}
    assert {v for k, v in steps.items() if ".rival." in k} == {8}
    assert {v for k, v in steps.items() if ".rival." not in k} == {4}


def test_critics_learn_in_their_steps_only_and_the_model_in_its_own():
    """Plain gradients by hand: after one round the critics moved by their loss at the start, the
    model by its own against them."""
    objective = SymmetricKL("m") + 0.5 * Information("x,y;z", under="m")
    model, twin = (declare(objective) for _ in range(2))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    settings = {"epochs": 1, "batch_size": 96, "lr": 1e-3, "betas": (0.0, 0.999)}
    wyner.fit(model, data(), progress=False, **settings)
    after = model.state_dict()
    from wyner.seeds import NOISE, RIVAL, ROWS, mix

    order = torch.randperm(96, generator=torch.Generator().manual_seed(mix(0, ROWS, 0, 1)))
    values, program = {k: v[order] for k, v in data().items()}, twin.objective
    noise = lambda *s: program.noise(
        (96,), torch.zeros(()), torch.Generator().manual_seed(mix(0, 0, 0, *s))
    )
    loss, _ = program.critic_loss(values, noise(RIVAL, 0, 0))
    critics = dict(twin.critics.named_parameters())
    for name, g in zip(critics, torch.autograd.grad(loss, list(critics.values())), strict=True):
        moved = after[f"critics.{name}"] - before[f"critics.{name}"]
        torch.testing.assert_close(
            moved, -1e-3 * g / (g.abs() + 1e-8), rtol=1e-3, atol=1e-7
        )  # Adam's first step
    twin.critics.load_state_dict(
        {k.removeprefix("critics."): v for k, v in after.items() if k.startswith("critics.")}
    )
    loss, _ = program(values, noise(NOISE, 0, 0), torch.tensor([1.0, 0.5]))
    factors = {
        k: p for k, p in twin.factors.named_parameters() if not k.startswith("q(z|x).")
    }  # of a law that no term uses
    for name, g in zip(factors, torch.autograd.grad(loss, list(factors.values())), strict=True):
        moved = after[f"factors.{name}"] - before[f"factors.{name}"]
        torch.testing.assert_close(moved, -1e-3 * g / (g.abs() + 1e-8), rtol=1e-3, atol=1e-7)


class Stop(Exception):
    pass


@pytest.mark.parametrize("kind", ["joint", "fresh", "mixed"])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, kind):
    def make():
        torch.manual_seed(2)
        norm = nn.Sequential(nn.Linear(2, 6), nn.BatchNorm1d(6), nn.LeakyReLU(), nn.Linear(6, 2))
        if kind == "joint":
            critics = Critics(width=8, hidden=(8,), spectral=True, relative=True)
            return VariationalWyner(
                x=Real(2),
                y=Real(1),
                z=1,
                u=2,
                v=1,
                lam=Linear(0, 0.5),
                critics=critics,
                networks=MLPs((8,)),
                steps=2,
                critic_lr=5e-3,
                modules={"p(x|z,u)": Joined(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Linear(6, 2))},
            )
        if kind == "fresh":
            objective = SymmetricKL("m", Ratio("dv"))
            return declare(
                objective,
                [TwoPlayer("main", objective, critic=2, fresh=True)],
                modules={"q(z|x)": norm},
            )
        objective = KL("m") + 0.3 * SymmetricKL("m") + 0 * Information("x,y;z", under="m", side="q")
        return declare(
            objective,
            [Phase("main", objective), Phase("x", KL("x2x"), train=("q(z|x)",), when=After(0.5))],
            modules={"q(z|x)": norm},
        )

    options = {
        "epochs": 6,
        "batch_size": 16,
        "lr": 1e-2,
        "ema": 0.9,
        "amsgrad": True,
        "schedule": "cosine",
        "clip": 5.0,
        "log_every": 4,
        "validation": 0.2,
        "progress": False,
        "loggers": [],
        "checkpoint_seconds": 0.0,
        "probe_every": 1,
    }
    whole = wyner.fit(make(), data(), out=tmp_path / "whole", probe=lambda m: {}, **options)
    calls = []

    def stop(model):
        calls.append(1)
        if len(calls) == 3:
            raise Stop
        return {}

    with pytest.raises(Stop):
        wyner.fit(make(), data(), out=tmp_path / "cut", probe=stop, **options)
    again = wyner.fit(
        make(), data(), out=tmp_path / "cut", probe=lambda m: {}, resume=True, **options
    )
    plain = lambda run: [{k: v for k, v in row.items() if k != "seconds"} for row in run.history]
    assert plain(again) == plain(whole)
    (a, _), (b, _) = (
        read_tensors(tmp_path / name / "model.safetensors") for name in ("whole", "cut")
    )
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert any(k.startswith("critics.") for k in a)


class Joined(nn.Sequential):
    """Layers over the parents side by side."""

    def forward(self, *parents):
        return super().forward(torch.cat(parents, -1))


# averages


def test_an_average_is_the_exponential_average():
    w = torch.tensor([1.0, 2.0])
    average = Average({"w": w}, 0.9)
    expected = w.clone()
    for step in range(3):
        w.copy_(torch.tensor([3.0, -1.0]) * (step + 1))
        average.update()
        expected = 0.9 * expected + 0.1 * w
    live = w.clone()
    with average.inside():
        torch.testing.assert_close(w, expected)
    assert torch.equal(w, live)
    average.apply_average()
    torch.testing.assert_close(w, expected)


def test_a_model_ends_with_its_averages_and_is_probed_with_them(tmp_path):
    """A likelihood-trained model too: the average of the weights along the path of the run without
    it."""
    seen, path = [], []

    def run(ema, watch):
        model = declare(KL("m"))
        weight = model.factors["p(x|z)"].network.layers[0].weight
        start = weight.detach().clone()
        probe = lambda m: watch.append(weight.detach().clone()) or {}
        wyner.fit(
            model,
            data(16),
            epochs=5,
            batch_size=16,
            lr=1e-2,
            ema=ema,
            probe=probe,
            probe_every=1,
            progress=False,
        )
        return start, weight.detach()

    start, last = run(None, path)
    _, kept = run(0.8, seen)
    mean, means = start, []
    for w in path:
        mean = 0.8 * mean + 0.2 * w
        means.append(mean)
    for a, b in zip(seen, means, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(kept, means[-1])
    assert not torch.allclose(kept, last)


# what is said and refused


def notes(model: Model, **more) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        wyner.fit(model, data(), batch_size=16, progress=False, **more)
    return [str(w.message) for w in caught if w.category is TrainingWarning]


class Constant(nn.Module):
    def __init__(self):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(()))

    def forward(self, *rows):
        return self.level + 0 * rows[0].sum(-1)


class Far(nn.Module):
    """The side of one coordinate, far from 0."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(20.0))

    def forward(self, x, y, z):
        return self.slope * (x[:, 0] - 50)


def test_a_saturated_critic_is_reported_once():
    model = declare(SymmetricKL("m"), modules={"SKL(m)": Far()}, critics=Critics(noise=0.0))
    rows = data()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = wyner.fit(
            model, {**rows, "x": rows["x"] + 100}, batch_size=16, epochs=4, lr=1e-4, progress=False
        ).history
    said = [str(w.message) for w in caught if w.category is TrainingWarning]
    assert len(said) == 1
    assert "the critic of SKL(m) is saturated" in said[0]
    assert "more instance noise" in said[0]
    assert history[-1]["terms"]["critic of SKL(m)"] == pytest.approx(1.386, abs=2e-3)


def test_a_collapsed_critic_is_reported_once():
    said = notes(declare(SymmetricKL("m"), modules={"SKL(m)": Constant()}), epochs=4)
    assert len(said) == 1
    assert "the critic of SKL(m) has collapsed" in said[0]


def test_a_healthy_critic_is_not_reported():
    assert notes(declare(SymmetricKL("m")), epochs=2) == []


def test_rows_that_lack_a_modality_are_refused():
    rows = data()
    with pytest.raises(DataError, match="needs complete rows"):
        wyner.fit(
            declare(SymmetricKL("m")),
            {**rows, "x_mask": (rows["y"][:, 0] > 0).float()},
            progress=False,
        )


def test_what_two_players_cannot_do_is_refused():
    with pytest.raises(OptionError, match="says nothing of progress"):
        wyner.fit(declare(SymmetricKL("m")), data(), validation=0.2, patience=2, progress=False)
    with pytest.raises(OptionError, match="critics train in one process"):
        wyner.fit(declare(SymmetricKL("m")), data(), precision="bf16-mixed", progress=False)
    with pytest.raises(OptionError, match="compare whole batches"):
        wyner.fit(declare(SymmetricKL("m")), data(), accumulate=2, progress=False)
    with pytest.raises(OptionError, match="positive whole number of steps"):
        TwoPlayer("main", SymmetricKL("m"), critic=0)
    with pytest.raises(OptionError, match="ema: expected a decay"):
        wyner.fit(declare(KL("m")), data(), ema=1.5, progress=False)


def test_validation_does_not_choose_weights_by_a_loss_of_two_players():
    """With validation rows the last weights are kept: the same as without them."""
    a, b = declare(SymmetricKL("m")), declare(SymmetricKL("m"))
    rows = data()
    wyner.fit(a, rows, validation=rows, epochs=4, batch_size=16, progress=False)
    wyner.fit(b, rows, epochs=4, batch_size=16, progress=False)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_a_grid_trains_such_models_one_by_one_and_says_why_it_must():
    make = lambda lam: VariationalWyner(x=Real(2), y=Real(1), z=1, u=1, v=1, lam=lam, **SMALL)
    run = wyner.fit(make, data(), grid={"lam": [0.0, 0.5]}, epochs=1, batch_size=48, progress=False)
    assert len(run.members) == 2
    assert "I(x,y;z) p joint" in run.members[1].history[-1]["terms"]
    with pytest.raises(OptionError, match="one model at a time"):
        wyner.fit(
            make, data(), grid={"lam": [0.0, 0.5]}, launcher="batched", epochs=1, progress=False
        )
