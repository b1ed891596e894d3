"""A trained variance whose floor falls in the course of the training."""

from __future__ import annotations

import math

import pytest
import torch

import wyner
from wyner.errors import OptionError
from wyner.families import Fixed, Gaussian, Trainable
from wyner.schedules import Linear
from wyner.variables import Image, Real


def test_the_variance_is_never_below_its_floor_and_free_above():
    head = Gaussian(Trainable(variance=1.0, floor=Linear(1.0, 0.01))).head(Image(2, 1, 1))
    raw = torch.zeros(3, 2, 1, 1)
    head.log_scale.data[0] = -3.0  # variance e^-6
    for progress, floor in ((0.0, 1.0), (0.5, 0.505), (1.0, 0.01)):
        head.anneal(progress)
        found = head(raw).variance
        torch.testing.assert_close(found[:, 0], torch.full((3, 1, 1), floor))
        torch.testing.assert_close(found[:, 1], torch.full((3, 1, 1), 1.0))
    assert {n for n, _ in head.named_parameters()} == {"log_scale"}
    with pytest.raises(OptionError, match="variance >= floor > 0"):
        Trainable(variance=0.005, floor=Linear(1.0, 0.01))
    with pytest.raises(OptionError, match="variance >= floor > 0"):
        Trainable(floor=Linear(1.0, 0.0))


def test_schedules_hold_from_the_start():
    """Before a training sets them, a variance and a floor are those at progress 0."""
    raw, first = torch.zeros(1, 2), lambda head: float(head(raw).variance[0, 0].detach())
    assert first(Gaussian(Fixed(Linear(4.0, 1.0))).head(Real(2))) == pytest.approx(4.0, rel=1e-6)
    head = Gaussian(Trainable(0.1, floor=Linear(0.5, 0.01))).head(Real(2))
    assert first(head) == pytest.approx(0.5, rel=1e-6)


def test_a_variance_below_a_falling_floor_waits_for_it():
    head = Gaussian(Trainable(variance=0.1, floor=Linear(1.0, 0.01), per="event")).head(
        Image(1, 1, 1)
    )
    raw = torch.zeros(1, 1, 1, 1)
    for progress, variance in ((0.0, 1.0), (0.8, 0.208), (1.0, 0.1)):
        head.anneal(progress)
        torch.testing.assert_close(head(raw).variance, torch.full((1, 1, 1, 1), variance))


def vae(family):
    return wyner.Model(
        observed={"x": Real(2)},
        latent={"z": Real(1)},
        laws={"elbo": ("q(x) q(z|x)", "p(z) p(x|z)")},
        objective=wyner.KL("elbo"),
        families={"x": family},
        networks=wyner.networks.MLPs(()),
    )


def test_training_ends_at_the_variance_of_the_data_and_the_model_is_saved_with_its_floor(tmp_path):
    x = 0.3 * torch.randn(400, 2)
    family = Gaussian(Trainable(floor=Linear(1.0, 1e-3, until=0.5), per="event"))
    model = vae(family)
    options = {"epochs": 30, "batch_size": 50, "lr": 3e-2, "schedule": "linear", "progress": False}
    single = wyner.fit(model, {"x": x}, **options).model
    variance = float(single.factors["p(x|z)"].head(torch.zeros(1, 2)).variance[0, 0].detach())
    spread = torch.linalg.eigvalsh(torch.cov(x.T))  # z takes nothing, or one principal direction
    assert 0.95 * float(spread[0]) < variance < 1.05 * float(spread.mean())
    again = wyner.load(single.save(tmp_path / "m"))
    assert (
        float(again.factors["p(x|z)"].head(torch.zeros(1, 2)).variance[0, 0].detach()) == variance
    )
    assert float(again.factors["p(x|z)"].head.log_floor) == pytest.approx(
        0.5 * math.log(1e-3), rel=1e-6
    )


def test_members_of_a_grid_have_the_floor_of_a_single_run():
    x = torch.randn(60, 2)
    family = Gaussian(Trainable(floor=Linear(1.0, 1e-2), per="coordinate"))
    make = lambda: vae(family)
    options = {"epochs": 3, "batch_size": 20, "progress": False}
    grid = wyner.fit(make(), {"x": x}, grid={"seed": [0, 1]}, launcher="batched", **options)
    alone = wyner.fit(make(), {"x": x}, grid={"seed": [0, 1]}, launcher="sequential", **options)
    for one, other in zip(grid.members, alone.members, strict=True):
        assert [r["loss"] for r in one.history] == pytest.approx(
            [r["loss"] for r in other.history], rel=1e-5
        )
        assert float(one.model.factors["p(x|z)"].head.log_floor) == pytest.approx(
            0.5 * math.log(1e-2), rel=1e-6
        )
