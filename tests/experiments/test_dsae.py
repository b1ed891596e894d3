"""The speech tables: protocols as published, and a whole reproduction on sounds that are made
here."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner
from wyner.experiments.dsae.plan import parse
from wyner.experiments.dsae.table import Results, claims

from data.test_speech import corpus_files
from wyner.cli import app
from wyner.data import audio
from wyner.errors import OptionError, RunError
from wyner.experiments import dsae

TOML = """
title = "Tiny"
seeds = 2
steps = 8
data = [{{ name = "speech", table = "{table}", split = "utterances", test = 0.5 }}]
model = {{ z = 2, s = 2, variance = 0.5 }}
networks = {{ frame = [4], lstm = 4, rnn = 4, decoder = [4] }}
prior = {{ width = 4 }}
critics = {{ channels = 4 }}
fit = {{ epochs = 1, batch_size = 8, lr = 1e-3 }}
evaluate = {{ report = 3, pairs = 8 }}

[[rows]]
label = "+ beta-VAE"
slug = "beta"
objective = "beta"
gamma = 0.5
published = {{ eer_z = [3.88, 0.15], conversion = [83.73] }}

[[rows]]
label = "+ CMI-VAE"
slug = "cmi"
objective = "cmi"
gamma = 0.5
"""


@pytest.mark.parametrize("name", dsae.protocols())
def test_shipped_protocols_hold_the_published_tables(name):
    protocol = dsae.read(name)
    rows = {r.slug: r for r in protocol.rows}
    assert rows["cmi-0.9"].published["eer_z"] == (4.39, 0.23)
    assert rows["beta-0.9"].published["conversion"] == (87.20, None)
    for row in protocol.rows:
        p = {k: v[0] for k, v in row.published.items()}
        if "elbo" in p:
            assert p["elbo"] == pytest.approx(-(p["recon"] + p["kl_z"] + p["kl_s"]), abs=0.015)
        model = protocol.build(row, 201, 0)
        assert model.observed["x"].event_shape == (protocol.steps, 201)
    assert dsae.read("paper").networks["lstm"] == 256


def test_unknown_keys_and_rows_are_refused():
    with pytest.raises(OptionError, match="unknown dsae-x: key 'sedes'"):
        parse("sedes = 1", "x")
    with pytest.raises(OptionError, match="expected data, fit, rows, seeds, title"):
        parse("steps = 20", "x")
    with pytest.raises(OptionError, match="unknown protocol"):
        dsae.read("long")
    with pytest.raises(OptionError, match="unknown row 'cmi-0.5'"):
        dsae.read("short").pick(["cmi-0.5"])


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    base = tmp_path_factory.mktemp("dsae")
    patch = pytest.MonkeyPatch()
    patch.setenv("WYNER_CACHE_DIR", str(base / "cache"))
    table = corpus_files(base / "sounds", each=8)
    protocol = parse(TOML.format(table=table), "short")
    folder = dsae.reproduce(protocol, out=base / "results", runs=base / "runs", progress=False)
    yield base, protocol, folder
    patch.undo()


def test_tables_numbers_and_figure(done):
    _, _, folder = done
    found = json.loads((folder / "short.json").read_text())
    assert [(r["settings"]["row"], r["seed"]) for r in found["rows"]] == [
        ("beta", 0),
        ("cmi", 0),
        ("beta", 1),
        ("cmi", 1),
    ]
    for row in found["rows"]:
        m = row["metrics"]
        assert m["elbo"] == pytest.approx(-(m["recon"] + m["kl_z"] + m["kl_s"]), abs=1e-3)
        assert m["trials"] == 16 * 15 / 2
        assert 0 <= m["eer_z"] <= 100
        assert 0 <= m["conversion"] <= 100
    text = (folder / "short.md").read_text()
    assert "not comparable" in text
    assert "3.88 (0.15)" in text
    assert "120 trials, 24 of them with one speaker" in text
    assert len(found["claims"]) == 3
    assert (folder / "short-rates.png").stat().st_size > 5000


def test_what_is_done_is_not_done_again(done, monkeypatch):
    base, protocol, folder = done
    before = json.loads((folder / "short.json").read_text())["rows"]
    monkeypatch.setattr(
        "wyner.experiments.dsae.runs.fit", lambda *a, **k: pytest.fail("trained again")
    )
    monkeypatch.setattr(
        "wyner.experiments.dsae.measure.Ruler.measure", lambda *a: pytest.fail("measured again")
    )
    dsae.reproduce(
        protocol, out=base / "results", runs=base / "runs", figures=False, progress=False
    )
    assert json.loads((folder / "short.json").read_text())["rows"] == before
    changed = dataclasses.replace(protocol, fit={**protocol.fit, "lr": 2e-3})
    with pytest.raises(RunError, match="another settings"):
        dsae.reproduce(
            changed, out=base / "other", runs=base / "runs", figures=False, progress=False
        )


def test_claims_are_decided_by_the_spread_of_the_seeds(done):
    _, protocol, _ = done
    made = lambda slug, seed, eer: (
        _Model(next(r for r in protocol.rows if r.slug == slug)),
        {
            "kl_z": 10.0 + seed,
            "eer_z": eer,
            "eer_s": 40.0,
            "information": 2.0 + seed,
            "trials": 1,
            "trials_same": 1,
        },
    )
    members = [made("beta", k, 30 + 0.1 * k) for k in range(3)] + [
        made("cmi", k, 20 + 0.1 * k) for k in range(3)
    ]
    found = {
        c.text.split(": ")[1]: c.word for c in claims(Results(protocol, None, members, "", ""))
    }
    assert found == {
        "EER(z) at most beta-VAE's": "holds",
        "EER(s) at least beta-VAE's": "tie, against it",
        "I(z;s) lower than beta-VAE's": "tie, against it",
    }


@dataclasses.dataclass
class _Model:
    row: object
    seconds: float = 0.0


def test_two_recordings_exchange_their_voices(done, tmp_path):
    base, _, _ = done
    a, b = base / "sounds" / "anna-7.wav", base / "sounds" / "ben-6.wav"
    run = base / "runs" / "dsae-short" / "cmi" / "seed-0"
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
    import wyner

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
