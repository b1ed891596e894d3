"""A table from a TOML string to its page: trained once, asked once, drawn again from its JSON."""

from __future__ import annotations

import json

import pytest

from wyner.errors import RunError
from wyner.experiments import grammar, store
from wyner.experiments.reproduce import redraw, reproduce
from wyner.experiments.store import Store

TEXT = """
title = "Two models"
source = "Nobody's table"
seeds = 2
chosen_on = "validation rows"
[[data]]
name = "mog"
train = 64
validation = 16
test = 40
[networks]
hidden = [8]
[fit]
epochs = 2
batch_size = 16
[questions.likelihood]
samples = 4
rows = 20
[questions.information]
rows = 20
[[rows]]
label = "One"
slug = "one"
model = { name = "WynerVAE", z = 2, u = 2, v = 2 }
published = { nll_joint = [32.5, 0.1] }
[[rows]]
label = "Other"
slug = "other"
model = { name = "JMVAE", w = 4 }
chosen_on = "not recorded"
[[claims]]
text = "One is better by a thousand nats."
left = "one"
right = "other"
metric = "nll_joint"
relation = "below"
margin = 1000.0
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_new_table_is_a_string(here, monkeypatch):
    study = grammar.parse(TEXT, "two")
    page = reproduce(study, progress=False)
    text = page.read_text()
    assert "# Two models, short protocol" in text
    assert "| One is better by a thousand nats. | **does not hold** | " in text
    assert "* One: validation rows." in text
    assert "* Other: not recorded." in text
    made = json.loads((here / "results/two/short.json").read_text())
    assert [(r["settings"]["row"], r["seed"]) for r in made["rows"]] == [
        (s, k) for s in ("one", "other") for k in (0, 1)
    ]
    assert made["claims"][0]["differences"][0]["by"] == "seeds"
    files = sorted(str(p) for p in (here / "runs").rglob("answers.json"))
    assert len(files) == 4

    monkeypatch.setattr(store.Place, "_fit", None)  # neither trained nor asked again
    monkeypatch.setattr(grammar.QUESTIONS["likelihood"], "answer", None)
    assert reproduce(study, rows=["one"], progress=False).read_text() == text
    monkeypatch.setattr(grammar, "names", lambda: ["two"])
    monkeypatch.setattr(grammar, "protocols", lambda name: ["short"])
    monkeypatch.setattr(grammar, "read", lambda *_: study)
    page.unlink()
    assert redraw("all") == [page]
    assert page.read_text() == text


def test_validation_rows_are_asked_as_well(here):
    study = grammar.parse(TEXT, "two")
    test = reproduce(study, rows=["one"], seeds=1, progress=False)
    page = reproduce(study, rows=["one"], seeds=1, on="validation", progress=False)
    assert (test.name, page.name) == ("short.md", "short-validation.md")
    assert "the first 16 validation rows" in page.read_text()
    made = json.loads(page.with_suffix(".json").read_text())
    assert made["part"] == "validation"
    cells = Store(study, here / "runs/reproduce/two-short").cells(study.rows[0], [0])
    kept = json.loads((cells[0].folder / "answers.json").read_text())
    assert list(kept) == [
        f"{part} {name}"
        for part in ("test", "validation")
        for name in ("likelihood", "information")
    ]


def test_a_store_of_other_settings_is_refused(here):
    study = grammar.parse(TEXT, "two")
    reproduce(study, rows=["one"], epochs=1, figures=False, progress=False)
    with pytest.raises(RunError, match="fit.epochs was 1 and is now 2"):
        reproduce(study, rows=["one"], figures=False, progress=False)
