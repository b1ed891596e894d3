"""I41, I40 and the aggregate estimate against exact Gaussian information."""

from __future__ import annotations

import math

import pytest
import torch

import wyner
from oracle.cases import AFFINE, DENSE, build, randomise
from oracle.gaussian import affine, experts, joint_of, random_joint
from wyner import KL, Real
from wyner.errors import TaskError
from wyner.laws import parse
from wyner.tasks import rate_per_dimension

pytestmark = pytest.mark.usefixtures("float64")


def posterior_law(model):
    """The library asks the law with the most variables."""
    names = set(model.observed)
    found = [
        q
        for q, _ in model.laws.values()
        if set(q.terms[0].of) == names and set(model.common) <= set(q.variables)
    ]
    return max(
        (q for q in found if set(q.variables) - names <= set(model.latent)),
        key=lambda q: len(q.variables),
        default=None,
    )


def measured(name):
    """Whether the model has a common latent with a Gaussian posterior; mixtures are examined in
    test_mixtures.py."""
    model, _ = build(name, 1)
    if not model.common or posterior_law(model) is None:
        return False
    term = next(t for t in posterior_law(model).terms if t.of == model.common)
    return experts(model, term) == [term]


MEASURED = [name for name in DENSE if measured(name)]


@pytest.mark.parametrize("name", MEASURED)
def test_i41_and_i40_are_the_formulas(name):
    """I41 = mean KL(q(z|x) || p(z)), I40 = h(p) - mean h(q), and I41 - I40 = 1/2 sum (E[s^2 +
    m^2]/s0^2 - 1), by hand."""
    model, data = build(name, 3)
    rows, (z,) = data.sample(50), model.common
    term = next(t for t in posterior_law(model).terms if t.of == (z,))
    f, prior = affine(model, term), affine(model, parse(f"p({z})").terms[0])
    m = sum((rows[g] @ w.T for g, w in f.weights.items()), start=f.bias)
    s, s0 = f.variance, prior.variance
    found = model.common_information(**rows)
    i41 = 0.5 * ((s + m**2) / s0 - 1 - s.log() + s0.log()).sum(1).mean()
    i40 = 0.5 * s0.log().sum() - 0.5 * s.log().sum()
    assert found["I41"] == pytest.approx(float(i41), rel=1e-9)
    assert found["I40"] == pytest.approx(float(i40), rel=1e-9)
    assert found["I41"] - found["I40"] == pytest.approx(
        float(0.5 * ((s + m**2).mean(0) / s0 - 1).sum()), rel=1e-9
    )


@pytest.mark.parametrize("name", MEASURED)
def test_the_aggregate_estimate_is_the_exact_information(name):
    """log q(z|x) - log q(z) of a Gaussian pair with canonical correlations r has mean I and
    variance sum r^2."""
    model, data = build(name, 2)
    law, m = posterior_law(model), 3000
    joint, names = joint_of(model, law, data), list(model.observed)
    (z,) = model.common
    exact = joint.entropy([z]) + joint.entropy(names) - joint.entropy([*names, z])
    r = wyner.information.canonical_correlations(
        joint.marginal([*names, z]).cov, (len(data.mean), 2)
    )
    error = math.sqrt(float((r**2).sum()) / m)
    found = model.common_information(**data.sample(m), seed=1)
    assert abs(found["aggregate"] - exact) < 5 * error, (found["aggregate"], exact, error)
    assert found["aggregate"] < found["I41"]
    assert found["I41"] - exact > 0  # the bound of equation (11)


def test_the_aggregate_estimate_is_at_most_the_log_of_the_rows():
    """Posteriors that do not overlap: every row is its own code, I = log M."""
    model, data = build("VAE", 2)
    with torch.no_grad():
        model.factors["q(z|x)"].network.layers[0].weight[:2] = 1e4 * torch.eye(2)
    found = model.common_information(x=data.sample(37)["x"])
    assert found["aggregate"] == pytest.approx(math.log(37), rel=1e-9)
    assert model.common_information(x=data.sample(37)["x"], limit=10)["aggregate"] == pytest.approx(
        math.log(10), rel=1e-9
    )


