"""Label accuracy and variance of conditional samples, against numbers by hand."""

from __future__ import annotations

import pytest
import torch

from wyner.errors import ShapeError
from wyner.metrics import label_accuracy, sample_variance


def test_accuracy_is_the_share_of_right_labels():
    samples = torch.tensor([[0.0, 1.0, 2.0], [0.0, 2.0, 2.0]])[
        ..., None
    ]  # two samples for each of three inputs
    labels = torch.tensor([0, 1, 1])
    assert label_accuracy(samples, labels, lambda x: x[:, 0].long()) == pytest.approx(3 / 6)


def test_accuracy_refuses_labels_of_other_rows():
    with pytest.raises(ShapeError, match="one for each of the 3 inputs, got 2"):
        label_accuracy(torch.zeros(2, 3, 1), torch.zeros(2), lambda x: x[:, 0])


def test_variance_is_the_mean_of_population_variances():
    samples = torch.tensor([[[0.0, 1.0], [2.0, 2.0]], [[1.0, 1.0], [4.0, 2.0]]])  # (n=2, B=2, d=2)
    assert sample_variance(samples) == pytest.approx((0.25 + 0 + 1 + 0) / 4)


def test_variance_of_uniform_noise_is_a_twelfth():
    g = torch.Generator().manual_seed(0)
    samples = torch.rand(400, 50, 20, generator=g)
    error = (1 / 180) ** 0.5 / (
        400 * 50 * 20
    ) ** 0.5  # standard deviation of (x - 1/2)^2 over the root of the count
    assert abs(sample_variance(samples) * 400 / 399 - 1 / 12) < 5 * error


def test_variance_needs_two_samples():
    with pytest.raises(ShapeError, match="at least 2"):
        sample_variance(torch.zeros(1, 3, 4))
