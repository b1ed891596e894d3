"""What commands print and write, against numbers known by other means."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from typer.testing import CliRunner

import wyner
from wyner.cli import app
from wyner.experiments import Experiment


def run(*arguments) -> str:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output + str(done.exception)
    return done.output


def printed(text: str, name: str) -> float:
    """The first number after a name at the start of a line."""
    found = re.search(rf"^{re.escape(name)}\s+(-?[\d.]+)", text, re.M)
    assert found, text
    return float(found.group(1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny Gaussian run, whose data have a known J, I and floor."""
    root = tmp_path_factory.mktemp("numbers")
    (root / "g.toml").write_text(
        '[data]\nname = "gaussian"\ncorrelations = [0.8]\ntrain = 200\nvalidation = 20\ntest = 60\n'
        '[model]\nname = "WynerVAE"\nz = 1\nu = 1\nv = 1\nalpha = 1.0\n'
        "[networks]\nhidden = [4]\n[fit]\nepochs = 2\nbatch_size = 20\nseed = 3\n"
        "[evaluate]\nsamples = 50\n"
    )
    run("train", root / "g.toml", "--out", root / "run", "--quiet")
    return root / "run"


@pytest.fixture(scope="module")
def pieces(folder):
    """The model, and its test rows."""
    stored = json.loads((folder / "config.json").read_text())["about"]["experiment"]
    rows = Experiment(**stored).load().test
    return wyner.load(folder), {k: rows[k] for k in "xy"}


@pytest.mark.parametrize("r", [0.3, 0.8, -0.6])
def test_information_of_a_covariance(tmp_path, r):
    """I = -1/2 log(1 - r^2), J = 1/2 log((1 + |r|)/(1 - |r|)) of a Gaussian pair."""
    (tmp_path / "c.csv").write_text(f"2,{r * math.sqrt(6)}\n{r * math.sqrt(6)},3\n")
    numbers = re.findall(
        r"\d+\.\d{4,}", run("information", tmp_path / "c.csv", "--covariance", "1,1")
    )
    values = [float(v) for v in numbers]
    assert min(abs(v + 0.5 * math.log1p(-r * r)) for v in values) < 1e-5
    assert min(abs(v - math.atanh(abs(r))) for v in values) < 1e-5


@pytest.mark.parametrize("flip", [0.1, 0.25])
@pytest.mark.parametrize(("unit", "scale"), [("nats", 1.0), ("bits", math.log(2))])
def test_information_of_a_table(tmp_path, flip, unit, scale):
    """The doubly symmetric binary source (Wyner 1975), in both units."""
    (tmp_path / "t.csv").write_text(f"{(1 - flip) / 2},{flip / 2}\n{flip / 2},{(1 - flip) / 2}\n")
    h = lambda p: -p * math.log(p) - (1 - p) * math.log1p(-p)
    inner = (1 - math.sqrt(1 - 2 * flip)) / 2
    text = run("information", tmp_path / "t.csv", "--unit", unit)
    assert printed(text, "I") * scale == pytest.approx(math.log(2) - h(flip), abs=2e-6)
    assert printed(text, "J") * scale == pytest.approx(
        math.log(2) + h(flip) - 2 * h(inner), abs=2e-6
    )
    assert printed(text, "C_GK") == pytest.approx(0.0, abs=1e-6)


def test_information_of_a_run_has_the_true_value_beside_it(folder, pieces):
    model, rows = pieces
    text = run("information", folder)
    assert printed(text, "J") == pytest.approx(math.atanh(0.8), abs=5e-5)
    found = model.common_information(**rows)
    for name, value in found.items():
        assert printed(text, name) == pytest.approx(value, abs=6e-5)


def test_samples_are_the_draws_of_the_model(folder, pieces, tmp_path):
    model, rows = pieces
    run("sample", folder, "-n", 7, "--to", tmp_path / "pairs.npz", "--seed", 5)
    want = model.generate(7, seed=5)
    with np.load(tmp_path / "pairs.npz") as found:
        for k in "xy":
            np.testing.assert_allclose(found[k], np.asarray(want[k]), rtol=1e-6)
    np.savez(tmp_path / "x.npz", x=rows["x"][:4])
    run("sample", folder, "--given", tmp_path / "x.npz", "-n", 3, "--to", tmp_path / "y.npz")
    with np.load(tmp_path / "y.npz") as found:
        want = model.translate(x=rows["x"][:4], n=3, seed=0)
        np.testing.assert_allclose(found["y"], want, rtol=1e-6)
        assert found["y"].shape == (3, 4, 1)


