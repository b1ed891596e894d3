"""The compiler against brute force: random pairs of laws over a few discrete variables, every sum
written out."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import wyner
from oracle.gaussian import constant
from wyner import KL, Categorical
from wyner.laws import parse
from wyner.networks import MLPs

OBSERVED, LATENT = ("x", "y", "t"), ("z", "w")


@dataclass(frozen=True)
class Pair:
    """Two laws over the same few variables; `k` is the number of values of each, `data` what q
    takes from the data."""

    k: dict[str, int]
    data: tuple[str, ...]
    q: str
    p: str
    seed: int


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Any pair of laws that the notation allows: shared factors, data on both sides, observed
    variables drawn by q."""
    observed = draw(st.permutations(OBSERVED))[: draw(st.integers(1, 3))]
    latent = LATENT[: draw(st.integers(0 if len(observed) > 1 else 1, min(2, 4 - len(observed))))]
    k = {v: draw(st.integers(2, 3)) for v in (*observed, *latent)}
    some = lambda names, least: tuple(
        draw(st.permutations(names))[: draw(st.integers(least, len(names)))]
    )
    write = lambda head, v, given: f"{head}({v}{'|' + ','.join(given) if given else ''})"
    data = some(observed, 1)

    q, parents_of, seen = [f"q({','.join(data)})"], {}, list(data)
    for v in draw(st.permutations([v for v in k if v not in data])):
        parents_of[v] = some(seen, 1)
        q.append(write("q", v, parents_of[v]))
        seen.append(v)

    known = some(data, 0)  # what p takes from the data, together or one by one
    together = draw(st.booleans())
    p = ([f"q({','.join(known)})"] if together else [f"q({v})" for v in known]) if known else []
    seen = list(known)
    for v in draw(st.permutations([v for v in k if v not in known])):
        if v in parents_of and set(parents_of[v]) <= set(seen) and draw(st.booleans()):
            p.append(write("q", v, parents_of[v]))  # the same factor on both sides
        else:
            given = some(seen, 0)
            other = given and set(given) != set(parents_of.get(v, ())) and draw(st.booleans())
            p.append(write("q" if other else "p", v, given))
        seen.append(v)
    return Pair(k, data, " ".join(q), " ".join(p), draw(st.integers(0, 10**6)))


class Table:
    """Every assignment of values to the variables, with the probability that each law gives it."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        torch.manual_seed(pair.seed)
        spaces = {v: Categorical(1, n) for v, n in pair.k.items()}
        self.model = wyner.Model(
            observed={v: s for v, s in spaces.items() if v in OBSERVED},
            latent={v: s for v, s in spaces.items() if v in LATENT},
            laws={"pair": (pair.q, pair.p)},
            objective=KL("pair"),
            networks=MLPs(hidden=()),
        )
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.copy_(torch.randn(parameter.shape))
        self.rows = torch.tensor(list(itertools.product(*(range(n) for n in pair.k.values()))))
        self.column = {v: self.rows[:, i] for i, v in enumerate(pair.k)}
        self.one_hot = {v: torch.eye(n)[self.column[v]][:, None] for v, n in pair.k.items()}
        shape = [pair.k[v] for v in pair.data]
        self.pmf = torch.rand(shape).add(0.1)
        self.pmf = self.pmf / self.pmf.sum()

    def marginal(self, names: tuple[str, ...]) -> torch.Tensor:
        """The data's probability of the values of `names` in each assignment."""
        other = [i for i, v in enumerate(self.pair.data) if v not in names]
        total = self.pmf.sum(other, keepdim=True).expand(self.pmf.shape) if other else self.pmf
        return total[tuple(self.column[v] for v in self.pair.data)]

    def entropy(self, names: list[str]) -> float:
        other = [i for i, v in enumerate(self.pair.data) if v not in names]
        pmf = self.pmf.sum(other) if other else self.pmf
        return -float((pmf * pmf.log()).sum())

    @torch.no_grad()
    def log_law(self, text: str, data: bool = True) -> torch.Tensor:
        """log of a law at every assignment, factor by factor; without the data's own factors if not
        `data`."""
        total = torch.zeros(len(self.rows))
        for term in parse(text).terms:
            if term.head == "q" and not term.given:
                total += self.marginal(term.of).log() if data else 0.0
            else:
                p = self.model.factors[term.name](*(self.one_hot[g] for g in term.given)).mean[
                    ..., 0, :
                ]
                total += (
                    p.expand(len(self.rows), -1)
                    .gather(1, self.column[term.of[0]][:, None])[:, 0]
                    .log()
                )
        return total

    @torch.no_grad()
    def scores(self, pointwise: bool) -> dict[str, torch.Tensor]:
        """The program's terms with every draw forced to the assignment's value."""
        program = self.model.objective
        drawn = [parse(name).terms[0].of[0] for name in program.plan.draws]
        found = program.scores(
            {v: self.one_hot[v] for v in self.pair.data},
            [1e6 * self.one_hot[v] for v in drawn],
            pointwise,
        )
        return {k: s.expand(len(self.rows)) for k, s in found.items()}


