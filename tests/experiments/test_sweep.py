"""A sweep chooses on validation rows only, drops what is hopeless, and goes on where it was
stopped."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal

import numpy as np
import pytest

from wyner.commands.options import parse_values
from wyner.data import from_arrays, load
from wyner.errors import DataError, RunError
from wyner.experiments import Experiment
from wyner.experiments import sweep as sweeps
from wyner.experiments.defaults import experiment_on
from wyner.experiments.questions import Likelihood
from wyner.experiments.sweep.runs import Readable
from wyner.metrics import linear_probe
from wyner.metrics.pruning import hopeless
from wyner.models import load as load_model
from wyner.report.sweep import ArmResult


def tiny(**fit) -> Experiment:
    data = {"name": "mog", "train": 64, "validation": 32, "test": 16}
    return Experiment(
        data, {"alpha": 1.0}, {"hidden": [8]}, {"epochs": 4, "batch_size": 16, "lr": 1e-2, **fit}
    )


def standing(lam: float, nll: float, error: float = 0.1, rate: float = 1.0) -> ArmResult:
    metrics = {"nll_conditional": nll, "nll_conditional_se": error, "I41": rate}
    return ArmResult({"lam": lam}, "finished", "", [{"seed": 0, "metrics": metrics}])


def test_the_largest_lambda_within_one_standard_error_is_chosen():
    found = [standing(0.0, 2.05), standing(0.1, 2.0), standing(0.2, 2.099), standing(0.3, 2.101)]
    best, chosen = sweeps.choose(found, ("lam",))
    assert (best.values["lam"], chosen.values["lam"]) == (0.1, 0.2)
    found[1] = standing(0.1, 2.0, math.nan)
    assert sweeps.choose(found, ("lam",))[1].values["lam"] == 0.1


def test_of_other_arguments_the_lowest_rate_is_chosen():
    found = [
        standing(0.0, 2.0, rate=3.0),
        standing(0.1, 2.05, rate=1.0),
        standing(0.2, 2.2, rate=0.5),
    ]
    assert sweeps.choose(found, ("z",))[1] is found[1]


def test_hopeless_means_beyond_twice_the_error_and_behind_where_the_best_was():
    now = {
        "a": [(2.0, 0.1), (2.2, 0.1)],
        "b": [(3.0, 0.1), (3.2, 0.1)],
        "c": [(2.2, 0.1), (2.4, 0.1)],
    }
    assert set(hopeless(now, {"a": [(2.5, 0.1)]})) == {"b"}
    assert (
        hopeless(now, {"a": [(5.0, 0.1)]}) == {}
    )  # b is where a was at half the epochs: it only lags
    assert set(hopeless(now, {})) == {"b"}
    assert set(hopeless({"a": [(2.0, 0.1)], "b": [(2.2, 0.1)], "c": [(2.4, 0.1)]}, {})) == {
        "c"
    }  # one seed: errors over rows
    assert hopeless({}, {}) == {}


def test_values_of_an_argument():
    assert parse_values("z=2,5") == ("z", [2, 5])
    assert parse_values("networks.hidden=[8],[8,8]") == ("networks.hidden", [[8], [8, 8]])
    assert parse_values("schedule=cosine,one-cycle") == ("schedule", ["cosine", "one-cycle"])


def test_test_rows_are_never_touched_and_the_numbers_are_those_of_validation_rows(tmp_path):
    base = tiny()
    dataset = base.load()
    poisoned = dataclasses.replace(
        dataset,
        test={
            k: np.full_like(v, np.nan) if v.dtype.kind == "f" else v
            for k, v in dataset.test.items()
        },
    )
    with pytest.raises(DataError, match="nan"):  # looking at them does not go unnoticed
        Likelihood(2, 4).answer(base.build(poisoned), poisoned, "test")
    found = sweeps.sweep(
        base,
        {"lam": [0.0, 0.5]},
        seeds=2,
        samples=3,
        out=tmp_path,
        progress=False,
        dataset=poisoned,
    )
    assert len(found.arms) == 2
    assert {p.name for p in tmp_path.iterdir()} == {
        "plan.json",
        "runs",
        "sweep.json",
        "sweep.md",
        "sweep.png",
        "sweep.pdf",
    }
    stored = json.loads((tmp_path / "sweep.json").read_text())
    first = stored["rows"][0]
    folder = next((tmp_path / "runs").glob("000*"))
    again = Likelihood(3, 1000).answer(load_model(folder), dataset, "validation")
    assert first["metrics"]["nll_conditional"] == again["nll_conditional"]
    assert 0 <= first["metrics"]["accuracy_percent"] <= 100
    assert stored["chosen"] in [{"lam": 0.0}, {"lam": 0.5}]


def test_the_choice_follows_the_validation_rows_not_the_training_rows(tmp_path):
    """x says y in training; in validation it says the opposite, so that the model that learns
    nothing is the better one there."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2)).astype(np.float32)
    dataset = from_arrays({"x": x, "y": 3 * x}, validation=0.2)
    fooled = dataclasses.replace(
        dataset, validation={**dataset.validation, "y": -dataset.validation["y"]}
    )
    base = Experiment(
        {"name": "own.npz"},
        {"alpha": 1.0, "z": 2, "u": 1, "v": 1},
        {"hidden": [16]},
        {"epochs": 15, "batch_size": 20, "keep_best": False},
    )
    for data, expected in ((dataset, 0.02), (fooled, 1e-5)):
        out = tmp_path / str(expected)
        options = dict(
            seeds=1, samples=5, prune=False, out=out, figures=False, progress=False, dataset=data
        )
        found = sweeps.sweep(base, {"lr": [0.02, 1e-5]}, **options)
        assert found.best.values == {"lr": expected}


