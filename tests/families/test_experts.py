"""Products, mixtures and sums of values: densities against numerical integrals, draws by
z-score."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.distributions as T

import wyner
from oracle.statistics import assert_mean
from wyner import KL, Real
from wyner.errors import LawError, OptionError
from wyner.families import Gaussian, Mixture, Product, kl
from wyner.families import distributions as D
from wyner.networks import MLPs

pytestmark = pytest.mark.usefixtures("float64")

N = 60_000


def grid():
    return torch.linspace(-24, 24, 48_001)


def normal(loc, scale):
    return D.Normal(torch.tensor([loc]), torch.tensor([scale]).log(), (1,))


def experts():
    return [normal(0.7, 0.5), normal(-1.1, 1.3), normal(0.2, 2.0)]


@pytest.mark.parametrize("m", [1, 2, 3])
def test_a_product_is_the_product_of_the_densities_normalised(m):
    at = grid()
    found = Product(*(f"q{i}(z|x)" for i in range(m))).combine(experts()[:m])
    raw = torch.stack([e.log_prob(at[:, None]) for e in experts()[:m]]).sum(0).exp()
    exact = raw / torch.trapezoid(raw, at)
    torch.testing.assert_close(found.log_prob(at[:, None]).exp(), exact, rtol=1e-9, atol=1e-12)
    assert float(found.mean) == pytest.approx(float(torch.trapezoid(at * exact, at)), rel=1e-9)


def test_a_product_takes_any_leading_shape_and_shared_scales():
    """The prior has one scale for all, the experts one for each coordinate and row."""
    prior = D.Normal(torch.zeros(3), torch.tensor(0.3), (3,))
    a, b = (D.Normal(torch.randn(4, 5, 3), torch.randn(4, 5, 3), (3,)) for _ in range(2))
    found = Product("a(z|x)", "b(z|y)", "p(z)").combine([a, b, prior])
    w = [torch.exp(-2 * d.log_scale).expand(4, 5, 3) for d in (a, b, prior)]
    torch.testing.assert_close(found.variance, 1 / sum(w))
    torch.testing.assert_close(found.mean, (a.loc * w[0] + b.loc * w[1]) / sum(w))
    assert found.leading == (4, 5)


def test_a_mixture_is_the_mean_of_the_densities():
    at = grid()
    found = Mixture("a(z|x)", "b(z|x)", "c(z|x)").combine(experts())
    exact = (
        sum(
            torch.distributions.Normal(e.loc, e.log_scale.exp()).log_prob(at[:, None])[:, 0].exp()
            for e in experts()
        )
        / 3
    )
    torch.testing.assert_close(found.log_prob(at[:, None]).exp(), exact, rtol=1e-9, atol=1e-12)
    assert float(torch.trapezoid(exact, at)) == pytest.approx(1, rel=1e-9)
    assert float(found.mean) == pytest.approx(float(torch.trapezoid(at * exact, at)), rel=1e-9)
    far = found.log_prob(torch.tensor([[400.0]]))
    assert bool(torch.isfinite(far).all())


@pytest.mark.parametrize("event", [(3,), (2, 1, 2)])
def test_draws_of_a_mixture_come_from_one_expert_each(event):
    """One number chooses the expert for the whole event: coordinates of a draw are of one
    component, whatever its rank."""
    locs = torch.tensor([-10.0, 0.0, 10.0])
    parts = [D.Normal(torch.full((2, *event), float(m)), torch.tensor(0.0), event) for m in locs]
    found = D.Mixture(parts)
    draws = found.sample(N)
    assert draws.shape == (N, 2, *event)
    which = (draws / 10).round().flatten(2)
    assert bool((which == which[..., :1]).all())
    assert_mean(
        (which[..., 0, None] == torch.tensor([-1.0, 0.0, 1.0])).double(),
        torch.full((2, 3), 1 / 3),
        "experts",
    )
    flat = draws.flatten(2)
    assert_mean(flat, 0.0, "mean")
    square = torch.full((2, flat.shape[-1], flat.shape[-1]), 200 / 3) + torch.eye(flat.shape[-1])
    assert_mean(flat[..., :, None] * flat[..., None, :], square, "second moments")


def test_a_mixture_of_one_draws_as_its_member():
    parts = [D.Normal(torch.randn(4, 3), torch.randn(4, 3), (3,))]
    noise = torch.randn(7, 4, 4)
    torch.testing.assert_close(
        D.Mixture(parts).exact(noise), parts[0].exact(noise[..., :3]), rtol=0, atol=0
    )


@pytest.mark.parametrize("kind", ["categorical", "bernoulli"])
def test_draws_of_a_mixture_of_other_kinds_have_its_frequencies(kind):
    """The members' noise is made from normal noise; gumbel for categories, uniform for bits."""
    logits = 2 * torch.randn(3, 2, 2, 3)
    if kind == "categorical":
        found = D.Mixture([D.Categorical(a, 0.5, (2, 3)) for a in logits])
    else:
        found = D.Mixture([D.Bernoulli(a, (2, 3)) for a in logits])
    draws = found.sample(N)
    assert_mean(draws, found.mean, "frequencies")
    first = draws.flatten(2)
    p = torch.stack([c.mean.flatten(1) for c in found.components])
    pairs = (p[:, :, 0] * p[:, :, 3]).mean(
        0
    )  # coordinates of two variables, independent within an expert only
    assert_mean(first[..., 0] * first[..., 3], pairs, "pairs")


