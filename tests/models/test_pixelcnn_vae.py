"""PixelCNN-VAE: its printed objectives beside the paper's, a loss by hand under the same draws, and
what it can be asked."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import wyner
from wyner import Binary, Information, Redundancy
from wyner.errors import OptionError, ShapeError, TaskError
from wyner.families import Autoregressive
from wyner.models import PixelCNNVAE
from wyner.networks import ImageCritics, ResNets
from wyner.objectives.phases import TwoPlayer

FEW = {
    "x": Binary(1, 9, 8),
    "z": 3,
    "pixels": Autoregressive(channels=4, kernels=(3, 3, 3, 3), split=3, maps=2),
    "networks": ResNets(channels=4, blocks=2, width=8),
    "critics": ImageCritics(channels=4, width=8),
}
BOUND = "1 * elbo = KL(q(z|x) || p(z)) - log p(x|z) [dropped: -h(x)]"
RATE = "-0.3 * rate = KL(q(z|x) || p(z))"
SHARED = "KL( (z,s) || p(z) (s) ) under q(x) q(z|x) q(s|x) by T(z,s)"
WATCHED = "0 * I(z;s) q features = I(z;s) under q(x) q(z|x) q(s|x) by T(z,s) [watched]"
PRINTED = {
    "elbo": [BOUND],
    "beta": [BOUND, RATE],
    "mi": [BOUND, RATE, "0.3 * KL(aggregate) = KL( q(x) q(z|x) || p(z) ) by T(z)"],
    "cmi": [BOUND, RATE, f"0.3 * R(z;s) q features = {SHARED}"],
}
"""(3), (6), (26), (14) of the paper, to be minimised."""


def pictures(n: int) -> torch.Tensor:
    return (torch.rand(n, 1, 9, 8) < 0.4).float()


def trained(objective: str = "cmi", **options) -> PixelCNNVAE:
    """A model whose running statistics are not those of the start."""
    torch.manual_seed(0)
    made = PixelCNNVAE(**{**FEW, "objective": objective, "gamma": 0.3, **options})
    wyner.fit(made, {"x": pictures(64)}, epochs=2, batch_size=32, lr=3e-3, progress=False)
    return made


@pytest.mark.parametrize("objective", PRINTED)
@pytest.mark.parametrize("watch", [False, True])
def test_the_printed_objective_is_the_paper_s(objective, watch):
    printed = str(PixelCNNVAE(**FEW, objective=objective, gamma=0.3, watch=watch).objective)
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert lines == PRINTED[objective] + [WATCHED] * watch


def test_alpha_prices_what_is_shared_by_itself():
    lines = str(PixelCNNVAE(**FEW, gamma=0.25, alpha=2.0).objective).splitlines()
    assert [" ".join(line.split()).split(" = ")[0] for line in lines] == [
        "1 * elbo",
        "-0.25 * rate",
        "0.25 * KL(aggregate)",
        "0.5 * I(z;s) q features",
    ]


def test_the_loss_is_that_by_hand():
    """(14) from the networks themselves: Recon + (1 - gamma) KL(z) + gamma mean T(z,s), with the
    noise of the program."""
    made, x = trained().eval(), pictures(16)
    program = made.objective
    noise = program.noise((16,), x, torch.Generator().manual_seed(3))
    weights = torch.tensor(program.objective.weights(0.0))
    with torch.no_grad():
        loss, _ = program({"x": x}, noise, weights)
        raw = made.factors["q(z|x)"].network(x)
        mean, log_scale = raw[:, :3], raw[:, 3:].clamp(-6, 4)
        z = mean + log_scale.exp() * noise[0]
        rate = 0.5 * ((2 * log_scale).exp() + mean**2 - 1 - 2 * log_scale).sum(1)
        maps = made.factors["p(x|z)"].network(z)
        decoder = made.factors["p(x|z)"].head.network
        recon = F.binary_cross_entropy_with_logits(decoder(x, maps), x, reduction="none").sum(
            (1, 2, 3)
        )
        t = critic_by_hand(made.critics.heads["R(z;s) q features"], z, decoder.features(x)[-1])
    assert torch.isclose(loss, (recon + 0.7 * rate + 0.3 * t).mean(), rtol=1e-5)
    assert abs(float(t.mean())) > 1e-4


def critic_by_hand(critic, z, s):
    """<e(s), z> layer by layer."""
    conv = [m for m in critic.modules() if isinstance(m, torch.nn.Conv2d)]
    norm = [m for m in critic.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    h = F.relu(norm[0](conv[0](s)))
    h = F.relu(norm[1](conv[1](h)))
    return (conv[2](h).mean((2, 3)) * z).sum(1)


@pytest.mark.parametrize("objective", ["mi", "beta"])
def test_other_losses_differ_in_the_priced_term(objective):
    made, x = trained(objective, watch=False).eval(), pictures(16)
    program = made.objective
    noise = program.noise((16,), x)
    with torch.no_grad():
        loss, terms = program({"x": x}, noise, torch.tensor(program.objective.weights(0.0)))
        found = dict(zip(program.names, terms.tolist(), strict=True))
        want = 0.7 * found["elbo: KL(q(z|x) || p(z))"] + found["elbo: -log p(x|z)"]
        if objective == "mi":
            want += 0.3 * found["KL(aggregate)"]
            z = made.factors["q(z|x)"](x).rsample(noise[0])
            assert torch.isclose(made.critics("KL(aggregate)", None, [z]).mean(), terms[-1])
    assert torch.isclose(loss, torch.tensor(want), rtol=1e-5)


def test_both_sides_of_every_critic_are_those_of_its_term():
    """Maps of s are computed once and moved; the same from critics that are called on each side by
    itself."""
    made, x = trained().eval(), pictures(16)
    program = made.program(
        0.0 * Information("z;s", under="features", side="q") + Redundancy("z;s", under="features")
    )
    noise = program.noise((16,), x)
    with torch.no_grad():
        found = program.ratios({"x": x}, noise)
        z = made.factors["q(z|x)"](x).rsample(noise[0])
        s = made.factors["p(x|z)"].head.inner(x)[-1]
        order = noise[-1].argsort()
        moved = s[torch.empty_like(order).scatter_(0, order, order.roll(1))]
        from_prior = next(
            n for n, name in zip(noise[1:], program.plan.draws[1:], strict=False) if name == "p(z)"
        )
        for name, sides in {
            "I(z;s) q features": (z, moved),
            "R(z;s) q features": (from_prior, s),
        }.items():
            torch.testing.assert_close(found[name][0], made.critics(name, None, [z, s]))
            torch.testing.assert_close(found[name][1], made.critics(name, None, list(sides)))


def test_two_steps_of_the_critics_for_one_of_the_model():
    (phase,) = PixelCNNVAE(**FEW).phases
    assert isinstance(phase, TwoPlayer)
    assert (phase.critic, phase.model, phase.critic_lr) == (2, 1, 1e-3)
    assert not isinstance(PixelCNNVAE(**FEW, objective="beta", watch=False).phases[0], TwoPlayer)


def test_watching_changes_nothing_but_what_is_reported():
    """One gradient with and without the critic that watches."""
    x, grads = pictures(16), []
    for watch in (True, False):
        torch.manual_seed(2)
        made = PixelCNNVAE(**FEW, objective="beta", gamma=0.3, watch=watch)
        program = made.objective
        noise = program.noise((16,), x)
        noise[0] = torch.full_like(noise[0], 0.3)
        loss, _ = program({"x": x}, noise, torch.tensor(program.objective.weights(0.0)))
        loss.backward()
        grads.append({k: p.grad for k, p in made.factors.named_parameters()})
    assert grads[0].keys() == grads[1].keys()
    assert all(torch.equal(g, grads[1][k]) for k, g in grads[0].items())


def test_it_is_asked_like_any_other_model(tmp_path):
    made, x = trained(), pictures(5)
    assert made.abilities() == {
        "generate": "yes",
        "translate": "-",
        "restyle": "-",
        "encode": "(x)",
        "retrieve": "x",
        "log_likelihood": "p(x)",
        "common_information": "yes",
    }
    drawn = made.generate(4, seed=0)["x"]
    assert drawn.shape == (4, 1, 9, 8)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(drawn, made.generate(4, seed=0)["x"])
    assert {k: d.mean.shape for k, d in made.encode(x=x).items()} == {"z": (5, 3)}
    score = made.log_likelihood(x=x, samples=50, seed=0)
    bound = made.program(wyner.KL("elbo"))
    with torch.no_grad():
        terms = bound.scores({"x": x}, bound.noise((200, 5), x))
    elbo = -sum(t.expand(200, 5).mean(0) for t in terms.values())
    assert bool((score.value > elbo - 0.5).all())
    assert bool((score.value < elbo + 3).all())
    made.save(tmp_path / "m")
    again = wyner.load(tmp_path / "m")
    assert torch.equal(again.log_likelihood(x=x, samples=50, seed=0).value, score.value)
    assert torch.equal(again.generate(4, seed=0)["x"], drawn)


def test_families_share_a_code_and_nothing_else():
    made, x = trained(), pictures(6)
    with torch.no_grad():  # codes that differ, and decide something
        made.factors["q(z|x)"].network.last.weight[:3].mul_(10)
        made.factors["p(x|z)"].network.last.weight.mul_(50)
    drawn = made.redraw(x=x, n=100, seed=0)["x"]
    assert drawn.shape == (100, 6, 1, 9, 8)
    assert float(drawn.var(0).mean()) > 0.01  # fresh pixels in every draw
    maps = made.factors["p(x|z)"].network(made.encode(x=x)["z"].mean)
    decoder = made.factors["p(x|z)"].head
    with torch.no_grad():  # log p(x|z) - log p(x|another z) has the mean of a KL, which is positive
        gain = (decoder(maps).log_prob(drawn) - decoder(maps.roll(1, 0)).log_prob(drawn)).flatten()
    assert float(gain.mean() / gain.std()) * len(gain) ** 0.5 > 5
    assert type(made.redraw(x=x.numpy(), n=2, seed=0)["x"]).__name__ == "ndarray"
    with pytest.raises(TaskError, match="positive number of draws, got 0"):
        made.redraw(x=x, n=0)


def test_pictures_that_are_too_small_for_the_critic_are_refused():
    with pytest.raises(ShapeError, match=r"feature maps of at least 8x8, got \(4, 9, 6\)"):
        PixelCNNVAE(**{**FEW, "x": Binary(1, 9, 6)})


def test_a_likelihood_of_another_family_leaves_s_out():
    from wyner import Real
    from wyner.families import Gaussian
    from wyner.networks import MLPs

    made = PixelCNNVAE(
        x=Real(3), z=2, objective="beta", watch=False, families={"x": Gaussian()}, networks=MLPs(())
    )
    assert set(made.latent) == {"z"}
    assert list(made.laws) == ["elbo", "rate"]
    with pytest.raises(
        OptionError,
        match="s is a layer of an autoregressive decoder; with another family of x, set objective",
    ):
        PixelCNNVAE(x=Real(3), z=2, objective="cmi", families={"x": Gaussian()}, networks=MLPs(()))
