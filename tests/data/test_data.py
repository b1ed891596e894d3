"""Data sets: their statistics against their definitions, and every bad file refused in one
sentence."""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import wyner
from wyner.data import from_arrays, load
from wyner.data import mnist as mnist_module
from wyner.data.digits import embedded
from wyner.errors import DataError, OptionError
from wyner.variables import Binary, Image, Real


def test_mog_follows_equation_60_and_its_truth() -> None:
    d = load("mog", train=60_000, validation=10, test=10)
    x, y, label = (d.train[k].astype(float) for k in ("x", "y", "label"))
    half = [0.5 * (s[:, :5] + s[:, 5:]) for s in (x, y)]  # mu(Z), a constant given Z
    means = np.array([[0, 0], [4, 4], [-4, 4], [-4, -4], [4, -4]], float)
    for side in (0, 1):
        assert np.abs(half[side] - means[label.astype(int), side][:, None]).max() < 1e-5
    for s in (x, y):  # U and V are standard normal, independent of everything
        u = 0.5 * (s[:, :5] - s[:, 5:])
        assert np.abs(u.mean(0) * math.sqrt(len(u))).max() < 5
        assert np.abs((u.var(0) - 1) / math.sqrt(2 / len(u))).max() < 5
    counts = np.bincount(label.astype(int))
    assert np.abs(counts / len(x) - 0.2).max() < 5 * math.sqrt(0.16 / len(x))
    p = np.array(
        [
            [0.2 if a == b == 0 else 0.2 * (a != 0 and b != 0) for b in (-4, 0, 4)]
            for a in (-4, 0, 4)
        ]
    )
    q = p / p.sum()
    exact = sum(
        q[i, j] * math.log(q[i, j] / (q[i].sum() * q[:, j].sum()))
        for i in range(3)
        for j in range(3)
        if q[i, j]
    )
    assert (
        d.truth["common_information"]
        == pytest.approx(exact, abs=1e-12)
        == pytest.approx(0.500402, abs=1e-6)
    )
    assert d.truth["nll_joint"] == pytest.approx(24.98821, abs=5e-6)
    assert d.truth["nll_conditional"] == pytest.approx(12.24390, abs=5e-6)
    assert d.truth["nll_joint"] == pytest.approx(
        d.truth["nll_marginal"] + d.truth["nll_conditional"], abs=1e-12
    )


def test_gaussian_pairs_have_the_correlations_asked_for() -> None:
    r, n = [0.9, -0.4], 40_000
    d = load("gaussian", correlations=r, dx=3, dy=2, train=n)
    s = np.cov(np.c_[d.train["x"], d.train["y"]].T)
    expected = np.eye(5)
    for i, v in enumerate(r):
        expected[i, 3 + i] = expected[3 + i, i] = v
    z = (s - expected) / np.sqrt((1 + expected**2) / n)
    assert np.abs(z).max() < 5
    assert d.truth["mutual_information"] == pytest.approx(
        -0.5 * (math.log(1 - 0.81) + math.log(1 - 0.16))
    )
    assert d.truth["common_information"] == pytest.approx(math.atanh(0.9) + math.atanh(0.4))
    joint = 0.5 * math.log((2 * math.pi * math.e) ** 5 * np.linalg.det(expected))
    assert d.truth["entropy"] == pytest.approx(joint)
    with pytest.raises(OptionError, match="correlations between -1 and 1"):
        load("gaussian", correlations=[1.0])


def test_digits_are_mnist_and_halves_glue_back() -> None:
    d, digits = load("digits-halves"), embedded()
    assert digits.train_images.shape == (6000, 28, 28)
    assert np.bincount(digits.test_labels).tolist() == [85, 126, 116, 107, 110, 87, 87, 99, 89, 94]
    glued = np.concatenate([d.test["x"], d.test["y"]], 2)
    assert np.array_equal(glued, digits.test_images > 127)
    assert set(np.unique(glued)) == {0.0, 1.0}
    rows = {r.tobytes() for r in d.train["x"].reshape(len(d.train["x"]), -1)}
    assert len(d.train["x"]) + len(d.validation["x"]) == 6000
    assert len(rows) > 5000


