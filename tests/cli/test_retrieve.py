"""`wyner retrieve`: pictures and arrays in, tables and a sheet out; bad input ends with one
sentence."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image as Picture

from wyner import Image, Real
from wyner.commands.retrieval import retrieve
from wyner.errors import WynerError
from wyner.models import CVAE, WynerVAE
from wyner.networks import MLPs
from wyner.report.hits import RIGHT, WRONG, marked, sheet

SMALL = {"networks": MLPs(hidden=(8,), activation="tanh")}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A model of grey and coloured pictures, folders of such pictures, and a model of vectors."""
    root = tmp_path_factory.mktemp("retrieve")
    torch.manual_seed(0)
    WynerVAE(x=Image(1, 8, 8), y=Image(3, 8, 8), z=3, u=2, v=2, **SMALL).save(root / "pictures")
    WynerVAE(x=Real(4), y=Real(3), z=3, u=2, v=2, **SMALL).save(root / "vectors")
    CVAE(x=Real(4), y=Real(3), **SMALL).save(root / "cvae")
    rng = np.random.default_rng(0)
    for folder, n in (("sketches", 4), ("photos/a", 7), ("photos/b", 6)):
        (root / folder).mkdir(parents=True)
        for i in range(n):
            Picture.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(
                root / folder / f"{i}.png"
            )
    np.save(root / "x.npy", rng.standard_normal((5, 4)).astype("float32"))
    np.savez(
        root / "pairs.npz",
        x=np.zeros((9, 4), "float32"),
        y=rng.standard_normal((9, 3)).astype("float32"),
    )
    (root / "empty").mkdir()
    return root


def test_pictures(place, tmp_path):
    ask = lambda gallery, out, **how: retrieve(
        place / "pictures", place / "sketches", gallery, tmp_path / out, k=3, **how
    )
    hits, files = ask(place / "photos", "out", keep=tmp_path / "index")
    assert [f.name for f in files] == ["hits.json", "hits.csv", "hits.png"]
    found = json.loads((tmp_path / "out" / "hits.json").read_text())
    assert found["items"] == 13
    assert [q["query"] for q in found["queries"]] == ["0.png", "1.png", "2.png", "3.png"]
    first = found["queries"][0]["hits"]
    assert [h["rank"] for h in first] == [1, 2, 3]
    assert {h["item"].split("/")[0] for q in found["queries"] for h in q["hits"]} <= {"a", "b"}
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "hits.csv").read_text())))
    assert len(rows) == 12
    assert rows[0]["item"] == first[0]["item"]
    pixels = np.asarray(Picture.open(tmp_path / "out" / "hits.png"))
    assert pixels.shape[1] > 4 * 80  # the query and three hits
    again, files = ask(tmp_path / "index", "again")
    with pytest.raises(WynerError, match="was made for cosine"):
        ask(tmp_path / "index", "no", distance="euclidean")
    assert again.index.tolist() == hits.index.tolist()  # the kept index answers as the gallery did
    assert (tmp_path / "again" / "hits.png").read_bytes() == (
        tmp_path / "out" / "hits.png"
    ).read_bytes()


def test_arrays_and_the_other_direction(place, tmp_path):
    ask = lambda query, gallery, out, **how: retrieve(
        place / "vectors", place / query, place / gallery, tmp_path / out, **how
    )
    hits, files = ask("x.npy", "pairs.npz", "a", k=9)
    assert hits.index.shape == (5, 9)
    assert [f.name for f in files] == ["hits.json", "hits.csv"]
    back, _ = ask("pairs.npz", "x.npy", "b", k=2, of="y")
    assert back.index.shape == (9, 2)
    same, _ = ask("pairs.npz", "pairs.npz", "c", k=1, of="y", to="y")
    assert same.index[:, 0].tolist() == list(range(9))


@pytest.mark.parametrize(
    ("run", "query", "gallery", "options", "sentence"),
    [
        (
            "pictures",
            "sketches",
            "photos",
            {"k": 14},
            "k: expected a number from 1 to the 13 items",
        ),
        ("pictures", "sketches", "photos", {"of": "text"}, "unknown modality 'text'"),
        ("pictures", "empty", "photos", {}, "holds no pictures"),
        ("pictures", "nowhere", "photos", {}, "no folder or archive"),
        ("vectors", "sketches", "pairs.npz", {}, "takes Real.4. for x, not pictures"),
        ("vectors", "x.npy", "missing.npz", {}, "there is no file"),
        ("vectors", "x.npy", "x.npy", {"k": 1}, r"expected shape \(..., 3\)"),
        ("vectors", "pairs.npz", "pairs.npz", {"k": 1, "distance": "l2"}, "unknown distance"),
        ("cvae", "x.npy", "pairs.npz", {}, "CVAE cannot retrieve: it has no common latent"),
        ("nowhere", "x.npy", "pairs.npz", {}, "there is no run"),
    ],
)
def test_refusals_leave_nothing_behind(place, tmp_path, run, query, gallery, options, sentence):
    with pytest.raises(WynerError, match=sentence):
        retrieve(place / run, place / query, place / gallery, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_an_occupied_folder_is_left_alone(place, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WynerError, match="is not empty"):
        retrieve(place / "vectors", place / "x.npy", place / "pairs.npz", tmp_path)


def test_marks_say_right_and_wrong():
    cell = np.full((60, 60, 4), 0.5, np.float32)
    for right, colour in ((True, RIGHT), (False, WRONG)):
        made = marked(cell, right)
        assert made.shape == (64, 64, 4)
        np.testing.assert_allclose(made[-1, 0], colour)
        assert (made == 1).all(-1).any()  # the white tick or cross
    assert not np.array_equal((marked(cell, True) == 1).all(-1), (marked(cell, False) == 1).all(-1))
    rng = np.random.default_rng(0)
    made = sheet(
        rng.random((2, 1, 8, 8)),
        list(rng.random((2, 3, 3, 8, 8))),
        np.array([[1, 0, 1], [0, 0, 1]], bool),
    )
    assert made[:4] == b"\x89PNG"
