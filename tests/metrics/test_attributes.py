"""Attribute accuracies against numbers by hand."""

from __future__ import annotations

import pytest
import torch

from wyner.errors import ShapeError
from wyner.metrics import attribute_accuracy, attribute_majority, attribute_table


def test_attribute_accuracy_by_hand():
    bits = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    predicted = torch.tensor([[0.9, 0.2, 0.4], [0.5, 0.7, 0.8]])
    assert attribute_accuracy(predicted, bits) == pytest.approx(4 / 6)
    assert attribute_accuracy(torch.stack([predicted, bits]), bits) == pytest.approx(10 / 12)
    train = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    assert attribute_majority(train, bits) == pytest.approx(5 / 6)
    table = attribute_table(predicted, bits, train)
    assert table["accuracy"].tolist() == [1.0, 0.5, 0.5]
    assert table["majority"].tolist() == [0.5, 1.0, 1.0]
    assert table["gain"].tolist() == [0.5, -0.5, -0.5]
    assert float(table["accuracy"].mean()) == pytest.approx(attribute_accuracy(predicted, bits))
    with pytest.raises(ShapeError, match=r"expected shape \(..., 2, 3\)"):
        attribute_accuracy(predicted[:1], bits)
