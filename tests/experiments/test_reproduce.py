"""A table from start to end on a few rows: trained once, measured once, interrupted and continued,
refused when it must be."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import warnings

import pytest
import torch

from wyner import cli
from wyner.errors import OptionError, RunError
from wyner.experiments.legacy import plan, reproduce
from wyner.experiments.legacy import rows as row_module
from wyner.experiments.legacy.measure import Ruler
from wyner.files import read_tensors

TINY = dict(out="results", runs="runs", progress=False)


def tiny(**changes) -> plan.Protocol:
    p = plan.read("mog", "short")
    return dataclasses.replace(
        p,
        data=({"name": "mog", "train": 64, "validation": 16, "test": 40},),
        networks={"hidden": [8]},
        seeds=2,
        fit={**p.fit, "epochs": 2, "batch_size": 16},
        evaluate={"samples": 4, "rows": 20},
        probe={"every": 1, "samples": 2, "rows": 10},
        **changes,
    )


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_table_is_trained_once_and_redrawn(here, monkeypatch):
    folder = reproduce(tiny(), rows=["wyner-0", "jvae", "vib"], **TINY)
    names = {"short.json", "short.md"} | {
        f"short-{n}.{k}" for n in ("curves", "crowded", "scatter") for k in ("png", "pdf")
    }
    assert {p.name for p in folder.iterdir()} == names
    made = json.loads((folder / "short.json").read_text())
    assert [(r["settings"]["row"], r["seed"]) for r in made["rows"]] == [
        (s, k) for s in ("jvae", "wyner-0", "vib") for k in (0, 1)
    ]
    first = made["rows"][0]["metrics"]
    assert first["nll_joint_published"] == pytest.approx(
        first["nll_joint"] + 6.931471805599453, rel=1e-9
    )
    assert {"nll_joint_se", "nll_joint_ess", "nll_joint_best", "I41", "I40"} <= set(first)
    assert not {"nll_joint", "I41"} & set(made["rows"][-1]["metrics"])

    monkeypatch.setattr(row_module, "fit", None)  # neither trained nor measured again
    monkeypatch.setattr(Ruler, "measure", None)
    before = (folder / "short-curves.png").read_bytes(), made["rows"]
    reproduce(tiny(), rows=["vib"], **TINY)
    again = json.loads((folder / "short.json").read_text())
    assert ((folder / "short-curves.png").read_bytes(), again["rows"]) == before


def test_the_luck_of_the_rows_is_taken_out():
    import numpy as np

    from wyner.data import load

    dataset, p = load("mog", train=8, validation=4, test=30), tiny()
    model = p.experiment_of(p.rows[1], p.data[0]).build(dataset)
    found = Ruler.of(dataset, "test", 5, 30).measure(model)
    luck = (
        -float(np.mean(dataset.truth["best_log_density"](dataset.pairs("test"))))
        - dataset.truth["nll_joint"]
    )
    assert found["nll_joint_plain"] - found["nll_joint"] == pytest.approx(luck, rel=1e-5)


def test_more_seeds_are_trained_beside_those_that_are_there(here):
    options = dict(rows=["cvae"], figures=False, **TINY)
    reproduce(tiny(), **options)
    weights = {
        p.name: p.read_bytes() for p in here.glob("runs/*/cvae/seeds-0-1/*/model.safetensors")
    }
    folder = reproduce(tiny(), seeds=3, **options)
    assert [r["seed"] for r in json.loads((folder / "short.json").read_text())["rows"]] == [0, 1, 2]
    assert weights == {
        p.name: p.read_bytes() for p in here.glob("runs/*/cvae/seeds-0-1/*/model.safetensors")
    }
    folder = reproduce(tiny(), seeds=1, **options)
    assert [r["seed"] for r in json.loads((folder / "short.json").read_text())["rows"]] == [0]


def test_an_interrupted_row_goes_on_exactly(here, monkeypatch):
    options = dict(rows=["wyner-0"], figures=False, progress=False, out="results")
    reproduce(tiny(), runs="whole", **options)
    measure, calls = Ruler.measure, []

    def interrupting(self, model):
        calls.append(model)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return measure(self, model)

    monkeypatch.setattr(Ruler, "measure", interrupting)
    with pytest.raises(KeyboardInterrupt, match="go on with the same command"):
        reproduce(tiny(), runs="parts", **options)
    assert not list(here.glob("parts/*/wyner-0/*/*/model.safetensors"))
    reproduce(tiny(), runs="parts", **options)
    paths = sorted(
        p.relative_to(here / "whole") for p in here.glob("whole/*/wyner-0/*/*/model.safetensors")
    )
    assert len(paths) == 2
    for p in paths:
        one, other = (read_tensors(here / folder / p)[0] for folder in ("whole", "parts"))
        assert all(torch.equal(one[k], other[k]) for k in one)


def test_other_settings_are_refused(here):
    options = dict(rows=["cvae"], figures=False, **TINY)
    reproduce(tiny(), epochs=1, **options)
    with pytest.raises(RunError, match="fit.epochs was 1 and is now 2"):
        reproduce(tiny(), **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rows": ["wyner"]}, "unknown row 'wyner'"),
        ({"seeds": 0}, "seeds: expected a positive"),
        ({"test_rows": -1}, "test rows: expected a positive"),
        ({"data": "digits-halves"}, "expected data from mog"),
    ],
    ids=["row", "seeds", "rows", "data"],
)
def test_bad_options_are_refused_before_anything_is_trained(here, options, said):
    with pytest.raises(OptionError, match=said):
        reproduce(tiny(), **options, **TINY)
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["reproduce", "mogg"], "did you mean 'mog'"),
        (["reproduce", "mog", "--protocol", "sort"], "did you mean 'short'"),
        (["reproduce", "mog", "--rows", "jave"], "did you mean 'jvae'"),
        (["reproduce", "mog", "--seeds", "0"], "seeds: expected a positive"),
        (["sweep", "--data", "mogg"], "did you mean 'mog'"),
        (["sweep", "--data", "mog", "--over", "z"], "expected key=v1,v2"),
        (
            ["sweep", "--data", "mog", "--over", "zz=1,2", "--set", "data.train=20"],
            "unknown argument 'zz'",
        ),
        (["sweep", "--data", "mog", "--set", "data.validation=0"], "no validation rows"),
        (["sweep", "--data", "mog", "--seeds", "0", "--set", "data.train=20"], "at least one seed"),
    ],
    ids=[
        "name",
        "protocol",
        "row",
        "seeds",
        "data",
        "over",
        "argument",
        "validation",
        "sweep-seeds",
    ],
)
def test_bad_input_on_the_command_line_is_one_sentence_and_exit_code_2(
    here, monkeypatch, capsys, arguments, said
):
    monkeypatch.setattr(sys, "argv", ["wyner", *arguments])
    with pytest.raises(SystemExit) as stopped, warnings.catch_warnings():
        cli.main()
    err = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not list(here.iterdir())


def test_the_sheet_of_completions(here):
    from wyner.experiments.legacy.rows import Member

    from wyner.data import load
    from wyner.experiments.legacy.figures import draw_all
    from wyner.runs import save_model

    p = plan.read("halves", "short")
    p = dataclasses.replace(p, networks={"hidden": [4]})
    dataset = load("digits-halves")
    (row,) = p.pick(["cvae"])
    save_model(p.experiment_of(row, p.data[-1]).build(dataset), here / "model")
    made = draw_all(here / "out", p, dataset, {"cvae": [Member(row, 0, here / "model", {})]})
    assert [m.name for m in made] == ["short-completions.png", "short-completions.pdf"]
