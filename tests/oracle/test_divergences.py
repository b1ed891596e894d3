"""Every KL of every model against the exact KL of two joint Gaussians."""

from __future__ import annotations

import pytest
import torch

from oracle.cases import DENSE, ELSEWHERE, TABLE_CASES, build
from oracle.gaussian import affine, constant, is_data, is_mixture, joint_of, sigma_points
from oracle.statistics import assert_mean
from wyner import KL
from wyner.models import TABLE

pytestmark = pytest.mark.usefixtures("float64")


def test_every_model_of_the_table_is_examined():
    missing = sorted(set(TABLE) - ELSEWHERE - set(TABLE_CASES))
    assert not missing, (
        f"wyner.models.TABLE lists {missing}; add each of them to TABLE_CASES in"
        " tests/oracle/cases.py"
    )
    assert sorted(TABLE_CASES) == sorted(set(TABLE) - ELSEWHERE)


def exact_terms(model, law, data):
    """Printed name of each term of KL(q || p) to its exact expectation, by walking the laws; and
    what is left of the data."""
    q, p = model.laws[law]
    joint = joint_of(model, q, data)
    q_terms = {t.of[0]: t for t in q.terms if not is_data(model, t)}
    terms, left = {}, -data.entropy([v for t in q.terms if is_data(model, t) for v in t.of])
    for t in p.terms:
        if is_data(model, t):
            left += data.entropy(t.of)
            continue
        value, own = joint.cross_entropy(t.of[0], affine(model, t)), q_terms.get(t.of[0])
        if own is None:
            terms[f"-log {t.name}"] = value
        elif own.name != t.name:
            value -= joint.cross_entropy(t.of[0], affine(model, own))
            names = list(q.variables)
            early = all(names.index(g) < names.index(t.of[0]) for g in t.given)
            terms[f"KL({own.name} || {t.name})" if early else f"log {own.name} - log {t.name}"] = (
                value
            )
    return terms, left


def at_sigma_points(model, program, data):
    """Data and noise whose mean over the rows is an exact expectation, since every term is
    quadratic in them."""
    shapes = [n.shape[1:] for n in program.noise((1,), torch.zeros(()))]
    sizes = [len(data.mean), *(s.numel() for s in shapes)]
    data_noise, *noise = sigma_points(sum(sizes)).split(sizes, 1)
    given = {
        k: v.reshape(-1, *model.observed[k].event_shape)
        for k, v in data.from_noise(data_noise).items()
    }
    return given, [n.reshape(-1, *s) for n, s in zip(noise, shapes, strict=True)]


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("name", DENSE)
def test_every_law_gives_the_exact_kl_term_by_term(name, size):
    model, data = build(name, size)
    for law, (q, p) in model.laws.items():
        if is_mixture(model, q, p):
            continue  # test_mixtures.py
        program = model.program(KL(law))
        given, noise = at_sigma_points(model, program, data)
        terms, left = exact_terms(model, law, data)
        exact = joint_of(model, q, data).kl(joint_of(model, p, data))
        assert sum(terms.values()) + left == pytest.approx(
            exact, rel=1e-9
        )  # the reference agrees with itself
        assert constant(program.plan.constants[law], data.entropy) == pytest.approx(
            left, rel=1e-9, abs=1e-12
        )
        for pointwise in (False, True):
            with torch.no_grad():
                scores = program.scores(given, noise, pointwise)
            found = {
                k: float(v.expand(len(next(iter(given.values())))).mean())
                for k, v in scores.items()
            }
            assert found == pytest.approx(
                {f"{law}: {k}": v for k, v in terms.items()}, rel=1e-9, abs=1e-10
            )
            assert sum(found.values()) + constant(
                program.plan.constants[law], data.entropy
            ) == pytest.approx(exact, rel=1e-9)


def gaussian(name):
    """Whether no law of the objective holds a mixture; the others are examined in
    test_mixtures.py."""
    model, _ = build(name, 1)
    return not any(is_mixture(model, *model.laws[d]) for d in model.objective.divergences)


GAUSSIAN = [name for name in DENSE if gaussian(name)]


@pytest.mark.parametrize("name", GAUSSIAN)
def test_the_loss_is_the_weighted_sum_of_exact_kls(name):
    model, data = build(name, 2)
    program = model.objective
    given, noise = at_sigma_points(model, program, data)
    weights = dict(zip(program.divergences, program.objective.weights(0.3), strict=True))
    with torch.no_grad():
        loss, _ = program(given, noise, torch.tensor(list(weights.values())))
    kl = {
        law: joint_of(model, q, data).kl(joint_of(model, p, data))
        for law, (q, p) in model.laws.items()
        if law in weights
    }
    above = {law: kl[law] - exact_terms(model, law, data)[1] for law in weights}
    assert float(loss) == pytest.approx(sum(w * above[law] for law, w in weights.items()), rel=1e-9)


@pytest.mark.parametrize("pointwise", [False, True])
@pytest.mark.parametrize("name", GAUSSIAN)
def test_with_the_librarys_own_noise_the_means_are_right(name, pointwise):
    model, data = build(name, 2)
    program, n = model.objective, 20_000
    given = {k: v.reshape(n, *model.observed[k].event_shape) for k, v in data.sample(n).items()}
    with torch.no_grad():
        scores = program.scores(
            given, program.noise((n,), torch.zeros(()), torch.Generator().manual_seed(4)), pointwise
        )
    for text, values in scores.items():
        law, _, term = text.partition(": ")
        assert_mean(values.expand(n), exact_terms(model, law, data)[0][term], text)