def test_evaluation_is_what_the_model_scores(folder, pieces):
    model, rows = pieces
    kept = {n["name"]: n for n in json.loads((folder / "evaluation.json").read_text())["numbers"]}
    joint = model.log_likelihood(**rows, samples=50, seed=0)
    number = kept["joint nll"]
    assert number["value"] == pytest.approx(-float(joint.value.mean()), rel=1e-6)
    assert number["error"] == pytest.approx(float(joint.value.std(ddof=1)) / 60**0.5, rel=1e-3)
    entropy = math.log(2 * math.pi * math.e) + 0.5 * math.log1p(-0.64)
    assert number["reference"] == pytest.approx(entropy, rel=1e-9)
    given = model.log_likelihood(y=rows["y"], given={"x": rows["x"]}, samples=50, seed=0)
    number = kept["conditional nll of y given x"]
    assert number["value"] == pytest.approx(-float(given.value.mean()), rel=1e-6)
    h = 0.5 * math.log(2 * math.pi * math.e) + 0.5 * math.log1p(-0.64)
    assert number["reference"] == pytest.approx(h, rel=1e-9)
    marginal = model.log_likelihood(x=rows["x"], samples=50, seed=0)
    number = kept["marginal nll of x, without looking at the rest"]
    assert number["value"] == pytest.approx(-float(marginal.value.mean()), rel=1e-6)
    assert number["reference"] == pytest.approx(0.5 * math.log(2 * math.pi * math.e), rel=1e-9)
    found = model.common_information(**rows)
    assert kept["rate of z (I41)"]["value"] == pytest.approx(found["I41"], rel=1e-6)
    assert kept["I40"]["value"] == pytest.approx(found["I40"], rel=1e-6)
    assert kept["rate of z (I41)"]["reference"] == pytest.approx(math.atanh(0.8), rel=1e-9)


def test_a_second_evaluation_with_other_samples(folder, pieces):
    model, rows = pieces
    text = run("evaluate", folder, "--samples", 7, "--rows", 30, "--no-report")
    few = {k: v[:30] for k, v in rows.items()}
    want = model.log_likelihood(**few, samples=7, seed=0).nll
    shown = re.search(r"joint nll\s+(-?[\d.]+) \+-", text)
    assert float(shown.group(1)) == pytest.approx(want, abs=6e-4)
    assert "30 test rows" in text


def test_a_walk_is_what_the_model_traverses(folder, pieces, tmp_path):
    model, rows = pieces
    arguments = (
        "--along",
        "u",
        "--rows",
        "0,2",
        "--steps",
        5,
        "--span",
        2,
        "--to",
        tmp_path / "w.npz",
    )
    run("traverse", folder, *arguments)
    first = {k: v[:1] for k, v in rows.items()}
    want = model.traverse(along="u", steps=5, span=2.0, **first)
    assert want.at == pytest.approx((-2, -1, 0, 1, 2), abs=1e-6)
    with np.load(tmp_path / "w.npz") as found:
        np.testing.assert_allclose(found["x"], want.outputs["x"][:, :, 0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found["y"], want.outputs["y"][:, :, 0], rtol=1e-5, atol=1e-6)


def test_paths_are_what_the_model_interpolates(folder, pieces, tmp_path):
    model, rows = pieces
    run("traverse", folder, "--between", "--rows", "0,2", "--steps", 4, "--to", tmp_path / "p.npz")
    one, other = ({k: v[[i]] for k, v in rows.items()} for i in (0, 2))
    want = model.interpolate(one, other, steps=4)
    with np.load(tmp_path / "p.npz") as found:
        for k in "xy":
            np.testing.assert_allclose(found[k][0], want[k][:, 0], rtol=1e-5, atol=1e-6)
