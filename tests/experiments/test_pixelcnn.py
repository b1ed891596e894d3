"""`wyner reproduce pixelcnn`: the published numbers, studies whose every row starts, a table from
start to end on few digits."""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pytest

from wyner import cli
from wyner.data import load
from wyner.data.dataset import Dataset
from wyner.errors import DataError, OptionError, RunError
from wyner.experiments import grammar, store
from wyner.experiments.figures.rates import by_objective
from wyner.experiments.questions.pixels import Pixels
from wyner.experiments.reproduce import reproduce
from wyner.experiments.results import Results
from wyner.experiments.store import Cell
from wyner.experiments.table import markdown
from wyner.report.facts import Facts
from wyner.report.families import sheet

NAMES = grammar.protocols("pixelcnn")
GAMMAS = {
    "short": (0.3, 0.5, 0.7),
    "medium": (0.3, 0.7),
    "paper": (0.3, 0.1, 0.2, 0.4, 0.5, 0.6, 0.7),
}
DIGITS = {"name": "binary-digits", "size": 14, "train": 200, "validation": 20, "test": 40}
MODEL = {
    "z": 4,
    "pixels": {"kind": "Autoregressive", "channels": 4, "kernels": [3, 3, 3, 3], "split": 3},
    "critics": {"kind": "ImageCritics", "channels": 4},
}
NETWORKS = {"kind": "ResNets", "channels": 4, "blocks": 2, "width": 8}


def small(**fit):
    study = grammar.read("pixelcnn")
    rows = tuple(
        dataclasses.replace(
            r,
            model={**r.model, **MODEL},
            networks=NETWORKS,
            fit={"epochs": 1, "batch_size": 100, "lr": 1e-3, **fit},
        )
        for r in study.rows
    )
    data = {**study.data, "mnist": (DIGITS,)}
    return dataclasses.replace(
        study, rows=rows, data=data, questions={"pixels": Pixels(5, 2, 2, 40)}
    )


def published(study):
    rows = {r.slug: r.published for r in study.rows if r.published}
    return {**rows, **dict(study.others)}


def test_published_numbers_are_those_of_the_paper():
    known = {
        k: {n: v[0] for n, v in p.items()}
        for k, p in published(grammar.read("pixelcnn", "paper")).items()
    }
    assert len(known) == 50
    for values in known.values():  # -ELBO = Recon + KL(z) in every row
        assert values["nelbo"] == pytest.approx(values["recon"] + values["kl"], abs=0.011)
    assert known["mnist-cmi-0.3"]["AoLR"] == 0.863
    assert known["mnist-beta-0.3"]["AoLR"] == 0.8354
    assert known["Fashion-MNIST, gamma 0.9: MI-VAE"]["information"] == 3.31
    assert known["fashion-elbo"]["mCAS"] == 0.482
    for name in NAMES:  # other protocols say the same of the same rows
        for slug, values in published(grammar.read("pixelcnn", name)).items():
            assert {k: v[0] for k, v in values.items()} == known[slug]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_has_every_objective_at_every_gamma_of_both_data_sets(name):
    study, gammas = grammar.read("pixelcnn", name), GAMMAS[name]
    slugs = [r.slug for r in study.rows]
    assert len(slugs) == len(set(slugs)) == 2 * (1 + 3 * len(gammas))
    assert slugs[:3] == ["mnist-cmi-0.3", "mnist-beta-0.3", "mnist-mi-0.3"]
    assert {"mnist-elbo", "fashion-elbo"} <= set(slugs)
    assert study.data["mnist"][0]["name"] == "binary-mnist"
    for r in study.rows:
        data, kind, *_ = r.slug.split("-")
        assert (r.data, r.model["objective"]) == (data, kind)
        assert r.slug == (
            f"{data}-{kind}-{r.tags['gamma']:g}" if kind != "elbo" else f"{data}-elbo"
        )
        assert r.model["gamma"] == r.tags["gamma"]
    shown = [s for t in study.tables for s in t.get("rows", ())]
    assert sorted(shown) == sorted(slugs)
    assert len(study.claims) == 3 * 2 * len(gammas)