def differ(pair: Pair) -> bool:
    """Whether anything is left when what stands on both sides has cancelled; `q(x)` beside `q(x,y)`
    is left only as a constant."""
    shared = {t.name for t in parse(pair.q).terms}
    return any(
        t.name not in shared and not (t.head == "q" and not t.given) for t in parse(pair.p).terms
    )


@pytest.mark.usefixtures("float64")
@settings(max_examples=120)
@given(pairs())
def test_the_mean_of_the_terms_and_the_constants_is_the_kl(pair):
    assume(differ(pair))
    table = Table(pair)
    log_q, log_p = table.log_law(pair.q), table.log_law(pair.p)
    q = log_q.exp()
    assert float(q.sum()) == pytest.approx(1, rel=1e-12)
    assert float(log_p.exp().sum()) == pytest.approx(1, rel=1e-12)
    exact = float((q * (log_q - log_p)).sum())
    dropped = constant(table.model.objective.plan.constants["pair"], table.entropy)
    for pointwise in (True, False):
        found = sum(float((q * s).sum()) for s in table.scores(pointwise).values())
        assert found + dropped == pytest.approx(exact, rel=1e-9, abs=1e-11), (
            f"pointwise={pointwise}"
        )


@pytest.mark.usefixtures("float64")
@settings(max_examples=60)
@given(pairs())
def test_the_pointwise_terms_are_the_log_weight(pair):
    """exp(-sum) = p / q at every assignment, so its mean under q sums p over everything that q
    draws."""
    assume(differ(pair))
    table = Table(pair)
    weight = torch.exp(-sum(table.scores(True).values()))
    log_q, log_p = table.log_law(pair.q, data=False), table.log_law(pair.p, data=False)
    torch.testing.assert_close(weight, torch.exp(log_p - log_q), rtol=1e-9, atol=0)
    inner = table.pmf.shape
    by_data = lambda a: torch.zeros(inner).index_put_(
        tuple(table.column[v] for v in pair.data), a, accumulate=True
    )
    torch.testing.assert_close(
        by_data(log_q.exp() * weight), by_data(log_p.exp()), rtol=1e-9, atol=0
    )


@pytest.mark.usefixtures("float64")
@settings(max_examples=120)
@given(pairs())
def test_the_closed_form_is_used_exactly_when_the_parents_of_the_p_factor_come_first(pair):
    assume(differ(pair))
    model = Table(pair).model
    plan, order = model.objective.plan, [v for t in parse(pair.q).terms for v in t.of]
    q_name = {t.of[0]: t.name for t in parse(pair.q).terms if t.given}
    expected = {}
    for t in parse(pair.p).terms:
        v, *_ = t.of
        if (t.head == "q" and not t.given) or t.name == q_name.get(v):
            continue
        if v in pair.data:
            expected[f"-log {t.name}"] = "nll"
        elif all(order.index(g) < order.index(v) for g in t.given):
            expected[f"KL({q_name[v]} || {t.name})"] = "kl"
        else:
            expected[f"log {q_name[v]} - log {t.name}"] = "ratio"
    assert {s.text: plan.ops[s.op].kind for s in plan.scores["pair"]} == expected


def test_one_sum_by_hand():
    """x and z are bits, q(x=1) = 0.3: KL( q(x) q(z|x) || p(z) p(x|z) ) with every probability
    written down."""
    a, b = (
        torch.tensor([0.2, 0.7], dtype=torch.float64),
        torch.tensor([0.4, 0.9], dtype=torch.float64),
    )  # q(z=1|x), p(x=1|z)
    model = wyner.Model(
        observed={"x": Categorical(1, 2)},
        latent={"z": Categorical(1, 2)},
        laws={"elbo": ("q(x) q(z|x)", "p(z) p(x|z)")},
        objective=KL("elbo"),
        networks=MLPs(hidden=()),
    ).double()
    with torch.no_grad():
        for name, one in (("q(z|x)", a), ("p(x|z)", b)):
            (layer,) = model.factors[name].network.layers
            layer.weight.copy_(torch.stack([(1 - one).log(), one.log()]))
            layer.bias.zero_()
        x = torch.eye(2, dtype=torch.float64)[[0, 1]][:, None]
        terms = model.objective.scores(
            {"x": x[[0, 0, 1, 1]]}, [1e6 * x[[0, 1, 0, 1]]], pointwise=True
        )
    qx, total = [0.7, 0.3], 0.0
    for i, j in itertools.product((0, 1), (0, 1)):
        qz = [1 - float(a[i]), float(a[i])][j]
        px = [1 - float(b[j]), float(b[j])][i]
        total += qx[i] * qz * math.log(qx[i] * qz / (0.5 * px))
    each = sum(terms.values())
    weights = torch.tensor([0.7 * 0.8, 0.7 * 0.2, 0.3 * 0.3, 0.3 * 0.7], dtype=torch.float64)
    h = -0.7 * math.log(0.7) - 0.3 * math.log(0.3)
    assert float((weights * each).sum()) - h == pytest.approx(total, rel=1e-9)
