"""Laws that draw from a mixture of experts or score one: dense quadrature over one-dimensional
variables, with own densities.

Everything else of such a model is Gaussian and examined in the other files; together they see every
law.
"""

from __future__ import annotations

import itertools
import math
import re

import pytest
import torch

from oracle.cases import NAMES, TABLE_CASES, build
from oracle.gaussian import components, constant, experts, is_data, is_mixture, joint_of, joints_of
from oracle.statistics import LIMIT
from wyner import KL, Real
from wyner.errors import LawError
from wyner.families import Mixture
from wyner.laws import Planner, parse, run

pytestmark = pytest.mark.usefixtures("float64")


def small(name):
    """The model over two numbers, its latents one number each."""
    return build(name, 1, x=Real(1), y=Real(1)) if name in TABLE_CASES else build(name, 1)


def mixed_laws(name):
    model, _ = build(name, 1)
    return [law for law, pair in model.laws.items() if is_mixture(model, *pair)]


def drawn_in(name, law):
    model, _ = build(name, 1)
    return is_mixture(model, model.laws[law][0])


SCORED = [
    (name, law) for name in TABLE_CASES for law in mixed_laws(name) if not drawn_in(name, law)
]
DRAWN = [(name, law) for name in TABLE_CASES for law in mixed_laws(name) if drawn_in(name, law)]


def grid(dimensions, steps, reach=7.5):
    """Nodes `(n, d)` and weights of the trapezoidal rule for standard normal coordinates; exact to
    rounding for smooth functions."""
    nodes = torch.linspace(-reach, reach, steps)
    weight = torch.exp(-nodes.square() / 2)
    weight = weight / weight.sum()
    at = torch.cartesian_prod(*[nodes] * dimensions).reshape(-1, dimensions)
    return at, torch.stack(torch.meshgrid(*[weight] * dimensions, indexing="ij")).prod(0).flatten()


def log_mixture(model, term, values):
    """log (1/M) sum_m N(z; A_m x + b_m, s_m^2), by hand."""
    z, each = values[term.of[0]], []
    for f in components(model, term):
        off = z - sum((values[g] @ w.T for g, w in f.weights.items()), start=f.bias)
        each.append(-0.5 * (torch.log(2 * math.pi * f.variance) + off**2 / f.variance).sum(-1))
    return torch.stack(each).exp().mean(0).log()


def exact_scores(model, law, data, steps=81):
    """Mean of -log p, or of log q - log p, of every factor of p, over the mixture of Gaussians that
    q is."""
    q, p = model.laws[law]
    drawn = {t.of[0]: t for t in q.terms if not is_data(model, t)}
    joints = joints_of(model, q, data)
    total = {}
    for t in p.terms:
        own = drawn.get(t.of[0])
        if is_data(model, t) or (own is not None and own.name == t.name):
            continue
        names = list(dict.fromkeys([*t.of, *t.given, *(own.given if own else ())]))
        found = 0.0
        for joint in joints:
            at, weight = grid(len(names), steps if len(names) <= 3 else 31)
            values = joint.marginal(names).from_noise(at)
            score = -log_mixture(model, t, values) + (
                log_mixture(model, own, values) if own else 0.0
            )
            found += float((weight * score).sum()) / len(joints)
        total[t.name] = found
    return total


def planned(model, law):
    planner = Planner(model.variables, model.observed, model.factors, model.features)
    planner.kl(law, *model.laws[law])
    return planner.plan


@torch.no_grad()
def library_scores(model, law, data, steps=49):
    """The library's own operations, pointwise: a grid of the data and of the noise of z, every
    expert once, and two points for each other draw, which enters in squares only."""
    plan, (at, weight) = planned(model, law), grid(3, steps)
    given, one, options = data.from_noise(at[:, :2]), torch.ones(len(at), 1), []
    for name in plan.draws:
        (term,) = parse(name).terms
        several = experts(model, term)
        if several != [term]:
            picks = [
                torch.special.ndtri(torch.tensor((m + 0.5) / len(several)))
                for m in range(len(several))
            ]
            options.append([torch.cat([at[:, 2:], pick * one], 1) for pick in picks])
        else:
            options.append([at[:, 2:]] if term.of == ("z",) else [one, -one])
    total, ways = {}, list(itertools.product(*options))
    for noise in ways:
        results = run(plan, model.factors, model.features, given, list(noise), pointwise=True)
        for s in plan.scores[law]:
            target = re.findall(r"\w+\([^()]*\)", s.text)[-1]
            total[target] = total.get(target, 0.0) + float(
                (weight * results[s.op].expand(len(at))).sum()
            ) / len(ways)
    return total


