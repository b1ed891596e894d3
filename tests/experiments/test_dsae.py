"""The speech tables: studies as published, and a whole reproduction on sounds that are made
here."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import wyner
from data.test_speech import corpus_files
from wyner.cli import app
from wyner.data import Dataset, audio
from wyner.errors import OptionError, RunError
from wyner.experiments import grammar, store
from wyner.experiments.questions.speech import Speech
from wyner.experiments.reproduce import redraw, reproduce
from wyner.experiments.results import Results
from wyner.experiments.store import Cell
from wyner.families import StepGaussian, Trainable
from wyner.variables import Sequence

TOML = """
title = "Tiny"
seeds = 2
chosen_on = "nothing"
caption = "{{data}} {{questions}}"
data = [{{ name = "speech", table = "{table}", split = "utterances", test = 0.5, steps = 8 }}]
fit = {{ epochs = 1, batch_size = 8, lr = 1e-3 }}

[model]
name = "DSAE"
z = 2
s = 2
watch = false
prior = {{ kind = "Recurrent", width = 4 }}
critics = {{ kind = "SequenceCritics", channels = 4 }}
families = {{ x = {{ variance = 0.5 }} }}

[networks]
kind = "Sequences"
frame = [4]
lstm = 4
rnn = 4
decoder = [4]

[questions.speech]
report = 3
pairs = 8

[figures.rates]
x = "kl_z"
panels = ["eer_z", "information"]

[[tables]]
kind = "columns"
columns = ["model", "gamma", "eer_z"]
[[tables]]
kind = "columns"
title = ""
columns = ["model", "eer_z"]
cells = "errors"
after = "Standard errors in brackets."
[[tables]]
kind = "conversion"
[[tables]]
kind = "claims"

[[rows]]
label = "+ beta-VAE"
slug = "beta"
model = {{ objective = "beta", gamma = 0.5 }}
tags = {{ gamma = 0.5 }}
published = {{ eer_z = [3.88, 0.15], conversion = [83.73] }}

[[rows]]
label = "+ CMI-VAE"
slug = "cmi"
model = {{ objective = "cmi", gamma = 0.5 }}
tags = {{ gamma = 0.5 }}