def test_values_at_their_cap_have_no_upper_end():
    model, data = build("VAE", 2)
    x = data.sample(400)["x"]
    found = model.common_information(x=x)
    assert found.capped == ()
    with torch.no_grad():
        model.factors["q(z|x)"].network.layers[0].weight[:2] = 1e4 * torch.eye(2)
    found = model.common_information(x=x, limit=50)
    assert found.capped == ("aggregate",)
    assert found.rows == 50
    assert found.intervals["aggregate"][1] == math.inf
    assert found.intervals["I41"][1] < math.inf
    with pytest.raises(TaskError, match="limit of at least 1"):
        model.common_information(x=x, limit=0)


def test_intervals_hold_the_exact_information_as_often_as_they_say():
    """200 samples of 300 rows; the truth is exact. Of 200 intervals of 95 % 190 hold it, with a
    standard deviation of 3.1."""
    model, data = build("VAE", 2)
    law = posterior_law(model)
    joint = joint_of(model, law, data)
    exact = joint.entropy(["z"]) + joint.entropy(["x"]) - joint.entropy(["x", "z"])
    held = {"aggregate": 0, "I41": 0}
    x = data.sample(300 * 200)["x"].reshape(200, 300, -1)
    rate = model.common_information(x=x.flatten(0, 1), limit=1)["I41"]
    for k, rows in enumerate(x):
        found = model.common_information(x=rows, seed=k)
        for name, truth in (("aggregate", float(exact)), ("I41", rate)):
            low, high = found.intervals[name]
            held[name] += low <= truth <= high
    assert held["I41"] > 190 - 5 * 3.1
    assert held["aggregate"] > 180 - 5 * 3.1  # the mixture of 300 posteriors is short of q(z)


def test_work_is_bounded_by_the_limit(monkeypatch):
    """Findings B9: all M x N densities were computed and cut afterwards."""
    import wyner.tasks.information as task

    monkeypatch.setattr(task, "block_rows", lambda _: 64)
    model, data = build("VAE", 2)
    x = data.sample(2000)["x"]
    sizes = []
    real = type(model.factors["q(z|x)"](x[:1])).log_prob

    def watched(self, value):
        sizes.append(real(self, value).numel())
        return real(self, value)

    monkeypatch.setattr(type(model.factors["q(z|x)"](x[:1])), "log_prob", watched)
    found = model.common_information(x=x, limit=100, seed=0)
    assert sum(sizes) <= 100 * 100 + 2 * 2000
    rate = model.common_information(x=x, limit=2000, seed=0)["I41"]
    assert found["I41"] == pytest.approx(rate, rel=1e-9)


def test_a_code_that_ignores_the_data_carries_nothing():
    model, data = build("VAE", 2)
    with torch.no_grad():
        (layer,) = model.factors["q(z|x)"].network.layers
        layer.weight.zero_()
        layer.bias.zero_()
        layer.bias[2:] = model.factors["p(z)"].head.log_scale
    found = model.common_information(x=data.sample(37)["x"])
    assert found == pytest.approx({"I41": 0.0, "I40": 0.0, "aggregate": 0.0}, abs=1e-12)


def test_categorical_codes_by_enumeration():
    """I41 and the aggregate for a discrete z: sums over its values; no I40."""
    model = wyner.Model(
        observed={"x": Real(2)},
        latent={"z": wyner.Categorical(1, 3)},
        laws={"elbo": ("q(x) q(z|x)", "p(z) p(x|z)")},
        objective=KL("elbo"),
        common=("z",),
        networks=AFFINE,
    )
    x = 2 * torch.randn(2000, 2)
    with torch.no_grad():
        p = model.factors["q(z|x)"](x).mean[:, 0]
    log_ratio = p.log() - p.mean(0).log()
    each = (p * log_ratio).sum(1)
    spread = (
        (p * log_ratio.square()).sum(1) - each.square()
    ).mean()  # of log q(z|x) - log qbar(z) over z, given the rows
    found = model.common_information(x=x, seed=3)
    assert set(found) == {"I41", "aggregate"}
    assert found["I41"] == pytest.approx(float((p * (p * 3).log()).sum(1).mean()), rel=1e-9)
    assert abs(found["aggregate"] - float(each.mean())) < 5 * float(spread / 2000) ** 0.5