def test_add1_pairs_labels_and_share_nothing_else() -> None:
    d, digits = load("digits-add1", seed=1), embedded()
    plain = {digits.train_images[i].tobytes(): int(digits.train_labels[i]) for i in range(6000)}
    label = lambda image: plain[np.round(image[0, 2:-2, 2:-2] * 255).astype(np.uint8).tobytes()]
    for x, y, k in zip(d.train["x"][:300], d.train["y"][:300], d.train["label"][:300], strict=True):
        assert label(x) == k
        assert label(y) == (k + 1) % 10
    assert d.train["x"].shape[1:] == (1, 32, 32)
    assert float(d.train["x"][:, 0, :2].max()) == 0
    assert math.log(10) - 0.02 < d.truth["common_information"] <= math.log(10)
    again = load("digits-add1", seed=1)
    assert np.array_equal(d.train["y"], again.train["y"])
    assert not np.array_equal(d.train["y"], load("digits-add1", seed=2).train["y"])


def test_validation_images_of_add1_are_their_own() -> None:
    d = load("digits-add1")
    seen = {a.tobytes() for k in ("x", "y") for a in d.train[k]}
    assert not any(a.tobytes() in seen for k in ("x", "y") for a in d.validation[k])


def write_idx(folder, name: str, array: np.ndarray) -> None:
    head = b"\x00\x00\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    (folder / name).write_bytes(gzip.compress(head + array.tobytes()))


