"""`wyner traverse`: sheets and arrays from a run, and clear refusals."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import wyner
from wyner import cli
from wyner.models.stored import load
from wyner.networks import MLPs
from wyner.report import panel
from wyner.report.looks import boards


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run on pairs of digits and one on vectors, hardly trained."""
    folder = tmp_path_factory.mktemp("runs")
    for name, options in {
        "digits-add1": {"train": 40, "validation": 10, "test": 20},
        "mog": {"train": 40, "validation": 10, "test": 20},
    }.items():
        torch.manual_seed(0)
        data = wyner.data.load(name, **options)
        model = wyner.models.WynerVAE(**data.spaces, z=3, u=2, v=2, networks=MLPs((8,)))
        wyner.fit(
            model,
            data,
            epochs=1,
            batch_size=20,
            progress=False,
            out=folder / name,
            about={"data": data.source},
        )
    return folder


def call(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["wyner", "traverse", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_a_sheet_of_coordinates(runs, tmp_path, monkeypatch, capsys, ending):
    to = tmp_path / f"sheet.{ending}"
    assert (
        call(
            monkeypatch, str(runs / "digits-add1"), "--along", "v", "--steps", "5", "--to", str(to)
        )
        == 0
    )
    assert "x (2, 5, 1, 32, 32), y (2, 5, 1, 32, 32)" in capsys.readouterr().out
    starts = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    assert to.read_bytes().startswith(starts[ending])
    if ending == "png":
        with Pillow.open(to) as picture:
            ink = np.argwhere(np.asarray(picture.convert("L")) < 128)
            assert ink.min() > 2
            assert picture.size[0] - 1 - ink[:, 1].max() > 2


def test_arrays_are_those_of_the_model(runs, tmp_path, monkeypatch):
    to = tmp_path / "walk.npz"
    words = ["--along", "z", "--dims", "2,0", "--rows", "4", "--to"]
    assert call(monkeypatch, str(runs / "mog"), *words, str(to)) == 0
    model, data = load(runs / "mog"), wyner.data.load("mog", train=40, validation=10, test=20)
    pair = {k: v[4:5] for k, v in data.pairs("test").items()}
    exact = model.traverse(**pair, along="z", dims=[2, 0])
    with np.load(to) as made:
        for k in ("x", "y"):
            np.testing.assert_allclose(made[k], exact.outputs[k][:, :, 0], rtol=1e-5, atol=1e-6)


def test_paths_between_rows(runs, tmp_path, monkeypatch):
    to = tmp_path / "paths.npz"
    words = ["--between", "--rows", "1,5,7", "--steps", "3", "--to"]
    assert call(monkeypatch, str(runs / "mog"), *words, str(to)) == 0
    model, data = load(runs / "mog"), wyner.data.load("mog", train=40, validation=10, test=20)
    rows = data.pairs("test")
    ends = [{k: v[i] for k, v in rows.items()} for i in ([1, 5], [5, 7])]
    exact = model.interpolate(ends[0], ends[1], steps=3)
    with np.load(to) as made:
        np.testing.assert_allclose(made["y"], np.moveaxis(exact["y"], 1, 0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("run", "arguments", "said"),
    [
        ("mog", ["--to", "sheet.png"], "sheets show pictures, and this run has x in Real(10)"),
        ("mog", ["--to", "sheet.txt"], "expected a file that ends in .png"),
        ("mog", ["--to", "a.npz", "--rows", "20"], "test rows 0 to 19, got 20"),
        ("mog", ["--to", "a.npz", "--dims", "9"], "z has coordinates 0 to 2, got 9"),
        ("mog", ["--to", "a.npz", "--along", "w"], "unknown latent 'w'"),
        ("mog", ["--to", "a.npz", "--between", "--rows", "1"], "at least two rows"),
        ("mog", ["--to", "a.npz", "--between", "--dims", "1"], "leave out --dims"),
        ("mog", ["--to", "a.npz", "--dims", "one"], "expected numbers such as 0,3"),
        ("none", ["--to", "a.npz"], "none"),
    ],
    ids=["vectors", "ending", "row", "dim", "latent", "one", "both", "number", "run"],
)
def test_bad_input_is_one_sentence(runs, tmp_path, monkeypatch, capsys, run, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, str(runs / run), *arguments) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_bits_are_squares_in_rows():
    bits = np.zeros((1, 6), np.float32)
    bits[0, 4] = 1.0
    made = boards(bits, 20, 30)[0]  # two rows of three
    assert made.shape == (20, 30)
    assert (made[10:19, 10:19] == 1.0).all()
    assert (made[:9, :9] == 0.0).all()
    assert made[9, 0] == made[0, 9] == np.float32(0.25)


def test_headings_are_broken_to_the_width_of_their_columns():
    assert panel._fitted("Wyner VAE (lambda = 0.1)", 1e9) == "Wyner VAE (lambda\u00a0=\u00a00.1)"
    assert panel._fitted("Wyner VAE (lambda = 0.1)", 200) == "Wyner VAE\n(lambda\u00a0=\u00a00.1)"
    assert panel._wrapped("", 10) == []
