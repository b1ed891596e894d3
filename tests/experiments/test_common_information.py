"""The benchmark with known answers: samples are estimated once, the page says what failed, checks
can fail."""

from __future__ import annotations

import json
import sys

import pytest

from wyner import cli
from wyner.errors import OptionError
from wyner.experiments import grammar
from wyner.experiments.questions.estimates import Estimates
from wyner.experiments.reproduce import reproduce
from wyner.experiments.results import Results
from wyner.experiments.store import Cell
from wyner.experiments.table import markdown
from wyner.experiments.trainers import estimate
from wyner.report.estimates import checks, inside
from wyner.report.facts import Facts

ROWS = ["dsbs-0.1", "independent-8x8"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_samples_are_estimated_once(here, monkeypatch):
    options = dict(rows=ROWS, samples=1000, seeds=1, progress=False)
    study = grammar.read("common-information")
    folder = reproduce(study, **options).parent
    files = {"short.json", "short.md", "short.png", "short.pdf"}
    assert {p.name for p in folder.iterdir()} == files
    made = json.loads((folder / "short.json").read_text())
    by = {
        (e["task"], e["estimator"], e["quantity"]): e for r in made["rows"] for e in r["estimates"]
    }
    assert {("dsbs-0.1", "best", "J"), ("independent-8x8", "plug-in", "I")} <= set(by)
    assert by["dsbs-0.1", "best", "J"]["truth"] == pytest.approx(0.604952, abs=1e-6)
    row = next(r for r in made["rows"] if r["settings"]["row"] == "dsbs-0.1")
    one = by["dsbs-0.1", "best", "J"]
    assert row["metrics"]["J_error"] == pytest.approx(one["value"] - one["truth"], abs=1e-12)
    assert row["metrics"]["J_inside"] == float(inside(one))
    before = (folder / "short.md").read_text(), (folder / "short.png").read_bytes()
    assert "## J from 1000 pairs" in before[0]
    monkeypatch.setattr(estimate, "measured", None)
    reproduce(study, **options)
    assert ((folder / "short.md").read_text(), (folder / "short.png").read_bytes()) == before


def results(*given):
    """A page of estimates `(task, value, interval, truth)`, the same for I, J and C_GK."""
    study = grammar.read("common-information")
    rows, cells = {r.slug: r for r in study.rows}, {}
    for task, value, interval, truth in given:
        about = {"task": task, "n": 10_000, "seed": 0, "truth": truth, "cell_seconds": 1.0}
        about |= {"estimator": "best", "value": value, "interval": list(interval)}
        about |= {"kind": "estimate", "seconds": 1.0, "note": "by x"}
        every = [about | {"quantity": q} for q in ("I", "J", "C_GK")]
        cells[task] = [Cell(rows[task], 0, None, {}, {}, {"estimates": every})]
    return Results(study, cells, {"": Facts("tasks")}, command="wyner", device="here")


def test_checks_hold_and_fail():
    good = results(("mog", 0.52, (0.4, 0.6), 0.5004), ("gaussian-4-0.9", 5.5, (5.0, 6.0), 5.889))
    assert checks(good.estimates).count("**holds**") == 5
    assert "does not hold" not in checks(good.estimates)
    bad = results(
        ("mog", 0.62, (0.61, 0.63), 0.5004),
        ("gaussian-4-0.9", 5.2, (5.0, 5.3), 5.889),
        ("independent", 0.06, (0.0, None), 0.0),
    )
    assert "**holds**" not in checks(bad.estimates)
    assert "worst 0.117 (gaussian-4-0.9, seed 0)" in checks(bad.estimates)
    failures = markdown(bad).split("## Failures")[1]
    assert "[0.610, 0.630]" in failures
    assert "independent" not in failures.split("## Seconds")[0]
    assert not inside({"interval": [0.1, 0.2], "truth": 0.3})
    assert inside({"interval": [0.1, None], "truth": 0.3})


def test_the_question_takes_the_largest_sample():
    small = {
        "estimator": "best",
        "quantity": "J",
        "value": 1.0,
        "interval": [0.9, 1.1],
        "truth": 2.0,
    }
    rows = [small | {"n": 100}, small | {"n": 1000, "value": 1.5, "interval": [1.4, 2.1]}]
    found = Estimates().answer(rows, None, "test")
    assert found == {"J": 1.5, "J_error": -0.5, "J_inside": 1.0}


def test_what_is_refused(tmp_path):
    study = grammar.read("common-information")
    for options, says in (
        (dict(rows=["mgo"]), "did you mean 'mog'"),
        (dict(seeds=0), "positive whole number"),
        (dict(epochs=3), r"takes --rows \(tasks\), --seeds and --samples \(pairs a task\)"),
    ):
        with pytest.raises(OptionError, match=says):
            reproduce(study, out=tmp_path, runs=tmp_path, **options)
    text = (
        'title = "t"\nseeds = 1\nchosen_on = "x"\n[[data]]\nname = "information-tasks"\n[[rows]]\n'
    )
    for model, says in (
        ('{ name = "estimate", task = "mgo", sizes = [100] }', "did you mean 'mog'"),
        ('{ name = "estimate", task = "mog", sizes = [10] }', "at least 20 pairs"),
        ('{ name = "estimate", task = "mog", size = [100] }', "did you mean 'sizes'"),
    ):
        with pytest.raises(OptionError, match=says):
            grammar.parse(f'{text}label = "a"\ntrainer = "estimate"\nmodel = {model}\n', "t")


def test_interruption_says_how_to_go_on(here, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(estimate, "measured", stop)
    with pytest.raises(KeyboardInterrupt, match="go on with the same command"):
        reproduce(grammar.read("common-information"), rows=["mog"], samples=1000, progress=False)


def test_command_line(here, monkeypatch, capsys):
    args = "wyner reproduce common-information --rows independent-8x8 --samples 500 --seeds 1 -q"
    monkeypatch.setattr(sys, "argv", args.split())
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == 0
    assert "independent uniform categories" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*args.split(), "--epochs", "3"])
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == 2
    assert "common-information takes --rows" in capsys.readouterr().err
