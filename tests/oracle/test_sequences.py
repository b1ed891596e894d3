"""DSAE with the parameters of a linear Gaussian process, against log-determinants in float64: no
training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from oracle.statistics import assert_mean, assert_moments
from wyner.data.linear_sequences import Process, Representation, exact, process
from wyner.families import Recurrent
from wyner.models import DSAE
from wyner.networks import Critics, Sequences
from wyner.objectives import KL, regularised
from wyner.variables import Sequence

LAW = process(steps=6, frame=4, local=2, common=2)
BEST = LAW.posterior()
CASES = {
    "posterior": BEST,
    "leaky": Representation(0.8 * BEST.w, BEST.vz, BEST.u, BEST.v, BEST.vs).leaky(0.3),
}
"""The best encoder with independent coordinates; and one with too small a z, some of which every
s_t repeats."""


def _install(model: DSAE, law: Process, found: Representation) -> None:
    """Writes the process into p and the representation into q."""
    as_tensor = lambda a: torch.from_numpy(np.ascontiguousarray(a))
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        for name, slopes, variance in (
            ("q(z|x)", [found.w], found.vz),
            ("q(s|x,z)", [found.u, found.v], found.vs),
        ):
            last, n = model.factors[name].network.last, len(variance)
            last.weight[:n] = as_tensor(np.hstack(slopes))
            last.bias[n:] = as_tensor(0.5 * np.log(variance))
        past, n = model.factors["p(s)"].head.past.readout, len(law.a)
        past.weight[:n], past.bias[n:] = as_tensor(law.a), float(np.log(law.q))
        causes = np.kron(np.eye(law.steps), law.b), np.kron(np.ones((law.steps, 1)), law.c)
        model.factors["p(x|s,z)"].network.last.weight.copy_(as_tensor(np.hstack(causes)))
        model.factors["p(x|s,z)"].head.log_scale.fill_(float(np.log(law.r)))


@pytest.fixture(params=list(CASES))
def case(request, float64):
    law, found = LAW, CASES[request.param]
    model = DSAE(
        x=Sequence(law.steps, len(law.b)),
        z=law.c.shape[1],
        s=len(law.a),
        objective="cmi",
        gamma=0.3,
        networks=Sequences(linear=True),
        prior=Recurrent(cell="markov"),
    )
    _install(model, law, found)
    x, z, s = (torch.from_numpy(a) for a in law.draw(20_000, np.random.default_rng(1)))
    return model, found, x, z, s


def test_terms_of_the_elbo_are_the_exact_ones(case):
    model, found, x, *_ = case
    truth = exact(LAW, found)
    program = model.program(KL("elbo"))
    noise = program.noise((len(x),), x, torch.Generator().manual_seed(2))
    with torch.no_grad():
        terms = program.scores({"x": x}, noise)
    kl_z, kl_s, recon = terms.values()
    for name, values in (
        ("kl_z", kl_z),
        ("kl_s", kl_s),
        ("recon", recon),
        ("elbo", -(kl_z + kl_s + recon)),
    ):
        assert_mean(values, truth[name], name)


def test_kl_by_steps_has_the_expectation_of_the_log_ratio_and_less_noise(case):
    model, _, x, *_ = case
    program = model.program(KL("elbo"))
    noise = program.noise((len(x),), x, torch.Generator().manual_seed(3))
    with torch.no_grad():
        steps = program.scores({"x": x}, noise)["elbo: KL(q(s|x,z) || p(s)), step by step"]
        plain = program.scores({"x": x}, noise, pointwise=True)[
            "elbo: KL(q(s|x,z) || p(s)), step by step"
        ]
    assert_mean(steps - plain, 0.0)
    assert steps.std() < plain.std()


def test_prior_has_the_density_and_the_moments_of_the_process(case):
    model, _, _, _, s = case
    prior = model.factors["p(s)"]()
    flat = s[:50].flatten(1)
    target = torch.distributions.MultivariateNormal(
        torch.zeros(flat.shape[1]), torch.from_numpy(LAW.local)
    )
    torch.testing.assert_close(
        prior.log_prob(s[:50]), target.log_prob(flat), rtol=1e-10, atol=1e-10
    )
    torch.manual_seed(4)
    drawn = prior.sample(20_000).flatten(1)
    assert_moments(drawn, torch.zeros(drawn.shape[1]), torch.from_numpy(LAW.local))


def test_importance_weights_find_the_entropy(float64):
    """With many samples log p(x) of the linear model is its exact density."""
    law = LAW
    model = DSAE(
        x=Sequence(law.steps, 4),
        z=2,
        s=2,
        objective="elbo",
        watch=False,
        networks=Sequences(linear=True),
        prior=Recurrent(cell="markov"),
    )
    _install(model, law, law.posterior())
    x = torch.from_numpy(law.draw(20, np.random.default_rng(5))[0])
    found = model.log_likelihood(x=x, samples=4000, seed=0)
    nx = law.sizes[0]
    cov = torch.from_numpy(law.covariance()[:nx, :nx])
    truth = torch.distributions.MultivariateNormal(torch.zeros(nx), cov).log_prob(x.flatten(1))
    assert found.ess.min() > 100
    assert ((found.value - truth).abs() < 5 / found.ess.sqrt()).all()


@pytest.mark.parametrize("name", list(CASES))
def test_identity_10_and_the_bound_17(name):
    t = exact(LAW, CASES[name])
    assert t["I_xz"] - t["I_zs"] == pytest.approx(t["kl_z"] - t["redundancy"], rel=1e-9)  # (10)
    assert t["redundancy"] == pytest.approx(t["I_zs"] + t["aggregate"], rel=1e-12)
    assert t["I_xz_given_s"] == pytest.approx(
        t["I_xz"] - t["I_zs"] + t["I_zs_given_x"], rel=1e-9
    )  # (7)
    assert t["kl_z"] == pytest.approx(t["I_xz"] + t["aggregate"], rel=1e-9)
    for alpha in (1.0, 1.5, 4.0):  # (17)
        assert t["I_xz"] - alpha * t["I_zs"] <= t["I_xz_given_s"] + 1e-12
    assert t["elbo"] == pytest.approx(-(t["recon"] + t["kl_z"] + t["kl_s"]), rel=1e-12)
    assert t["elbo"] <= -t["entropy"] + 1e-12


def test_what_the_cases_say():
    """Exact posteriors share nothing and meet the prior; a leak shares, and costs bound."""
    clean, leaky = (exact(LAW, CASES[n]) for n in ("posterior", "leaky"))
    assert abs(clean["I_zs"]) < 1e-9
    assert abs(clean["aggregate"]) < 1e-9
    assert leaky["I_zs"] > 0.3
    assert leaky["aggregate"] > 0.05
    assert leaky["elbo"] < clean["elbo"]
    assert leaky["I_xz"] - leaky["I_zs"] < leaky["I_xz_given_s"]


def test_critics_learn_the_shared_information():
    """A quick density ratio on draws of the leaky encoder, against exact I(z;s) and I'(z;s)."""
    truth = exact(LAW, CASES["leaky"])
    torch.manual_seed(0)
    model = DSAE(
        x=Sequence(LAW.steps, 4),
        z=2,
        s=2,
        objective="cmi",
        gamma=0.3,
        networks=Sequences(linear=True),
        prior=Recurrent(cell="markov"),
        critics=Critics(width=64, noise=0.0),
    )
    critics = {k: v.clone() for k, v in model.critics.state_dict().items()}
    _install(model, LAW, CASES["leaky"])
    model.critics.load_state_dict(critics)
    program = model.program(regularised("cmi", 0.3))
    adam = torch.optim.Adam(model.critics.parameters(), lr=3e-3)
    rows = torch.from_numpy(LAW.draw(20_000, np.random.default_rng(6))[0]).float()
    generator = torch.Generator().manual_seed(6)
    for _ in range(300):
        batch = rows[torch.randint(len(rows), (400,), generator=generator)]
        loss, _ = program.critic_loss({"x": batch}, program.noise((400,), batch, generator))
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        ratios = program.ratios({"x": rows}, program.noise((len(rows),), rows, generator))
    for name, key in (("I(z;s) q elbo", "I_zs"), ("R(z;s) q elbo", "redundancy")):
        assert float(ratios[name][0].mean()) == pytest.approx(truth[key], rel=0.1), name
