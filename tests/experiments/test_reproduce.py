"""A table from start to end on a few rows: trained once, measured once, interrupted and continued,
refused when it must be."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import sys
import warnings

import numpy as np
import pytest
import torch

from wyner import cli
from wyner.errors import OptionError, RunError
from wyner.experiments import grammar, store
from wyner.experiments.figures import sheets
from wyner.experiments.questions import Likelihood, pictures
from wyner.experiments.questions.likelihood import Information
from wyner.experiments.questions.pictures import Labels, Probes
from wyner.experiments.reproduce import redraw, reproduce
from wyner.experiments.study import Probe, Study
from wyner.files import read_tensors
from wyner.metrics import Classifier

TINY = dict(out="results", runs="runs", progress=False)


def tiny(name: str = "mog", networks=None, **changes) -> Study:
    study = grammar.read(name)
    rows = tuple(
        dataclasses.replace(
            r, networks=networks or {"hidden": [8]}, fit={**r.fit, "epochs": 2, "batch_size": 16}
        )
        for r in study.rows
    )
    asked = {"likelihood": Likelihood(4, 20, 0.5 * math.log(2)), "information": Information(20)}
    looks = {"likelihood": Likelihood(2, 10), "information": Information(10)}
    usual = {
        "rows": rows,
        "data": {"": ({"name": "mog", "train": 64, "validation": 16, "test": 40},)},
        "seeds": 2,
        "questions": asked,
        "probe": Probe(1, questions=looks),
    }
    return dataclasses.replace(study, **(usual | changes))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_table_is_trained_once_and_redrawn(here, monkeypatch):
    page = reproduce(tiny(), rows=["wyner-0", "jvae", "vib"], **TINY)
    names = {"short.json", "short.md"} | {
        f"short-{n}.{k}" for n in ("curves", "crowded", "scatter") for k in ("png", "pdf")
    }
    assert {p.name for p in page.parent.iterdir()} == names
    made = json.loads(page.with_suffix(".json").read_text())
    assert [(r["settings"]["row"], r["seed"]) for r in made["rows"]] == [
        (s, k) for s in ("jvae", "wyner-0", "vib") for k in (0, 1)
    ]
    first = made["rows"][0]["metrics"]
    assert first["nll_joint_published"] == pytest.approx(
        first["nll_joint"] + 6.931471805599453, rel=1e-9
    )
    assert {"nll_joint_se", "nll_joint_ess", "nll_joint_best", "I41", "I40"} <= set(first)
    assert not {"nll_joint", "I41"} & set(made["rows"][-1]["metrics"])

    monkeypatch.setattr(store.Place, "_fit", None)  # neither trained nor measured again
    monkeypatch.setattr(Likelihood, "answer", None)
    before = (page.parent / "short-curves.png").read_bytes(), made["rows"]
    reproduce(tiny(), rows=["vib"], **TINY)
    again = json.loads(page.with_suffix(".json").read_text())
    assert ((page.parent / "short-curves.png").read_bytes(), again["rows"]) == before


def seeds_of(page) -> list[int]:
    return [r["seed"] for r in json.loads(page.with_suffix(".json").read_text())["rows"]]


def test_more_seeds_are_trained_beside_those_that_are_there(here):
    options = dict(rows=["cvae"], figures=False, **TINY)
    reproduce(tiny(), **options)
    files = lambda: {
        p.name: p.read_bytes() for p in here.glob("runs/*/cvae/seeds-0-1/*/model.safetensors")
    }
    weights = files()
    assert seeds_of(reproduce(tiny(), seeds=3, **options)) == [0, 1, 2]
    assert weights == files()
    assert seeds_of(reproduce(tiny(), seeds=1, **options)) == [0]


def test_a_new_question_is_asked_and_the_old_ones_are_not(here, monkeypatch):
    options = dict(rows=["cvae"], figures=False, **TINY)
    few = tiny(questions={"likelihood": Likelihood(4, 20)})
    reproduce(few, **options)
    monkeypatch.setattr(Likelihood, "answer", None)
    probes = Probes(60)
    monkeypatch.setattr(Probes, "answer", lambda *_: {"probe_v": 0.25})
    page = reproduce(tiny(questions={**few.questions, "probes": probes}), **options)
    assert "label read from v" in page.read_text()
    assert "| 0.250 ± 0.000 |" in page.read_text()


def test_a_row_starts_from_the_weights_of_another(here):
    study = tiny()
    one, other = study.pick(["wyner-0", "wyner-0.05"])
    frozen = {**other.fit, "freeze": ["q(z|x,y)"]}
    rows = (one, dataclasses.replace(other, start="wyner-0", fit=frozen))
    study = dataclasses.replace(study, rows=rows, claims=(), figures={})
    reproduce(study, rows=["wyner-0.05"], **TINY)
    assert seeds_of(here / "results/mog/short.md") == [0, 1]  # the first is trained, not measured
    for seed in ("000-seed=0", "001-seed=1"):
        a, b = (
            read_tensors(here / f"runs/mog-short/{r.slug}/seeds-0-1/{seed}/model.safetensors")[0]
            for r in rows
        )
        same = {k for k in a if torch.equal(a[k], b[k])}
        frozen = {k for k in a if "q(z|x,y)" in k}
        assert frozen
        assert frozen <= same
        assert any("q(u" in k for k in set(a) - same)


def test_an_interrupted_row_goes_on_exactly(here, monkeypatch):
    options = dict(rows=["wyner-0"], figures=False, progress=False, out="results")
    reproduce(tiny(), runs="whole", **options)
    answer, calls = Likelihood.answer, []

    def interrupting(self, model, *rest):
        calls.append(model)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return answer(self, model, *rest)

    monkeypatch.setattr(Likelihood, "answer", interrupting)
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
    # rows of other settings that are not asked for are left out
    assert (
        "CVAE" not in reproduce(tiny(), **{**options, "rows": ["vib"]}).read_text().split("##")[1]
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rows": ["wyner"]}, "unknown row 'wyner'"),
        ({"seeds": 0}, "seeds: expected a positive"),
        ({"test_rows": -1}, "test rows: expected a positive"),
        ({"data": "digits-halves"}, "expected data from mog"),
        ({"on": "train"}, "on: expected test or validation, got 'train'"),
    ],
    ids=["row", "seeds", "rows", "data", "on"],
)
def test_bad_options_are_refused_before_anything_is_trained(here, options, said):
    with pytest.raises(OptionError, match=said):
        reproduce(tiny(), **options, **TINY)
    assert not (here / "runs").exists()


def test_a_question_that_the_data_cannot_answer_is_refused_before_training(here):
    study = tiny("halves", data={"": ({"name": "gaussian", "correlations": [0.5], "train": 20},)})
    with pytest.raises(OptionError, match="has no labels; leave out .questions.labels."):
        reproduce(dataclasses.replace(study, questions={"labels": Labels("digits")}), **TINY)
    assert not (here / "runs").exists()


def test_there_must_be_results_to_draw_again(here):
    with pytest.raises(RunError, match="no results of mog to draw again"):
        redraw("mog")
    with pytest.raises(OptionError, match="did you mean 'mog'"):
        redraw("mogg")
    (here / "results" / "mog").mkdir(parents=True)
    old = {"experiment": "mog", "protocol": "short", "rows": []}
    (here / "results/mog/short.json").write_text(json.dumps(old))
    with pytest.raises(RunError, match="cannot be drawn again: 'sets'"):
        redraw("mog")


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


def test_a_table_of_pictures_from_start_to_end(tmp_path, monkeypatch):
    class Constant(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return torch.nn.functional.one_hot(torch.full((len(x),), 3), 10).float()

    monkeypatch.setitem(pictures.CLASSIFIERS, "mnist", lambda: Classifier(Constant(), 0.5))
    monkeypatch.setattr(sheets, "SIZE", 32)
    study = tiny(
        "add1",
        {"kind": "Convolutional", "hidden": [8], "width": 1, "blocks": 1},
        data={"": ({"name": "digits-add1", "train": 64, "validation": 16, "test": 40},)},
        seeds=1,
        questions={
            "likelihood": Likelihood(2, 4),
            "information": Information(4),
            "labels": Labels("mnist", shift=1, images=20, draws=2),
            "probes": Probes(40),
        },
        probe=Probe(),
    )
    page = reproduce(
        study,
        rows=["wyner-0", "wyner-0.1", "cvae"],
        epochs=1,
        out=tmp_path / "results",
        runs=tmp_path / "runs",
        progress=False,
    )
    sheets_ = {
        f"short-{n}.{k}"
        for n in ("x-to-y", "y-to-x", "style-of-x", "style-of-y", "reconstructions", "joint-style")
        for k in ("png", "pdf", "svg")
    }
    named = {"short.json", "short.md", "short-lambda.png", "short-lambda.pdf"}
    assert {f.name for f in page.parent.iterdir()} == named | sheets_
    text = page.read_text()
    assert "| Wyner VAE (lambda = 0.1) | " in text.split("## Other published numbers")[1]
    assert "0.9133 ± 0.0131" in text
    assert "label read from u" in text
    metrics = {
        r["settings"]["row"]: r["metrics"]
        for r in json.loads(page.with_suffix(".json").read_text())["rows"]
    }
    labels = study.load()[0].test["label"][:20]
    assert metrics["cvae"]["accuracy"] == pytest.approx(float(np.mean((labels + 1) % 10 == 3)))
    assert {"probe_z", "probe_u", "probe_v", "I40", "variance"} <= set(metrics["wyner-0"])
    assert {"probe_v"} == {
        k for k in metrics["cvae"] if k.startswith("probe") and k != "probe_majority"
    }
