"""Every model of the table with categorical variables: every law, likelihood and sampler against
sums over all values.

The tables of probabilities are multiplied by hand, factor by factor; a mixture of experts is
averaged by hand.
"""

from __future__ import annotations

import itertools

import pytest
import torch

from oracle.cases import TABLE_CASES, build, questions
from oracle.gaussian import constant, experts, is_data
from oracle.statistics import LIMIT, assert_mean
from wyner import Categorical, Real
from wyner.errors import LawError
from wyner.families import Product
from wyner.laws import Planner, parse, run

pytestmark = pytest.mark.usefixtures("float64")

K = {"x": 3, "y": 2}
LATENT = 2
N = 20_000


def has_product(name):
    return any(
        isinstance(getattr(f, "family", None), Product) for f in build(name, 1)[0].factors.values()
    )


DISCRETE = [name for name in TABLE_CASES if not has_product(name)]
PRODUCTS = [name for name in TABLE_CASES if has_product(name)]


def make(name, seed=5):
    torch.manual_seed(seed)
    model = TABLE_CASES[name].make(
        Categorical(1, LATENT), x=Categorical(1, K["x"]), y=Categorical(1, K["y"])
    )
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.4 * torch.randn(p.shape))  # mild, so that weights have light tails
    return model.eval()


def test_both_kinds_are_there():
    assert len(DISCRETE) > 10
    assert len(PRODUCTS) > 3


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_of_categorical_experts_is_refused_when_the_model_is_built(name):
    with pytest.raises(
        LawError, match=r"\(z\|.*: a product of experts needs Gaussian members, got Categorical"
    ):
        make(name)


class Table:
    """Every value of the variables of one pair of laws."""

    def __init__(self, model, law):
        self.model, (self.q, self.p) = model, model.laws[law]
        self.names = list(self.q.variables)
        self.k = {v: K.get(v, LATENT) for v in self.names}
        rows = torch.tensor(list(itertools.product(*(range(n) for n in self.k.values()))))
        self.column = {v: rows[:, i] for i, v in enumerate(self.names)}
        self.one_hot = {v: torch.eye(n)[self.column[v]][:, None] for v, n in self.k.items()}
        pmf = torch.rand(K["x"], K["y"], generator=torch.Generator().manual_seed(3)) + 0.1
        self.pmf = pmf / pmf.sum()

    def data(self, names):
        """Probability of the values of observed variables, per row."""
        other = [i for i, v in enumerate(("x", "y")) if v not in names]
        table = self.pmf.sum(other) if other else self.pmf
        return table[tuple(self.column[v] for v in ("x", "y") if v in names)]

    def entropy(self, names):
        other = [i for i, v in enumerate(("x", "y")) if v not in names]
        table = self.pmf.sum(other) if other else self.pmf
        return -float((table * table.log()).sum())

    @torch.no_grad()
    def law(self, law, data=True):
        """Probability that a law gives to each row; without the data's own factors if not
        `data`."""
        out = torch.ones(len(next(iter(self.column.values()))))
        for t in law.terms:
            if is_data(self.model, t):
                out = out * (self.data(t.of) if data else 1.0)
                continue
            each = [
                self.model.factors[e.name](*(self.one_hot[g] for g in e.given)).mean.reshape(
                    -1, self.k[t.of[0]]
                )
                for e in experts(self.model, t)
            ]
            p = (sum(each) / len(each)).expand(len(out), -1)
            out = out * p.gather(1, self.column[t.of[0]][:, None])[:, 0]
        return out

    @torch.no_grad()
    def scores(self, law, pointwise):
        """The library's operations with every draw forced to the value of the row, and the name of
        the constants."""
        planner = Planner(
            self.model.variables, self.model.observed, self.model.factors, self.model.features
        )
        planner.kl(law, self.q, self.p)
        noise = []
        for factor in planner.plan.draws:
            kind, hot = (
                self.model.factors[factor].head.distribution,
                self.one_hot[parse(factor).terms[0].of[0]],
            )
            if (
                kind.noise == "component"
            ):  # normal numbers: far out where the value is, and any expert
                noise.append(torch.cat([16 * hot - 8, torch.zeros(len(hot), 1, 1)], -1))
            else:
                noise.append(hot if kind.summed and not pointwise else 1e6 * hot)
        given = {v: self.one_hot[v] for v in self.names if v in self.model.observed}
        results = run(
            planner.plan, self.model.factors, self.model.features, given, noise, pointwise
        )
        rows = len(noise[0]) if noise else len(next(iter(given.values())))
        return (
            sum(results[s.op].expand(rows) for s in planner.plan.scores[law]),
            planner.plan.constants[law],
        )


