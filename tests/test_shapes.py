"""The shapes that annotations promise are checked in tests."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import TypeCheckError

import shapes
from wyner import math
from wyner.families.distributions import Normal
from wyner.networks import PixelCNN
from wyner.objectives.ratio import js


def test_arrays_of_another_shape_are_refused():
    with pytest.raises(TypeCheckError, match="sequence"):
        math.filled(torch.zeros(3))
    with pytest.raises(TypeCheckError, match="value"):
        Normal(torch.zeros(2), torch.zeros(()), (2,)).log_prob(torch.zeros(4, 2, dtype=torch.long))
    with pytest.raises(TypeCheckError, match="maps"):
        PixelCNN(2, (3, 3, 3, 3), 3, 1)(torch.zeros(5, 1, 4, 4), torch.zeros(5, 1, 4, 3))
    with pytest.raises(TypeCheckError, match="t_p"):
        js(torch.zeros(4, 1), torch.zeros(4))


@pytest.mark.usefixtures("unchecked")
def test_nothing_is_checked_where_steps_are_compiled():
    assert float(math.filled(torch.tensor(float("nan")))) == 0.0
    assert not hasattr(math.filled, "__wrapped__")
    assert len(shapes.pairs()) > 40
