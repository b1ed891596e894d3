"""Objectives of a global latent: where they are the ELBO, and what is refused."""

from __future__ import annotations

import pytest

from wyner import KL
from wyner.errors import OptionError
from wyner.objectives import regularised
from wyner.objectives.regularised import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_without_gamma_every_kind_is_the_elbo(kind):
    assert regularised(kind, watch=False) == regularised(kind, 0.0, watch=False) == KL("elbo")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "elbow"}, "did you mean 'elbo'"),
        ({"gamma": 1.0}, "gamma: expected a number from 0 up and below 1"),
        ({"gamma": -0.1}, "gamma: expected a number from 0 up and below 1"),
        ({"gamma": float("nan")}, "gamma: expected a number from 0 up and below 1"),
        ({"alpha": -1.0}, "alpha: expected a number from 0 up"),
        ({"alpha": float("nan")}, "alpha: expected a number from 0 up"),
    ],
)
def test_what_is_refused(options, said):
    with pytest.raises(OptionError, match=said):
        regularised(**options)