def test_no_gradient_passes_a_draw_of_a_mixture():
    with pytest.raises(LawError, match="draw from each expert in a law of its own"):
        D.Mixture(experts()).rsample(torch.randn(1, 2))
    assert not D.Mixture.differentiable


def test_all_values_are_all_values():
    found = D.all_values(2, (2, 3), torch.zeros(()))
    assert found.shape == (9, 1, 1, 2, 3)
    codes = [tuple(c) for c in found.argmax(-1).reshape(9, 2).tolist()]
    assert codes == list(itertools.product(range(3), repeat=2))
    assert torch.equal(found.sum(-1), torch.ones(9, 1, 1, 2))


def test_a_summed_variable_is_categorical_everywhere_but_in_training():
    logits = torch.randn(4, 2, 3)
    summed, plain = D.Summed(logits, 1.0, (2, 3)), D.Categorical(logits, 0.3, (2, 3))
    values = D.all_values(1, (2, 3), logits)
    assert summed.rsample(values) is values
    torch.testing.assert_close(summed.log_prob(values).exp().sum(0), torch.ones(4))
    torch.testing.assert_close(summed.log_prob(values), plain.log_prob(values))
    noise = D.draw_noise("gumbel", (5, 4, 2, 3), logits)
    assert torch.equal(summed.exact(noise), plain.exact(noise))


def test_kl_of_a_summed_variable():
    a, b = torch.randn(4, 2, 3), torch.randn(2, 3)
    q, p = D.Summed(a, 1.0, (2, 3)), D.Categorical(b, 0.3, (2, 3))
    exact = T.kl_divergence(T.Categorical(logits=a), T.Categorical(logits=b)).sum(-1)
    torch.testing.assert_close(kl(q, p), exact)
    torch.testing.assert_close(kl(q, D.Summed(b, 1.0, (2, 3))), exact)
    values = D.all_values(1, (2, 3), a)
    log_q = q.log_prob(values)
    torch.testing.assert_close((log_q.exp() * (log_q - p.log_prob(values))).sum(0), exact)


def expert_model(**families):
    laws = {
        "joint": ("q(x,y) q(z|x,y)", "p(z) p(x|z) p(y|z)"),
        "x2x": ("q(x) q(z|x)", "p(z) p(x|z)"),
    }
    return wyner.Model(
        observed={"x": Real(2), "y": Real(2)},
        latent={"z": Real(2)},
        laws=laws,
        objective=KL("x2x"),
        networks=MLPs(hidden=()),
        families=families,
    )


def test_members_that_no_law_names_get_networks_and_equal_ones_are_one():
    model = expert_model(**{"q(z|x,y)": Product("q(z|x)", "e(z|y)", "p(z)")})
    assert {"q(z|x)", "e(z|y)", "p(z)"} <= set(model.factors)
    assert not any(name.startswith("factors.q(z|x,y)") for name in model.state_dict())
    x, y, f = torch.randn(5, 2), torch.randn(5, 2), model.factors
    found = f["q(z|x,y)"](x, y)
    torch.testing.assert_close(
        found.mean,
        Product("a", "b", "c").combine([f["q(z|x)"](x), f["e(z|y)"](y), f["p(z)"]()]).mean,
    )


@pytest.mark.parametrize(
    ("family", "words"),
    [
        (
            Product("q(z|x)", "e(z|t)"),
            (
                r"q\(z\|x,y\): its member e\(z\|t\) must be another factor of z whose parents are"
                r" among x,y"
            ),
        ),
        (Product("q(x|y)", "p(z)"), r"its member q\(x\|y\) must be another factor of z"),
        (Product("q(z|x,y)"), r"its member q\(z\|x,y\) must be another factor"),
        (Product("q(z|x) e(z|y)"), "expected one factor such as"),
        (Product("q(z|x"), "cannot read"),
        (
            Mixture("q(z|x)", "m(z|x,y)"),
            "a member of a mixture is a mixture; write its members out",
        ),
        (
            Product("m(z|x,y)", "p(z)"),
            r"a product of experts needs Gaussian members, got Mixture, Normal",
        ),
    ],
)
def test_refusals(family, words):
    with pytest.raises(LawError, match=words):
        expert_model(
            **{
                "q(z|x,y)": family,
                **(
                    {"m(z|x,y)": Mixture("q(z|x)", "e(z|y)")}
                    if "m(z|x,y)" in family.members
                    else {}
                ),
            }
        )


def test_a_combination_of_nothing_is_refused():
    with pytest.raises(OptionError, match="expected the names of its members"):
        Product()


def test_a_list_of_members_is_members():
    assert Product(["q(z|x)", "p(z)"]) == Product("q(z|x)", "p(z)")
    assert Product("q(z|x)") != Mixture("q(z|x)")
    assert Gaussian() != Product("q(z|x)")
    assert math.isclose(float(Product("a").combine([normal(0.4, 0.7)]).mean), 0.4)
