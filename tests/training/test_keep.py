"""Weights are kept by the best number of a probe: the same as by hand, in grids, exact at
resume."""

from __future__ import annotations

import copy
import math

import pytest
import torch

import wyner
from wyner import Real
from wyner.errors import OptionError
from wyner.models import WynerVAE
from wyner.networks import MLPs
from wyner.objectives.phases import After, Alternating
from wyner.training.stacked import StackedSteps

OPTIONS = {"epochs": 6, "batch_size": 30, "lr": 3e-2, "progress": False, "probe_every": 1}


def pair(n: int = 120) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n, 3, generator=g)
    return {"x": x, "y": x[:, :2] + 0.5 * torch.randn(n, 2, generator=g)}


def model(seed: int = 0, **options) -> WynerVAE:
    torch.manual_seed(wyner.seeds.mix(seed, wyner.seeds.INITIAL))
    made = WynerVAE(x=Real(3), y=Real(2), z=2, u=1, v=1, networks=MLPs((8,)), **options)
    return made.keep_weights()  # those of a grid's point


def wild(m) -> dict[str, float]:
    """A number that jumps up and down as the weights move."""
    total = sum(float(p.double().sum()) for p in m.factors.parameters())
    return {"jump": math.sin(40 * total), "plain": total}


class ByHand:
    """A probe that keeps the best weights itself."""

    def __init__(self, sign: int) -> None:
        self.sign, self.values, self.weights = sign, [], []

    def __call__(self, m) -> dict[str, float]:
        self.values.append(self.sign * wild(m)["jump"])
        self.weights.append(copy.deepcopy(m.state_dict()))
        return wild(m)

    @property
    def best(self) -> dict[str, torch.Tensor]:
        return self.weights[self.values.index(max(self.values))]


def rows(run) -> list[dict]:
    return [r for r in run.history if r["split"] == "probe"]


@pytest.mark.parametrize("settings", [{}, {"ema": 0.8}, {"validation": 0.25, "epochs": 3}])
@pytest.mark.parametrize(("keep", "sign"), [("jump", 1), ("-jump", -1)])
@pytest.mark.parametrize("when", [After(0.0001), Alternating(2, 1)])
def test_the_main_phase_ends_with_the_best_weights(keep, sign, when, settings) -> None:
    options = {**OPTIONS, **settings}
    hand = ByHand(sign)
    wyner.fit(model(marginals=when), pair(), probe=hand, **{**options, "keep_best": False})
    run = wyner.fit(model(marginals=when), pair(), probe=wild, keep=keep, **options)
    best = hand.best
    after = {"q(z|x)", "q(z|y)"} if isinstance(when, After) else set()
    for name, value in run.model.state_dict().items():
        if name.split(".")[1] not in after:  # which a later phase trains
            assert torch.equal(value, best[name]), name
    kept = rows(run)[-1]
    assert sign * kept["terms"]["jump"] == max(hand.values)
    assert kept["epoch"] == 1 + hand.values.index(max(hand.values))
    assert [r["epoch"] for r in rows(run)][: options["epochs"]] == list(
        range(1, options["epochs"] + 1)
    )
    main = run.model.phases[0].name
    assert {r["phase"] for r in rows(run)} == {main}


def test_without_keep_the_last_weights_stay() -> None:
    hand = ByHand(1)
    run = wyner.fit(model(), pair(), probe=hand, **OPTIONS)
    last = run.model.state_dict()
    assert all(torch.equal(v, last[k]) for k, v in hand.weights[-1].items() if "q(z|" not in k)
    assert [r["epoch"] for r in rows(run)] == [1, 2, 3, 4, 5, 6]


def test_a_number_that_is_never_finite_chooses_nothing() -> None:
    run = wyner.fit(model(), pair(), probe=lambda m: {"a": math.nan}, keep="a", **OPTIONS)
    plain = wyner.fit(model(), pair(), **{**OPTIONS, "probe_every": 0})
    again = plain.model.state_dict()
    assert all(torch.equal(v, again[k]) for k, v in run.model.state_dict().items())


class Stop(Exception):
    pass


class Stopping:
    """A probe that fails in its n-th call."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self, m) -> dict[str, float]:
        self.left -= 1
        if not self.left:
            raise Stop
        return wild(m)


def same(a, b) -> None:
    plain = lambda r: [{k: v for k, v in row.items() if k != "seconds"} for row in r.history]
    assert plain(a) == plain(b)
    weights = b.model.state_dict()
    assert all(torch.equal(v, weights[k]) for k, v in a.model.state_dict().items())


@pytest.mark.parametrize("stop", range(1, 7))
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, stop) -> None:
    options = {**OPTIONS, "keep": "jump", "checkpoint_seconds": 0.0, "loggers": [], "log_every": 3}
    whole = wyner.fit(model(), pair(), probe=wild, out=tmp_path / "whole", **options)
    with pytest.raises(Stop):
        wyner.fit(model(), pair(), probe=Stopping(stop), out=tmp_path / "cut", **options)
    again = wyner.fit(model(), pair(), probe=wild, out=tmp_path / "cut", resume=True, **options)
    same(again, whole)
    assert max(r["terms"]["jump"] for r in rows(whole)) == rows(whole)[-1]["terms"]["jump"]


def test_members_of_a_batched_grid_keep_their_own_and_resume_exactly(tmp_path, monkeypatch) -> None:
    options = {**OPTIONS, "keep": "-jump", "checkpoint_seconds": 0.0, "patience": 2}
    options |= {"grid": {"seed": [0, 1, 2]}, "launcher": "batched", "validation": 0.25}
    whole = wyner.fit(model, pair(), probe=wild, out=tmp_path / "whole", **options)
    steps: list[int] = []
    train = StackedSteps.train
    monkeypatch.setattr(
        StackedSteps, "train", lambda s, b: (steps.append(s.running[0].step), train(s, b))[1]
    )
    with pytest.raises(Stop):
        wyner.fit(model, pair(), probe=Stopping(7), out=tmp_path / "cut", **options)
    taken = len(steps)
    again = wyner.fit(model, pair(), probe=wild, out=tmp_path / "cut", resume=True, **options)
    assert steps[taken] == taken > 0  # it goes on from the checkpoint, not from the start
    for a, b in zip(again.members, whole.members, strict=True):
        same(a, b)
        found = [r["terms"]["jump"] for r in rows(a)]
        assert found[-1] == min(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": "jmp"}, "keep: unknown number of the probe 'jmp': did you mean 'jump'"),
        ({"keep": "-jmp"}, "did you mean 'jump'"),
        ({"keep": 3}, "keep: expected the name of a number of the probe"),
        ({"keep": "jump", "probe_every": 0}, "probe_every of at least 1"),
        ({"keep": "jump", "probe": None}, "keep: expected a probe that returns 'jump'"),
        ({"keep": "-jump", "probe": None, "grid": {"seed": [0]}}, "a probe that returns 'jump'"),
    ],
)
def test_bad_choices_get_one_clear_sentence(options, message) -> None:
    with pytest.raises(OptionError, match=message):
        wyner.fit(model(), pair(), **{**OPTIONS, "probe": wild, **options})
