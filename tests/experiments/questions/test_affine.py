"""Exact covariances of affine models: information of a known pair, and laws against their draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from wyner import data
from wyner.experiments.questions.affine import Affine
from wyner.experiments.spec import read
from wyner.tasks.affine import covariance, information, stacked


def pair(r: float):
    one = torch.ones(1, 1, dtype=torch.float64)
    return {("x", "x"): one, ("y", "y"): one, ("x", "y"): r * one, ("y", "x"): r * one}


@pytest.mark.parametrize("r", [0.0, 0.3, -0.8])
def test_information_of_a_pair(r):
    found = information(pair(r), ["x"], ["y"])
    assert found == pytest.approx(-0.5 * math.log1p(-r * r), abs=1e-12)


def test_a_law_has_the_covariance_of_its_draws():
    """Against 40,000 draws of the joint law, by z-score of each entry (normal theory)."""
    experiment = read("gaussian-adversarial")
    dataset = data.load("gaussian", correlations=[0.8], train=500, validation=10, test=200)
    model = experiment.build(dataset)
    given = torch.cov(torch.cat([torch.as_tensor(dataset.train[k]) for k in "xy"], 1).T)
    found = covariance(model, model.laws["joint"][1], given)
    s = stacked(found, ["x", "y"]).detach().double().numpy()
    n = 40_000
    drawn = model.generate(n, seed=1)
    rows = np.concatenate([np.asarray(drawn[k]) for k in "xy"], 1).astype(np.float64)
    sample = rows.T @ rows / n
    error = np.sqrt((s**2 + np.outer(np.diag(s), np.diag(s))) / n)
    assert np.abs((sample - s) / error).max() < 5
    numbers = Affine().answer(model, dataset, "test")
    off = np.linalg.norm(s - given.numpy()) / np.linalg.norm(given.numpy())
    assert numbers["error joint"] == pytest.approx(off, rel=1e-4)
    assert numbers["I(X;Y) joint"] == pytest.approx(information(found, ["x"], ["y"]), rel=1e-5)
