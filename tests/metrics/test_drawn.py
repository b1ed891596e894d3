"""What a model draws, judged: shares, variances and standard errors against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

from wyner.metrics import Classifier, drawn
from wyner.metrics.drawn import drawn_attributes, drawn_frechet, drawn_labels, pair_error


def reader() -> Classifier:
    """Pictures of 4x4 pixels have label 1 where pixel (1, 1) is above one half."""
    linear = nn.Linear(16, 2)
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.copy_(torch.tensor([0.0, -0.5]))
        linear.weight[1, 5] = 1.0
    return Classifier(nn.Sequential(nn.Flatten(), linear), 0.97)


@pytest.mark.parametrize(("border", "variance"), [(1, 3 * 0.04 / 4), (0, (3 * 0.04 + 3.0) / 16)])
def test_labels_of_samples_are_counted(border, variance):
    shown, wanted = torch.tensor([0, 1, 1, 0, 1]), torch.tensor([0, 1, 0, 1, 0])
    samples = torch.empty(2, 5, 1, 4, 4)
    samples[0], samples[1] = 0.0, 1.0  # the border: variance 1/4
    samples[0, ..., 1:3, 1:3], samples[1, ..., 1:3, 1:3] = 0.2, 0.6
    samples[..., 1, 1] = 0.8 * shown[:, None]
    found = drawn_labels(samples, wanted, reader(), border)
    right = (shown == wanted).double().numpy()
    assert found == pytest.approx(
        {
            "accuracy": 0.4,
            "accuracy_se": right.std() / 5**0.5,
            "variance": variance,
            "judge_accuracy": 0.97,
        }
    )


def test_pairs_belong_together_by_their_labels():
    x = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0, 1])
    y = torch.tensor([3, 0, 1, 2, 3, 0, 1, 3, 0, 2])  # three more modulo 4, but for the last three
    found = pair_error(10 * x, -y, (lambda v: v // 10, lambda v: -v), 3, 4)
    wrong = np.array([0] * 7 + [1] * 3)
    assert found == pytest.approx({"joint_error": 0.3, "joint_error_se": wrong.std() / 10**0.5})


def test_attributes_are_counted_row_by_row():
    rng = np.random.default_rng(0)
    samples, bits = rng.random((3, 6, 4)), rng.integers(0, 2, (6, 4))
    samples[0] = 0.5  # which counts as 0
    right = [[(draw[i] > 0.5) == bits[i] for draw in samples] for i in range(6)]
    rows = np.array([np.mean(r) for r in right])
    found = drawn_attributes(torch.from_numpy(samples), torch.from_numpy(bits))
    assert found["attributes"] == pytest.approx(rows.mean())
    assert found["attributes_se"] == pytest.approx(rows.std(ddof=1) / 6**0.5)
    assert found["attributes_rows"] == pytest.approx(rows, rel=1e-6)


def test_distances_are_those_of_features_to_the_first_pictures(monkeypatch):
    """On one feature a modality: (m1 - m2)^2 + (s1 - s2)^2 for each, both with their covariance."""
    asked = []

    def features_of(real, epochs):
        asked.append((len(real), epochs))
        return lambda images: images.double().flatten(1)[:, :1]

    monkeypatch.setattr(drawn, "features_of", features_of)
    rng = np.random.default_rng(1)
    real = {k: rng.random((30, 1, 2, 2)) for k in "xy"}
    made = {k: 0.5 + 0.3 * real[k][:25] + 0.1 * rng.random((25, 1, 2, 2)) for k in "xy"}
    samples = {k: torch.from_numpy(v) for k, v in made.items()}
    found = drawn_frechet(samples, real, 20, 7)
    a, b = ({k: v[k][:n, 0, 0, 0] for k in "xy"} for v, n in ((made, 25), (real, 20)))
    for k in "xy":
        spread = a[k].std(ddof=1) - b[k].std(ddof=1)
        assert found[f"frechet_{k}"] == pytest.approx((a[k].mean() - b[k].mean()) ** 2 + spread**2)
    s, t = (np.cov(np.stack(list(v.values()))) for v in (a, b))
    shift = sum((a[k].mean() - b[k].mean()) ** 2 for k in "xy")
    joint = shift + np.trace(s + t - 2 * np.real(sqrtm(s @ t)))
    assert found["frechet_joint"] == pytest.approx(joint)
    assert asked == [(30, 7)] * 2