@pytest.mark.parametrize("name", NAMES)
def test_the_models_of_a_study_are_those_of_its_file(name):
    study = grammar.read("pixelcnn", name)
    digits = load("binary-digits", train=2, validation=1, test=1, size=14)
    row = next(r for r in study.rows if r.slug == "mnist-cmi-0.3")
    made = row.experiment(digits.source).build(digits)
    decoder = made.factors["p(x|z)"].head.network
    assert made.latent["z"].size == 32
    assert (len(decoder.kernels), decoder.channels, decoder.split) == {
        "short": (8, 16, 4),
        "medium": (13, 32, 6),
        "paper": (13, 64, 6),
    }[name]
    assert made.phases[0].critic == 2
    batch = row.experiment(digits.source).settings().batch_size
    assert batch == {"short": 32, "medium": 64, "paper": 64}[name]


def test_every_row_comes_into_the_table_and_is_trained_once(tmp_path, monkeypatch):
    where = {"out": tmp_path / "results", "runs": tmp_path / "runs", "progress": False}
    page = reproduce(small(), rows=["mnist-cmi-0.3", "mnist-elbo"], figures=False, **where)
    with monkeypatch.context() as patch:
        patch.setattr(store.Place, "_fit", None)
        patch.setattr(Pixels, "answer", None)
        page = reproduce(small(), rows=["mnist-elbo"], **where)
    found = json.loads(page.with_suffix(".json").read_text())
    assert [r["settings"]["row"] for r in found["rows"]] == ["mnist-cmi-0.3", "mnist-elbo"]
    for row in found["rows"]:
        m = row["metrics"]
        assert m["nelbo"] == pytest.approx(m["kl"] + m["recon"])
        assert all(
            0 <= m[k] <= 1
            for k in ("AoLR", "AoSVM", "mCAS", "mCAS_SVM", "baseline", "baseline_SVM")
        )
        assert -10 < m["information"] < 10
        assert 20 < m["nelbo"] < 300
    text = page.read_text()
    assert "## MNIST (`binary-digits`), ours / published" in text
    assert "Fashion-MNIST (`" not in text
    assert text.index("| 0 | ELBO | ") < text.index("| 0.3 | CMI-VAE | ")
    assert " / 58.03 |" in text
    first = found["rows"][1]["metrics"]
    assert f"real pictures: {first['baseline']:.3f}, SVM {first['baseline_SVM']:.3f}." in text
    assert "shares of test pictures. Mean over 1 seed.\n" in text
    for name in ("short-curves", "short-families-mnist"):
        assert (page.parent / f"{name}.png").stat().st_size > 5000
        assert (page.parent / f"{name}.pdf").read_bytes()[:4] == b"%PDF"
    with pytest.raises(RunError, match=r"fit.lr was 0.001 and is now 0.002"):
        reproduce(small(lr=2e-3), rows=["mnist-elbo"], figures=False, **where)


def result(kind, gamma=0.3, rows=None, **metrics):
    study = grammar.read("pixelcnn")
    slug = f"mnist-{kind}-{gamma:g}"
    metrics = {"baseline": 0.5, "baseline_SVM": 0.5, **metrics}
    return Cell(next(r for r in study.rows if r.slug == slug), 0, None, metrics, rows or {})


def full(kind, accuracy, information, error=0.01):
    rows = {"information_rows": information + 0.1 * np.arange(-5.0, 6)}  # the same luck for all
    shares = {"AoLR": accuracy, "mCAS": accuracy, "AoLR_se": error, "mCAS_se": error}
    return result(kind, rows=rows, information=information, **shares)


def table(*cells):
    study = grammar.read("pixelcnn")
    by_row = {c.row.slug: [c] for c in cells}
    return Results(study, by_row, {"mnist": Facts("binary-mnist"), "fashion": Facts("other")})


