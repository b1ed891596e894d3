"""Models whose factors are functions: what needs a density is refused in words, the rest is the
law's own answer."""

from __future__ import annotations

import pytest
import torch

from oracle.cases import DENSE, IMPLICIT, build, implicit
from oracle.gaussian import Joint, joint_of
from oracle.statistics import assert_mean, assert_moments
from wyner import KL, Real
from wyner.errors import LawError, TaskError
from wyner.families import Gaussian
from wyner.laws import run
from wyner.models import VariationalWyner
from wyner.models.variational_wyner import INFORM, MATCH, RECONSTRUCT
from wyner.networks import Critics, MLPs

pytestmark = pytest.mark.usefixtures("float64")


def test_there_are_models_of_both_kinds():
    assert "VariationalWyner" in IMPLICIT
    assert "WynerVAE" in DENSE


@pytest.mark.parametrize("name", IMPLICIT)
def test_every_kl_is_refused_and_says_what_to_do(name):
    model, _ = build(name, 2)
    for law in model.laws:
        assert implicit(model, law)
        with pytest.raises(
            LawError,
            match=(
                r"is deterministic and has no density; match the laws by a density ratio|does not"
                r" cancel"
            ),
        ):
            model.program(KL(law))


@pytest.mark.parametrize("name", IMPLICIT)
def test_every_likelihood_is_refused_and_names_the_factor(name):
    model, data = build(name, 2)
    rows = data.sample(3)
    questions = [
        ({"x": rows["x"], "y": rows["y"]}, {}),
        ({"x": rows["x"]}, {}),
        ({"y": rows["y"]}, {"x": rows["x"]}),
    ]
    for targets, given in questions:
        with pytest.raises(
            TaskError,
            match=(
                rf"{model.title} cannot score log p\(.*\): q\(.*\) is deterministic and has no"
                r" density"
            ),
        ):
            model.log_likelihood(**targets, given=given)
    assert model.abilities()["log_likelihood"] == "-"


def everything(**more) -> VariationalWyner:
    options = {
        "match": dict.fromkeys(MATCH, 1.0),
        "inform": dict.fromkeys(INFORM, 1.0),
        "rec": dict.fromkeys(RECONSTRUCT, 1.0),
        **more,
    }
    model = VariationalWyner(
        **{"x": Real(2), "y": Real(3), "z": 2, "u": 1, "v": 2},
        networks=MLPs(()),
        critics=Critics(width=8, hidden=(8,)),
        **options,
    )
    from oracle.cases import randomise

    randomise(model, 4)
    return model.eval()


def draws(model, data: Joint, n: int):
    """Values of every operation of the objective, with the library's own noise."""
    program, given = model.objective, data.sample(n)
    noise = program.noise((n,), torch.zeros(()), torch.Generator().manual_seed(3))
    with torch.no_grad():
        return run(program.plan, model.factors, model.features, given, noise[: len(program.drawn)])


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("stochastic", [False, True])
def test_both_sides_of_every_critic_have_the_moments_of_their_laws(own, stochastic):
    """What a critic sees of P and of Q are draws of the two laws of its term, marginals
    included."""
    families = {f"q(z|{p})": Gaussian() for p in ("x,y", "x", "y")} if stochastic else {}
    n, model = 20_000, everything(own=own, families=families)
    data = build("VariationalWyner", 2)[1]
    results = draws(model, data, n)
    terms = {t.name: t for t in model.objective.objective.measured}
    assert len(model.objective.pairs) == len(MATCH) + len(INFORM)
    for d in model.objective.pairs:
        q, p = model.laws[terms[d.name].law]
        laws = (q, p) if not d.moved else (p, p) if terms[d.name].measure.side == "p" else (q, q)
        for ops, law in zip((d.first, d.second), laws, strict=True):
            exact = joint_of(model, law, data).marginal(d.sees)
            seen = torch.cat([results[op].reshape(n, -1) for op in ops], 1)
            assert_moments(seen, exact.mean, exact.cov, f"{d.name}: {law.text}")


def test_reconstructions_have_their_exact_expectations():
    n, model = 20_000, everything()
    data = build("VariationalWyner", 2)[1]
    results, program = draws(model, data, n), model.objective
    joint = joint_of(model, model.laws["joint"][0], data)
    from oracle.gaussian import affine
    from wyner.laws import parse

    back = affine(model, parse("p(x|z,u)").terms[0])
    full = joint.with_factor("(x)", back, silent=True)
    i, j = full.index(["x"]), full.index(["(x)"])
    exact = (
        full.cov[i, i] - 2 * full.cov[i, j] + full.cov[j, j] + (full.mean[i] - full.mean[j]) ** 2
    ).mean()
    (d,) = (c for c in program.distances if c.name == "d(x) joint")
    each = (results[d.dist].mean - results[d.value]).square().mean(1)
    assert_mean(each, exact, "mean |x - p(x|z,u)|^2")


def test_what_a_critic_need_not_see_follows_from_the_laws():
    model = everything()
    assert {k: "".join(v) for k, v in model.critics.sees.items()} == {
        "SKL(joint)": "xyzuv",
        "SKL(x2y)": "xyzv",
        "SKL(y2x)": "xyzu",
        "SKL(cross)": "xyzuv",
        "SKL(x2z)": "z",
        "SKL(y2z)": "z",
        "SKL(meet)": "z",
        "SKL(mx)": "xzu",
        "SKL(my)": "yzv",
        "I(x,y;z) p joint": "xyz",
        "I(x,y;z) p x2y": "xyz",
        "I(x,y;z) p y2x": "xyz",
        "I(x,y;z) q joint": "xyz",
    }


def test_leaving_out_a_shared_last_factor_is_exact():
    """log q/p over (x,y,z,u,v) of the two marginal-matching laws does not depend on y and v: trap 1
    of the specification."""
    families = {
        n: Gaussian() for n in ("x", "y", "q(z|x)", "q(z|x,y)", "q(z|y)", "q(u|z,x)", "q(v|z,y)")
    }
    model = everything(families=families)
    data = build("VariationalWyner", 2)[1]
    q, p = (joint_of(model, law, data) for law in model.laws["mx"])
    rows = q.sample(50)
    whole = q.log_prob(rows) - p.log_prob(rows)
    seen = {k: rows[k] for k in ("x", "z", "u")}
    torch.testing.assert_close(whole, q.log_prob(seen) - p.log_prob(seen), rtol=1e-8, atol=1e-8)


def test_common_information_of_functions_comes_from_the_critics():
    model, data = build("VariationalWyner", 2)
    rows = data.sample(500)
    found = model.common_information(**rows)
    assert set(found) == {"I(x,y;z) p joint", "I(x,y;z) p x2y", "I(x,y;z) p y2x"}
    assert model.common_information(**rows) == found
    silent = VariationalWyner(x=Real(2), y=Real(3), z=2, u=1, v=1, lam=None, networks=MLPs(()))
    with pytest.raises(
        TaskError,
        match=r"q\(z\|x,y\) is deterministic and has no density, and no term Information\('x,y;z'",
    ):
        silent.common_information(**rows)
    assert silent.abilities()["common_information"] == "-"
