"""Accuracies of a global code: classifiers against their definition, and models whose codes and
draws are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wyner.data import Dataset
from wyner.errors import DataError, ShapeError
from wyner.families.distributions import Delta
from wyner.metrics import balanced, code_accuracy, kernel_probe, linear_probe, sample_accuracy
from wyner.variables import Binary

RNG = np.random.default_rng(0)
CLASSES = 3


def pictures(labels: np.ndarray, flip: float) -> np.ndarray:
    """A bar in the row of the class, pixels turned over with a probability."""
    x = np.zeros((len(labels), 1, 4, 4), np.float32)
    x[np.arange(len(labels)), 0, labels] = 1
    return np.abs(x - (RNG.random(x.shape) < flip)).astype(np.float32)


def dataset(flip: float) -> Dataset:
    labels = {k: RNG.integers(0, CLASSES, n) for k, n in {"train": 120, "test": 300}.items()}
    parts = {k: {"x": pictures(v, flip), "label": v} for k, v in labels.items()}
    return Dataset("bars", parts["train"], {}, parts["test"], {"x": Binary(1, 4, 4)})


class Known:
    """A model whose code is a function of the picture and whose draws are given."""

    def __init__(self, code, draw=None):
        self.code, self.draw = code, draw

    def encode(self, x):
        return {"z": Delta(torch.as_tensor(self.code(np.asarray(x)), dtype=torch.float32), (2,))}

    def redraw(self, x, n, seed):
        return {"x": np.stack([self.draw(np.asarray(x)) for _ in range(n)])}


def test_codes_that_say_the_class_are_read_and_others_are_not():
    data = dataset(0.0)
    where = lambda x: x[:, 0, :, 0].argmax(1)
    angle = lambda x: np.stack([np.cos(2 * where(x)), np.sin(2 * where(x))], 1)
    assert code_accuracy(Known(angle), data, each=10) == {"AoLR": 1.0, "AoSVM": 1.0}
    nothing = code_accuracy(Known(lambda x: np.zeros((len(x), 2))), data, each=10)
    most = np.bincount(data.test["label"]).max() / 300
    assert max(nothing.values()) <= most
    one = code_accuracy(Known(lambda x: np.stack([where(x) == 0, where(x) == 0], 1)), data, each=10)
    share = np.mean(data.test["label"] == 0)
    assert one["AoLR"] == pytest.approx(
        share + min(np.mean(data.test["label"] == k) for k in (1, 2)), abs=0.07
    )


def test_a_code_needs_enough_pictures_of_each_class():
    with pytest.raises(DataError, match=r"class \d has \d+ rows; expected at least 500"):
        code_accuracy(Known(lambda x: np.zeros((len(x), 2))), dataset(0.0), each=500)


def test_draws_of_the_class_beat_the_baseline_and_draws_of_anything_do_not():
    data = dataset(0.25)
    clean = lambda x: pictures((x[:, 0].sum(2)).argmax(1), 0.25)
    good = sample_accuracy(Known(None, clean), data, each=2, draws=20)
    assert good["mCAS"] > good["baseline"] + 0.05
    assert good["mCAS_SVM"] > good["baseline_SVM"] + 0.05
    index = balanced(data.train["label"], 2)
    flat = lambda a: a.reshape(len(a), -1)
    few = (flat(data.train["x"][index]), data.train["label"][index])
    test = (flat(data.test["x"]), data.test["label"])
    assert good["baseline"] == linear_probe(*few, *test, standardise=False)
    assert good["baseline_SVM"] == kernel_probe(*few, *test)
    lost = sample_accuracy(
        Known(None, lambda x: pictures(RNG.integers(0, CLASSES, len(x)), 0.25)),
        data,
        each=2,
        draws=20,
    )
    assert abs(lost["mCAS"] - 1 / 3) < 0.2
    assert lost["baseline"] == good["baseline"]


def test_labels_of_draws_are_those_of_the_pictures_they_come_from():
    """Copies of the real pictures teach what the pictures teach: a machine of ten times the
    penalty, ten times each."""
    data = dataset(0.2)
    found = sample_accuracy(Known(None, lambda x: x), data, each=4, draws=5)
    index = balanced(data.train["label"], 4)
    flat = lambda a: a.reshape(len(a), -1)
    want = linear_probe(
        flat(data.train["x"][index]),
        data.train["label"][index],
        flat(data.test["x"]),
        data.test["label"],
        1 / 5,
        False,
    )
    assert found["mCAS"] == pytest.approx(want, abs=0.01)


def test_balanced_rows_are_the_first_of_every_class():
    assert balanced([2, 0, 2, 1, 0, 2, 1], 2).tolist() == [1, 4, 3, 6, 0, 2]


def test_the_kernel_is_the_one_of_the_formula():
    from sklearn.svm import SVC

    a, b = RNG.normal(size=(60, 3)), RNG.normal(size=(80, 3))
    label = (a[:, 0] * a[:, 1] > 0).astype(int)
    gram = lambda u, v: np.exp(-((u[:, None] - v[None]) ** 2).sum(-1) / (3 * a.var()))
    by_hand = SVC(kernel="precomputed").fit(gram(a, a), label).predict(gram(b, a))
    truth = (b[:, 0] * b[:, 1] > 0).astype(int)
    assert kernel_probe(a, label, b, truth) == np.mean(by_hand == truth)
    assert kernel_probe(a, label, b, truth) > linear_probe(a, label, b, truth) + 0.2


def test_bad_codes_are_refused():
    with pytest.raises(ShapeError, match=r"test: expected codes \(N, d\)"):
        kernel_probe([[0.0], [1.0]], [0, 1], [[[0.0]]], [0])
    with pytest.raises(DataError, match="at least two classes"):
        kernel_probe([[0.0], [1.0]], [1, 1], [[0.0]], [0])
