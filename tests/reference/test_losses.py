"""Compiled objectives against losses written by hand: same parameters, same noise, equal loss and
gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import wyner
from reference import plain
from wyner import KL, Binary, Categorical, Image, Real
from wyner.families import Gaussian, Trainable
from wyner.models import (
    CVAE,
    DMVAE,
    IIAE,
    JMVAE,
    MMVAE,
    MVAE,
    MVTCAE,
    SSVAE,
    VIB,
    WVAE,
    VCCAPrivate,
    WynerVAE,
)
from wyner.networks import MLPs

NETWORKS = MLPs(hidden=(16, 12))
B = 13


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def tolerance(request: pytest.FixtureRequest) -> Iterator[float]:
    """Runs a test in both precisions; the relative error allowed is 1e-6 in float32 and 1e-12 in
    float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    try:
        yield 1e-6 if request.param == torch.float32 else 1e-12
    finally:
        torch.set_default_dtype(before)


def compare(
    model: wyner.Model,
    given: dict[str, Tensor],
    noise: list[Tensor],
    by_hand: Tensor,
    rel: float,
    progress: float = 0.0,
) -> None:
    """Loss to `rel`; every gradient to ten times that, relative to the largest entry (its entries
    are sums over the batch)."""
    program = model.objective
    parameters = dict(model.named_parameters())
    loss, _ = program(given, noise, torch.tensor(program.objective.weights(progress)))
    assert float(loss.detach()) == pytest.approx(float(by_hand.detach()), rel=rel)
    ours = torch.autograd.grad(loss, parameters.values(), allow_unused=True)
    theirs = torch.autograd.grad(by_hand, parameters.values(), allow_unused=True)
    for name, a, b in zip(parameters, ours, theirs, strict=True):
        assert (a is None) == (b is None), name
        if a is not None and b is not None:
            assert bool((b != 0).any()), name
            torch.testing.assert_close(
                a,
                b,
                rtol=10 * rel,
                atol=10 * rel * float(b.abs().max()),
                msg=lambda m, n=name: f"{n}: {m}",
            )


@torch.no_grad()
def shake(model: wyner.Model) -> None:
    """Priors and decoder variances away from where they start."""
    for name, p in model.named_parameters():
        if name.endswith("log_scale"):
            p.add_(0.4 * torch.randn(p.shape))


