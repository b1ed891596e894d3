"""Models that cannot be: each is refused when it is built, in words that name the law, the factor
and what would be right."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import wyner
from wyner import KL, Binary, Image, Real
from wyner.errors import LawError, OptionError, ShapeError
from wyner.families import Bernoulli, Categorical, Gaussian
from wyner.models import WynerVAE
from wyner.networks import Builder, Convolutional, MLPs
from wyner.objectives.phases import Phase

VAE = {"elbo": ("q(x) q(z|x)", "p(z) p(x|z)")}


def vae(**more):
    defaults = {
        "observed": {"x": Real(3)},
        "latent": {"z": Real(2)},
        "laws": VAE,
        "objective": KL("elbo"),
        "networks": MLPs(hidden=()),
    }
    return wyner.Model(**(defaults | more))


def refuse(error, **more) -> str:
    with pytest.raises(error) as e:
        vae(**more)
    return str(e.value)


@pytest.mark.parametrize(
    ("laws", "message"),
    [
        ({"elbo": ("q(x) q(z|x", "p(z) p(x|z)")}, "elbo: q: cannot read 'q(z|x'"),
        ({"elbo": ("q(x) q(z|x)", "p(z) * p(x|z)")}, "elbo: p: cannot read '* p(x|z)'"),
        ({"elbo": ("q(x) q(z|x)", "")}, "elbo: p: the law is empty"),
        ({"elbo": ("q(x) q(z|x)",)}, "elbo: expected a pair of laws (q, p), got 1"),
        (
            {"elbo": ("q(x) q(zz|x)", "p(z) p(x|z)")},
            "elbo: q: q(zz|x): unknown variable 'zz': did you mean 'z'?",
        ),
        (
            {"elbo": ("q(x) q(z|x)", "p(x|z) p(z)")},
            "elbo: p: p(x|z) needs z, which no factor before it draws",
        ),
        ({"elbo": ("q(x) q(z|x)", "p(z) p(x|z) p(z|x)")}, "elbo: p: p(z|x) draws z a second time"),
        (
            {"elbo": ("q(x) q(z|x)", "p(x)")},
            "elbo: q is a law of (x,z) but p of (x); p lacks a factor for z",
        ),
    ],
)
def test_laws(laws, message):
    assert message in refuse(LawError, laws=laws)


def test_one_conditional_in_two_orders_would_be_two_networks():
    laws = {"a": ("q(x,y) q(z|x,y)", "p(z) p(x|z) p(y|z)"), "b": ("q(x,y) q(z|y,x)", "q(x,y) p(z)")}
    message = refuse(LawError, observed={"x": Real(1), "y": Real(1)}, laws=laws, objective=KL("a"))
    assert (
        message
        == "q(z|x,y) and q(z|y,x) would be two networks for the same conditional; write the parents"
        " in one order"
    )


def test_a_name_is_observed_or_latent():
    assert (
        refuse(LawError, latent={"z": Real(2), "x": Real(2)})
        == "x cannot be both observed and latent"
    )


def test_common_latents_must_exist():
    assert "'zz'" in refuse((LawError, OptionError), common=("zz",))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (
            {"families": {"q(z|xx)": Gaussian()}},
            "a family 'q(z|xx)': did you mean 'q(z|x)'? There are: p(x|z), p(z), q(z|x), x, z",
        ),
        ({"families": {"y": Gaussian()}}, "unknown name for a family 'y'"),
        (
            {"modules": {"q(z|y)": nn.Linear(1, 1)}},
            "name for a network 'q(z|y)': did you mean 'q(z|x)'? There are: p(x|z), p(z), q(z|x)",
        ),
        ({"modules": {"z": nn.Linear(1, 1)}}, "unknown name for a network 'z'"),
        (
            {"phases": [Phase("main", KL("elbo"), train=("q(z|y)",))]},
            "phase 'main': unknown factor 'q(z|y)': did you mean 'q(z|x)'?",
        ),
        (
            {"phases": [Phase("main", KL("elbo"), freeze=("decoder",))]},
            "phase 'main': unknown factor 'decoder'",
        ),
        (
            {"phases": [Phase("a", KL("elbo")), Phase("a", KL("elbo"))]},
            "phases: expected different names, got a, a",
        ),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(option, words):
    assert words in refuse(OptionError, **option)


class Wrong(nn.Module):
    def __init__(self, out) -> None:
        super().__init__()
        self.out = out

    def forward(self, *parents: torch.Tensor) -> torch.Tensor:
        return self.out(parents)


def test_a_network_of_the_wrong_output_is_found_at_once():
    message = refuse(ShapeError, modules={"q(z|x)": nn.Linear(3, 3)})
    assert (
        message
        == "q(z|x): its network must return (..., 4): 2 parameters per coordinate of (2,), stacked"
        " along the first axis; it returned (2, 3)"
    )
    message = refuse(ShapeError, modules={"p(x|z)": nn.Linear(2, 6)})
    assert message.startswith(
        "p(x|z): its network must return (..., 3): 1 parameter per coordinate of (3,)"
    )
    message = refuse(ShapeError, modules={"q(z|x)": Wrong(lambda p: (p[0], p[0]))})
    assert message.endswith("it returned tuple")


def test_a_network_without_a_batch_axis_is_refused():
    assert "it returned (4,)" in refuse(
        ShapeError, modules={"q(z|x)": Wrong(lambda p: torch.zeros(4))}
    )


def test_a_users_network_is_called_with_the_parents_in_the_order_written():
    seen = []

    class Mine(nn.Module):
        def forward(self, z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            seen.append((z.shape[-1], x.shape[-1]))
            return torch.zeros(*x.shape[:-1], 2) + z.sum() * 0

    laws = {"elbo": ("q(x) q(z|x) q(u|z,x)", "p(z) p(u) p(x|z,u)")}
    vae(laws=laws, latent={"z": Real(2), "u": Real(1)}, modules={"q(u|z,x)": Mine()})
    assert seen == [(2, 3)]


def test_a_users_network_that_knows_one_batch_axis_gets_one():
    """It sees (N, d) in every task, also where latents have a sample axis and data have none."""

    class Strict(nn.Linear):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            assert z.ndim == 2
            return super().forward(z)

    model = vae(modules={"p(x|z)": Strict(2, 3)})
    twin = vae(modules={"p(x|z)": nn.Linear(2, 3)})
    twin.load_state_dict(model.state_dict())
    x = torch.randn(5, 3)
    torch.testing.assert_close(
        model.log_likelihood(x=x, samples=7, seed=0).value,
        twin.log_likelihood(x=x, samples=7, seed=0).value,
    )


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"families": {"z": Categorical()}}, r"needs a Categorical(n, k) variable, got Real(2)"),
        (
            {"families": {"p(x|z)": Categorical()}},
            r"needs a Categorical(n, k) variable, got Real(3)",
        ),
    ],
)
def test_families_that_do_not_fit_the_space(option, words):
    assert words in refuse(OptionError, **option)


def test_images_of_odd_sizes_are_refused_by_the_convolutions():
    assert "pad the images (28 to 32)" in refuse(
        ShapeError, observed={"x": Image(1, 28, 28)}, networks=Convolutional()
    )


def test_a_builder_of_ones_own_is_enough_to_build_a_model():
    """`Builder` is there to be extended: a model may be built with any of them; only storing it
    needs more."""

    class Mine(Builder):
        def factor(self, of, parents, output, observed):
            return wyner.networks.MLP(parents, output)

    assert str(vae(networks=Mine()).objective).startswith("1 * elbo = KL(q(z|x) || p(z))")


def test_observed_bits_may_have_an_unconditional_factor():
    """p(x) of a Bernoulli: a trained constant, scored as its cross-entropy."""
    laws = {"e": ("q(x) q(z|x)", "p(x) p(z|x)")}
    model = vae(
        observed={"x": Binary(3)}, laws=laws, objective=KL("e"), families={"p(x)": Bernoulli()}
    )
    x = torch.tensor([[1.0, 0.0, 1.0]])
    score = model.objective.scores({"x": x}, model.objective.noise((1,), x))["e: -log p(x)"]
    logits = model.factors["p(x)"]().logits
    p = torch.sigmoid(logits)
    torch.testing.assert_close(
        score, -(p[0].log() + (1 - p[1]).log() + p[2].log())[None].expand_as(score)
    )


def wyner_vae(**more) -> str:
    with pytest.raises(OptionError) as e:
        WynerVAE(**({"networks": MLPs(hidden=())} | more))
    return str(e.value)


PAIR = {"x": Real(2), "y": Real(2)}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "expected x= and y=, or modalities={name: space, ...}"),
        ({"x": Real(2)}, "expected x= and y="),
        (
            {**PAIR, "modalities": {"a": Real(1), "b": Real(1)}},
            "either x= and y= or modalities=, not both",
        ),
        ({"modalities": {"a": Real(1)}}, "at least two modalities, got 1"),
        ({"modalities": {"z": Real(1), "b": Real(1)}}, "'z' cannot name a modality"),
        ({"modalities": {"u_b": Real(1), "b": Real(1)}}, "'u_b' cannot name a modality"),
        ({"modalities": {"a2b": Real(1), "b": Real(1)}}, "'a2b' cannot name a modality"),
        (
            {"modalities": {"left half": Real(1), "b": Real(1)}},
            "'left half' cannot name a modality",
        ),
        ({**PAIR, "alpha": {"x2z": 1.0}}, "alpha: unknown law 'x2z': did you mean 'x2"),
        ({**PAIR, "local": {"w": 2}}, "local: unknown modality 'w'"),
        ({**PAIR, "z": 0}, "z needs a positive size, got 0"),
        ({**PAIR, "u": -1}, "u needs a positive size, got -1"),
    ],
)
def test_wyner_vae(more, words):
    assert words in wyner_vae(**more)
