"""The compiler: sharing, order, what it refuses, and its samplers."""

from __future__ import annotations

import pytest
import torch

import wyner
from wyner import KL, Binary, Categorical, Real
from wyner.errors import LawError
from wyner.families import Deterministic, Gaussian
from wyner.laws import Op, noise_for, parse, run
from wyner.models import WynerVAE
from wyner.networks import MLPs

AFFINE = MLPs(hidden=())


def declare(laws, objective=None, observed="xy", latent="zuv", **more):
    return wyner.Model(
        observed={v: Real(2) for v in observed},
        latent={v: Real(2) for v in latent},
        laws=laws,
        objective=objective or KL(next(iter(laws))),
        networks=AFFINE,
        **more,
    )


def test_the_papers_objective_draws_each_latent_once():
    """All six divergences of eq. (15): z, u, v of the joint posterior are shared; x2x and y2y add
    one z and one local each."""
    model = WynerVAE(x=Real(2), y=Real(2), z=2, u=2, v=2, lam=0.1, alpha=1.0, networks=AFFINE)
    plan = model.objective.plan
    assert sorted(plan.draws) == sorted(
        ["q(z|x,y)", "q(u|z,x)", "q(v|z,y)", "q(z|x)", "q(u|z,x)", "q(z|y)", "q(v|z,y)"]
    )
    texts = [(plan.ops[s.op], s.text) for scores in plan.scores.values() for s in scores]
    assert len({s.op for scores in plan.scores.values() for s in scores}) == len(
        model.objective.names
    )
    shared = [t for t in texts if t[1] == "KL(q(z|x,y) || p(z))"]
    assert len(shared) == 2  # in joint and in rate
    assert len(set(shared)) == 1  # one operation


def test_the_joint_model_alone_makes_three_draws_and_one_evaluation_of_each_factor():
    model = WynerVAE(x=Real(2), y=Real(2), z=2, u=2, v=2, lam=0.1, networks=AFFINE)
    assert model.objective.plan.draws == ["q(z|x,y)", "q(u|z,x)", "q(v|z,y)"]
    names = [op.name for op in model.objective.plan.ops if op.kind == "dist"]
    assert sorted(names) == sorted(set(names))


def test_no_operation_stands_twice_and_each_reads_earlier_ones():
    model = WynerVAE(x=Real(2), y=Real(2), z=2, u=2, v=2, lam=0.1, alpha=1.0, networks=AFFINE)
    ops = model.objective.plan.ops
    assert len(set(ops)) == len(ops)
    assert all(a < i for i, op in enumerate(ops) for a in op.args)


def test_equal_draws_are_equal_values_and_different_ones_are_not():
    laws = {"a": ("q(x) q(z|x)", "p(z) p(x|z)"), "b": ("q(x) q(z|x) q(u|z)", "p(z) p(u|z) p(x|u)")}
    model = declare(laws, KL("a") + KL("b"))
    plan = model.objective.plan
    noise = noise_for(plan, model.factors, (5,), torch.zeros(()))
    assert plan.draws == ["q(z|x)", "q(u|z)"]
    results = run(plan, model.factors, model.features, {"x": torch.randn(5, 2)}, noise)
    z, u = (results[i] for i, op in enumerate(plan.ops) if op.kind == "draw")
    assert not torch.equal(z, u)
    assert [op.args[1] for op in plan.ops if op.kind == "nll"] == [
        plan.ops.index(Op("given", "x", ()))
    ] * 2


def test_closed_form_needs_the_parents_first():
    """p(z|w) conditions on a variable that q draws after z: no closed form; the other way round
    there is one."""
    late = declare({"e": ("q(x,y) q(z|x) q(u|z)", "p(u) p(z|u) p(x|z) p(y|z)")})
    assert late.objective.names == [
        "e: KL(q(u|z) || p(u))",
        "e: log q(z|x) - log p(z|u)",
        "e: -log p(x|z)",
        "e: -log p(y|z)",
    ]
    early = declare({"e": ("q(x,y) q(u|x) q(z|u)", "p(u) p(z|u) p(x|z) p(y|z)")})
    assert "e: KL(q(z|u) || p(z|u))" in early.objective.names


def test_pairs_of_families_without_closed_form_become_ratios():
    model = wyner.Model(
        observed={"x": Categorical(1, 3), "y": Real(2)},
        latent={},
        laws={"u": ("q(y) q(x|y)", "p(x) p(y|x)")},
        objective=KL("u"),
        networks=AFFINE,
        families={"p(x)": Gaussian()},
    )
    assert model.objective.names == ["u: log q(x|y) - log p(x)", "u: -log p(y|x)"]


def test_factors_on_both_sides_cancel():
    model = declare({"e": ("q(x,y) q(z|x) q(v|z,y)", "q(x) q(z|x) p(v) p(y|z,v)")}, latent="zv")
    assert model.objective.names == ["e: KL(q(v|z,y) || p(v))", "e: -log p(y|z,v)"]