def test_claims_are_decided_by_numbers():
    words = lambda *cells: [v.word for v in table(*cells).verdicts()][:3]
    others = full("beta", 0.8, 2.0), full("mi", 0.7, 1.5)
    assert words(full("cmi", 0.9, 1.0), *others) == ["holds"] * 3
    assert words(full("cmi", 0.6, 3.0), *others) == ["does not hold"] * 3
    assert words(full("cmi", 0.75, 1.8), *others) == ["does not hold"] * 3  # against one of them
    close = full("cmi", 0.82, 1.8)  # 0.02 ahead, of an error of 0.014
    assert words(close, *others) == ["undecided", "undecided", "does not hold"]
    assert words(full("cmi", 0.9, 1.0)) == ["not measured"] * 3
    one = table(full("cmi", 0.9, 1.0), full("beta", 0.8, 2.0)).verdicts()[:3]
    assert [v.word for v in one] == ["not measured"] * 3
    assert one[2].differences[0].by == "rows"
    assert one[2].differences[0].error == pytest.approx(0.0, abs=1e-12)
    assert one[0].differences[0].error == pytest.approx(0.01 * 2**0.5)
    text = markdown(table(full("cmi", 0.9, 1.0), full("beta", 0.8, 2.0)))
    assert "0.900 against 0.800 (beta-VAE): difference +0.100, standard error 0.014" in text
    assert "| 0.8630 against 0.8354; 0.8630 against 0.8238 |" in text


def test_a_missing_data_folder_gives_the_embedded_digits(monkeypatch):
    def found(name, **options) -> Dataset:
        if name == "binary-mnist":
            raise DataError("not there")
        return load(name, **{**options, "train": 10, "validation": 5, "test": 5})

    monkeypatch.setattr("wyner.experiments.study.data.load", found)
    dataset, source = grammar.read("pixelcnn").load("mnist")
    assert dataset.name == source["name"] == "binary-digits"
    assert dataset.spaces["x"].event_shape == (1, 14, 14)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda s: grammar.read("pixelcnn", "long"), "unknown protocol of pixelcnn 'long'"),
        (lambda s: s.pick(["mnist-cmi-0.4"]), "unknown row 'mnist-cmi-0.4': did you mean"),
        (lambda s: s.changed(seeds=0), "seeds: expected a positive whole number, got 0"),
        (lambda s: s.changed(data="fsdd"), "leave out --data"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(call, said):
    with pytest.raises(OptionError, match=said):
        call(grammar.read("pixelcnn"))


def test_the_command_line_takes_what_it_can_and_refuses_the_rest(monkeypatch, capsys):
    for option, said in (
        (["--samples", "5"], "pixelcnn takes --rows, --seeds"),
        (["--rows", "mnist-cmi"], "unknown row 'mnist-cmi'"),
    ):
        monkeypatch.setattr(sys, "argv", ["wyner", "reproduce", "pixelcnn", *option])
        with pytest.raises(SystemExit) as done:
            cli.main()
        assert done.value.code == 2
        assert said in capsys.readouterr().err


def test_fewer_epochs_replace_steps_and_epochs():
    study = small(steps=10).changed(seeds=2, epochs=3, test_rows=7)
    fit = {"epochs": 3, "batch_size": 100, "lr": 1e-3}
    assert (study.seeds, study.rows[0].fit, study.questions["pixels"].rows) == (2, fit, 7)


def test_paths_of_the_figure_begin_with_the_elbo():
    rows = [r for r in grammar.read("pixelcnn").rows if r.data == "fashion"]
    paths = {k: [r.slug for r in v] for k, v in by_objective(rows).items()}
    assert paths["elbo"] == ["fashion-elbo"]
    assert paths["cmi"] == ["fashion-elbo", *(f"fashion-cmi-{g}" for g in (0.3, 0.5, 0.7))]
    assert list(paths) == ["elbo", "beta", "mi", "cmi"]


def test_a_sheet_has_real_pictures_before_their_draws():
    real = np.arange(8.0).reshape(2, 1, 2, 2)
    made = sheet(real, 10 + np.stack([real, real + 1]))
    assert made.shape == (2 * 3, 3 + 4 + 3 + 3)
    np.testing.assert_array_equal(made[:2, :2], real[0, 0])
    np.testing.assert_array_equal(made[3:5, 7:9], 10 + real[1, 0])
    np.testing.assert_array_equal(made[3:5, 10:12], 11 + real[1, 0])
    assert (made[:, 3:7] == 0).all()
    assert (made[2, :3] == 0.35).all()
