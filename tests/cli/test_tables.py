"""A user's own files on the command line: their units, their rows, their names."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import wyner
import wyner.preprocessing
from wyner.cli import app
from wyner.errors import WynerError
from wyner.preprocessing import FILE

G = np.random.default_rng(0)
Z = G.normal(size=(70, 1))
X = 1000 + 50 * (Z + G.normal(size=(70, 3))) / 2**0.5
Y = -3 + 0.01 * (Z + G.normal(size=(70, 2)))
QUICK = ["--epochs", "2", "--hidden", "8", "--samples", "20", "-q", "--no-report"]


def call(*arguments: object) -> str:
    """The output of a command, or its error as an exception."""
    done = CliRunner().invoke(app, list(map(str, arguments)))
    if isinstance(done.exception, WynerError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def save(path, rows=slice(None), **more):
    x, y = X[rows], Y[rows]
    columns = {"patient": [f"p{i}" for i in range(70)][rows], "batch": (np.arange(70) % 2)[rows]}
    columns |= {f"x:{c}": v for c, v in zip("abc", x.T)} | {f"y:{c}": v for c, v in zip("gh", y.T)}
    lines = [";".join(columns)] + [
        ";".join(str(v).replace(".", ",") for v in row) for row in zip(*columns.values())
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("tables")
    save(made / "t.csv")
    said = call("train", "--data", made / "t.csv", "--out", made / "run", *QUICK)
    assert "left out, because nobody named them: batch" in said
    return made


@pytest.fixture(scope="module")
def trained(folder):
    """The model, and mean and deviation of its training rows by hand."""
    data = wyner.data.load(str(folder / "t.csv"))
    hand = {k: (v.mean(0), v.std(0)) for k, v in data.train.items()}
    plain = wyner.load(folder / "run")
    plain.preprocessing = wyner.preprocessing.Preprocessing()
    return (
        plain,
        {k: (lambda v, m=m, s=s: ((v - m) / s).astype(np.float32)) for k, (m, s) in hand.items()},
        hand,
    )


def test_sample_given_raw_rows(folder, trained) -> None:
    plain, scaled, hand = trained
    expected = plain.translate(x=scaled["x"](X[:5]), n=2, seed=3) * hand["y"][1] + hand["y"][0]
    np.savez(folder / "x.npz", x=X[:5])
    call(
        "sample",
        folder / "run",
        "--given",
        folder / "x.npz",
        "-n",
        2,
        "--seed",
        3,
        "--to",
        folder / "d.npz",
    )
    with np.load(folder / "d.npz") as found:
        np.testing.assert_allclose(found["y"], expected, rtol=1e-5)
        assert found["y_columns"].tolist() == ["g", "h"]
    names = "sample,c,a,b\n"
    rows = "".join(f"s{i},{c},{a},{b}\n" for i, (a, b, c) in enumerate(X[:5]))
    (folder / "x.csv").write_text(names + rows)
    call(
        "sample",
        folder / "run",
        "--given",
        folder / "x.csv",
        "-n",
        2,
        "--seed",
        3,
        "--to",
        folder / "d.csv",
    )
    lines = [line.split(",") for line in (folder / "d.csv").read_text().splitlines()]
    assert lines[0] == ["draw", "row", "g", "h"]
    assert [line[:2] for line in lines[1:7]] == [["0", f"s{i}"] for i in range(5)] + [["1", "s0"]]
    table = np.array([line[2:] for line in lines[1:]], float).reshape(2, 5, 2)
    np.testing.assert_allclose(table, expected, rtol=1e-5)


def test_python_in_raw_units(folder, trained) -> None:
    plain, scaled, _ = trained
    found = wyner.load(folder / "run").encode(x=X, y=Y)["z"].mean
    torch.testing.assert_close(found, plain.encode(x=scaled["x"](X), y=scaled["y"](Y))["z"].mean)


def test_evaluate_scores_all_rows_of_a_new_file_beside_the_run(folder, trained) -> None:
    plain, scaled, hand = trained
    before = {p.name: p.read_bytes() for p in (folder / "run").iterdir() if p.is_file()}
    save(folder / "new.csv", slice(0, 31))
    call("evaluate", folder / "run", "--data", folder / "new.csv", "--no-report")
    made = json.loads((folder / "run" / "on-new" / "evaluation.json").read_text())
    found = {n["name"]: n for n in made["numbers"]}
    values = {"x": scaled["x"](X[:31]), "y": scaled["y"](Y[:31])}
    shift = sum(np.log(s).sum() for _, s in hand.values())
    ids = wyner.data.read(folder / "new.csv").ids.tolist()
    at = [int(i[1:]) for i in ids]
    hand_nll = plain.log_likelihood({k: v[at] for k, v in values.items()}, samples=20, seed=0).nll
    assert found["joint nll"]["value"] == pytest.approx(hand_nll + shift, rel=1e-5)
    assert "31 test rows" in found["joint nll"]["how"]
    assert before == {p.name: p.read_bytes() for p in (folder / "run").iterdir() if p.is_file()}


def test_a_file_that_has_changed_is_no_longer_that_of_the_run(folder, tmp_path) -> None:
    path = save(tmp_path / "t.csv", slice(0, 60))
    call("train", "--data", path, "--out", tmp_path / "run", *QUICK)
    assert "joint nll" in call("evaluate", tmp_path / "run", "--no-report")
    save(path)
    with pytest.raises(WynerError, match="is no longer what .* was trained on.*--data FILE"):
        call("evaluate", tmp_path / "run", "--no-report")
    assert "70 test rows" in call("evaluate", tmp_path / "run", "--data", path, "--no-report")


def test_a_run_that_did_not_store_its_scale_finds_it_in_its_file(folder, tmp_path, trained) -> None:
    """As version 0.1.0 left them."""
    shutil.copytree(folder / "run", tmp_path / "old")
    np.savez(tmp_path / "x.npz", x=X[:5])
    to = lambda run, name: call(
        "sample", run, "--given", tmp_path / "x.npz", "--to", tmp_path / f"{name}.npz"
    )
    to(tmp_path / "old", "a")
    (tmp_path / "old" / FILE).unlink()
    to(tmp_path / "old", "b")
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        np.testing.assert_array_equal(a["y"], b["y"])


def test_several_files_by_view(tmp_path) -> None:
    for name, values in (("x", X), ("y", Y[::-1])):
        ids = range(70) if name == "x" else reversed(range(70))
        rows = [f"p{i}," + ",".join(map(str, v)) for i, v in zip(ids, values)]
        names = ",".join(["id", *(f"{name}{j}" for j in range(values.shape[1]))])
        (tmp_path / f"{name}.csv").write_text("\n".join([names, *rows]))
    text = f"x={tmp_path / 'x.csv'},y={tmp_path / 'y.csv'}"
    said = call("train", "--data", text, "--out", tmp_path / "run", *QUICK)
    assert "70 rows are in all of x, y, paired by id" in said
    assert "joint nll" in call("evaluate", tmp_path / "run", "--no-report")
    assert "70 test rows" in call("evaluate", tmp_path / "run", "--data", text, "--no-report")
    said = call(
        "retrieve",
        tmp_path / "run",
        "--query",
        tmp_path / "x.csv",
        "--gallery",
        tmp_path / "y.csv",
        "-k",
        2,
        "--out",
        tmp_path / "found",
    )
    assert "70 queries, 2 hits each" in said


def test_views_by_flags(tmp_path) -> None:
    names = ["who", "age", "size", "dose", "kind"]
    rows = [f"{k},{a},{b},{c},{'mf'[k % 2]}" for k, (a, b, c) in enumerate(X)]
    (tmp_path / "t.csv").write_text("\n".join([",".join(names), *rows]))
    flags = ["--view", "x=age,size", "--view", "y=dose", "--label", "kind", "--ids", "who"]
    said = call("train", "--data", tmp_path / "t.csv", *flags, "--out", tmp_path / "run", *QUICK)
    assert "x: Real(2), y: Real(1)" in said
    assert "0 is f, 1 is m" in said
    with pytest.raises(WynerError, match="expected at least two arrays or views"):
        call("train", "--data", tmp_path / "t.csv", "--out", tmp_path / "other", *QUICK)
    with pytest.raises(WynerError, match="--view age: expected a view and its columns"):
        call("train", "--data", tmp_path / "t.csv", "--view", "age", *QUICK)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samples", "0"], "samples: expected a positive whole number, got 0"),
        (["--rows", "-3"], "rows: expected a positive whole number, got -3"),
        (["--lam", "-5"], "--lam: expected a number from 0 to below 1, got -5"),
        (["--hidden", "-1"], "--hidden: expected positive widths"),
        (["--set", "evaluate.rows=nan"], "rows: expected a positive whole number, got nan"),
    ],
)
def test_numbers_that_are_none(folder, arguments, message) -> None:
    with pytest.raises(WynerError, match=message):
        call("train", "--data", folder / "t.csv", "--out", folder / "no", *arguments)
    assert not (folder / "no").exists()


def test_nothing_to_translate_to_and_missing_cells(folder) -> None:
    with pytest.raises(WynerError, match="holds all modalities .* leave one out, or say --recon"):
        call("sample", folder / "run", "--given", folder / "t.csv", "--to", folder / "no.npz")
    np.savez(folder / "gone.npz", x=np.where(X[4, 1] == X, np.nan, X))
    with pytest.raises(WynerError, match="x has missing cells, the first in row 4"):
        call("sample", folder / "run", "--given", folder / "gone.npz", "--to", folder / "no.npz")
    np.savez(folder / "w.npz", w=X)
    with pytest.raises(WynerError, match="holds w; expected one of x, y"):
        call("sample", folder / "run", "--given", folder / "w.npz", "--to", folder / "no.npz")
    assert not (folder / "no.npz").exists()
