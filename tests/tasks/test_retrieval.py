"""The index: codes of either side, exact search in blocks against brute force, folders that are
whole, and clear refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from wyner import Real
from wyner.errors import DataError, OptionError, RunError, ShapeError, TaskError
from wyner.models import CVAE, JVAE, BiVCCAPrivate, VCCAPrivate, WynerVAE
from wyner.networks import MLPs
from wyner.tasks import Index
from wyner.tasks.retrieval import nearest, search
from wyner.tasks.retrieval.search import has_faiss, unit_rows

SMALL = {"networks": MLPs(hidden=(8,), activation="tanh")}
ENGINES = [
    "torch",
    pytest.param(
        "faiss", marks=pytest.mark.skipif(not has_faiss(), reason="FAISS is not installed")
    ),
]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return WynerVAE(x=Real(4), y=Real(3), z=5, u=2, v=2, **SMALL).eval()


def rows(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def brute(
    queries: np.ndarray, gallery: np.ndarray, k: int, distance: str
) -> tuple[np.ndarray, np.ndarray]:
    """Every pair by itself in float64; equal ones in the gallery's order."""
    a, b = queries.astype(np.float64), gallery.astype(np.float64)
    score = a @ b.T if distance == "cosine" else -np.sqrt(((a[:, None] - b) ** 2).sum(-1))
    at = np.argsort(-score, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(score, at, 1)
    return at, found if distance == "cosine" else -found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 9, 50])
def test_blocks_find_what_brute_force_finds(engine, distance, k, monkeypatch, tmp_path):
    monkeypatch.setattr(search, "GALLERY_BLOCK", 7)  # smaller than k, and not a divisor of 50
    monkeypatch.setattr(search, "QUERY_BLOCK", 3)
    a, b = (unit_rows(torch.from_numpy(rows(n, 6, s))).numpy() for n, s in ((8, 0), (50, 1)))
    if distance == "euclidean":
        a, b = 3 * a, 2 * b
    np.save(tmp_path / "b.npy", b)
    want, score = brute(a, b, k, distance)
    for gallery in (b, torch.from_numpy(b), np.load(tmp_path / "b.npy", mmap_mode="r")):
        found = nearest(a, gallery, k, distance, engine)
        assert found.index.tolist() == want.tolist()
        np.testing.assert_allclose(found.score, score, atol=2e-6)


def test_ties_keep_the_order_of_the_gallery_across_blocks(monkeypatch):
    monkeypatch.setattr(search, "GALLERY_BLOCK", 4)
    gallery = np.array([[0, 1], [1, 0]] * 9, np.float32)
    found = nearest(np.array([[1, 0]], np.float32), gallery, 12, engine="torch")
    assert found.index[0].tolist() == [1, 3, 5, 7, 9, 11, 13, 15, 17, 0, 2, 4]


def test_codes_are_means_of_the_encoder_of_one_side(model):
    y, x = rows(30, 3), rows(5, 4)
    index = model.index(y=y, names=[f"item {i}" for i in range(30)], block=7)
    assert len(index) == 30
    assert repr(index) == "Index(30 items of y, 5 numbers each, cosine)"
    b = unit_rows(model.encode(y=torch.from_numpy(y))["z"].mean).detach().numpy()
    a = unit_rows(model.encode(x=torch.from_numpy(x))["z"].mean).detach().numpy()
    np.testing.assert_allclose(index.codes, b, atol=1e-6)
    want, score = brute(a, b, 4, "cosine")
    hits = index.search(x=x, k=4, engine="torch")
    assert hits.index.tolist() == want.tolist()
    np.testing.assert_allclose(hits.score, score, atol=1e-6)
    assert hits.names[0] == [f"item {i}" for i in want[0]]
    own = index.search(y=y, k=1)  # the gallery's own side: every item finds itself
    assert own.index[:, 0].tolist() == list(range(30))
    back = model.index(x=x).search(y=y, k=5)  # and the other direction
    assert back.index.shape == (30, 5)
    assert back.names is None


def test_any_model_with_encoders_of_one_side_retrieves():
    x, y = rows(20, 4), rows(20, 3)
    for kind in (JVAE, BiVCCAPrivate):
        assert kind(x=Real(4), y=Real(3), **SMALL).index(y=y).search(x=x, k=3).index.shape == (
            20,
            3,
        )


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_a_folder_gives_the_same_answers_from_disk(model, tmp_path, distance):
    y, x, names = rows(100, 3), rows(6, 4), [f"ü{i}" for i in range(100)]
    inside = model.index(y=y, names=names, distance=distance)
    blocks = (y[i : i + 13] for i in range(0, 100, 13))  # a gallery that is never whole in memory
    outside = model.index(y=blocks, names=names, distance=distance, out=tmp_path / "index")
    assert isinstance(outside.codes, np.memmap)
    np.testing.assert_allclose(outside.codes, inside.codes, atol=1e-6)
    saved = Index.load(inside.save(tmp_path / "again"), model)
    want = inside.search(x=x, k=10, engine="torch")
    for found in (outside, saved):
        hits = found.search(x=x, k=10, engine="torch")
        assert hits.index.tolist() == want.index.tolist()
        assert hits.names == want.names
        np.testing.assert_allclose(hits.score, want.score, atol=1e-6)
    from safetensors.numpy import load_file

    np.testing.assert_array_equal(
        load_file(tmp_path / "again" / "codes.safetensors")["codes"], inside.codes
    )


