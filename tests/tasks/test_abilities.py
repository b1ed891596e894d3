"""Who can do what: the table of abilities, and refusals that say what the model lacks."""

from __future__ import annotations

import pytest
import torch

from oracle.cases import ELSEWHERE, build
from wyner.errors import TaskError
from wyner.models import TABLE

EVERYTHING = {
    "generate": "yes",
    "translate": "x->y y->x",
    "encode": "(x) (x,y) (y)",
    "log_likelihood": "p(x) p(x,y) p(x|y) p(y) p(y|x)",
    "common_information": "yes",
}

TASKS = ("generate", "translate", "restyle", "encode", "log_likelihood", "common_information")


def can(*words: str | None) -> dict[str, str]:
    """What a model says of the tasks, without those that are not looked at."""
    return {k: v for k, v in zip(TASKS, words, strict=True) if v is not None}


ABILITIES = {
    "WynerVAE": {**EVERYTHING, "restyle": "x y"},
    "WynerVAE-no-local": {**EVERYTHING, "restyle": "-"},
    "WynerVAE-3": can(
        "yes",
        "a->b,c b->a,c c->a,b",
        None,
        "(a) (a,b,c) (b) (c)",
        "p(a) p(a,b,c) p(a,b|c) p(a,c|b) p(b) p(b,c|a) p(c)",
        "yes",
    ),
    "VAE": can("yes", "-", None, "(x)", "p(x)", "yes"),
    "CVAE": can("-", "x->y", "y", "(x,y)", "p(y|x)", "-"),
    "VCCAPrivate": can("yes", "x->y", "y", "(x) (x,y) (y)", "p(x) p(x,y) p(y|x)", "yes"),
    "VIB": can("-", "x->y", "-", "(x) (x,y)", "p(y|x)", "-"),
    "SSVAE": can("yes", "x->y y->x", "y", "(x,y)", "p(x,y) p(x|y) p(y) p(y|x)", "-"),
    "ADGM": can("yes", "x->y y->x", "y", "(x,y)", "p(x,y) p(x|y) p(y) p(y|x)", "-"),
    "BCDE": can("yes", "x->y", "-", "(x) (x,y) (y)", "p(x) p(x,y) p(y) p(y|x)", "yes"),
    "JVAE": {**EVERYTHING, "restyle": "-"},
    "JMVAE": {**EVERYTHING, "restyle": "-"},
    "BiVCCAPrivate": {**EVERYTHING, "restyle": "x y"},
    "JointBetaVAE": {**EVERYTHING, "restyle": "x y"},
    "WVAE": {**EVERYTHING, "restyle": "x y"},
    "IIAE": {**EVERYTHING, "restyle": "x y"},
    "MVAE": {**EVERYTHING, "restyle": "-"},
    "MMVAE": {**EVERYTHING, "restyle": "-"},
    "MoPoE": {**EVERYTHING, "restyle": "-"},
    "MVTCAE": {**EVERYTHING, "restyle": "-"},
    "DMVAE": {**EVERYTHING, "restyle": "x y"},
    "MMVAEPlus": {**EVERYTHING, "restyle": "x y"},
    "VariationalWyner": {**EVERYTHING, "restyle": "x y", "log_likelihood": "-"},
}


@pytest.mark.parametrize("name", ABILITIES)
def test_table_of_abilities(name):
    can = build(name, 1)[0].abilities()
    assert {k: can[k] for k in ABILITIES[name]} == ABILITIES[name]


RETRIEVE = {
    "VAE": "x",
    "WynerVAE-3": "a b c",
    "CVAE": "-",
    "SSVAE": "-",
    "ADGM": "-",
    "VIB": "-",
    "VCCAPrivate": "x",
    **dict.fromkeys(
        (
            "WynerVAE",
            "WynerVAE-no-local",
            "JVAE",
            "JMVAE",
            "BiVCCAPrivate",
            "IIAE",
            "VariationalWyner",
        ),
        "x y",
    ),
}
"""What a model can be searched by: it takes a common latent, and an encoder of it from one modality
alone."""


@pytest.mark.parametrize("name", RETRIEVE)
def test_what_can_be_searched(name):
    model, data = build(name, 1)
    assert model.abilities()["retrieve"] == RETRIEVE[name]
    for k in model.observed:
        if k in RETRIEVE[name].split():
            assert len(model.index(**{k: data.sample(4)[k].float()})) == 4
        else:
            with pytest.raises(TaskError, match="cannot retrieve"):
                model.index(**{k: data.sample(4)[k].float()})


def test_the_table_of_abilities_names_every_model():
    assert set(TABLE) - ELSEWHERE <= set(ABILITIES)


X, Y = torch.zeros(3, 2), torch.zeros(3, 3)


@pytest.mark.parametrize(
    ("name", "call", "words"),
    [
        ("CVAE", lambda m: m.generate(3), r"generate: it has no joint law p\(x,y\)"),
        ("CVAE", lambda m: m.translate(y=Y), "translate y to x: it has no law of x given y"),
        ("CVAE", lambda m: m.encode(x=X), r"encode \(x\): it can encode \(x,y\)"),
        (
            "CVAE",
            lambda m: m.log_likelihood(x=X, y=Y),
            r"score log p\(x,y\): it has no pair of laws for it",
        ),
        ("CVAE", lambda m: m.log_likelihood(x=X, given={"y": Y}), r"score log p\(x\|y\)"),
        ("CVAE", lambda m: m.restyle(x=X, like={"y": Y}), "infer v from y"),
        ("CVAE", lambda m: m.reconstruct(x=X, y=Y), r"reconstruct x,y: it has no law p\(x,y\)"),
        ("CVAE", lambda m: m.common_information(x=X, y=Y), "measure its common information"),
        (
            "JMVAE",
            lambda m: m.restyle(x=X, like={"y": Y}),
            "restyle y: x2y draws no latent of its own",
        ),
        ("VCCAPrivate", lambda m: m.translate(y=Y), "translate y to x: it has no law of x given y"),
        ("VIB", lambda m: m.encode(y=Y), r"encode \(y\): it can encode \(x\); \(x,y\)"),
        ("VIB", lambda m: m.generate(3), r"generate: it has no joint law p\(x,y\)"),
        ("BCDE", lambda m: m.translate(y=Y), "translate y to x: it has no law of x given y"),
        ("SSVAE", lambda m: m.encode(y=Y), r"encode \(y\): it can encode \(x,y\)"),
        (
            "WynerVAE-3",
            lambda m: m.translate(a=X, b=torch.zeros(3, 1)),
            "translate a,b to c: it has no law of c given a,b",
        ),
    ],
)
def test_refusals_say_what_the_model_lacks(name, call, words):
    with pytest.raises(TaskError, match=f"^{name.split('-')[0]} cannot {words}"):
        call(build(name, 1)[0])


@pytest.mark.parametrize("name", ["WynerVAE-no-local", "JMVAE", "VAE"])
def test_a_model_without_local_latents_has_no_style_to_keep(name):
    """The only latents are common; there is nothing of `like` that could be kept."""
    model, data = build(name, 2)
    rows = {k: v.float() for k, v in data.sample(2).items()}
    with pytest.raises(TaskError, match="style"):
        model.generate(2, like=rows)