@pytest.mark.parametrize("name", DISCRETE)
def test_every_law_is_the_sum_over_all_values(name):
    model = make(name)
    for law, (q, _) in model.laws.items():
        table = Table(model, law)
        own, other = table.law(table.q), table.law(table.p)
        assert float(own.sum()) == pytest.approx(1, rel=1e-12)
        assert float(other.sum()) == pytest.approx(1, rel=1e-12)
        exact = float((own * (own / other).log()).sum())
        drawn_from_a_mixture = any(
            experts(model, t) != [t] for t in q.terms if not is_data(model, t)
        )
        for pointwise in (True,) if drawn_from_a_mixture else (True, False):
            score, dropped = table.scores(law, pointwise)
            found = float((own * score).sum()) + constant(dropped, table.entropy)
            assert found == pytest.approx(exact, rel=1e-9, abs=1e-11), (law, pointwise)


@pytest.mark.parametrize("name", DISCRETE)
def test_every_likelihood_is_the_sum_over_the_latents(name):
    """sum_z q(z|data) w(z) = p(targets | given) at all data, and the library's own estimates by
    z-score."""
    model = make(name)
    samples, repeats = 4, 1500
    assert questions(model)
    for law, (targets, given) in questions(model).items():
        table = Table(model, law)
        score, _ = table.scores(law, True)
        seen = [*targets, *given]
        cells = torch.stack([table.column[v] for v in seen], 1)
        q, p, w = table.law(table.q, data=False), table.law(table.p, data=False), torch.exp(-score)
        for cell in cells.unique(dim=0):
            at = (cells == cell).all(1)
            exact, second = p[at].sum(), (q * w**2)[at].sum()
            assert float((q * w)[at].sum()) == pytest.approx(float(exact), rel=1e-9)
            rows = {v: torch.full((repeats,), int(c)) for v, c in zip(seen, cell, strict=True)}
            found = model.log_likelihood(
                **{v: rows[v] for v in targets},
                given={v: rows[v] for v in given},
                samples=samples,
                seed=4,
            ).value.exp()
            error = ((second - exact**2).clamp_min(0) / (samples * repeats)).sqrt() + 1e-9
            assert abs(float((found.mean() - exact) / error)) < LIMIT, (law, cell)


@pytest.mark.parametrize("name", DISCRETE)
def test_samplers_have_the_frequencies_of_their_laws(name):
    model = make(name)
    asked = set()
    for law, (_, p) in model.laws.items():
        known = [v for t in p.terms if is_data(model, t) for v in t.of]
        drawn = [v for v in p.variables if v in model.observed and v not in known]
        if not drawn or (tuple(known), tuple(drawn)) in asked or len(known) + len(drawn) < 2:
            continue
        asked.add((tuple(known), tuple(drawn)))
        table = Table(model, law)
        joint = torch.zeros(K["x"], K["y"]).index_put_(
            (table.column["x"], table.column["y"]), table.law(p, data=False), accumulate=True
        )
        if not known:
            out = model.generate(N, sample=True, seed=1)
            assert_mean(out["x"][:, 0, :, None] * out["y"][:, 0, None, :], joint, f"{law}: pairs")
            continue
        (source,), (target,) = known, drawn
        out = model.translate(**{source: torch.arange(K[source])}, n=N, sample=True, seed=2)
        each = joint if source == "x" else joint.T
        for value in range(K[source]):
            assert_mean(out[:, value, 0], each[value], f"{law}: {target} given {source} = {value}")


def test_a_mixture_of_other_kinds_is_refused():
    from wyner import KL, Model
    from wyner.families import Gaussian, Mixture

    with pytest.raises(LawError, match="must be of one kind, got Normal, Categorical"):
        Model(
            observed={"x": Real(1), "y": Real(1)},
            latent={"z": Categorical(1, 2)},
            objective=KL("from_x"),
            laws={
                "from_x": ("q(x,y) q(z|x)", "p(z) p(x|z) p(y|z)"),
                "joint": ("q(x,y) q(z|x,y)", "p(z) p(x|z) p(y|z)"),
            },
            families={"q(z|x,y)": Mixture("q(z|x)", "q(z|y)"), "q(z|x)": Gaussian()},
        )