def test_memory_does_not_grow_with_the_gallery(model, tmp_path, monkeypatch):
    import tracemalloc

    monkeypatch.setattr(search, "GALLERY_BLOCK", 1000)
    block = rows(2000, 3)
    peaks = []
    for n in (2, 20):
        tracemalloc.start()
        index = model.index(y=(block for _ in range(n)), out=tmp_path / f"{n}")
        index.search(x=rows(2, 4), k=5, engine="torch")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(index) == 2000 * n
    assert peaks[1] < 1.5 * peaks[0]  # ten times the gallery


def test_damage_is_seen(model, tmp_path):
    folder = model.index(y=rows(20, 3), out=tmp_path / "index") and tmp_path / "index"
    path = folder / "codes.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5] + b"\x07" + whole[-4:])
    with pytest.raises(RunError, match="checksum"):
        Index.load(folder, model)
    path.write_bytes(whole[:-4])
    with pytest.raises(RunError, match="does not hold 20 codes of 5 numbers"):
        Index.load(folder, model)
    path.write_bytes(whole)
    about = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(
        json.dumps({k: v for k, v in about.items() if k != "digest"})
    )
    with pytest.raises(RunError, match="does not describe an index"):
        Index.load(folder, model)
    (folder / "index.json").unlink()
    with pytest.raises(RunError, match="is not an index"):
        Index.load(folder, model)


def test_an_index_belongs_to_one_model(model, tmp_path):
    folder = model.index(y=rows(20, 3)).save(tmp_path / "index")
    with torch.no_grad():
        next(model.parameters()).add_(1)
    with pytest.raises(RunError, match="codes of another model"):
        Index.load(folder, model)


def test_refusals(model, tmp_path):
    index = model.index(y=rows(20, 3))
    with pytest.raises(OptionError, match="from 1 to the 20 items"):
        index.search(x=rows(2, 4), k=21)
    with pytest.raises(TaskError, match="unknown modality 'text'"):
        index.search(text=rows(2, 4))
    with pytest.raises(TaskError, match="expected one modality, x=... or y=...; got none"):
        index.search()
    with pytest.raises(TaskError, match="got x, y"):
        model.index(x=rows(2, 4), y=rows(2, 3))
    with pytest.raises(ShapeError, match=r"expected shape \(..., 3\)"):
        model.index(y=rows(2, 4))
    with pytest.raises(DataError, match="no rows"):
        model.index(y=rows(0, 3))
    for out in (None, tmp_path / "index"):
        for n in (2, 21):
            with pytest.raises(DataError, match=f"a name for each of the 20 items, got {n}"):
                model.index(y=rows(20, 3), names=["a"] * n, out=out)
    with pytest.raises(OptionError, match="unknown distance"):
        model.index(y=rows(20, 3), distance="l2")
    with pytest.raises(OptionError, match="unknown engine"):
        index.search(x=rows(2, 4), k=2, engine="annoy")
    one_sided = VCCAPrivate(x=Real(4), y=Real(3), **SMALL)
    with pytest.raises(TaskError, match="no encoder of z from y alone, only from"):
        one_sided.index(y=rows(5, 3))
    with pytest.raises(TaskError, match="no common latent"):
        CVAE(x=Real(4), y=Real(3), **SMALL).index(x=rows(5, 4))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    with pytest.raises(RunError, match="is not empty"):
        model.index(y=rows(5, 3), out=tmp_path / "full")


def test_nothing_half_written_is_left(model, tmp_path):
    def blocks():
        yield rows(5, 3)
        yield np.full((5, 3), np.nan, np.float32)

    with pytest.raises(DataError):
        model.index(y=blocks(), out=tmp_path / "index")
    with pytest.raises(DataError, match="a name for each"):
        model.index(y=rows(5, 3), names=["one"], out=tmp_path / "index")
    assert list((tmp_path / "index").iterdir()) == []
    assert len(model.index(y=rows(5, 3), out=tmp_path / "index")) == 5


def test_the_benchmark_searches_what_it_says(tmp_path, monkeypatch):
    import importlib.util
    from pathlib import Path

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    place = Path(__file__).parents[2] / "benchmarks" / "retrieval.py"
    spec = importlib.util.spec_from_file_location("benchmark", place)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    benchmark.gallery(tmp_path / "codes", 500)
    rows = [
        benchmark.measure(tmp_path / "codes", 500, "torch", mapped, 1) for mapped in (False, True)
    ]
    assert rows[0]["first"] == rows[1]["first"]
    assert "of 500 codes" not in benchmark.table(rows, 1000)
    assert "nearest 100 of 1,000 codes of 64 numbers" in benchmark.table(rows, 1000)
