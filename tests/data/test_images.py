"""Pairs of pictures: pairings against their definitions, and every broken file refused in one
sentence."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from scipy.io import savemat

from wyner.data import celeba, fashion, load, svhn
from wyner.data.fetch import fetch
from wyner.data.mnist_svhn import resized
from wyner.data.pairing import in_rounds, matched, one_label
from wyner.errors import DataError, OptionError
from wyner.variables import Binary, Categorical, Image

from .test_data import idx_folder, write_idx  # noqa: F401 - a fixture


@pytest.fixture
def numbers(tmp_path, monkeypatch, idx_folder):  # noqa: F811
    """A data folder with 300 digits and 300 house numbers whose pixels all equal 10 * label +
    position mod 10."""
    monkeypatch.setenv("WYNER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("WYNER_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "svhn").mkdir()
    labels = np.arange(300) % 10
    images = np.broadcast_to(
        (10 * labels + np.arange(300) // 10 % 10)[:, None, None, None], (300, 32, 32, 3)
    )
    np.savez(
        tmp_path / "svhn" / "some.npz",
        images=images.astype(np.uint8),
        labels=labels.astype(np.uint8),
    )
    return tmp_path


# pairings


def test_matched_pairs_share_their_class_and_use_every_x_equally_often():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 200), rng.integers(0, 5, 1000)
    i, j = matched(a, b, 400, np.random.default_rng(1), shift=2, classes=5)
    assert (b[j] == (a[i] + 2) % 5).all()
    assert np.bincount(i, minlength=200).tolist() == [2] * 200
    i, j = matched(
        a[:1], b, 20_000, np.random.default_rng(2), classes=5
    )  # partners are uniform in their class
    counts = np.bincount(j, minlength=1000)[b == a[0]]
    n = len(counts)
    chi2 = float(((counts - 20_000 / n) ** 2 / (20_000 / n)).sum())
    assert abs(chi2 - (n - 1)) < 5 * (2 * (n - 1)) ** 0.5
    with pytest.raises(DataError, match="no picture with label 0 for x with label 4"):
        matched(a, b[b != 0], 10, rng, shift=1, classes=5)


def test_rounds_give_every_picture_m_partners():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 10, 300), rng.integers(0, 10, 200)
    i, j = in_rounds(a, b, 4, np.random.default_rng(1), shift=1, cap=12)
    assert (b[j] == (a[i] + 1) % 10).all()
    sizes = [min((a == k).sum(), (b == (k + 1) % 10).sum(), 12) for k in range(10)]
    assert len(i) == 4 * sum(sizes)
    assert set(np.bincount(i).tolist()) <= {0, 4}
    assert set(np.bincount(j).tolist()) <= {0, 4}
    assert one_label(np.array([0, 0, 1, 1])) == pytest.approx(
        dict.fromkeys(["common_information", "mutual_information", "gacs_korner"], np.log(2))
    )


# MNIST beside SVHN


def test_mnist_svhn_pairs_labels(numbers):
    d = load("mnist-svhn", train=70, validation=10, test=20, seed=1)
    assert d.spaces == {"x": Image(1, 32, 32), "y": Image(3, 32, 32)}
    assert [len(p["x"]) for p in (d.train, d.validation, d.test)] == [70, 10, 20]
    for part in (d.train, d.validation, d.test):
        assert part["x"].dtype == part["y"].dtype == np.uint8
        assert (part["y"][:, 0, 0, 0] // 10 == part["label"]).all()
        assert (part["x"][:, :, :2] == 0).all()
    again = load(**d.source)
    assert all(np.array_equal(d.train[k], again.train[k]) for k in d.train)
    assert not np.array_equal(d.train["y"], load(**{**d.source, "seed": 2}).train["y"])
    pairs = d.pairs("train", 3)
    assert pairs["y"].dtype == np.float32
    assert np.array_equal(pairs["y"], d.train["y"][:3].astype(np.float32) / 255)


def test_warped_house_numbers_are_new_in_every_pair_and_the_same_again(numbers):
    plain = load("mnist-svhn", train=70, validation=10, test=20, seed=1)
    d = load("mnist-svhn", train=70, validation=10, test=20, seed=1, warp=True)
    assert d.source == {**plain.source, "warp": True}
    assert np.array_equal(load(**d.source).train["y"], d.train["y"])
    # the numbers here have one colour each, so that only negatives can be told from the plain ones
    changed = (d.train["y"] != plain.train["y"]).any((1, 2, 3))
    assert abs(changed.mean() - 0.5) < 4 * (0.25 / 70) ** 0.5
    assert np.array_equal(d.train["y"][changed], 255 - plain.train["y"][changed])
    assert np.array_equal(d.train["x"], plain.train["x"])
    assert np.array_equal(d.train["label"], plain.train["label"])
    for part in ("validation", "test"):
        for name in ("x", "y"):
            assert np.array_equal(getattr(d, part)[name], getattr(plain, part)[name])


def test_parts_of_mnist_svhn_have_pictures_of_their_own(numbers):
    d = load("mnist-svhn", train=200, validation=50, test=50)
    seen = {k: {a.tobytes() for a in d.train[k]} for k in ("x", "y")}
    digits = [a.tobytes() in seen["x"] for part in (d.validation, d.test) for a in part["x"]]
    assert not any(digits)
    # the first 240 of 300 house numbers are to train, 20 of these to validate on, and the last 60
    # to test
    value = lambda part: set(np.unique(part["y"]).tolist())
    all_of = lambda a, b: {10 * (n % 10) + n // 10 % 10 for n in range(a, b)}
    assert value(d.validation) <= all_of(0, 20)
    assert value(d.test) <= all_of(240, 300)


def test_mnist_svhn_add1(numbers):
    d = load("mnist-svhn-add1", partners=3)
    assert (d.train["y"][:, 0, 0, 0] // 10 == (d.train["label"] + 1) % 10).all()
    assert len(d.train["x"]) % 3 == 0
    assert d.source["partners"] == 3
    with pytest.raises(OptionError, match="at least one partner"):
        load("mnist-svhn-add1", partners=0)
    with pytest.raises(OptionError, match="unknown way to enlarge 'stretch'"):
        load("mnist-svhn", enlarge="stretch")


def test_half_size_pairs_are_means_of_four_pixels(numbers):
    for name, options in (
        ("mnist-svhn", {"train": 40, "validation": 4, "test": 8}),
        ("mnist-svhn-add1", {}),
    ):
        whole, half = load(name, **options), load(name, size=16, **options)
        assert {k: s.event_shape for k, s in half.spaces.items()} == {
            "x": (1, 16, 16),
            "y": (3, 16, 16),
        }
        for part in ("train", "validation", "test"):
            a, b = getattr(whole, part), getattr(half, part)
            assert (a["label"] == b["label"]).all()
            for k in "xy":
                means = a[k].reshape(*a[k].shape[:2], 16, 2, 16, 2).astype(float).mean((3, 5))
                assert np.abs(means - b[k]).max() <= 0.5
    with pytest.raises(OptionError, match="expected a size of 32 or 16, got 20"):
        load("mnist-svhn", size=20, **{"train": 40, "validation": 4, "test": 8})


def test_resizing_is_bilinear_between_centres():
    ramp = np.broadcast_to(np.arange(28, dtype=np.uint8) * 9, (2, 1, 28, 28)).copy()
    found = resized(ramp, 32)
    centres = np.clip((np.arange(32) + 0.5) * 28 / 32 - 0.5, 0, 27)
    assert np.array_equal(found[0, 0, 5], np.round(9 * centres).astype(np.uint8))


def test_official_files_of_svhn(tmp_path, monkeypatch):
    monkeypatch.setenv("WYNER_DATA_DIR", str(tmp_path))
    (tmp_path / "svhn").mkdir()
    rng = np.random.default_rng(0)
    for name, n in (("train", 40), ("test", 20)):
        images = rng.integers(0, 256, (32, 32, 3, n), dtype=np.uint8)
        savemat(
            tmp_path / "svhn" / f"{name}_32x32.mat",
            {"X": images, "y": (np.arange(n) % 10 + 1)[:, None]},
        )
    found = svhn.svhn()
    assert found.train_labels[:10].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert found.train_images.shape == (40, 3, 32, 32)
    assert np.array_equal(found.test_images[3, 1], images[:, :, 1, 3])
    assert found.origin == "train_32x32.mat"
    with pytest.raises(OptionError, match="unknown split 'rest'"):
        svhn.svhn("rest")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.npz",
            {"images": np.zeros((20, 32, 32), np.uint8), "labels": np.zeros(20)},
            "expected uint8 pictures",
        ),
        (
            "a.npz",
            {"images": np.zeros((20, 32, 32, 3), np.uint8), "labels": np.zeros(19)},
            "with as many labels",
        ),
        (
            "a.npz",
            {"images": np.zeros((20, 32, 32, 3), np.uint8), "labels": np.full(20, 11)},
            "labels from 0",
        ),
        ("a.npz", {"pictures": np.zeros(3)}, "expected an .npz file with images and labels"),
        ("a.npz", b"no archive", "cannot read"),
        ("train_32x32.mat", b"no matrix", "expected the arrays X and y"),
    ],
)
def test_damaged_files_of_svhn(tmp_path, monkeypatch, name, content, message):
    monkeypatch.setenv("WYNER_DATA_DIR", str(tmp_path))
    (tmp_path / "svhn").mkdir()
    path = tmp_path / "svhn" / name
    path.write_bytes(content) if isinstance(content, bytes) else np.savez(path, **content)
    with pytest.raises(DataError, match=message) as e:
        svhn.svhn()
    assert str(path) in str(e.value)


# Fashion-MNIST


def test_fashion_mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("WYNER_DATA_DIR", str(tmp_path))
    (tmp_path / "fashion-mnist").mkdir()
    for name in fashion.MD5:
        n = 240 if name.startswith("train") else 60
        labels = np.arange(n, dtype=np.uint8) % 10
        images = np.broadcast_to(labels[:, None, None], (n, 28, 28)).copy()
        write_idx(tmp_path / "fashion-mnist", name, images if "images" in name else labels)
    d = load("fashion-mnist", pairing="add1", train=100, validation=10, test=30)
    assert (d.train["y"][:, 0, 16, 16] == (d.train["x"][:, 0, 16, 16] + 1) % 10).all()
    one = load("fashion-mnist", pairing="label")
    assert one.spaces == {"x": Image(1, 32, 32), "y": Categorical(1, 10)}
    assert [len(p["x"]) for p in (one.train, one.validation, one.test)] == [220, 20, 60]
    assert (one.train["x"][:, 0, 16, 16] == one.train["y"]).all()
    with pytest.raises(OptionError, match="unknown pairing 'next'"):
        load("fashion-mnist", pairing="next")


# faces


@pytest.fixture
def faces(tmp_path, monkeypatch):
    """A CelebA folder of ten pictures: a grey square of its own brightness in the middle of a black
    frame."""
    monkeypatch.setenv("WYNER_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    lines = ["10", "Bald Smiling Young"]
    for k in range(10):
        pixels = np.zeros((218, 178, 3), np.uint8)
        pixels[35:183, 15:163] = 20 * k + 20
        Pillow.fromarray(pixels).save(folder / "img_align_celeba" / f"{k + 1:06}.jpg", quality=95)
        lines.append(f"{k + 1:06}.jpg {' '.join('1' if k >> b & 1 else '-1' for b in range(3))}")
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_faces_are_cropped_scaled_and_mapped_from_disk(faces, monkeypatch):
    d = load("celeba", folder=str(faces))
    assert d.spaces == {"x": Binary(3), "y": Image(3, 64, 64)}
    assert [len(p["x"]) for p in (d.train, d.validation, d.test)] == [7, 1, 2]
    assert d.names == {"x": ("Bald", "Smiling", "Young")}
    assert isinstance(d.train["y"], np.memmap)
    y = np.concatenate([p["y"] for p in (d.train, d.validation, d.test)])
    x = np.concatenate([p["x"] for p in (d.train, d.validation, d.test)])
    off = np.abs(y.astype(int) - (20 * np.arange(10) + 20)[:, None, None, None])
    assert off[:, :, 8:-8, 8:-8].max() <= 2  # JPEG is not exact, least so at the edge of the square
    assert (
        off.max() <= 20
    )  # but a crop that is off by one would bring in black, which is 80 off for a bright square
    assert np.array_equal(x, [[k >> b & 1 for b in range(3)] for k in range(10)])
    monkeypatch.setattr("wyner.data.photos.Album.picture", lambda *a: pytest.fail("decoded twice"))
    assert np.array_equal(load(**d.source).train["y"], d.train["y"])


def test_a_zip_archive_is_as_good_as_a_folder(faces, tmp_path):
    import shutil

    plain = load("celeba", folder=str(faces))
    other = tmp_path / "zipped"
    other.mkdir()
    shutil.copy(faces / "list_attr_celeba.txt", other)
    shutil.make_archive(str(other / "img_align_celeba"), "zip", faces, "img_align_celeba")
    assert np.array_equal(load("celeba", folder=str(other)).test["y"], plain.test["y"])


def test_broken_faces(faces, tmp_path, monkeypatch):
    broken = faces / "img_align_celeba" / "000004.jpg"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:300])
    with pytest.raises(
        DataError, match="cannot read the picture img_align_celeba/000004.jpg|000004.jpg"
    ):
        load("celeba", folder=str(faces))
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    broken.write_bytes(whole)
    with pytest.raises(DataError, match="178x218 pixels, too few for a crop of 200"):
        load("celeba", folder=str(faces), crop=200)
    with pytest.raises(OptionError, match="below the 10 faces"):
        load("celeba", folder=str(faces), test=10)
    broken.unlink()
    assert "1 faces of the list have no picture" in load("celeba", folder=str(faces)).notes[2]
    table = faces / "list_attr_celeba.txt"
    lines = table.read_text().splitlines()
    for text, message in (
        ("\n".join(lines[:7]), "is cut off: line 1 says 10 faces, it lists 5"),
        (
            "\n".join([*lines[:4], "000003.jpg 1 1", *lines[5:]]),
            "line 5: expected the name of a picture and 3 numbers",
        ),
        ("name,Bald\n1,2\n3,4", "expected the number of faces in line 1"),
    ):
        table.write_text(text)
        with pytest.raises(DataError, match=message):
            celeba.read_attributes(table)
    table.unlink()
    with pytest.raises(DataError, match="has no list_attr_celeba"):
        load("celeba", folder=str(faces))
    monkeypatch.delenv("WYNER_DATA_DIR", raising=False)
    with pytest.raises(
        DataError, match=r"CelebA is not downloaded: put .* into a folder named by WYNER_DATA_DIR"
    ):
        load("celeba")


# folders of the user's own


@pytest.fixture
def album(tmp_path, monkeypatch):
    """Two folders of 12 pictures each, `k.png` and `k.jpg`, brightness 20 k; x with subfolders."""
    monkeypatch.setenv("WYNER_CACHE_DIR", str(tmp_path / "cache"))
    for side, ending in (("a", "png"), ("b", "bmp")):
        for k in range(12):
            path = tmp_path / side / f"g{k % 2}" / f"{k:02}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Pillow.fromarray(np.full((10, 14, 3), 20 * k, np.uint8)).save(path)
    return tmp_path


def options(album, **more):
    return {
        "x": str(album / "a"),
        "y": str(album / "b"),
        "size": 8,
        "channels": {"x": 1, "y": 3},
        **more,
    }


def test_folders_matched_by_name(album):
    d = load("image-pairs", **options(album))
    assert d.spaces == {"x": Image(1, 8, 8), "y": Image(3, 8, 8)}
    assert [len(p["x"]) for p in (d.train, d.validation, d.test)] == [10, 1, 1]
    assert (d.train["x"][:, 0, 0, 0] == d.train["y"][:, 2, 7, 7]).all()
    again = load(**d.source)
    assert np.array_equal(again.test["x"], d.test["x"])


def test_folders_matched_by_tables(album):
    pairs = "x,y\n" + "".join(
        f"g{k % 2}/{k:02}.png,g{(k + 1) % 2}/{k + 1:02}.bmp\n" for k in range(11)
    )
    (album / "pairs.csv").write_text(pairs)
    d = load("image-pairs", **options(album, table=str(album / "pairs.csv")))
    assert (d.train["y"][:, 0, 0, 0] == d.train["x"][:, 0, 0, 0] + 20).all()
    rows = "".join(
        f"g{k % 2}/{k:02}.{e},{'odd' if k % 2 else 'even'}\n"
        for k in range(12)
        for e in ("png", "bmp")
    )
    (album / "labels.csv").write_text("file,label\n" + rows)
    d = load(
        "image-pairs",
        **options(album, table=str(album / "labels.csv"), pairs=50, test=0.3, validation=0.3),
    )
    assert len(d.train["x"]) == 50
    for part in (d.train, d.validation, d.test):
        for side in "xy":
            assert (part[side][:, 0, 0, 0] // 20 % 2 == part["label"]).all()
    assert d.truth["common_information"] == pytest.approx(
        one_label(d.train["label"])["common_information"]
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a,b\n1,2\n", "expected the columns x,y"),
        (
            "x,y\ng0/00.png,g0/00.bmp\ng0/77.png,g0/00.bmp\n",
            "lists g0/77.png, which .*a does not hold",
        ),
        ("x,y\ng0/00.png\n", "line 2: expected two entries, got 1"),
        ("file,label\ng0/00.png,1\ng0/02.png,2\n", "labels 2 pictures of .*a; expected at least 3"),
    ],
)
def test_broken_tables(album, table, message):
    (album / "t.csv").write_text(table)
    with pytest.raises(DataError, match=message):
        load("image-pairs", **options(album, table=str(album / "t.csv")))


def test_broken_folders(album):
    with pytest.raises(DataError, match="there is no folder or archive"):
        load("image-pairs", **options(album, x=str(album / "none")))
    (album / "empty").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        load("image-pairs", **options(album, x=str(album / "empty")))
    (album / "other").mkdir()
    Pillow.fromarray(np.zeros((8, 8, 3), np.uint8)).save(album / "other" / "z.png")
    with pytest.raises(DataError, match="0 pictures of .* have the same name"):
        load("image-pairs", **options(album, x=str(album / "other")))
    (album / "some.zip").write_bytes(b"no archive")
    with pytest.raises(DataError, match="expected a folder of pictures or a zip archive"):
        load("image-pairs", **options(album, x=str(album / "some.zip")))
    with pytest.raises(OptionError, match="channels 1 or 3"):
        load("image-pairs", **options(album, channels=2))


# downloads


def test_an_interrupted_download_goes_on_where_it_stopped(tmp_path, monkeypatch):
    """The server breaks off after 100 kB every time; whole blocks are kept, the rest is asked for,
    and the whole is verified."""
    content, asked = np.random.default_rng(0).bytes(250_000), []

    class Breaking(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            asked.append(start)
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : start + 100_000])

        def log_message(self, *a: object) -> None: ...

    monkeypatch.setenv("WYNER_CACHE_DIR", str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Breaking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url, right = (
        f"http://127.0.0.1:{server.server_port}/big.bin",
        f"md5:{hashlib.md5(content).hexdigest()}",
    )
    try:
        for _ in range(3):
            with pytest.raises(Exception, match=r"broken|IncompleteRead"):
                fetch(url, right, "things")
            assert not (tmp_path / "things" / "big.bin").exists()
        assert fetch(url, right, "things").read_bytes() == content
        assert asked == [0, 65_536, 131_072, 196_608]
        assert [p.name for p in (tmp_path / "things").iterdir()] == ["big.bin"]
        fetch(url, right, "things")  # from the cache
        assert len(asked) == 4
        (tmp_path / "others").mkdir()
        (tmp_path / "others" / "big.bin.part").write_bytes(
            content
        )  # all of it: there is nothing left to ask for
        with pytest.raises(Exception, match="hash"):
            fetch(url, "md5:" + "0" * 32, "others")
        assert not list((tmp_path / "others").iterdir())
    finally:
        server.shutdown()
        server.server_close()


def test_uint8_pictures_become_tensors_without_a_copy(faces):
    d = load("celeba", folder=str(faces))
    tensor = torch.from_numpy(d.train["y"])
    assert tensor.data_ptr() == d.train["y"].ctypes.data