[[claims]]
text = "EER(z) at most beta-VAE's"
left = "cmi"
right = "beta"
metric = "eer_z"
relation = "at most"
[[claims]]
text = "EER(s) at least beta-VAE's"
left = "cmi"
right = "beta"
metric = "eer_s"
relation = "at least"
[[claims]]
text = "I(z;s) lower than beta-VAE's"
left = "cmi"
right = "beta"
metric = "information"
relation = "below"
"""


def frames(steps: int, bins: int) -> Dataset:
    """Data of speech without recordings, to build models for."""
    families = {"x": StepGaussian(Trainable())}
    return Dataset("made-up", {}, {}, {}, {"x": Sequence(steps, bins)}, families=families)


@pytest.mark.parametrize("name", grammar.protocols("dsae"))
def test_shipped_studies_hold_the_published_tables(name):
    study = grammar.read("dsae", name)
    rows = {r.slug: r for r in study.rows}
    assert rows["cmi-0.9"].published["eer_z"] == (4.39, 0.23)
    assert rows["beta-0.9"].published["conversion"] == (87.20, None)
    for row in study.rows:
        p = {k: v[0] for k, v in row.published.items()}
        if "elbo" in p:
            assert p["elbo"] == pytest.approx(-(p["recon"] + p["kl_z"] + p["kl_s"]), abs=0.015)
        steps = study.data[""][0]["steps"]
        model = row.experiment({"name": "ravdess"}).build(frames(steps, 201))
        assert model.observed["x"].event_shape == (20, 201)
        scale = model.factors["p(x|s,z)"].head.log_scale.exp().square()
        assert scale.shape == (201,)
        start = {"short": 0.3, "paper": 1.0}[name]
        np.testing.assert_allclose(scale.detach().numpy(), start, rtol=1e-6)
    gammas = {r.tags["gamma"] for r in study.rows if r.slug.startswith("cmi")}
    assert len(study.claims) == 3 * len(gammas)
    assert grammar.read("dsae", "paper").rows[0].networks["lstm"] == 256


def test_a_study_is_of_recordings():
    study = grammar.read("dsae")
    with pytest.raises(OptionError, match="unknown row 'cmi-0.5'"):
        study.pick(["cmi-0.5"])
    with pytest.raises(OptionError, match="expected data from ravdess, fsdd, got 'timit'"):
        study.changed(data="timit")
    assert study.changed(data="fsdd").data[""][0]["name"] == "fsdd"
    with pytest.raises(OptionError, match="expected recordings of speakers in the test part"):
        Speech().check(frames(20, 3), "test")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    base = tmp_path_factory.mktemp("dsae")
    patch = pytest.MonkeyPatch()
    patch.setenv("WYNER_CACHE_DIR", str(base / "cache"))
    table = corpus_files(base / "sounds", each=8)
    study = grammar.parse(TOML.format(table=table), "dsae")
    page = reproduce(study, out=base / "results", runs=base / "runs", progress=False)
    yield base, study, page
    patch.undo()


def test_tables_numbers_and_figure(done):
    _, _, page = done
    found = json.loads(page.with_suffix(".json").read_text())
    rows = [(r["settings"]["row"], r["seed"]) for r in found["rows"]]
    assert rows == [("beta", 0), ("beta", 1), ("cmi", 0), ("cmi", 1)]
    for row in found["rows"]:
        m = row["metrics"]
        assert m["elbo"] == pytest.approx(-(m["recon"] + m["kl_z"] + m["kl_s"]), abs=1e-3)
        assert 0 <= m["eer_z"] <= 100
        assert 0 <= m["conversion"] <= 100
    assert found["truth"] == {"trials": 16 * 15 / 2, "trials_same": 24}
    text = page.read_text()
    assert "not comparable" in text
    assert "| + beta-VAE | 3.88 (0.15) |\n\nStandard errors in brackets." in text
    assert "120 trials, 24 of them with one speaker" in text
    assert text.startswith("# Tiny, short protocol\n\ntable: 14 train (4 speakers, ")
    best = max(r["metrics"]["conversion"] for r in found["rows"][:2])
    assert f" | {best:.1f} | " in text
    assert len(found["claims"]) == 3
    assert (page.parent / "short-rates.png").stat().st_size > 5000


def test_what_is_done_is_not_done_again(done, monkeypatch):
    base, study, page = done
    before = page.read_text()
    monkeypatch.setattr(store.Place, "_fit", None)
    monkeypatch.setattr(Speech, "answer", None)
    where = dict(runs=base / "runs", figures=False, progress=False)
    reproduce(study, out=base / "results", **where)
    assert page.read_text() == before
    monkeypatch.setattr(grammar, "read", lambda *_: study)
    page.unlink()
    assert redraw("dsae", out=base / "results") == [page]
    assert page.read_text() == before
    rows = tuple(dataclasses.replace(r, fit={**r.fit, "lr": 2e-3}) for r in study.rows)
    with pytest.raises(RunError, match=r"fit.lr was 0.001 and is now 0.002"):
        reproduce(dataclasses.replace(study, rows=rows), out=base / "other", **where)


def test_claims_are_decided_seed_by_seed(done):
    _, study, _ = done
    beta, cmi = study.rows

    def made(row, seed, **metrics):
        return Cell(row, seed, metrics={"eer_s": 40.0, **metrics})

    cells = {
        "beta": [made(beta, k, eer_z=30 + k, information=2.0 + k) for k in range(3)],
        "cmi": [made(cmi, k, eer_z=29 + k, information=2.2 + 0.7 * k) for k in range(3)],
    }
    verdicts = Results(study, cells, {}).verdicts()
    assert [v.word for v in verdicts] == ["holds", "undecided", "undecided"]
    by = verdicts[2].differences[0]  # differences 0.2, -0.1, -0.4: mean -0.1, deviation 0.3
    assert (by.value, by.error) == (pytest.approx(-0.1), pytest.approx(0.3 / 3**0.5))


def test_two_recordings_exchange_their_voices(done, tmp_path):
    base, _, _ = done
    a, b = base / "sounds" / "anna-7.wav", base / "sounds" / "ben-6.wav"
    (run,) = (base / "runs" / "dsae-short" / "cmi").glob("seeds-0-1/*seed=0")
    result = CliRunner().invoke(
        app, ["convert", str(run), str(a), str(b), "-o", str(tmp_path / "out"), "--samples", "1"]
    )
    assert result.exit_code == 0, result.output
    names = {
        "anna-7-again",
        "anna-7-as-ben-6",
        "ben-6-as-anna-7",
        "anna-7-any-voice-0",
        "anna-7-any-words-0",
    }
    assert {p.stem for p in (tmp_path / "out").glob("*.wav")} == names
    sound, rate = audio.read(tmp_path / "out" / "anna-7-as-ben-6.wav")
    assert rate == 8000
    assert abs(len(sound) - len(audio.read(a)[0])) < 80
    assert np.abs(sound).max() > 0
    assert (tmp_path / "out" / "spectra.png").exists()


def test_a_run_on_other_data_has_no_voices(tmp_path):
    model = wyner.models.DSAE(
        x=wyner.Sequence(8, 3),
        z=2,
        s=2,
        objective="elbo",
        watch=False,
        networks=wyner.networks.Sequences((4,), 4, 4, (4,)),
    )
    model.save(tmp_path / "m")
    result = CliRunner().invoke(app, ["convert", str(tmp_path / "m"), "a.wav", "b.wav"])
    assert result.exit_code != 0
    assert isinstance(result.exception, RunError)
    assert "expected a run on speech" in str(result.exception)
