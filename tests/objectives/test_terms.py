"""Objectives as data: sums, weights, schedules, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import wyner
from wyner import KL, Information, Real, Reconstruction, codec
from wyner.errors import LawError
from wyner.networks import MLPs
from wyner.objectives import Objective, Ratio, Weighted
from wyner.schedules import Linear

LAWS = {
    "elbo": ("q(x) q(z|x)", "p(z) p(x|z)"),
    "rate": ("q(x) q(z|x)", "q(x) p(z)"),
    "other": ("q(x) q(w|x)", "p(w) p(x|w)"),
}


def declare(objective, laws=None):
    spaces = {"observed": {"x": Real(2)}, "latent": {"z": Real(1), "w": Real(1)}}
    return wyner.Model(**spaces, laws=laws or LAWS, objective=objective, networks=MLPs(hidden=()))


def test_sums_and_weights():
    objective = KL("a") + 0.5 * (KL("b") + KL("c") * 4) + 0 * KL("d")
    assert objective.terms == (
        Weighted("a", 1.0),
        Weighted("b", 0.5),
        Weighted("c", 2.0),
        Weighted("d", 0.0),
    )
    assert [t.law for t in objective.active] == ["a", "b", "c"]
    assert objective.weights(0.3) == [1.0, 0.5, 2.0]


@pytest.mark.parametrize("number", [2, np.float32(2), np.int64(2), 2.0])
def test_any_kind_of_number_may_be_a_weight(number):
    assert (number * KL("a")).terms == (KL("a") * number).terms == (Weighted("a", 2.0),)


def test_schedules_are_weights_that_change():
    objective = KL("a") + Linear(0.0, 4.0) * KL("b") + KL("c") * 3
    assert objective.weights(0.0) == [1.0, 0.0, 3.0]
    assert objective.weights(0.25) == [1.0, 1.0, 3.0]
    assert objective.weights(1.0) == [1.0, 4.0, 3.0]
    assert [t.law for t in objective.active] == ["a", "b", "c"]  # zero now, but not throughout


def test_a_schedule_weighs_alone():
    with pytest.raises(
        LawError, match="a schedule can weigh a divergence that has no other weight"
    ):
        Linear() * (2 * KL("a"))
    with pytest.raises(LawError, match="put the number into the schedule"):
        2 * (Linear() * KL("a"))


def test_a_divergence_stands_once():
    with pytest.raises(LawError, match="objective: a stands in it twice; add up the weights"):
        KL("a") + 2 * KL("a")


def test_objectives_are_values():
    assert KL("a") + KL("b") == Objective((Weighted("a"), Weighted("b")))
    assert KL("a") * 2 != KL("a")


def test_unknown_laws_are_refused_with_the_nearest():
    with pytest.raises(
        LawError, match="objective: unknown pair of laws 'elbow': did you mean 'elbo'"
    ):
        declare(KL("elbow"))
    with pytest.raises(LawError, match="unknown pair of laws 'ratte'"):
        declare(KL("elbo") + 0 * KL("ratte"))  # even where the weight is zero


def test_an_objective_of_zeros_is_refused():
    with pytest.raises(LawError, match="every weight is 0, so there is nothing to train"):
        declare(0 * KL("elbo"))


def test_text():
    model = declare(KL("elbo") + Linear() * KL("rate") + 0 * KL("other"))
    assert str(model.objective).splitlines() == [
        "       1 * elbo  = KL(q(z|x) || p(z)) - log p(x|z)   [dropped: -h(x)]",
        "schedule * rate  = KL(q(z|x) || p(z))",
        "       0 * other = (off)",
    ]


def test_text_of_a_ratio_and_of_a_term_that_comes_first_with_its_sign():
    model = declare(KL("e"), {"e": ("q(x) q(z|x) q(w|z)", "p(w) p(x|w) p(z|x)")})
    assert (
        str(model.objective)
        == "1 * e = KL(q(w|z) || p(w)) - log p(x|w) + KL(q(z|x) || p(z|x))   [dropped: -h(x)]"
    )
    model = declare(KL("e"), {"e": ("q(x) q(z|x) q(w|z)", "q(x) p(w) p(z|w)")})
    assert str(model.objective) == "1 * e = KL(q(w|z) || p(w)) + log q(z|x) - log p(z|w)"
    model = declare(KL("e"), {"e": ("q(x) q(z|x)", "p(x) q(z|x)")})
    assert str(model.objective) == "1 * e = -log p(x)   [dropped: -h(x)]"


@pytest.mark.parametrize(("bound", "said"), [("js", ""), ("dv", ", trained by dv")])
def test_text_names_the_bound_of_a_critic_unless_it_is_the_usual_one(bound, said):
    """Of an objective that was read from a file, too."""
    term = Information("x;z", under="elbo", side="q", ratio=Ratio(bound))
    model = declare(codec.decode(json.loads(json.dumps(codec.encode(term)))))
    text = "1 * I(x;z) q elbo = I(x;z) under q(x) q(z|x)   by T(x,z)"
    assert str(model.objective) == text + said


def test_a_reconstruction_needs_the_parents_of_its_factor_and_nothing_else():
    model, x = declare(KL("elbo") + Reconstruction("x", under="elbo")), torch.randn(5, 2)
    noise = model.objective.noise((5,), x)
    _, terms = model.objective({"x": x}, noise, torch.ones(2))
    z = model.factors["q(z|x)"](x).rsample(noise[0])
    want = (model.factors["p(x|z)"](z).mean - x).square().mean()
    torch.testing.assert_close(terms[-1], want)
    laws = {"e": ("q(x) q(z|x)", "p(w) p(x|w)")}
    with pytest.raises(LawError, match="holds x and the parents of p's factor of it"):
        declare(Reconstruction("x", under="e"), laws)