def test_there_are_mixtures_to_examine():
    models = {
        name
        for name in TABLE_CASES
        if any(
            isinstance(getattr(f, "family", None), Mixture) for f in small(name)[0].factors.values()
        )
    }
    assert models == {name for name, _ in SCORED} == {name for name, _ in DRAWN}
    assert {"MMVAE", "MoPoE", "MMVAEPlus"} <= models


@pytest.mark.parametrize(("name", "law"), [*SCORED, *DRAWN])
def test_every_law_gives_the_exact_kl_term_by_term(name, law):
    model, data = small(name)
    assert library_scores(model, law, data) == pytest.approx(
        exact_scores(model, law, data), rel=1e-9, abs=1e-9
    )
    q, p = model.laws[law]
    read = [v for t in q.terms if is_data(model, t) for v in t.of]
    left = sum(data.entropy(t.of) for t in p.terms if is_data(model, t)) - data.entropy(read)
    assert constant(planned(model, law).constants[law], data.entropy) == pytest.approx(
        left, rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize(("name", "law"), DRAWN)
def test_a_draw_from_a_mixture_cannot_be_trained(name, law):
    with pytest.raises(
        LawError, match="draws from a mixture, and no gradient passes the choice of the expert"
    ):
        small(name)[0].program(KL(law))


@pytest.mark.parametrize("name", ["MMVAE", "MoPoE"])
def test_the_stratified_objective_is_the_kl_of_the_mixture(name):
    """1/M sum_m [ KL(q_m || p) - KL(q_m || q) ] = KL(q || p): the objective is the exact bound of
    the joint law."""
    model, data = small(name)
    objective = model.objective.objective
    value = sum(
        t.weight * sum(library_scores(model, t.law, data).values()) for t in objective.active
    )
    assert value == pytest.approx(sum(exact_scores(model, "joint", data).values()), rel=1e-9)


@pytest.mark.parametrize("name", [n for n in NAMES if mixed_laws(n)])
def test_the_scores_at_given_draws_are_the_densities_by_hand(name):
    """Two latent coordinates: log q_m(z) - log q(z) at z = A x + b + s e."""
    model, data = build(name, 2)
    rows = data.sample(50)
    for law, (q, p) in model.laws.items():
        if is_mixture(model, q) or not is_mixture(model, p) or "mixed" not in law:
            continue
        program = model.program(KL(law))
        noise = program.noise((50,), torch.zeros(()))
        (own,) = (t for t in q.terms if not is_data(model, t))
        (target,) = (t for t in p.terms if not is_data(model, t))
        (f,) = components(model, own)
        z = (
            sum((rows[g] @ w.T for g, w in f.weights.items()), start=f.bias)
            + f.variance.sqrt() * noise[0]
        )
        by_hand = log_mixture(model, own, {**rows, "z": z}) - log_mixture(
            model, target, {**rows, "z": z}
        )
        (found,) = program.scores(rows, noise).values()
        torch.testing.assert_close(found.detach(), by_hand, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", sorted({name for name, _ in DRAWN}))
def test_common_information_of_a_mixture(name):
    """I41 = E KL(q(z|x,y) || p(z)); the aggregate is I(X,Y;Z) = E [ log q(z|x,y) - log q(z) ], q(z)
    a mixture of Gaussians."""
    model, data = small(name)
    law, n = model.laws["joint"][0], 1500
    joints, (term,) = joints_of(model, law, data), (t for t in law.terms if t.of == ("z",))
    at, weight = grid(3, 49)
    first = second = torch.zeros(2)
    for joint in joints:
        values = joint.marginal(["z", "x", "y"]).from_noise(at)
        own, z = log_mixture(model, term, values), {"z": values["z"]}
        marginal = torch.stack([j.log_prob(z) for j in joints]).exp().mean(0).log()
        prior = joint_of(model, parse("p(z)"), data).log_prob(z)
        each = torch.stack([own - prior, own - marginal])
        first, second = (
            first + (weight * each).sum(1) / len(joints),
            second + (weight * each**2).sum(1) / len(joints),
        )
    found = model.common_information(**data.sample(n), seed=1)
    assert set(found) == {"I41", "aggregate"}
    error = ((second - first**2) / n).sqrt()
    for i, key in enumerate(("I41", "aggregate")):
        assert abs(found[key] - float(first[i])) < LIMIT * float(error[i]), key
    assert first[0] > first[1] > 0
