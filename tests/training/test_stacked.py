"""Members of a batched program equal single runs: steps, noise, phases, patience, divergence."""

from __future__ import annotations

import math

import pytest
import torch

import wyner
from wyner import KL, Categorical, Model, Real
from wyner.errors import Diverged
from wyner.families import Gaussian, Trainable
from wyner.models import WynerVAE
from wyner.networks import MLPs
from wyner.objectives.phases import After, Alternating, Jointly, Phase
from wyner.seeds import INITIAL, NOISE, mix
from wyner.training.batching import together
from wyner.training.fabric import launch
from wyner.training.fit import fit
from wyner.training.loop import Loop
from wyner.training.member import GridMember
from wyner.training.settings import Settings
from wyner.training.single import rows_for
from wyner.training.stacked import Stack, Stacked


def pair(n: int = 120, seed: int = 0) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=g)
    return {"x": x, "y": x[:, :2] + 0.5 * torch.randn(n, 2, generator=g)}


def model(seed: int = 0, lam: float = 0.0, **options) -> WynerVAE:
    torch.manual_seed(mix(seed, INITIAL))
    options = {"z": 2, "u": 1, "v": 1, "networks": MLPs((8,)), **options}
    made = WynerVAE(x=Real(3), y=Real(2), lam=lam, **options)
    return made.keep_weights()  # those of a grid's point


def apart(a: Model, b: Model) -> float:
    """Largest difference of two models' weights."""
    other = b.state_dict()
    return max(float((v - other[k]).abs().max()) for k, v in a.state_dict().items())


def rows_apart(a: list[dict], b: list[dict]) -> float:
    """Largest difference of two histories, after checking that they hold the same rows."""
    shape = lambda rows: [
        (r["phase"], r["split"], r["epoch"], r["step"], r["lr"], list(r["terms"])) for r in rows
    ]
    assert shape(a) == shape(b)
    return max(
        abs(v - s["terms"][k]) for r, s in zip(a, b, strict=True) for k, v in r["terms"].items()
    )


def against_single(make, data, points, **options) -> wyner.runs.Run:
    """Trains a grid as one program and every point singly, and compares them."""
    options = {"epochs": 6, "batch_size": 20, "lr": 1e-2, "progress": False, **options}
    together = fit(make, data, grid=points, launcher="batched", **options)
    assert len(together.members) == len(points)
    for member, point in zip(together.members, points, strict=True):
        assert member.point == point
        alone = fit(make(**point), data, seed=point["seed"], **options)
        assert apart(member.model, alone.model) < 2e-5
        assert rows_apart(member.history, alone.history) < 2e-4
        assert not member.model.training
    return together


