"""`wyner reproduce pixelcnn`: the published numbers, protocols whose every row starts, a table from
start to end on few digits."""

from __future__ import annotations

import dataclasses
import json
import sys

import pytest
from wyner.experiments.pixelcnn import run
from wyner.experiments.pixelcnn.plan import Row, _published, parse
from wyner.experiments.pixelcnn.run import Result
from wyner.experiments.pixelcnn.table import claims, markdown

from wyner import cli
from wyner.errors import OptionError, RunError
from wyner.experiments import pixelcnn

SMALL = {
    "data": {
        "mnist": {"name": "binary-digits", "size": 14, "train": 200, "validation": 20, "test": 40}
    },
    "model": {
        "z": 4,
        "pixels": {"kind": "Autoregressive", "channels": 4, "kernels": [3, 3, 3, 3], "split": 3},
        "critics": {"kind": "ImageCritics", "channels": 4},
    },
    "networks": {"kind": "ResNets", "channels": 4, "blocks": 2, "width": 8},
    "fit": {"epochs": 1, "batch_size": 100, "lr": 1e-3},
    "measure": {"codes": 5, "each": 2, "draws": 2, "rows": 40},
}


def small(**changes):
    return dataclasses.replace(pixelcnn.protocol("short"), gammas=(0.3,), **{**SMALL, **changes})


def test_published_numbers_are_those_of_the_paper():
    assert len(_published()) == 50
    for values in _published().values():  # -ELBO = Recon + KL(z) in every row
        assert values["nelbo"] == pytest.approx(values["recon"] + values["kl"], abs=0.011)
    assert Row("mnist", "cmi", 0.3).published["AoLR"] == 0.863
    assert Row("mnist", "beta", 0.3).published["AoLR"] == 0.8354
    assert Row("fashion", "mi", 0.9).published["information"] == 3.31
    assert Row("fashion", "elbo", 0.0).published["mCAS"] == 0.482
    assert Row("mnist", "cmi", 0.9).published == {}


@pytest.mark.parametrize("name", pixelcnn.protocols())
def test_a_protocol_has_every_objective_at_every_gamma_of_both_data_sets(name):
    plan = pixelcnn.protocol(name)
    slugs = [r.slug for r in plan.rows]
    assert len(slugs) == len(set(slugs)) == 2 * (1 + 3 * len(plan.gammas))
    assert slugs[:3] == ["mnist-cmi-0.3", "mnist-beta-0.3", "mnist-mi-0.3"]
    assert {"mnist-elbo", "fashion-elbo"} <= set(slugs)
    assert len(plan.gammas) >= 3
    assert plan.data["mnist"]["name"] == "binary-mnist"


@pytest.mark.parametrize("name", pixelcnn.protocols())
def test_the_models_of_a_protocol_are_those_of_its_file(name):
    from wyner.data import load

    plan, digits = (
        pixelcnn.protocol(name),
        load("binary-digits", train=2, validation=1, test=1, size=14),
    )
    made = plan.experiment(Row("mnist", "cmi", 0.3), digits.source, 0).build(digits)
    decoder = made.factors["p(x|z)"].head.network
    assert made.latent["z"].size == 32
    assert (len(decoder.kernels), decoder.channels, decoder.split) == {
        "short": (8, 16, 4),
        "paper": (13, 64, 6),
    }[name]
    assert made.phases[0].critic == 2
    assert (
        plan.experiment(plan.rows[0], digits.source, 0).settings().batch_size
        == {"short": 32, "paper": 64}[name]
    )


