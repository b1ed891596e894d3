"""Variables that are summed over: SSVAE and ADGM with a discrete label, against sums over the
labels written out."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

import wyner
from oracle.statistics import LIMIT
from wyner import KL, Categorical, Real
from wyner.errors import LawError, OptionError
from wyner.families import Categorical as Codes
from wyner.models import ADGM, MMVAE, SSVAE
from wyner.networks import MLPs

pytestmark = pytest.mark.usefixtures("float64")

B, K, D = 7, 3, 4
SMALL = MLPs(hidden=(8,))


def log_normal(value, d):
    scale = d.log_scale.exp().expand(d.loc.shape)
    return -0.5 * (math.log(2 * math.pi) + 2 * scale.log() + ((value - d.loc) / scale) ** 2).sum(-1)


def kl_normal(q, p):
    s2, t2 = (2 * q.log_scale).exp(), (2 * p.log_scale).exp()
    return 0.5 * ((t2 / s2).log() + (s2 + (q.loc - p.loc) ** 2) / t2 - 1).sum(-1)


def labels(code, lead):
    return torch.eye(K)[code].expand(*lead, 1, K)


def rows():
    codes = torch.randint(K, (B,))
    return codes, {"x": torch.eye(K)[codes][:, None], "y": torch.randn(B, D)}


def ssvae(**more):
    torch.manual_seed(1)
    return SSVAE(x=Categorical(1, K), y=Real(D), v=2, networks=SMALL, **more)


def adgm(**more):
    torch.manual_seed(1)
    return ADGM(x=Categorical(1, K), y=Real(D), v=2, z=2, networks=SMALL, **more)


def labelled(model, x, y, e):
    """(46): -log p(x) + KL(q(v|y,x) || p(v)) - log p(y|v,x), p(x) uniform."""
    f = model.factors
    q = f["q(v|y,x)"](y, x)
    v = q.loc + q.log_scale.exp() * e
    return math.log(K) + kl_normal(q, f["p(v)"]()) - log_normal(y, f["p(y|v,x)"](v, x))


def ssvae_by_hand(model, given, codes, e_known, e_summed):
    """(46) and (47) per row; (47) is sum_x q(x|y) [ log q(x|y) + the same ], the noise of v shared
    by all labels."""
    x, y, lead = given["x"], given["y"], e_known.shape[:-1]
    log_q = torch.log_softmax(model.factors["q(x|y)"].network(y), -1)[:, 0]
    known = labelled(model, x.expand(*lead, 1, K), y.expand(*lead, D), e_known)
    unknown = sum(
        log_q[:, k].exp()
        * (log_q[:, k] + labelled(model, labels(k, lead), y.expand(*lead, D), e_summed))
        for k in range(K)
    )
    return known, unknown, -log_q[torch.arange(B), codes]


@pytest.mark.parametrize("draws", [(), (5,)])
def test_ssvae_is_46_and_47_with_the_labels_summed(draws):
    model, (codes, given) = ssvae(alpha=1.7, unlabelled=0.6), rows()
    program = model.objective
    noise = program.noise((*draws, B), given["y"])
    assert program.plan.draws == ["q(v|y,x)", "q(x|y)", "q(v|y,x)"]
    known, unknown, classify = ssvae_by_hand(model, given, codes, noise[0], noise[2])
    loss, _ = program(given, noise, torch.tensor([1.0, 0.6, 1.7]))
    by_hand = known.mean() + 0.6 * unknown.mean() + 1.7 * classify.mean()
    assert float(loss.detach()) == pytest.approx(float(by_hand.detach()), rel=1e-12)
    ours, theirs = (torch.autograd.grad(a, list(model.parameters())) for a in (loss, by_hand))
    for (name, _), a, b in zip(model.named_parameters(), ours, theirs, strict=True):
        assert bool((a != 0).any()), name
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12, msg=name)


def test_rows_without_a_label_count_in_47_alone():
    model, (codes, given) = ssvae(), rows()
    program, there = model.objective, torch.tensor([1.0, 0, 1, 1, 0, 0, 1])
    noise = program.noise((B,), given["y"])
    known, unknown, classify = ssvae_by_hand(model, given, codes, noise[0], noise[2])
    masks = {"x": there, "y": torch.ones(B)}
    loss, _ = program(given, noise, torch.ones(3), masks)
    by_hand = ((known + classify) * there).sum() / there.sum() + unknown.mean()
    assert float(loss.detach()) == pytest.approx(float(by_hand.detach()), rel=1e-12)
    other = {
        **given,
        "x": torch.where(there[:, None, None] > 0, given["x"], torch.full((B, 1, K), 9.0)),
    }
    assert float(program(other, noise, torch.ones(3), masks)[0].detach()) == pytest.approx(
        float(loss.detach()), rel=1e-12
    )
    nobody = {"x": torch.zeros(B), "y": torch.ones(B)}
    loss, _ = program(given, noise, torch.ones(3), nobody)
    assert float(loss.detach()) == pytest.approx(float(unknown.mean().detach()), rel=1e-12)
    grads = torch.autograd.grad(loss, list(model.factors["q(x|y)"].parameters()))
    assert all(
        bool((g != 0).any()) for g in grads
    )  # the classifier learns from rows without labels


@pytest.mark.parametrize("draws", [(), (4,)])
def test_adgm_by_hand(draws):
    """Appendix C: the sum over labels inside one draw of the auxiliary z, which all parts share."""
    model, (codes, given) = adgm(alpha=1.7, unlabelled=0.6), rows()
    program, f, y = model.objective, model.factors, given["y"]
    noise = program.noise((*draws, B), y)
    assert program.plan.draws == ["q(z|y)", "q(v|z,y,x)", "q(x|z,y)", "q(v|z,y,x)"]
    lead = (*draws, B)
    wide, q_z = y.expand(*lead, D), f["q(z|y)"](y)
    z = q_z.loc + q_z.log_scale.exp() * noise[0]

    def known(x, e):
        q = f["q(v|z,y,x)"](z, wide, x)
        v = q.loc + q.log_scale.exp() * e
        rest = log_normal(z, q_z) - log_normal(z, f["p(z|v,x,y)"](v, x, wide))
        return (
            math.log(K) + kl_normal(q, f["p(v)"]()) - log_normal(wide, f["p(y|v,x)"](v, x)) + rest
        )

    log_q = torch.log_softmax(f["q(x|z,y)"].network(z, wide), -1)[..., 0, :]
    unknown = sum(
        log_q[..., k].exp() * (log_q[..., k] + known(labels(k, lead), noise[3])) for k in range(K)
    )
    classify = -(log_q * given["x"][:, 0]).sum(-1)
    by_hand = (
        known(given["x"].expand(*lead, 1, K), noise[1]).mean()
        + 0.6 * unknown.mean()
        + 1.7 * classify.mean()
    )
    loss, _ = program(given, noise, torch.tensor([1.0, 0.6, 1.7]))
    assert float(loss.detach()) == pytest.approx(float(by_hand.detach()), rel=1e-12)
    assert codes.shape == (B,)


def test_two_labels_at_once_are_summed_over_all_pairs():
    """Categorical(2, 3): nine values, and E q = 1."""
    torch.manual_seed(0)
    model = SSVAE(x=Categorical(2, 3), y=Real(D), v=2, networks=SMALL)
    y = torch.randn(B, D)
    program = model.program(KL("unlabelled"))
    noise = program.noise((B,), y)
    assert noise[0].shape == (9, 1, 2, 3)
    with torch.no_grad():
        found = sum(program.scores({"y": y}, noise).values())
        f = model.factors
        log_q, exact = torch.log_softmax(f["q(x|y)"].network(y), -1), torch.zeros(B)
        for pair in itertools.product(range(3), repeat=2):
            x = torch.eye(3)[list(pair)].expand(B, 2, 3)
            q = f["q(v|y,x)"](y, x)
            v = q.loc + q.log_scale.exp() * noise[1]
            score = kl_normal(q, f["p(v)"]()) - log_normal(y, f["p(y|v,x)"](v, x)) + 2 * math.log(3)
            weight = (log_q * x).sum((-2, -1))
            exact += weight.exp() * (weight + score)
    torch.testing.assert_close(found, exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("make", [ssvae, adgm])
def test_log_p_of_y_sums_over_the_labels(make):
    """log p(y) = log sum_x p(x) int p(v) p(y|v,x) dv: v by quadrature, the library's estimate by
    z-score."""
    model = make()
    y, n, samples = 0.3 * torch.randn(1, D), 3000, 20
    nodes = torch.linspace(-8, 8, 161)
    v = torch.cartesian_prod(nodes, nodes) * model.factors["p(v)"]().log_scale.exp().detach()
    weight = torch.exp(-torch.cartesian_prod(nodes, nodes).square().sum(1) / 2)
    weight = weight / weight.sum()
    with torch.no_grad():
        each = [
            log_normal(y, model.factors["p(y|v,x)"](v, labels(k, (len(v),)))).exp()
            for k in range(K)
        ]
        exact = float((weight * sum(each) / K).sum())
    w = model.log_likelihood(y=y.expand(n, D), samples=samples, seed=0).value.exp() / exact
    assert abs(float((w.mean() - 1) / (w.std() / n**0.5))) < LIMIT
    assert float(w.std()) < 5


def test_summed_experts_make_the_bound_of_a_mixture_exact():
    """MMVAE with a categorical z: each expert is summed over in terms of its own, and the loss is
    KL(q || p) of the mixture."""
    torch.manual_seed(0)
    summed = {f"q(z|{m})": Codes(summed=True) for m in "xy"}
    model = MMVAE(x=Real(2), y=Real(3), z=Categorical(1, K), networks=SMALL, families=summed)
    given, f = {"x": torch.randn(B, 2), "y": torch.randn(B, 3)}, model.factors
    noise = model.objective.noise((B,), given["x"])
    assert [n.shape for n in noise] == [(K, 1, 1, K)] * 2
    loss, _ = model.objective(given, noise, torch.tensor(model.objective.objective.weights(0.0)))
    q = (
        torch.softmax(f["q(z|x)"].network(given["x"]), -1)
        + torch.softmax(f["q(z|y)"].network(given["y"]), -1)
    )[:, 0] / 2
    exact = torch.zeros(B)
    for k in range(K):
        z = labels(k, (B,))
        rec = log_normal(given["x"], f["p(x|z)"](z)) + log_normal(given["y"], f["p(y|z)"](z))
        exact = exact + q[:, k] * (q[:, k].log() + math.log(K) - rec)
    assert float(loss.detach()) == pytest.approx(float(exact.mean().detach()), rel=1e-12)


def test_two_summed_variables_are_refused():
    laws = {"main": ("q(y) q(a|y) q(b|y)", "p(a) p(b) p(y|a,b)")}
    codes = {"a": Categorical(1, 2), "b": Categorical(1, 3)}
    with pytest.raises(
        LawError,
        match=(
            r"q\(a\|y\) and q\(b\|y\) are both summed over in one term; make one variable of them"
        ),
    ):
        wyner.Model(
            observed={"y": Real(2)},
            latent=codes,
            laws=laws,
            objective=KL("main"),
            families={"q(a|y)": Codes(summed=True), "q(b|y)": Codes(summed=True)},
        )


def test_too_many_values_are_refused():
    with pytest.raises(
        OptionError, match=r"has 10\^4 values, too many to sum over; expected at most 4096"
    ):
        SSVAE(x=Categorical(4, 10), y=Real(D))


@pytest.mark.parametrize("make", [ssvae, adgm])
def test_a_classifier_is_learned_from_few_labels(make):
    """Three clusters, one row in ten with its label: trained in float32 for a moment, it names most
    of the others."""
    torch.set_default_dtype(torch.float32)
    model, n = make(), 600
    codes = torch.arange(n) % K
    centres = torch.tensor([[3.0, 0, 0, 0], [-3.0, 0, 0, 0], [0, 3.0, 0, 0]])
    y = centres[codes] + 0.5 * torch.randn(n, D)
    there = (torch.arange(n) % 10 < 1).float()
    wyner.fit(
        model,
        {"x": codes, "y": y, "x_mask": there},
        epochs=15,
        batch_size=50,
        lr=5e-3,
        seed=0,
        progress=False,
    )
    found = model.translate(y=y, means=True)[0, :, 0].argmax(-1)
    assert float((found == codes).float().mean()) > 0.9
