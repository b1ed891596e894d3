"""Binary pictures, one a row: cut at one half, a fifth set aside, smaller ones by means of
squares."""

from __future__ import annotations

import numpy as np
import pytest

import wyner
from wyner.data.binary import bits
from wyner.data.digits import embedded
from wyner.errors import OptionError
from wyner.variables import Binary


def test_the_embedded_digits_in_three_parts():
    found = wyner.data.load("binary-digits")
    assert {k: len(getattr(found, k)["label"]) for k in ("train", "validation", "test")} == {
        "train": 4800,
        "validation": 1200,
        "test": 1000,
    }
    assert found.spaces == {"x": Binary(1, 28, 28)}
    assert found.train["x"].shape == (4800, 1, 28, 28)
    assert found.train["x"].dtype == np.float32
    assert set(np.unique(found.train["x"])) == {0.0, 1.0}
    whole = (embedded().train_images > 127).astype(np.float32)
    together = np.concatenate([found.train["x"], found.validation["x"]])[:, 0]
    assert together.sum((1, 2)).sum() == whole.sum()  # nothing twice, nothing left out
    key = lambda a: sorted(r.tobytes() for r in a)
    assert key(together) == key(whole)
    np.testing.assert_array_equal(found.test["x"][:, 0], embedded().test_images > 127)
    np.testing.assert_array_equal(found.test["label"], embedded().test_labels)


def test_the_split_is_a_function_of_the_seed_and_not_of_the_numbers_of_rows():
    a, b = (wyner.data.load("binary-digits", train=n, validation=30, test=20) for n in (50, 80))
    np.testing.assert_array_equal(a.train["x"], b.train["x"][:50])
    assert not np.array_equal(
        a.train["x"], wyner.data.load("binary-digits", train=50, seed=1).train["x"]
    )
    assert [len(p["label"]) for p in (a.train, a.validation, a.test)] == [50, 30, 20]
    again = wyner.data.load(**a.source)
    np.testing.assert_array_equal(again.validation["x"], a.validation["x"])


def test_smaller_pictures_are_means_of_squares():
    images = np.zeros((2, 28, 28), np.uint8)
    images[0, :2, :2] = [[255, 255], [0, 0]]  # a mean of exactly one half is no 1
    images[0, 0:2, 2:4] = [[255, 255], [1, 0]]
    images[1] = 128
    small = bits(images, 14)
    assert small.shape == (2, 1, 14, 14)
    assert small[0].sum() == 1
    assert small[0, 0, 0, 1] == 1
    assert small[1].all()
    np.testing.assert_array_equal(bits(images), (images > 127)[:, None])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 7}, "expected size = 28 or 14, got 7"),
        ({"train": 5000}, "train: expected 1 to 4800 rows, got 5000"),
        ({"test": 0}, "test: expected 1 to 1000 rows, got 0"),
        ({"pad": 2}, "unknown option 'pad'"),
    ],
)
def test_impossible_options_are_refused(options, said):
    with pytest.raises(OptionError, match=said):
        wyner.data.load("binary-digits", **options)