def test_every_row_comes_into_the_table_and_is_trained_once(tmp_path, monkeypatch):
    plan, where = (
        small(),
        {"out": tmp_path / "results", "runs": tmp_path / "runs", "progress": False},
    )
    folder = pixelcnn.reproduce(plan, rows=["mnist-cmi-0.3", "mnist-elbo"], figures=False, **where)
    monkeypatch.setattr(run, "_train", lambda *_: pytest.fail("trained again"))
    folder = pixelcnn.reproduce(plan, rows=["mnist-elbo"], **where)
    found = json.loads((folder / "short.json").read_text())
    assert [r["settings"]["row"] for r in found["rows"]] == ["mnist-elbo", "mnist-cmi-0.3"]
    for row in found["rows"]:
        m = row["metrics"]
        assert m["nelbo"] == pytest.approx(m["kl"] + m["recon"])
        assert all(
            0 <= m[k] <= 1
            for k in ("AoLR", "AoSVM", "mCAS", "mCAS_SVM", "baseline", "baseline_SVM")
        )
        assert -10 < m["information"] < 10
        assert 20 < m["nelbo"] < 300
    text = (folder / "short.md").read_text()
    assert "| 0.3 | CMI-VAE | " in text
    assert " / 58.03 |" in text
    for name in ("short-curves", "short-families-mnist"):
        assert (folder / f"{name}.png").stat().st_size > 5000
        assert (folder / f"{name}.pdf").read_bytes()[:4] == b"%PDF"
    monkeypatch.undo()
    other = small(fit={**SMALL["fit"], "lr": 2e-3})
    with pytest.raises(
        RunError, match=r"was trained with other settings \(fit.lr was 0.001 and is now 0.002\)"
    ):
        pixelcnn.reproduce(other, rows=["mnist-elbo"], figures=False, **where)


def result(kind, gamma=0.3, **metrics):
    metrics = {"baseline": 0.5, "baseline_SVM": 0.5, **metrics}
    return Result(Row("mnist", kind, gamma), 0, metrics, 1.0, None)


def test_claims_are_decided_by_numbers():
    full = lambda kind, a, i: result(kind, AoLR=a, mCAS=a, information=i)
    verdicts = lambda *results: [v for _, v, _ in claims(results)]
    assert (
        verdicts(full("cmi", 0.9, 1.0), full("beta", 0.8, 2.0), full("mi", 0.7, 1.5))
        == ["holds"] * 3
    )
    assert (
        verdicts(full("cmi", 0.6, 3.0), full("beta", 0.8, 2.0), full("mi", 0.7, 1.5))
        == ["does not hold"] * 3
    )
    mixed = verdicts(full("cmi", 0.75, 1.8), full("beta", 0.8, 2.0), full("mi", 0.7, 1.5))
    assert mixed == ["against MI-VAE only", "against MI-VAE only", "against beta-VAE only"]
    assert verdicts(full("cmi", 0.9, 1.0)) == []
    assert (
        verdicts(full("cmi", 0.9, 1.0), result("beta", 0.5, AoLR=0.1, mCAS=0.1, information=3.0))
        == []
    )
    text = markdown(small(), [full("cmi", 0.9, 1.0), full("beta", 0.8, 2.0)], {})
    assert (
        "ours CMI-VAE 0.900, beta-VAE 0.800; published CMI-VAE 0.863, beta-VAE 0.835, MI-VAE 0.824"
        in text
    )


def test_a_missing_data_folder_gives_the_embedded_digits(monkeypatch):
    from wyner.data import load
    from wyner.data.dataset import Dataset
    from wyner.errors import DataError

    def found(name, **options) -> Dataset:
        if name == "binary-mnist":
            raise DataError("not there")
        return load(name, **{**options, "train": 10, "validation": 5, "test": 5})

    monkeypatch.setattr("wyner.experiments.pixelcnn.plan.data.load", found)
    dataset, source = pixelcnn.protocol("short").load("mnist")
    assert dataset.name == source["name"] == "binary-digits"
    assert dataset.spaces["x"].event_shape == (1, 14, 14)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: pixelcnn.protocol("long"), "unknown protocol of pixelcnn 'long'"),
        (
            lambda: pixelcnn.protocol().pick(["mnist-cmi-0.4"]),
            "unknown row 'mnist-cmi-0.4': did you mean",
        ),
        (
            lambda: pixelcnn.protocol().changed(seeds=0),
            "seeds: expected a positive whole number, got 0",
        ),
        (lambda: parse("title = 3", "x"), "expected data, fit, gammas"),
        (lambda: parse("titel = 3", "x"), "did you mean 'title'"),
        (lambda: parse("[", "x"), "is not TOML"),
        (lambda: parse('title="t"\ngammas=[1]\n[fit]\n[data.mnits]', "x"), "did you mean 'mnist'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(call, said):
    with pytest.raises(OptionError, match=said):
        call()


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
    plan = small(fit={"steps": 10, "batch_size": 5}).changed(seeds=2, epochs=3, rows=7)
    assert (plan.seeds, plan.fit, plan.measure["rows"]) == (2, {"batch_size": 5, "epochs": 3}, 7)