def named(
    program: wyner.objectives.Program, names: dict[str, str], like: Tensor
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Fresh noise in the order of the program, and by name; draws from one factor under other
    parents are numbered in order."""
    noise, seen, e = program.noise((B,), like), {}, {}
    for factor, n in zip(program.plan.draws, noise, strict=True):
        seen[factor] = seen.get(factor, 0) + 1
        e[names[factor + "'" * (seen[factor] - 1)]] = n
    return noise, e


DRAWS = {
    "q(z|x,y)": "z",
    "q(u|z,x)": "u",
    "q(v|z,y)": "v",
    "q(z|x)": "z1",
    "q(u|z,x)'": "u1",
    "q(z|y)": "z2",
    "q(v|z,y)'": "v2",
}


@pytest.mark.parametrize("trainable", [False, True])
def test_wyner_vae_is_equation_15(tolerance, trainable):
    a = {"xx": 0.5, "yy": 1.5, "xy": 1.0, "yx": 0.25}
    families = (
        {"x": Gaussian(Trainable()), "y": Gaussian(Trainable(0.7, per="event"))}
        if trainable
        else None
    )
    alpha = {"x2x": a["xx"], "y2y": a["yy"], "x2y": a["xy"], "y2x": a["yx"]}
    model = WynerVAE(
        **SPACES,
        **{"z": 3, "u": 2, "v": 2},
        lam=0.15,
        alpha=alpha,
        networks=NETWORKS,
        families=families,
    )
    shake(model)
    w, x, y = plain.Weights(model), torch.randn(B, 5), torch.randn(B, 4)
    noise, e = named(model.objective, DRAWS, x)
    assert set(e) == set(DRAWS.values())
    half = torch.tensor(0.5)
    d_x = torch.exp(2 * w.state["p(x|z,u).head.log_scale"]) if trainable else half
    d_y = torch.exp(2 * w.state["p(y|z,v).head.log_scale"]) if trainable else half
    compare(
        model, {"x": x, "y": y}, noise, plain.wyner_vae(w, x, y, e, 0.15, a, d_x, d_y), tolerance
    )


def test_wyner_vae_without_marginal_terms_is_equation_7_plus_11(tolerance):
    model = WynerVAE(x=Real(5), y=Real(4), z=3, u=2, v=2, lam=0.2, networks=NETWORKS)
    shake(model)
    x, y = torch.randn(B, 5), torch.randn(B, 4)
    noise, e = named(model.objective, DRAWS, x)
    zeros = {k: torch.zeros(B, n) for k, n in {"z1": 3, "u1": 2, "z2": 3, "v2": 2}.items()}
    off, half = dict.fromkeys(("xx", "yy", "xy", "yx"), 0.0), torch.tensor(0.5)
    by_hand = plain.wyner_vae(plain.Weights(model), x, y, e | zeros, 0.2, off, half, half)
    loss, _ = model.objective({"x": x, "y": y}, noise, torch.tensor([1.0, 0.2]))
    assert float(loss.detach()) == pytest.approx(float(by_hand.detach()), rel=tolerance)


def test_the_second_stage_is_equation_13(tolerance):
    """The phase that fits q(z|x) and q(z|y) to the frozen joint model: a_xx and a_yy alone."""
    model = WynerVAE(x=Real(5), y=Real(4), z=3, u=2, v=2, networks=NETWORKS)
    shake(model)
    w, x, y = plain.Weights(model), torch.randn(B, 5), torch.randn(B, 4)
    program = model.program(model.phases[1].objective)
    noise, e = named(
        program, {"q(z|x)": "z1", "q(u|z,x)": "u1", "q(z|y)": "z2", "q(v|z,y)": "v2"}, x
    )
    e |= {"z": torch.zeros(B, 3), "u": torch.zeros(B, 2), "v": torch.zeros(B, 2)}
    zero, half = dict.fromkeys(("xx", "yy", "xy", "yx"), 0.0), torch.tensor(0.5)
    one = zero | {"xx": 1.0, "yy": 1.0}
    by_hand = plain.wyner_vae(w, x, y, e, 0.0, one, half, half) - plain.wyner_vae(
        w, x, y, e, 0.0, zero, half, half
    )
    loss, _ = program({"x": x, "y": y}, noise, torch.ones(2))
    own = [
        p
        for n, p in model.named_parameters()
        if n.startswith(("factors.q(z|x).", "factors.q(z|y)."))
    ]
    assert float(loss.detach()) == pytest.approx(
        float(by_hand.detach()), rel=10 * tolerance
    )  # by_hand is a difference of two losses
    for a, b in zip(torch.autograd.grad(loss, own), torch.autograd.grad(by_hand, own), strict=True):
        torch.testing.assert_close(
            a, b, rtol=10 * tolerance, atol=10 * tolerance * float(b.abs().max())
        )


def pair() -> tuple[Tensor, Tensor]:
    return torch.randn(B, 5), torch.randn(B, 4)


SPACES = {"x": Real(5), "y": Real(4)}


def test_jmvae_is_42_and_43(tolerance):
    model = JMVAE(**SPACES, w=3, c=0.1, networks=NETWORKS)
    shake(model)
    x, y = pair()
    noise = model.objective.noise((B,), x)
    assert len(noise) == 1
    compare(
        model,
        {"x": x, "y": y},
        noise,
        plain.jmvae(plain.Weights(model), x, y, noise[0], 0.1),
        tolerance,
    )


def test_cvae_is_45(tolerance):
    model = CVAE(**SPACES, v=3, networks=NETWORKS)
    x, y = pair()
    noise = model.objective.noise((B,), x)
    compare(
        model, {"x": x, "y": y}, noise, plain.cvae(plain.Weights(model), x, y, noise[0]), tolerance
    )


def test_vcca_private_is_48(tolerance):
    model = VCCAPrivate(**SPACES, z=3, u=2, v=2, networks=NETWORKS)
    shake(model)
    x, y = pair()
    noise, e = named(model.objective, {"q(z|x)": "z", "q(u|x)": "u", "q(v|y)": "v"}, x)
    compare(
        model, {"x": x, "y": y}, noise, plain.vcca_private(plain.Weights(model), x, y, e), tolerance
    )


def test_vib_is_51(tolerance):
    model = VIB(**SPACES, z=3, beta=0.3, networks=NETWORKS)
    shake(model)
    x, y = pair()
    (noise,) = model.objective.noise((B,), x)
    compare(
        model,
        {"x": x, "y": y},
        [noise],
        plain.vib(plain.Weights(model), x, y, noise, 0.3),
        tolerance,
    )


def test_ssvae_is_46_and_47(tolerance):
    model = SSVAE(x=Categorical(1, 3), y=Real(4), v=2, alpha=1.7, unlabelled=0.6, networks=NETWORKS)
    shake(model)
    x, y = torch.eye(3)[torch.randint(3, (B,))][:, None], torch.randn(B, 4)
    noise = model.objective.noise((B,), y)
    by_hand = plain.ssvae(plain.Weights(model), x, y, noise[0], noise[2], 0.6, 1.7)
    compare(
        model, {"x": x, "y": y}, noise, by_hand, 5 * tolerance
    )  # sums of probabilities times log-probabilities


def test_w_vae_is_loss_1(tolerance):
    model = WVAE(**SPACES, z=(2, 3), u=(1, 4), v=(2, 2), lam=0.25, networks=NETWORKS)
    x, y = pair()
    noise, e = named(model.objective, {"q(z|x,y)": "z", "q(u|x,y)": "u", "q(v|x,y)": "v"}, x)
    by_hand = plain.wvae(plain.Weights(model), x, y, e, 0.25, tau=1.0, eps2=5e-5)
    compare(model, {"x": x, "y": y}, noise, by_hand, 5 * tolerance)  # squares times 1e4


def test_w_vae_anneals_its_temperature(tolerance):
    """tau = exp(-0.75 share), at least 0.5: exp(-3e-5 step) over 25,000 steps."""
    model = WVAE(**SPACES, z=(2, 3), u=(1, 4), v=(2, 2), networks=NETWORKS)
    for factor in model.factors.values():
        if hasattr(factor.head, "anneal"):
            factor.head.anneal(0.4)
    x, y = pair()
    noise, e = named(model.objective, {"q(z|x,y)": "z", "q(u|x,y)": "u", "q(v|x,y)": "v"}, x)
    by_hand = plain.wvae(
        plain.Weights(model), x, y, e, 0.0, tau=math.exp(-3e-5 * 0.4 * 25_000), eps2=5e-5
    )
    compare(model, {"x": x, "y": y}, noise, by_hand, 5 * tolerance)


@pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
def test_iiae_is_the_loss_of_the_code(tolerance, progress):
    model = IIAE(**SPACES, z=3, u=2, v=2, lam=0.8, beta=0.4, warm=5.0, networks=NETWORKS)
    x, y = pair()
    noise, e = named(model.objective, {"q(z|x,y)": "z", "q(u|x)": "u", "q(v|y)": "v"}, x)
    reg = 1 - math.exp(-5.0 * progress)
    by_hand = plain.iiae(plain.Weights(model), x, y, e, 0.8, 0.4, reg)
    compare(
        model, {"x": x, "y": y}, noise, by_hand, 50 * tolerance, progress
    )  # weights of one KL that cancel in part


EXPERTS = {"q(z|x,y)": "z", "q(z|x)": "z1", "q(z|y)": "z2", "q(u|x)": "u", "q(v|y)": "v"}


@pytest.mark.parametrize(("kind", "by_hand"), [(MVAE, plain.mvae), (MMVAE, plain.mmvae)])
def test_models_with_experts(tolerance, kind, by_hand):
    model = kind(**SPACES, z=3, networks=NETWORKS)
    shake(model)
    x, y = pair()
    noise, e = named(model.objective, EXPERTS, x)
    compare(model, {"x": x, "y": y}, noise, by_hand(plain.Weights(model), x, y, e), 5 * tolerance)


def test_mvtcae(tolerance):
    model = MVTCAE(**SPACES, z=3, alpha=0.8, beta=1.5, networks=NETWORKS)
    shake(model)
    x, y = pair()
    (noise,) = model.objective.noise((B,), x)
    by_hand = plain.mvtcae(plain.Weights(model), x, y, noise, 0.8, 1.5)
    compare(model, {"x": x, "y": y}, [noise], by_hand, 10 * tolerance)


def test_dmvae(tolerance):
    model = DMVAE(**SPACES, z=3, u=2, v=2, networks=NETWORKS)
    shake(model)
    x, y = pair()
    noise, e = named(model.objective, EXPERTS, x)
    compare(
        model, {"x": x, "y": y}, noise, plain.dmvae(plain.Weights(model), x, y, e), 5 * tolerance
    )


def test_images_and_bits(tolerance):
    """One trained variance per channel, summed over its pixels; Bernoulli bits of rank two; beta on
    the rate."""
    laws = {
        "joint": ("q(x,b) q(z|x,b)", "p(z) p(x|z) p(b|z)"),
        "rate": ("q(x,b) q(z|x,b)", "q(x,b) p(z)"),
    }
    model = wyner.Model(
        observed={"x": Image(2, 3, 4), "b": Binary(3, 2)},
        latent={"z": Real(3)},
        laws=laws,
        objective=KL("joint") + 3.0 * KL("rate"),
        networks=NETWORKS,
    )
    shake(model)
    x, bits = torch.rand(B, 2, 3, 4), torch.bernoulli(torch.full((B, 3, 2), 0.4))
    noise = model.objective.noise((B,), x)
    compare(
        model,
        {"x": x, "b": bits},
        noise,
        plain.beta_image_vae(plain.Weights(model), x, bits, noise[0], 4.0),
        tolerance,
    )
