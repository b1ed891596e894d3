"""Likelihoods, their errors and the control variate, against densities that are known."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from wyner.data import load
from wyner.errors import TaskError
from wyner.experiments.questions import Information, Likelihood, answer_of
from wyner.training.probe import best_of


@pytest.fixture(scope="module")
def mog():
    return load("mog", train=8, validation=4, test=30)


class Known:
    """A model whose density of rows is that of the mixture, to the power of `sharp`, less `off`."""

    observed = ("x", "y")

    def __init__(self, data, off=0.0, sharp=1.0):
        self.best, self.off, self.sharp = data.truth["best_log_density"], off, sharp

    def log_likelihood(self, *, given, samples, seed, **targets):
        plain = lambda rows: {k: v.numpy() for k, v in rows.items()}
        value = self.best(plain({**given, **targets})) - (self.best(plain(given)) if given else 0)
        value = torch.from_numpy(self.sharp * value - self.off)
        error = float(value.std()) / len(value) ** 0.5
        ess = torch.tensor([1.0, 3.0])
        return SimpleNamespace(value=value, nll=-float(value.mean()), standard_error=error, ess=ess)

    def common_information(self, *, limit, seed, **rows):
        return {"I41": float(len(rows["x"])), "limit": limit}


def test_the_best_model_is_at_the_floor_with_no_error(mog):
    found = Likelihood(samples=2).answer(Known(mog), mog, "test")
    for name in ("nll_joint", "nll_conditional"):
        assert found[name] == pytest.approx(mog.truth[name], rel=1e-12)
        assert found[f"{name}_se"] == pytest.approx(0.0, abs=1e-12)
        assert found[f"{name}_plain"] == pytest.approx(found[f"{name}_rows"].mean(), rel=1e-6)
        assert (found[f"{name}_ess"], found[f"{name}_ess_min"]) == (2.0, 1.0)


def test_a_model_that_is_worse_by_a_constant_is_above_the_floor_by_it(mog):
    found = Likelihood(samples=2, rows=20).answer(Known(mog, off=0.7), mog, "test")
    assert found["nll_joint"] == pytest.approx(mog.truth["nll_joint"] + 0.7, rel=1e-12)
    assert len(found["nll_joint_rows"]) == 20


def test_the_luck_of_the_rows_is_taken_out_and_the_rest_has_its_error(mog):
    found = Likelihood(samples=2).answer(Known(mog, sharp=0.5), mog, "test")
    log = mog.truth["best_log_density"](mog.pairs("test"))
    excess = 0.5 * log
    assert found["nll_joint"] == pytest.approx(mog.truth["nll_joint"] + excess.mean(), rel=1e-9)
    assert found["nll_joint_se"] == pytest.approx(excess.std(ddof=1) / 30**0.5, rel=1e-9)
    assert found["nll_joint_plain"] == pytest.approx(-0.5 * log.mean(), rel=1e-9)


def test_the_published_scale_adds_a_constant_a_coordinate(mog):
    found = Likelihood(samples=2, offset=0.25).answer(Known(mog), mog, "test")
    assert found["nll_joint_published"] - found["nll_joint"] == pytest.approx(5.0, rel=1e-12)
    assert found["nll_conditional_published"] - found["nll_conditional"] == pytest.approx(2.5)


def test_validation_rows_can_be_asked(mog):
    found = Likelihood(samples=2).answer(Known(mog), mog, "validation")
    assert len(found["nll_joint_rows"]) == 4
    assert Information(rows=3).answer(Known(mog), mog, "validation") == {"I41": 3.0, "limit": 2000}


def test_a_model_without_densities_has_no_numbers(mog):
    class Mute(Known):
        def log_likelihood(self, **_):
            raise TaskError("no")

        common_information = log_likelihood

    assert Likelihood().answer(Mute(mog), mog, "test") == {}
    assert answer_of(Information(), Mute(mog), mog, "test") == {}


def test_the_best_of_a_run_is_read_off_its_curve():
    look = lambda **terms: {"split": "probe", "terms": terms}
    history = [
        look(nll_joint=3.0, I41=0.1),
        {"split": "train", "terms": {"nll_joint": -9.0}},
        look(nll_joint=2.0, I41=0.0),
        look(nll_joint=2.5),
    ]
    assert best_of(history) == {"nll_joint_best": 2.0}
