"""`wyner information`: tables, counts, covariances, data; one sentence for what is none of
these."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from wyner.cli import app
from wyner.commands.information import describe
from wyner.errors import DataError, OptionError


@pytest.fixture
def write(tmp_path):
    def make(name: str, text: str):
        path = tmp_path / name
        path.write_text(text)
        return path

    return make


def test_counts_become_frequencies(write):
    text = describe(write("t.csv", "# counts\n2 0\n0 2\n"), unit="bits", gamma=5.0)
    assert "4 counts" in text
    assert "J                   1.000000 bits" in text
    assert "C_gamma at 5 bits: 0.000000" in text
    assert "z = 1" in text


def test_probabilities_in_npz_and_npy_by_command(tmp_path):
    table = np.array([[0.5, 0.0], [0.0, 0.5]])
    np.savez(tmp_path / "many.npz", first=table, second=np.ones((2, 2)) / 4)
    np.save(tmp_path / "one.npy", table)
    for arguments in (["many.npz", "--key", "first"], ["one.npy"]):
        done = CliRunner().invoke(
            app, ["information", str(tmp_path / arguments[0]), *arguments[1:]]
        )
        assert done.exit_code == 0
        assert "0.693147 nats" in done.stdout
    with pytest.raises(OptionError, match="first, second; expected one table"):
        describe(tmp_path / "many.npz")
    with pytest.raises(OptionError, match="holds first, second"):
        describe(tmp_path / "many.npz", key="third")


def test_covariance(write):
    text = describe(write("c.csv", "1;0.8\n0.8;1\n"), covariance=(1, 1), lam=0.3, gamma=0.0)
    for value in ("1.098612", "0.510826", "0.283883", "0.047155", "0.789093"):
        assert value in text


def test_picture(write, tmp_path):
    pytest.importorskip("matplotlib")
    text = describe(write("t.csv", "0.5,0\n0,0.5\n"), plot=tmp_path / "t.png")
    assert (tmp_path / "t.png").read_bytes()[:4] == b"\x89PNG"
    assert "figure:" in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("x,y\n1,2\n", "line 1: expected numbers only, got 'x,y'"),
        ("1,2\n3\n", "line 2: expected 2 numbers"),
        ("", "holds no numbers"),
        ("0.5,0.6\n0.1,0.1\n", "sum to 1, got 1.3"),
        ("0.5,-0.5\n0.5,0.5\n", "at least 0, got -0.5"),
        ("0.5,nan\n0.5,0.5\n", "finite"),
    ],
)
def test_bad_tables(write, content, words):
    with pytest.raises(DataError, match=words):
        describe(write("t.csv", content))


def test_bad_files_and_options(write, tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        describe(tmp_path / "none.csv")
    with pytest.raises(DataError, match="cannot read"):
        describe(write("t.npz", "not a zip"))
    with pytest.raises(DataError, match="square"):
        describe(write("t.csv", "1,2,3\n"), covariance=(1, 2))
    np.save(tmp_path / "words.npy", np.array([["a", "b"]]))
    with pytest.raises(DataError, match="expected numbers"):
        describe(tmp_path / "words.npy")
    done = CliRunner().invoke(app, ["information", str(write("c.csv", "1\n")), "--covariance", "3"])
    assert isinstance(done.exception, OptionError)
    assert "sizes of x and y" in str(done.exception)


def test_run(tmp_path):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(120, 1))
    np.savez(
        tmp_path / "pairs.npz", x=z + rng.normal(size=(120, 2)), y=z + rng.normal(size=(120, 2))
    )
    quick = [
        "--epochs",
        "1",
        "--hidden",
        "8",
        "--samples",
        "5",
        "--rows",
        "10",
        "--no-report",
        "-q",
    ]
    done = CliRunner().invoke(
        app,
        ["train", "--data", str(tmp_path / "pairs.npz"), "--out", str(tmp_path / "run"), *quick],
    )
    assert done.exit_code == 0
    text = describe(tmp_path / "run")
    assert {"I41", "I40", "aggregate"} <= set(text.split())
    assert "12 test rows" in text
