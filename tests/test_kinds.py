"""Kinds of columns: found from values, told by the user, and as numbers and back."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wyner import Binary, Categorical, Counts, Mixed, Positive, Real
from wyner.errors import DataError, OptionError
from wyner.kinds import kinds

G = np.random.default_rng(0)
N = 200
CASES = [
    (G.normal(size=N), "continuous", "numbers from"),
    (G.integers(-50, 50, N), "continuous", "numbers from -50"),
    (G.integers(0, 2, N), "binary", "0 and 1 only"),
    (G.integers(0, 2, N).astype(bool), "binary", "truth values"),
    (G.negative_binomial(1, 0.05, N), "counts", "whole numbers from 0 to"),
    (G.poisson(6, N).astype(float), "counts", "different ones"),
    (G.integers(20, 80, N), "continuous", "all far from 0: rounded numbers"),
    (np.clip(G.normal(10, 1, (N,)).round(), 0, None) + 20 * (np.arange(N) == 0), "categorical", ""),
    (np.exp(2 * G.normal(size=N)), "positive", "decades"),
    (G.uniform(0.001, 1, N), "continuous", "numbers from 0.00"),  # two decades, but not skewed
    (np.exp(2 * G.normal(size=N)) * (np.arange(N) > 3), "continuous", "numbers from 0 to"),
    (G.integers(0, 3, N), "categorical", "3 different numbers in 200 rows: 0, 1, 2"),
    (G.choice([0.5, 2.5], N), "categorical", "0.5, 2.5"),
    (G.choice(["b", "a", "c"], N), "categorical", "3 different texts: a, b, c"),
    (np.arange(1, N + 1), "unused", "1, 2, ...: numbers of the rows"),
    ([f"cell {i}" for i in range(N)], "unused", "200 different texts in 200 rows"),
    (["same"] * N, "unused", "one text alone: same"),
    ([None] * N, "unused", "no value at all"),
    (np.full(N, 3.0), "continuous", "always 3"),
    ([*([0, 1, None, np.nan] * (N // 4))], "binary", "0 and 1 only"),
    (["a", math.nan, "b", " "] * (N // 4), "categorical", "2 different texts: a, b"),
    (np.array([b"a", b"b"] * (N // 2)), "categorical", "2 different texts: a, b"),
    (np.ma.masked_equal(G.choice([0, 1, 99], N), 99), "binary", "0 and 1 only"),
]


@pytest.mark.parametrize(("values", "kind", "reason"), CASES)
def test_what_a_column_is_and_why(values, kind, reason):
    (found,) = kinds({"a": values}).columns
    assert (found.name, found.kind) == ("a", kind)
    assert reason in found.reason


def test_counts_that_hardly_vary_are_rounded_numbers():
    values = np.tile(np.arange(0, 13), 30)
    values = np.concatenate([np.full(2000, 6), values])
    (found,) = kinds({"a": values}).columns
    assert found.kind == "continuous"
    assert "closer together than counts" in found.reason


TABLE = {
    "age": G.normal(40, 10, N),
    "sex": G.choice(["f", "m"], N),
    "hand": G.choice(["l", "r"], N),
    "visits": G.negative_binomial(1, 0.05, N),
    "smokes": G.choice(["no", "yes"], N),
    "id": [f"p{i}" for i in range(N)],
}


def test_a_table_is_printed_encoded_and_decoded():
    found = kinds(TABLE, given={"smokes": "binary"})
    assert found.space == Mixed(Real(1), Categorical(2, 2), Counts(1), Binary(1))
    lines = str(found).splitlines()
    assert lines[1] == "sex     categorical  2 different texts: f, m"
    assert lines[4].split() == ["smokes", "binary", "as", "given"]
    values = found.encode(TABLE)
    assert values.shape == (N, 5)
    assert values[:, 1].tolist() == [float(v == "m") for v in TABLE["sex"]]
    back = found.decode(values)
    assert list(back) == ["age", "sex", "hand", "visits", "smokes"]
    assert all(np.array_equal(back[k], TABLE[k]) for k in back)
    assert found.decode([[0.0, 1.0, 0.0, 3.0, 0.7]])["smokes"].tolist() == ["yes"]


def test_one_kind_of_numbers_is_a_space_of_its_own():
    assert kinds(G.normal(size=(N, 3))).space == Real(3)
    assert kinds(np.exp(3 * G.normal(size=(N, 2)))).space == Positive(2)
    assert kinds(G.integers(0, 3, (N, 1))).space == Mixed(Categorical(1, 3))
    names = [c.name for c in kinds(G.normal(size=(9, 2)), ["a", "b"]).columns]
    assert names == ["a", "b"]


class Frame:
    """What data frames have in common."""

    columns = ("a", "b")

    def __getitem__(self, name: str) -> np.ndarray:
        return np.arange(0, 60) % {"a": 2, "b": 3}[name]


def test_frames_and_structured_arrays_are_read_by_name():
    pairs = np.array([(i % 2, i % 3) for i in range(60)], [("a", int), ("b", float)])
    for made in (Frame(), pairs):
        found = kinds(made)
        assert [(c.name, c.kind) for c in found.columns] == [("a", "binary"), ("b", "categorical")]
        assert found.encode(made)[5].tolist() == [1.0, 2.0]


def test_missing_cells_stay_missing():
    values = kinds({"a": ["x", "y", None] * 9}).encode({"a": ["y", None]})
    assert values[0, 0] == 1
    assert np.isnan(values[1, 0])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: kinds({"a": [1, 2], "b": [1]}), DataError, "2 in a, 1 in b"),
        (lambda: kinds({}), DataError, "got no column"),
        (lambda: kinds(np.zeros(3)), DataError, "rows, columns"),
        (lambda: kinds(np.zeros((3, 2)), ["a", "a"]), DataError, "expected 2 different names"),
        (lambda: kinds({"a": np.array([1.0, np.inf])}), DataError, "row 1 holds an infinite"),
        (lambda: kinds({"a": np.array(["2020-01-01"], "datetime64[D]")}), DataError, "dates"),
        (lambda: kinds(TABLE, given={"agee": "counts"}), OptionError, "did you mean 'age'"),
        (lambda: kinds(TABLE, given={"age": "count"}), OptionError, "did you mean 'counts'"),
        (lambda: kinds(TABLE, given={"age": "counts"}), DataError, "age: given as counts, which"),
        (lambda: kinds(TABLE, given={"sex": "counts"}), DataError, "holds texts"),
        (lambda: kinds({"a": [0, 1, 2]}, given={"a": "positive"}), DataError, "above 0"),
        (lambda: kinds({"a": [0, 1, 2]}, given={"a": "binary"}), DataError, "two different"),
        (lambda: kinds({"a": [1, 1]}, given={"a": "categorical"}), DataError, "but holds 1"),
        (lambda: kinds({"a": ["x", "y", "z"]}).space, DataError, "no column to learn from"),
        (lambda: kinds(TABLE).encode({"age": [1.0]}), DataError, "missing column 'sex'"),
        (
            lambda: kinds({"a": ["x", "y"] * 5}).encode({"a": ["x", "z"]}),
            DataError,
            "a: row 1 holds 'z', which is none of its categories x, y",
        ),
        (lambda: kinds({"a": [1.5, 2]}).encode({"a": ["x"]}), DataError, "expected numbers"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
