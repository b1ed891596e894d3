"""Sketchy and emoji on made-up files of the same layout: classes never cross the parts, pairs share
what they should."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from PIL import Image as Picture

from wyner.data import load
from wyner.data.emoji import STYLES, shrunk
from wyner.data.sketchy import SPLIT_2, split_of
from wyner.data.zero_shot import Sides, Split, held_out
from wyner.errors import DataError, OptionError

CLASSES = [f"class_{i:02d}" for i in range(10)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten classes of 3 sketches and 2 photographs; the shade of every picture says its class."""
    root = tmp_path_factory.mktemp("sketchy")
    for i, name in enumerate(CLASSES):
        for side, count, mode in (("sketch", 3, "L"), ("photo", 2, "RGB")):
            (root / side / name).mkdir(parents=True)
            for k in range(count):
                shade = 20 * i + 10
                colour = shade if mode == "L" else (shade, shade, shade)
                Picture.new(mode, (12, 12), colour).save(root / side / name / f"{k}.png")
    return root


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("WYNER_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("WYNER_DATA_DIR", raising=False)


def shade(images: np.ndarray) -> np.ndarray:
    return (images.mean((1, 2, 3)) / 20).astype(int)


def test_pairs_share_their_class_and_test_classes_are_new(folder):
    data = load("sketchy", folder=str(folder), size=8, rounds=4, validation=0.25)
    assert data.spaces["x"].shape == (1, 8, 8)
    assert data.spaces["y"].shape == (3, 8, 8)
    seen = {}
    for part in ("train", "validation", "test"):
        rows = getattr(data, part)
        np.testing.assert_array_equal(shade(rows["x"]), rows["label"])
        np.testing.assert_array_equal(shade(rows["y"]), rows["label"])
        seen[part] = set(rows["label"].tolist())
    assert [len(seen[p]) for p in ("train", "validation", "test")] == [6, 2, 2]
    assert not seen["train"] & seen["test"]
    assert not seen["validation"] & (seen["train"] | seen["test"])
    assert (
        len(data.train["x"]) == 6 * 2 * 4
    )  # two of the three sketches have a partner in each round
    assert data.truth["common_information"] == pytest.approx(np.log(6))
    again = load(**data.source)
    np.testing.assert_array_equal(again.train["x"], data.train["x"])


def test_archives_and_inverted_lines(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as z:
        for path in sorted(folder.rglob("*.png")):
            z.write(path, f"deep/{path.relative_to(folder)}")
    from_zip = load("sketchy", folder=str(tmp_path / "all.zip"), size=8, invert=True)
    plain = load("sketchy", folder=str(folder), size=8)
    np.testing.assert_array_equal(from_zip.train["x"], 255 - plain.train["x"])


def test_published_splits():
    names = sorted([*SPLIT_2, *(f"other_{i:03d}" for i in range(104))])
    two = split_of(names, "2", validation=0)
    assert (len(two.train), len(two.test)) == (104, 21)
    assert set(two.test) == set(SPLIT_2)
    one = split_of(names, "1", validation=0)
    assert (len(one.train), len(one.test)) == (100, 25)
    state = np.random.RandomState(0)
    assert set(one.train) == set(state.choice(names, 100, replace=False))
    assert split_of(names, "1", seed=5).test == one.test  # the seed chooses held-out classes only
    assert split_of(names, "random", seed=5).test != split_of(names, "random", seed=6).test
    with pytest.raises(DataError, match="needs the class bat"):
        split_of([f"c{i}" for i in range(9)], "2")
    with pytest.raises(OptionError, match="unknown split '3'"):
        split_of(names, "3")


def test_sides_of_different_sizes():
    sides = Sides(
        np.arange(5)[:, None],
        np.arange(3)[:, None],
        np.array([0, 0, 0, 1, 1]),
        np.array([0, 0, 1]),
        ("a", "b"),
    )
    made = sides.pairs(rounds=6, seed=1)
    assert len(made["label"]) == 6 * (2 + 1)
    assert set(made["y"][made["label"] == 1].ravel().tolist()) == {2}
    assert sides.of([1]).x.ravel().tolist() == [3, 4]


def test_splits_refuse_what_overlaps():
    with pytest.raises(OptionError, match="no class in two parts"):
        Split(("a",), (), ("a",))
    with pytest.raises(DataError, match="no class z"):
        Split(("a",), (), ("z",)).indices(["a", "b"], "test")
    with pytest.raises(OptionError, match="share of the training classes"):
        held_out(["a"], ["b"], 1.0)


@pytest.fixture(scope="module")
def emoji(tmp_path_factory):
    root = tmp_path_factory.mktemp("emoji")
    n = 40
    shades = np.arange(n, dtype=np.uint8)
    arrays = {
        s: np.broadcast_to((shades + 50 * k)[:, None, None, None], (n, 64, 64, 3))
        for k, s in enumerate(STYLES)
    }
    arrays["line"] = np.broadcast_to(shades[:, None, None], (n, 64, 64))
    np.savez(
        root / "emoji_64px.npz",
        line_ok=shades % 4 > 0,
        annotation=shades.astype(str),
        subgroup=np.array([f"group {i % 5}" for i in range(n)]),
        **arrays,
    )
    return root


def test_emoji_pairs_show_the_same_thing(emoji):
    data = load("emoji", folder=str(emoji), size=16, validation=0.2, test=0.3)
    assert data.spaces["y"].shape == (3, 16, 16)
    seen = {}
    for part in ("train", "validation", "test"):
        rows = getattr(data, part)
        first, second = rows["x"].mean((1, 2, 3)), rows["y"].mean((1, 2, 3))
        assert set((second - first).tolist()) == {0, 50, 100}
        seen[part] = set(first.tolist())
    assert [len(seen[p]) for p in ("train", "validation", "test")] == [15, 6, 9]
    assert not seen["train"] & (seen["test"] | seen["validation"])
    assert all(
        s % 4 for part in seen.values() for s in part
    )  # only those with a drawing of their own
    assert len(load("emoji", folder=str(emoji), styles=["google"], size=8).test["x"]) == 8


def test_emoji_by_subgroup(emoji):
    data = load("emoji", folder=str(emoji), by="subgroup", size=8, validation=0.2, test=0.4)
    groups = {
        p: {int(v) % 5 for v in getattr(data, p)["x"].mean((1, 2, 3))}
        for p in ("train", "validation", "test")
    }
    assert [len(groups[p]) for p in ("train", "validation", "test")] == [2, 1, 2]
    assert not groups["train"] & groups["test"]


def test_shrinking_takes_means():
    images = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    assert shrunk(images, 2).ravel().tolist() == [
        2,
        4,
        10,
        12,
    ]  # 2.5, 4.5, 10.5, 12.5, rounded to even
    assert (
        shrunk(np.full((1, 3, 6, 6), 7, np.uint8), 4).tolist() == np.full((1, 3, 4, 4), 7).tolist()
    )


def test_refusals(folder, emoji, tmp_path):
    with pytest.raises(DataError, match="Sketchy is not downloaded"):
        load("sketchy")
    with pytest.raises(DataError, match="no folder or archive"):
        load("sketchy", folder=str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="holds no sketch/CLASS"):
        load("sketchy", folder=str(folder / "photo"))
    with pytest.raises(DataError, match="put it into"):
        load("emoji")
    (tmp_path / "emoji_64px.npz").write_bytes(b"damaged")
    with pytest.raises(DataError, match="cannot read"):
        load("emoji", folder=str(tmp_path))
    for options, sentence in (
        ({"styles": ["apple"]}, "unknown style"),
        ({"by": "colour"}, "unknown way"),
        ({"test": 0.95}, "shares"),
        ({"size": 4}, "size from 8"),
        ({"styles": []}, "at least one style"),
    ):
        with pytest.raises(OptionError, match=sentence):
            load("emoji", folder=str(emoji), **options)
