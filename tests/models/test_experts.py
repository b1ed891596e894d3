"""Models with experts over three modalities: rows and questions that lack some, and how subsets are
named."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import wyner
from oracle.cases import AFFINE
from wyner import KL, Real
from wyner.errors import OptionError
from wyner.families import Fixed, Gaussian, Mixture, Product
from wyner.models import DMVAE, MMVAE, MVAE, MVTCAE, MMVAEPlus, MoPoE
from wyner.models.experts import posterior, products, subset_name
from wyner.models.parts import latents, local_sizes, modalities_of, needed, subsets, total, without

KINDS = [MVAE, MMVAE, MoPoE, MVTCAE, DMVAE, MMVAEPlus]
SIZES = {"a": 2, "b": 3, "c": 1}
STYLED = (DMVAE, MMVAEPlus)


def make(kind, **more):
    torch.manual_seed(0)
    local = {"local": 1} if kind in STYLED else {}
    return kind({k: Real(n) for k, n in SIZES.items()}, z=2, networks=AFFINE, **local, **more)


def rows(n):
    z = torch.randn(n, 1)
    return {k: z + 0.5 * torch.randn(n, d) for k, d in SIZES.items()}


PROPER = [s for r in (1, 2) for s in itertools.combinations(SIZES, r)]


@pytest.mark.parametrize("kind", KINDS)
def test_any_subset_encodes_translates_and_is_scored(kind):
    model, data = make(kind), rows(4)
    for known in PROPER:
        given = {k: data[k] for k in known}
        rest = {k: data[k] for k in SIZES if k not in known}
        assert model.encode(**given)["z"].mean.shape == (4, 2)
        for target in rest:
            out = model.translate(**given, to=target, n=3, seed=1)
            assert out.shape == (3, 4, SIZES[target])
        for found in (
            model.log_likelihood(**given, samples=5, seed=1),
            model.log_likelihood(**rest, given=given, samples=5, seed=1),
        ):
            assert found.value.shape == (4,)
            assert bool(torch.isfinite(found.value).all())
    assert bool(torch.isfinite(model.log_likelihood(**data, samples=5, seed=1).value).all())
    assert model.encode(**data)["z"].mean.shape == (4, 2)
    if kind in STYLED:
        assert model.restyle(a=data["a"], like={"b": data["b"]}, to="b").shape == (4, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_training_with_missing_modalities(kind):
    """Rows that lack any of the three train the model; those that are whole are a third."""
    model, data, n = make(kind), rows(240), 240
    which = torch.arange(n) % 6
    masks = {f"{m}_mask": (which != i).float() for i, m in enumerate(SIZES)}
    history = wyner.fit(
        model, {**data, **masks}, epochs=8, batch_size=40, lr=2e-2, seed=0, progress=False
    ).history
    assert history[-1]["loss"] < history[0]["loss"]


def test_mvae_trains_its_encoders_from_rows_that_have_one_side():
    model, data = make(MVAE), rows(5)
    program = model.objective
    masks = {"a": torch.ones(5), "b": torch.zeros(5), "c": torch.zeros(5)}
    program(data, program.noise((5,), data["a"]), torch.ones(len(program.divergences)), masks)[
        0
    ].backward()
    reached = {
        n.split(".")[1]
        for n, p in model.named_parameters()
        if p.grad is not None and bool((p.grad != 0).any())
    }
    assert reached == {"e(z|a)", "p(z)", "p(a|z)"}


def test_every_subset_on_request():
    one, every = make(MVAE), make(MVAE, every_subset=True)
    assert one.objective.divergences == ["joint", "a2a", "b2b", "c2c"]
    assert every.objective.divergences == [
        "joint",
        "a2a",
        "b2b",
        "c2c",
        "a_b2a_b",
        "a_c2a_c",
        "b_c2b_c",
    ]


def test_mopoe_is_loose_by_default_and_an_equal_mixture():
    loose, tight = make(MoPoE), make(MoPoE, tight=True)
    assert loose.objective.divergences == [f"from_{subset_name(s)}" for s in subsets(list(SIZES))]
    assert len(tight.objective.divergences) == 14
    assert [t.weight for t in tight.objective.objective.terms] == pytest.approx(
        [1 / 7] * 7 + [-1 / 7] * 7
    )
    family = tight.factors["q(z|a,b)"].family
    assert family == Mixture("r(z|a)", "r(z|b)", "r(z|a,b)")


def test_the_loose_bound_of_mopoe_lies_above_the_tight_one():
    torch.manual_seed(0)
    data = rows(2000)
    loose, tight = make(MoPoE), make(MoPoE, tight=True)
    noise = loose.objective.noise((2000,), data["a"])
    with torch.no_grad():
        a, b = (
            m.objective(data, noise, torch.tensor(m.objective.objective.weights(0.0)))[0]
            for m in (loose, tight)
        )
    assert float(a) > float(
        b
    )  # same seed, same parameters: they differ by the mean divergence of the parts


# helpers of the model files


def test_subsets_in_order_of_size():
    assert subsets(["x", "y"]) == [("x",), ("y",), ("x", "y")]
    found = subsets(list("abcd"))
    assert len(found) == 15
    assert found[:6] == [("a",), ("b",), ("c",), ("d",), ("a", "b"), ("a", "c")]


def test_laws_without_a_latent_lack_it_as_a_parent_too():
    laws = {"joint": ("q(x,y) q(z|x,y) q(u|z,x)", "p(z) p(u) p(x|z,u) p(y|z)")}
    assert without(laws, {"u"}) == {"joint": ("q(x,y) q(z|x,y)", "p(z) p(x|z) p(y|z)")}
    assert without(laws, set()) == laws


def test_sizes_of_latents():
    assert latents(u=0, v=3, w=Real(2)) == {"v": Real(3), "w": Real(2)}
    with pytest.raises(OptionError, match="got -1"):
        latents(u=-1)
    with pytest.raises(OptionError, match="z needs a positive size, got 0"):
        needed(z=0)


def test_local_latents_are_named_u_and_v_for_a_pair():
    assert local_sizes(["x", "y"], 2, 3, None) == ({"x": "u", "y": "v"}, {"u": 2, "v": 3})
    assert local_sizes(["x", "y"], 2, 0, None) == ({"x": "u"}, {"u": 2})
    assert local_sizes(["a", "b"], 4, 9, None) == ({"a": "u_a", "b": "u_b"}, {"u_a": 4, "u_b": 4})
    assert local_sizes(["a", "b"], 4, 9, {"b": 1}) == ({"b": "u_b"}, {"u_b": 1})
    with pytest.raises(OptionError, match="local: unknown modality 'q'"):
        local_sizes(["a", "b"], 4, 9, {"q": 1})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "M: expected x= and y=, or modalities="),
        ({"x": Real(1)}, "M: expected x= and y="),
        (
            {"x": Real(1), "y": Real(1), "modalities": {"a": Real(1)}},
            "either x= and y= or modalities=, not both",
        ),
        ({"modalities": {"a": Real(1)}}, "at least two modalities, got 1"),
        ({"modalities": {"a": Real(1), "z": Real(1)}}, "'z' cannot name a modality"),
        ({"modalities": {"a": Real(1), "u_a": Real(1)}}, "'u_a' cannot name a modality"),
        ({"modalities": {"a": Real(1), "a2": Real(1)}}, "'a2' cannot name a modality"),
    ],
)
def test_modalities(more, words):
    with pytest.raises(OptionError, match=words):
        modalities_of("M", **({"modalities": None, "x": None, "y": None} | more))


def test_weights_of_an_objective():
    assert total({"a": 1.0, "b": -0.5}) == KL("a") + -0.5 * KL("b")


def test_products_with_and_without_the_prior():
    assert posterior(["x", "y"]) == "q(z|x,y)"
    assert products(["x", "y"], prior=True)["q(z|x,y)"] == Product("e(z|x)", "e(z|y)", "p(z)")
    assert products(["x", "y"], prior=False)["q(z|x)"] == Product("e(z|x)")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: wyner.models.BiVCCAPrivate(x=Real(1), y=Real(1), mu=1.0),
            "mu: expected a share between 0 and 1",
        ),
        (
            lambda: wyner.models.BCDE(x=Real(1), y=Real(1), mu=1.0),
            "mu: expected a share from 0 up and below 1",
        ),
        (lambda: MVTCAE(x=Real(1), y=Real(1), alpha=0.0), r"alpha: expected a number in \(0, 1\]"),
        (lambda: wyner.models.JVAE(x=Real(1), y=Real(1), w=0), "w needs a positive size"),
    ],
)
def test_options_out_of_range(make, words):
    with pytest.raises(OptionError, match=words):
        make()


@pytest.mark.parametrize("kind", [MMVAE, MMVAEPlus])
@pytest.mark.parametrize("means", [(0.5, -0.7), (0.3, 0.3), (30.0, -30.0)])
def test_the_loss_of_a_mixture_is_its_divergence_less_that_of_the_experts_from_it(kind, means):
    """1/M sum_i KL(q_i || p) - 1/M sum_i KL(q_i || q) by closed form and on a grid, all networks
    constant; of experts that never meet, the second is log M."""
    styled = {"u": 1, "v": 1} if kind is MMVAEPlus else {}
    fixed = {k: Gaussian(Fixed(0.3)) for k in "xy"} | {"p(z)": Gaussian(Fixed(1.0))}
    model = kind(x=Real(3), y=Real(2), z=1, networks=AFFINE, families=fixed, **styled).double()
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        for name, mean in zip("xy", means, strict=True):
            model.factors[f"q(z|{name})"].network.layers[0].bias[0] = mean
    given = {"x": torch.zeros(100_000, 3).double(), "y": torch.zeros(100_000, 2).double()}
    torch.manual_seed(0)
    noise = model.objective.noise((100_000,), given["x"])
    weights = torch.tensor(model.objective.objective.weights(0.0))
    found = float(model.objective(given, noise, weights)[0].detach())

    z = np.linspace(-45, 45, 200_001)
    density = [np.exp(-0.5 * (z - m) ** 2) / np.sqrt(2 * np.pi) for m in means]
    mixture = np.maximum(sum(density) / 2, 1e-300)
    apart = [(d * np.log(np.maximum(d, 1e-300) / mixture)).sum() * (z[1] - z[0]) for d in density]
    rate = sum(0.5 * m**2 for m in means) / 2  # KL( N(m,1) || N(0,1) )
    detail = 0.5 * 5 * np.log(2 * np.pi * 0.3)  # - log p(x) - log p(y) at their means
    assert found == pytest.approx(rate + detail - sum(apart) / 2, abs=5e-3)
    if means[0] > 1:
        assert sum(apart) / 2 == pytest.approx(np.log(2), abs=1e-6)