def test_encoders_of_shared_variance_are_measured_too():
    model = wyner.Model(
        observed={"x": Real(2)},
        latent={"z": Real(2)},
        laws={"elbo": ("q(x) q(z|x)", "p(z) p(x|z)")},
        objective=KL("elbo"),
        common=("z",),
        networks=AFFINE,
        families={"q(z|x)": wyner.families.Gaussian(wyner.families.Fixed(0.25))},
    )
    found = model.common_information(x=torch.randn(10, 2))
    assert found["I40"] == pytest.approx(
        -math.log(0.25), rel=1e-9
    )  # two coordinates, half a log each


def test_two_common_latents_that_depend_on_each_other():
    """q(z|x) q(w|z,x): the aggregate density of (z, w) needs q(w|z_i, x_m), the z of one row with
    the data of another."""
    laws = {"elbo": ("q(x) q(z|x) q(w|z,x)", "p(z) p(w) p(x|z,w)")}
    model = wyner.Model(
        observed={"x": Real(3)},
        latent={"z": Real(1), "w": Real(1)},
        laws=laws,
        objective=KL("elbo"),
        common=("z", "w"),
        networks=AFFINE,
    )
    randomise(model, 2)
    with torch.no_grad():
        model.factors["q(w|z,x)"].network.layers[0].weight[0, 0] = 2.0
    data, m = random_joint({"x": 3}, 5), 3000
    joint = joint_of(model, model.laws["elbo"][0], data)
    exact = joint.entropy(["z", "w"]) + joint.entropy(["x"]) - joint.entropy(["x", "z", "w"])
    r = wyner.information.canonical_correlations(joint.marginal(["x", "z", "w"]).cov, (3, 2))
    found = model.common_information(**data.sample(m), seed=1)
    assert abs(found["aggregate"] - exact) < 5 * math.sqrt(float((r**2).sum()) / m)


def test_a_common_latent_without_a_prior_is_refused():
    laws = {"cond": ("q(x,y) q(v|y,x)", "q(x) p(v|x) p(y|v,x)")}
    model = wyner.Model(
        observed={"x": Real(2), "y": Real(2)},
        latent={"v": Real(1)},
        laws=laws,
        objective=KL("cond"),
        common=("v",),
        networks=AFFINE,
    )
    with pytest.raises(TaskError, match=r"p\(v\)"):
        model.common_information(x=torch.zeros(4, 2), y=torch.zeros(4, 2))


def test_a_model_without_a_common_latent_is_refused():
    model, data = build("CVAE", 1)
    with pytest.raises(TaskError, match="cannot measure its common information"):
        model.common_information(**data.sample(4))
    model, data = build("WynerVAE", 1)
    with pytest.raises(TaskError, match="all modalities given"):
        model.common_information(x=data.sample(4)["x"])


def test_rate_per_dimension_adds_up_to_the_rate():
    model, data = build("WynerVAE", 3)
    rows = data.sample(20)
    rates = rate_per_dimension(model, rows)
    f, prior = affine(model, parse("q(z|x,y)").terms[0]), affine(model, parse("p(z)").terms[0])
    m = rows["x"] @ f.weights["x"].T + rows["y"] @ f.weights["y"].T + f.bias
    each = 0.5 * (
        (f.variance + m**2) / prior.variance - 1 - f.variance.log() + prior.variance.log()
    ).mean(0)
    torch.testing.assert_close(rates["z"], each, rtol=1e-9, atol=0)
    assert float(rates["z"].sum()) == pytest.approx(
        model.common_information(**rows)["I41"], rel=1e-9
    )
    assert set(rates) == {"z", "u", "v"}


@pytest.mark.parametrize(
    ("common", "words"),
    [(("z",), "z is drawn from w"), (("w", "z"), "experts that read other latents")],
)
def test_experts_that_read_another_latent_are_refused(common, words):
    """q(z|w,x) is a product whose member reads w; the density of z given the data is another
    integral."""
    model = wyner.Model(
        observed={"x": Real(2)},
        latent={"w": Real(1), "z": Real(1)},
        objective=KL("elbo"),
        common=common,
        networks=AFFINE,
        laws={"elbo": ("q(x) q(w|x) q(z|w,x)", "p(w) p(z) p(x|z,w)")},
        families={"q(z|w,x)": wyner.families.Product("e(z|w)", "e(z|x)")},
    )
    with pytest.raises(TaskError, match=words):
        model.common_information(x=torch.zeros(4, 2))