def test_a_deterministic_factor_may_cancel():
    laws = {"e": ("q(x,y) q(z|x) q(v|z,y)", "q(x) q(z|x) p(v) p(y|z,v)")}
    model = declare(laws, latent="zv", families={"q(z|x)": Deterministic()})
    x, y = torch.randn(4, 2), torch.randn(4, 2)
    noise = model.objective.noise((4,), torch.zeros(()))
    assert noise[0] is None
    scores = model.objective.scores({"x": x, "y": y}, noise)
    z = model.factors["q(z|x)"](x).mean
    v = model.factors["q(v|z,y)"](z, y).rsample(noise[1])
    torch.testing.assert_close(
        scores["e: -log p(y|z,v)"], -model.factors["p(y|z,v)"](z, v).log_prob(y)
    )


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (
            ("q(x,y) q(z|x)", "p(z) p(u) p(x|z) p(y|z)"),
            "e: q is a law of (x,y,z) but p of (u,x,y,z); q lacks a factor for u",
        ),
        (
            ("q(x,y) q(z|x) q(u|z)", "p(z) p(x|z)"),
            "e: q is a law of (u,x,y,z) but p of (x,z); p lacks a factor for u,y",
        ),
        (("q(x) q(u|x)", "p(z) p(x|z)"), "p lacks a factor for u and q lacks a factor for z"),
        (
            ("q(x) q(y) q(z|x,y)", "p(z) p(x|z) p(y|z)"),
            "e: q holds 2 data laws; one law draws all its data together: write q(x,y)",
        ),
        (
            ("q(y) q(x|y) q(z|x)", "q(x) p(z|x) p(y|z)"),
            (
                "e: the density of the data q(x) stands in p and does not cancel: its entropy is"
                " unknown; use a density ratio"
            ),
        ),
        (
            ("q(x) q(z|x)", "q(x) q(z|x)"),
            "objective: e: both laws are the same, so there is nothing to train",
        ),
    ],
)
def test_a_divergence_that_is_none_is_refused(pair, message):
    with pytest.raises(LawError) as e:
        declare({"e": pair})
    assert message in str(e.value)


@pytest.mark.parametrize(
    ("factor", "pair"),
    [
        ("q(z|x)", ("q(x) q(z|x)", "p(z) p(x|z)")),
        ("p(x|z)", ("q(x) q(z|x)", "p(z) p(x|z)")),
        ("p(z|x)", ("q(x,y) q(z|x,y)", "q(x) p(z|x) p(y|z)")),
    ],
)
def test_a_deterministic_factor_is_not_scored(factor, pair):
    with pytest.raises(LawError) as e:
        declare({"e": pair}, latent="z", observed="xy", families={factor: Deterministic()})
    assert (
        f"e: {factor} is deterministic and has no density; match the laws by a density ratio"
        in str(e.value)
    )


def test_laws_that_no_divergence_uses_need_not_be_comparable():
    model = declare(
        {"e": ("q(x) q(z|x)", "p(z) p(x|z)"), "other": ("q(x) q(u|x)", "q(x) p(y|x)")}, KL("e")
    )
    assert "p(y|x)" in model.factors
    with pytest.raises(LawError, match="other: q is a law of"):
        model.program(KL("other"))


def test_a_draw_that_stops_gradients_is_refused_when_the_model_is_built():
    """A Bernoulli latent cannot be trained through; that is known before the first step, with the
    law and the factor."""
    with pytest.raises(LawError, match=r"e: q\(z\|x\).*Categorical\(n, 2\)"):
        wyner.Model(
            observed={"x": Real(2)},
            latent={"z": Binary(3)},
            laws={"e": ("q(x) q(z|x)", "p(z) p(x|z)")},
            objective=KL("e"),
            networks=AFFINE,
        )


def test_a_missing_network_is_named():
    model = declare({"e": ("q(x) q(z|x)", "p(z) p(x|z)")}, latent="z")
    planner = model.planner()
    with pytest.raises(
        LawError, match=r"new: no network for q\(z\|x,y\); there is p\(x\|z\), p\(z\), q\(z\|x\)"
    ):
        planner.kl("new", parse("q(x,y) q(z|x,y)"), parse("p(z) p(x|z) p(y|z)"))


def test_sampling_leaves_out_what_no_target_needs():
    model = WynerVAE(x=Real(2), y=Real(2), z=2, u=2, v=2, networks=AFFINE)
    planner = model.planner()
    drawn = planner.sample(
        parse("p(z) p(u) p(v) p(x|z,u) p(y|z,v)"), "joint", (), ("y",), draw_targets=False
    )
    assert set(drawn) == {"z", "v", "y"}
    assert drawn["y"][1] is None
    assert planner.plan.draws == ["p(z)", "p(v)"]


def test_sampling_keeps_given_latents_and_refuses_missing_data():
    model = WynerVAE(x=Real(2), y=Real(2), z=2, u=2, v=2, networks=AFFINE)
    planner = model.planner()
    drawn = planner.sample(parse("q(x) q(z|x) p(v) p(y|z,v)"), "x2y", ("x", "v"), ("y",))
    assert set(drawn) == {"z", "y"}
    with pytest.raises(LawError, match="x2y: needs values of x"):
        planner.sample(parse("q(x) q(z|x) p(v) p(y|z,v)"), "x2y", ("v",), ("y",))


def test_relaxed_draws_in_training_and_hard_ones_pointwise():
    model = wyner.Model(
        observed={"x": Real(2)},
        latent={"c": Categorical(1, 3)},
        laws={"e": ("q(x) q(c|x)", "p(c) p(x|c)")},
        objective=KL("e"),
        networks=AFFINE,
    )
    x = torch.randn(6, 2)
    noise = model.objective.noise((6,), x)
    at = next(i for i, op in enumerate(model.objective.plan.ops) if op.kind == "draw")
    draw = lambda **how: run(
        model.objective.plan, model.factors, model.features, {"x": x}, noise, **how
    )[at]
    soft, hard, mean = draw(), draw(pointwise=True), draw(means=True)
    posterior = model.factors["q(c|x)"](x)
    torch.testing.assert_close(soft, torch.softmax((posterior.log_p + noise[0]) / 0.5, -1))
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(mean, posterior.mean)
