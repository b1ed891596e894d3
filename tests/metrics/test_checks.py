"""Numbers that are not finite and labels that cannot be compared: refused by every metric."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wyner import metrics
from wyner.errors import DataError, ShapeError
from wyner.metrics.checks import classes, finite

EYE = np.eye(4)
BROKEN = EYE.copy()
BROKEN[3] = np.nan
FOUR = [0, 1, 2, 3]
T, BAD = torch.from_numpy(EYE), torch.from_numpy(BROKEN)
BITS = torch.eye(4)


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda: metrics.retrieval_scores(EYE, BROKEN, FOUR, FOUR, k=1), "gallery"),
        (lambda: metrics.retrieval_scores(BROKEN, EYE, FOUR, FOUR, k=1), "queries"),
        (lambda: metrics.ranked_relevance(EYE, BROKEN, FOUR, FOUR), "gallery"),
        (lambda: metrics.paired_top1(EYE, BROKEN), "gallery"),
        (lambda: metrics.linear_probe(BROKEN, FOUR, EYE, FOUR), "train"),
        (lambda: metrics.linear_probe(EYE, FOUR, BROKEN, FOUR), "test"),
        (lambda: metrics.kernel_probe(EYE, FOUR, BROKEN, FOUR), "test"),
        (lambda: metrics.conversion_accuracy(BROKEN[:, None], FOUR, EYE[:, None], FOUR), "train"),
        (lambda: metrics.verification(BROKEN, FOUR), "codes"),
        (lambda: metrics.equal_error_rate(BROKEN[:, 0], [0.0]), "same"),
        (lambda: metrics.frechet(BAD, T), "features"),
        (lambda: metrics.joint_frechet({"x": T}, {"x": BAD}), "features"),
        (lambda: metrics.sample_variance(BAD), "samples"),
        (lambda: metrics.label_accuracy(BAD[None], torch.arange(4), lambda x: x.argmax(1)), "samp"),
        (lambda: metrics.attribute_accuracy(BAD, BITS), "predicted"),
        (lambda: metrics.attribute_accuracy(T, BAD), "bits"),
        (lambda: metrics.attribute_majority(BAD, BITS), "train"),
        (lambda: metrics.attribute_table(BAD, BITS, BITS), "predicted"),
        (lambda: metrics.Classifier(torch.nn.Linear(4, 2).double(), 1.0)(BAD.float()), "images"),
        (lambda: metrics.train_features(torch.full((20, 1, 16, 16), torch.nan)), "images"),
        (
            lambda: metrics.train_classifier(
                torch.full((4, 1, 28, 28), torch.nan), torch.arange(4), T, torch.arange(4)
            ),
            "images",
        ),
    ],
)
def test_rows_that_are_not_finite_are_named(ask, what):
    with pytest.raises(DataError, match=rf"{what}.*: expected finite numbers, but row"):
        ask()


def test_the_sentence_says_which_rows():
    with pytest.raises(DataError, match=r"codes: .*, but row 3 of 4 hold"):
        metrics.verification(BROKEN, FOUR)
    with pytest.raises(DataError, match=r"rows 0, 1, 2, 3, 4 and 3 more of 8"):
        finite(torch.full((8, 2), torch.inf), "codes")
    assert finite(np.arange(3), "codes").tolist() == [0, 1, 2]


def test_fractional_labels_are_compared_exactly():
    tenths, codes = [0.1, 0.2, 0.3, 0.4], np.ones((4, 1))
    found = metrics.retrieval_scores(codes, codes, tenths, tenths, k=1)
    by_rank = [1, 1 / 2, 1 / 3, 1 / 4]  # all are equally near: item i is at rank i for every query
    assert found["map"] == pytest.approx(np.mean(by_rank), rel=1e-12)
    assert found["precision_1"] == 0.25
    assert metrics.chance_scores(tenths, tenths, k=1)["precision"] == 0.25
    names = np.array(["a", "b", "c", "d"])
    assert metrics.retrieval_scores(EYE, EYE, names, names, k=1)["map"] == 1.0
    with pytest.raises(DataError, match="no item with label 0.25"):
        metrics.retrieval_scores(EYE, EYE, [0.1, 0.2, 0.25, 0.3], tenths, k=1)


def test_fractional_labels_of_the_other_metrics():
    assert metrics.linear_probe([[0.0], [1.0]], [0.1, 0.2], [[0.0], [1.0]], [0.1, 0.3]) == 0.5
    assert metrics.majority([0.1, 0.1, 0.2], [0.1, 0.15, 0.2, 0.1]) == 0.5
    say = lambda x: x[:, 0]
    samples = torch.tensor([[[0.1], [0.2]]])
    assert metrics.label_accuracy(samples, torch.tensor([0.1, 0.9]), say) == 0.5
    reference, labels = torch.randn(40, 2), torch.tensor([0.25, 0.75]).repeat(20)
    draws = torch.stack([reference[labels == 0.25], reference[labels == 0.75]])
    asked = torch.tensor([0.25, 0.75])
    assert metrics.conditional_frechet(draws, asked, reference, labels) == pytest.approx(
        0, abs=1e-6
    )
    assert metrics.verification(EYE, [0.1, 0.1, 0.2, 0.2]).same == 2
    assert metrics.balanced([0.5, 0.1, 0.5, 0.1, 0.2, 0.2], 1).tolist() == [1, 4, 0]
    images = torch.zeros(4, 1, 28, 28)
    with pytest.raises(DataError, match="whole numbers from 0 up, got torch.float32"):
        metrics.train_classifier(images, torch.zeros(4), images, torch.zeros(4))


def test_bits_are_zeros_and_ones():
    with pytest.raises(DataError, match="bits: expected zeros and ones, got 0.7"):
        metrics.attribute_accuracy(T, 0.7 * BITS)
    with pytest.raises(DataError, match="train: expected zeros and ones, got -1"):
        metrics.attribute_majority(2 * BITS - 1, BITS)


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda: classes([1.0, np.nan]), DataError, "got NaN as number 1"),
        (lambda: classes([1, 2], ["1", "2"]), DataError, "texts on all sides or numbers"),
        (lambda: classes([[1], [2]]), ShapeError, r"got shape \(2, 1\)"),
        (lambda: metrics.majority([0, 1], [0.0, np.nan]), DataError, "NaN"),
        (lambda: metrics.verification(EYE, [0, 0, 1, np.nan]), DataError, "NaN"),
        (lambda: metrics.crossed_pairs([0.0, 0.0, np.nan], 2), DataError, "NaN"),
        (lambda: metrics.balanced([0.0, np.nan], 1), DataError, "NaN"),
    ],
)
def test_labels_that_cannot_be_compared(ask, error, words):
    with pytest.raises(error, match=words):
        ask()


def test_labels_become_numbers_that_are_equal_where_the_labels_are():
    a, b = classes(np.array(["x", "z"]), ["z", "y", "x"])
    assert (a.tolist(), b.tolist()) == ([0, 2], [2, 1, 0])
    a, b = classes(torch.tensor([True, False]), [0, 1, 7])
    assert (a.tolist(), b.tolist()) == ([1, 0], [0, 1, 2])