def test_hopeless_values_are_dropped_and_the_rest_finishes(tmp_path):
    base = tiny(epochs=8)
    found = sweeps.sweep(
        base, {"lr": [0.02, 1e-6]}, seeds=2, samples=3, out=tmp_path, progress=False
    )
    good, bad = found.arms
    assert (good.state, bad.state) == ("finished", "dropped")
    assert "dropped after epoch 2" in bad.why
    assert found.best is good
    assert "dropped after epoch" in (tmp_path / "sweep.md").read_text()
    kept = sweeps.sweep(
        base,
        {"lr": [0.02, 1e-6]},
        seeds=2,
        samples=3,
        out=tmp_path / "all",
        prune=False,
        figures=False,
        progress=False,
    )
    assert [s.state for s in kept.arms] == ["finished", "finished"]


def test_an_interrupted_sweep_goes_on_and_a_different_one_is_refused(tmp_path, monkeypatch):
    options = dict(seeds=2, samples=3, figures=False, progress=False)
    whole = sweeps.sweep(tiny(), {"lam": [0.0, 0.5]}, out=tmp_path / "whole", **options)
    answer, calls = Likelihood.answer, []

    def interrupting(self, model, *rest):
        calls.append(model)
        if len(calls) == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return answer(self, model, *rest)

    monkeypatch.setattr(Likelihood, "answer", interrupting)
    with pytest.raises(KeyboardInterrupt, match="same command"):
        sweeps.sweep(tiny(), {"lam": [0.0, 0.5]}, out=tmp_path / "parts", **options)
    parts = sweeps.sweep(tiny(), {"lam": [0.0, 0.5]}, out=tmp_path / "parts", **options)
    assert [s.members for s in parts.arms] == [s.members for s in whole.arms]
    with pytest.raises(RunError, match="another sweep|other settings"):
        sweeps.sweep(tiny(), {"lam": [0.0, 0.4]}, out=tmp_path / "parts", **options)


def test_a_linear_probe_reads_what_is_linear():
    import torch

    g = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (600,), generator=g)
    codes = torch.nn.functional.one_hot(labels, 3).double() @ torch.randn(
        3, 4, generator=g
    ).double() * 6 + torch.randn(600, 4, generator=g)
    assert linear_probe(codes[:300], labels[:300], codes[300:], labels[300:], 0.3) > 0.95
    noise = torch.randn(600, 4, generator=g).double()
    assert abs(
        linear_probe(noise[:300], labels[:300], noise[300:], labels[300:], 0.3) - 1 / 3
    ) < 5 * math.sqrt(2 / 9 / 300)


def test_no_labels_no_accuracy():
    dataset = load("gaussian", train=20, validation=5, test=5)
    model = Experiment({"name": "gaussian"}, {"z": 1, "u": 1, "v": 1}, {"hidden": []}).build(
        dataset
    )
    assert Readable().answer(model, dataset, "validation") == {}


def test_settings_where_none_are_given():
    base, recipe = experiment_on("mog", {"model": {"lam": 0.2}})
    assert recipe == "mog"
    assert base.model["lam"]["end"] == 0.2
    base, recipe = experiment_on("mog", {"model": {"name": "CVAE"}})
    assert base.model == {"name": "CVAE"}
    assert base.networks == {"hidden": [256, 256, 256]}
    base, recipe = experiment_on("own.npz", {"model": {"name": "CVAE"}})
    assert (base.model, recipe) == ({"name": "CVAE"}, None)