@pytest.fixture
def idx_folder(tmp_path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in mnist_module.MD5:
        n = 240 if name.startswith("train") else 60
        write_idx(
            folder,
            name,
            (
                rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
                if "images" in name
                else np.arange(n, dtype=np.uint8) % 10
            ),
        )
    return folder


def test_full_mnist_from_a_folder_of_idx_files(idx_folder, monkeypatch) -> None:
    monkeypatch.setenv("WYNER_DATA_DIR", str(idx_folder.parent))
    d = load("mnist-halves", validation=40)
    assert (len(d.train["x"]), len(d.validation["x"]), len(d.test["x"])) == (200, 40, 60)
    pairs = load("mnist-add1", train=50, validation=10, test=20)
    assert pairs.train["x"].shape == (50, 1, 32, 32)


def test_downloads_are_verified(idx_folder, tmp_path, monkeypatch) -> None:
    """A file from a server on this machine is taken if its checksum is right and refused if it is
    not."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(idx_folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        monkeypatch.delenv("WYNER_DATA_DIR", raising=False)
        monkeypatch.setenv("WYNER_MNIST_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        with pytest.raises(
            DataError, match="cannot get train-images.*MD5|cannot get train-images.*hash"
        ):
            load("mnist-halves")
        assert not list((tmp_path / "cache").rglob("*ubyte*"))
        monkeypatch.setattr(
            mnist_module,
            "MD5",
            {n: hashlib.md5((idx_folder / n).read_bytes()).hexdigest() for n in mnist_module.MD5},
        )
        assert len(load("mnist-halves", validation=40).train["x"]) == 200
        server.shutdown()
        assert len(load("mnist-halves", validation=40).train["x"]) == 200  # from the cache
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "not an IDX file"),
        (gzip.compress(b"\x00\x00\x08\x01\x00\x00\x00\x09abc"), "cut off"),
        (gzip.compress(b"\x00\x00\x08\x01")[:-3], "cannot read"),
    ],
    ids=["text", "short", "broken gzip"],  # the content holds the time, so it cannot name the case
)
def test_damaged_idx_files(tmp_path, content: bytes, message: str) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(DataError, match=message):
        mnist_module.read_idx(tmp_path / "f")


def test_tables_are_standardised_by_their_training_rows(tmp_path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(3, 5, (300, 4)), rng.normal(-1, 0.1, (300, 2, 3))
    np.savez(tmp_path / "pairs.npz", x=x, y=y, label=np.arange(300) % 3)
    d = load(str(tmp_path / "pairs.npz"))
    assert d.spaces == {"x": Real(4), "y": Real(2, 3)}
    assert [len(p["x"]) for p in (d.train, d.validation, d.test)] == [240, 30, 30]
    seen = [d.preprocessing.arrays(p) for p in (d.train, d.validation, d.test)]
    for k in ("x", "y"):
        assert np.abs(seen[0][k].mean(0)).max() < 1e-6
        assert np.abs(seen[0][k].std(0) - 1).max() < 1e-5
    mean, deviation = d.scale["x"]
    back = np.concatenate([p["x"] for p in seen]) * deviation + mean
    assert np.allclose(np.sort(back, 0), np.sort(x, 0), atol=1e-5)
    kept = np.concatenate([p["x"] for p in (d.train, d.validation, d.test)])
    assert np.array_equal(np.sort(kept, 0), np.sort(x, 0))  # in the units of the file
    shift = float(np.log(deviation).sum())
    assert f"{shift:.3f} nats from the nll of x" in d.notes[1]
    assert np.array_equal(load(str(tmp_path / "pairs.npz")).train["x"], d.train["x"])


def test_spaces_are_read_off_the_arrays() -> None:
    rng = np.random.default_rng(0)
    d = from_arrays(
        {
            "a": rng.integers(0, 2, (20, 6)),
            "b": rng.integers(0, 256, (20, 8, 8, 3)).astype(np.uint8),
            "c": rng.random(20),
            "d": rng.random((20, 4)) > 0.5,
        },
        views=["a", "b", "c", "d"],
    )
    assert d.spaces == {"a": Binary(6), "b": Image(3, 8, 8), "c": Real(1), "d": Binary(4)}
    assert float(d.train["b"].max()) <= 1


def test_masked_rows_may_hold_anything() -> None:
    rng = np.random.default_rng(0)
    x, y, mask = rng.random((50, 2)), rng.random((50, 3)), np.ones(50)
    mask[::4] = 0
    x[::4] = np.nan
    d = from_arrays({"x": x, "y": y, "x_mask": mask}, test=0.0)
    used = d.train["x_mask"].astype(bool)
    seen = d.preprocessing.arrays(d.train)["x"]
    assert np.abs(seen[used].mean(0)).max() < 1e-6
    assert (d.train["x"][~used] == 0).all()
    assert (seen[~used] == 0).all()
    blank = from_arrays({"x": x, "y": y}, test=0.0)  # NaN is a missing cell, and that is said
    assert np.array_equal(blank.train["x_mask"], d.train["x_mask"])
    assert "x: 13 of 50 rows have a missing cell" in blank.notes[0]
    with pytest.raises(DataError, match="x: found inf at row 0, column 0"):
        from_arrays({"x": np.where(np.isnan(x), np.inf, x), "y": y})


BAD = [
    (
        {"x": np.zeros((5, 2)), "y": np.zeros((6, 2))},
        "expected the same number of rows in every array, got 5 of x, 6 of y",
    ),
    ({"x": np.zeros((5, 2))}, "expected at least two arrays"),
    ({"x": np.zeros((0, 3)), "y": np.zeros((0, 3))}, "empty"),
    ({"x": np.zeros((1, 3)), "y": np.zeros((1, 3))}, "one row is not enough"),
    ({"x": np.array(["a", "b"]), "y": np.zeros(2)}, "got strings"),
    ({"x": np.array([1j, 2]), "y": np.zeros(2)}, "complex"),
    (
        {"x": np.array([[1.0, 2], [3, np.inf]]), "y": np.zeros((2, 2))},
        "x: found inf at row 1, column 1",
    ),
]


@pytest.mark.parametrize(("arrays", "message"), BAD)
def test_bad_arrays(tmp_path, arrays, message: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    for call in (lambda: load(str(tmp_path / "bad.npz")), lambda: from_arrays(arrays)):
        with pytest.raises(DataError, match=message) as e:
            call()
        assert "\n" not in str(e.value)


def test_bad_files(tmp_path) -> None:
    np.savez(tmp_path / "objects.npz", x=np.array([{}, {}], dtype=object), y=np.zeros(2))
    (tmp_path / "text.npz").write_text("x,y\n1,2\n")
    np.savez(tmp_path / "cut.npz", x=np.random.default_rng(0).random((50, 3)), y=np.zeros((50, 2)))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:400])
    for name, message in (
        ("objects", "Python objects"),
        ("text", "numpy.savez"),
        ("cut", "cannot read"),
        ("none", "no file"),
    ):
        with pytest.raises(DataError, match=message):
            load(str(tmp_path / f"{name}.npz"))


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(OptionError, match="did you mean 'digits-halves'"):
        load("digit-halves")
    with pytest.raises(OptionError, match="unknown option 'trains': did you mean 'train'"):
        load("mog", trains=5)
    with pytest.raises(OptionError, match="unknown option 'full'"):
        load("digits-halves", full=True)


def test_every_named_set_can_be_trained_on() -> None:
    for name in ("mog", "gaussian", "digits-add1"):
        d = load(name, train=64, validation=16, test=16)
        small = wyner.networks.MLPs((4,))
        model = wyner.models.WynerVAE(
            x=d.spaces["x"], y=d.spaces["y"], z=2, u=1, v=1, families=d.families, networks=small
        )
        run = wyner.fit(model, d, epochs=1, batch_size=32, progress=False)
        assert all(math.isfinite(row["loss"]) for row in run.history)
