"""Equal error rates and conversion accuracy against known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from wyner.errors import DataError, ShapeError
from wyner.metrics import (
    conversion_accuracy,
    crossed_pairs,
    equal_error_rate,
    recording_codes,
    verification,
)


def test_separated_and_equal_scores():
    assert equal_error_rate([2.0, 3.0], [0.0, 1.0]) == 0.0
    assert equal_error_rate([0.0, 1.0], [2.0, 3.0]) == 1.0
    assert equal_error_rate(np.arange(5.0), np.arange(5.0)) == pytest.approx(0.5)
    assert equal_error_rate(np.ones(4), np.ones(7)) == pytest.approx(0.5)


def test_lines_between_thresholds():
    """Acceptances from the top: +, -, +, -: rates (0,1), (0,1/2), (1/2,1/2): they meet in a step;
    then three of one kind."""
    assert equal_error_rate([4.0, 2.0], [3.0, 1.0]) == pytest.approx(0.5)
    assert equal_error_rate([3.0, 2.0, 0.0], [1.0, -1.0]) == pytest.approx(1 / 3)
    assert equal_error_rate([1.0, 1.0, 0.0], [1.0, 0.0, 0.0]) == pytest.approx(1 / 3)


def test_two_gaussians():
    """N(d,1) against N(0,1): both errors are Phi(-d/2)."""
    rng, d, n = np.random.default_rng(0), 1.2, 200_000
    found = equal_error_rate(rng.standard_normal(n) + d, rng.standard_normal(n))
    exact = 0.5 * math.erfc(d / 2 / math.sqrt(2))
    assert abs(found - exact) < 5 * math.sqrt(exact * (1 - exact) / n)


def test_all_pairs_of_recordings_are_tried():
    rng = np.random.default_rng(1)
    voices = rng.standard_normal((24, 16))
    codes = np.repeat(voices, 8, 0) + 0.01 * rng.standard_normal((192, 16))
    found = verification(
        codes * rng.uniform(0.5, 2, (192, 1)), np.repeat(np.arange(24), 8)
    )  # the cosine ignores lengths
    assert (found.same, found.same + found.different) == (672, 18_336)  # the core test of TIMIT
    assert found.eer_percent == 0.0
    assert "18,336 pairs" in str(found)


def test_the_code_of_a_recording_is_the_mean_of_all_its_frames():
    """First frames say nothing of the speaker, or the wrong thing: only the whole stretch does."""
    voices = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    frames = voices[[0, 0, 1, 1]][:, None].repeat(1, 4, 1)  # four recordings of four frames
    frames[:, 0] = voices[[1, 0, 1, 0]]
    found = recording_codes(frames, ["a", "b", "c", "d"])
    assert found["a"].tolist() == [0.75, 0.25]
    assert found["b"].tolist() == [1.0, 0.0]
    whole = torch.stack(list(found.values()))
    assert verification(whole, [0, 0, 1, 1]).eer_percent == 0.0
    assert verification(frames[:, 0], [0, 0, 1, 1]).eer_percent > 40
    both = recording_codes(torch.arange(6.0).reshape(3, 2), ["late", "soon", "late"])
    assert {k: v.tolist() for k, v in both.items()} == {"late": [2.0, 3.0], "soon": [2.0, 3.0]}
    assert list(both) == ["late", "soon"]


def test_bad_input_is_refused():
    with pytest.raises(DataError, match="pairs of one speaker"):
        equal_error_rate([], [1.0])
    with pytest.raises(DataError, match="finite"):
        equal_error_rate([np.nan], [1.0])
    for shape in ((3, 2), (2,), (2, 2, 1)):
        with pytest.raises(ShapeError, match="codes"):
            verification(np.zeros(shape), [0, 1])
    with pytest.raises(DataError, match="two of them"):
        crossed_pairs([0, 1, 2], 3)


def test_conversion_learns_from_converted_rows_only():
    rng = np.random.default_rng(2)
    real = rng.standard_normal((100, 5, 3))
    labels = np.repeat(["F", "M"], 50)
    real[50:, :, 0] += 4
    real[50:, :, 1] -= 4  # frames are averaged, not coefficients
    i, j = crossed_pairs(labels, 30, seed=0)
    assert len(i) == len(j) == 30
    assert set(labels[i]) == {"F"}
    assert set(labels[j]) == {"M"}
    assert len(np.unique(np.concatenate([i, j]))) == 60
    train = np.concatenate([i, j])
    assert conversion_accuracy(real[train], labels[train], real, labels) == 1.0
    swapped = np.concatenate([labels[j], labels[i]])  # converted rows that kept their old voice
    assert conversion_accuracy(real[train], swapped, real, labels) == 0.0