POINTS = [{"seed": s, "lam": lam} for s in (0, 3) for lam in (0.0, 0.2)]
CASES = {
    "plain": ({}, {}),
    "clip": ({}, {"clip": 0.5}),
    "decay": ({}, {"weight_decay": 0.1, "betas": (0.8, 0.99), "schedule": "one-cycle"}),
    "samples": ({"alpha": 1.0}, {"samples": 3, "log_every": 2}),
    "validation": ({}, {"validation": 0.25}),
    "jointly": ({"marginals": Jointly()}, {"validation": 0.25}),
    "alternating": ({"marginals": Alternating(2, 1)}, {}),
    "after": ({"marginals": After(0.5)}, {}),
    "trained variance": ({"families": {"y": Gaussian(Trainable())}}, {"clip": 1.0}),
    "patience": ({}, {"validation": 0.25, "patience": 1, "lr": 0.2, "epochs": 12}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_member_equals_the_single_run_of_its_point(case: str) -> None:
    arguments, settings = CASES[case]
    against_single(lambda seed, lam: model(seed, lam, **arguments), pair(), POINTS, **settings)


def test_missing_rows_and_schedules_of_weights() -> None:
    data = pair()
    data["y_mask"] = (torch.arange(120) % 3 > 0).float()
    points = [{"seed": 0, "lam": wyner.schedules.Linear(0.0, 0.5)}, {"seed": 1, "lam": 0.3}]
    against_single(model, data, points)


def test_annealed_temperatures() -> None:
    families = {"z": wyner.families.Categorical(temperature=wyner.schedules.Linear(2.0, 0.3))}
    make = lambda seed, lam: model(seed, lam, z=Categorical(2, 3), families=families)
    run = against_single(make, pair(), POINTS[:2])
    assert float(run.members[1].model.factors["q(z|x,y)"].head.temperature) == pytest.approx(0.3)


def test_frozen_and_named_factors() -> None:
    def make(seed: int, lam: float) -> Model:
        m = model(seed, lam, alpha=1.0)
        m.phases = (
            Phase("part", m.objective.objective, freeze=("p(x|z,u)",)),
            Phase("rest", KL("x2x"), ("p(x|z,u)",)),
        )
        return m

    run = against_single(make, pair(), [{"seed": s, "lam": 0.1} for s in (0, 1)])
    assert {r["phase"] for r in run.history} == {"part", "rest"}


def stacked(models: list[Model], seeds: list[int], data=None, **settings) -> Loop:
    chosen = [
        Settings.of({"epochs": 2, "batch_size": 30, "lr": 1e-2, "seed": s, **settings})
        for s in seeds
    ]
    rows, _ = rows_for(models[0], data or pair(), None)
    members = [GridMember(m, rows, None, s) for m, s in zip(models, chosen, strict=True)]
    return Loop(launch(chosen[0], (), None), members, Stacked, None, "", False)


def test_noise_and_rows_are_bit_identical_to_the_single_runs() -> None:
    """Also where another member's divergence needs a draw of its own in between."""
    seeds, lams = (
        [5, 6],
        [{"x2x": 1.0, "x2y": 1.0}, {"x2x": 1.0, "x2y": 1.0, "y2y": 1.0, "y2x": 1.0}],
    )
    models = [model(s, alpha=a, marginals=Jointly()) for s, a in zip(seeds, lams, strict=True)]
    for m in models:  # the same factors in both, so that they can share a program
        m.phases = (Phase("main", m.phases[0].objective, train=tuple(m.factors)),)
    loop = stacked(models, seeds)
    loop.stepper.begin((0,), 1, loop.members)
    (phase,) = loop.stepper.phases
    drawn = loop.stepper.steps[0].noise(30)
    assert len(drawn) == len(phase.program.drawn) > len(phase.draws[0])
    for k, m in enumerate(models):
        generator = torch.Generator().manual_seed(mix(seeds[k], 0, 0, NOISE, 0))
        alone = m.program(m.phases[0].objective).noise((30,), torch.zeros(()), generator)
        for place, value in zip(phase.draws[k], alone, strict=True):
            assert torch.equal(drawn[place][k], value)
        assert torch.equal(loop.stepper.order[k], loop.members[k].order(0, 1, 30))
    assert not torch.equal(loop.stepper.order[0], loop.stepper.order[1])


def test_the_weights_of_a_stack_are_views_until_it_is_released() -> None:
    models = [model(s) for s in range(3)]
    before = [{k: v.clone() for k, v in m.state_dict().items()} for m in models]
    stack = Stack(models)
    name = next(n for n in stack.leaves if n.endswith("weight"))
    assert all(
        torch.equal(v, before[i][k])
        for i, m in enumerate(models)
        for k, v in m.state_dict().items()
    )
    with torch.no_grad():
        stack.leaves[name][1] += 1
    moved = [float((m.state_dict()[name] - before[i][name]).mean()) for i, m in enumerate(models)]
    assert moved == pytest.approx([0.0, 1.0, 0.0], abs=1e-6)
    stack.release()
    with torch.no_grad():
        stack.leaves[name] += 1
    assert float((models[0].state_dict()[name] - before[0][name]).abs().max()) == 0
    assert models[0].state_dict()[name].is_contiguous()


def test_what_differs_in_more_than_seeds_and_weights_trains_apart() -> None:
    models = [model(0), model(1, 0.1), model(2, z=3), model(3), model(4, alpha=1.0), model(5, 0.1)]
    settings = [Settings(seed=i, lr=0.1 if i == 3 else 0.01) for i in range(6)]
    assert together(models, settings, False) == [[0, 1, 5], [2], [3], [4]]


def test_a_member_that_stops_leaves_the_others_alone() -> None:
    """With patience 1 and a large step members stop at different epochs, each with its own best
    weights."""
    options = {
        "validation": 0.25,
        "patience": 1,
        "lr": 0.1,
        "epochs": 15,
        "batch_size": 20,
        "progress": False,
    }
    run = fit(model(), pair(), grid={"seed": range(5)}, launcher="batched", **options)
    epochs = [
        sum(r["split"] == "validation" and r["phase"] == "joint" for r in m.history)
        for m in run.members
    ]
    assert len(set(epochs)) > 1
    for m in run.members:
        held = [
            r["loss"] for r in m.history if r["split"] == "validation" and r["phase"] == "joint"
        ]
        assert len(held) == 15 or held.index(min(held)) == len(held) - 2
    last = [
        [r["loss"] for r in m.history if r["split"] == "validation" and r["phase"] == "joint"][-1]
        for m in run.members
    ]
    assert run.point == {"seed": last.index(min(last))}


def poisoned(seed: int) -> WynerVAE:
    """A model whose loss is no number if the seed is odd."""
    m = model(seed)
    if seed % 2:
        with torch.no_grad():
            next(m.factors["p(y|z,v)"].parameters()).fill_(math.nan)
    return m


def test_a_member_that_diverges_is_dropped_and_the_others_go_on() -> None:
    options = {"epochs": 2, "batch_size": 40, "progress": False, "launcher": "batched"}
    with pytest.warns(UserWarning, match=r"member seed=1 is left out: .*-log p\(y\|z,v\) = nan"):
        run = fit(poisoned, pair(), grid={"seed": [0, 1, 2]}, **options)
    assert [m.point["seed"] for m in run.members] == [0, 2]
    clean = fit(poisoned, pair(), grid={"seed": [0, 2]}, **options)
    for a, b in zip(run.members, clean.members, strict=True):
        assert apart(a.model, b.model) < 1e-6
    with (
        pytest.warns(UserWarning, match="seed=3"),
        pytest.raises(Diverged, match="every member diverged; the first: phase 'joint'"),
    ):
        fit(poisoned, pair(), grid={"seed": [1, 3]}, **options)


def test_divergence_in_the_middle_of_an_epoch() -> None:
    """A weight that grows beyond float32 ends its member at the step where it does, and no
    other."""
    lam = wyner.schedules.Exponential(
        start=1.0, rate=-200.0, floor=1.0
    )  # exp(200 t): infinite in float32 from t = 0.44
    options = {"epochs": 4, "batch_size": 20, "progress": False}
    with pytest.warns(UserWarning, match="seed=0, lam=.*step 11: the loss is not a number"):
        run = fit(
            model,
            pair(),
            grid=[{"seed": 0, "lam": lam}, {"seed": 0, "lam": 0.1}],
            launcher="batched",
            **options,
        )
    assert len(run.members) == 1
    assert apart(run.model, fit(model(0, 0.1), pair(), **options).model) < 2e-5


@pytest.mark.usefixtures("unchecked")
def test_a_compiled_program_is_traced_and_agrees(monkeypatch) -> None:
    """Traced, not lowered: that takes a minute. The single run's test lowers the same program."""
    compile_ = torch.compile
    monkeypatch.setattr(
        torch,
        "compile",
        lambda f, **options: compile_(f, backend="eager", fullgraph=True, **options),
    )
    make, options = (
        lambda seed: model(seed, alpha=1.0),
        {"epochs": 2, "batch_size": 20, "progress": False},
    )
    runs = [
        fit(make, pair(60), grid={"seed": [0, 1]}, compile=c, launcher="batched", **options)
        for c in (False, True)
    ]
    for a, b in zip(runs[0].members, runs[1].members, strict=True):
        assert apart(a.model, b.model) < 1e-5
        assert rows_apart(a.history, b.history) < 1e-4
