"""Walks through latents against linear-Gaussian models, whose answers are known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import wyner
from oracle.cases import AFFINE, NAMES, build
from oracle.gaussian import affine
from oracle.statistics import assert_moments
from wyner import Categorical, Real
from wyner.errors import ShapeError, TaskError
from wyner.laws import parse

pytestmark = pytest.mark.usefixtures("float64")


def same(a, b):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def mean_of(model, text, values):
    """The mean of a factor at given values of its parents."""
    f = affine(model, parse(text).terms[0])
    return sum((values[g] @ w.T for g, w in f.weights.items()), start=f.bias)


def scale_of(model, text):
    return affine(model, parse(text).terms[0]).variance.sqrt()


@pytest.fixture
def wyner_vae():
    model, data = build("WynerVAE", 3)
    with torch.no_grad():  # priors of different scales, so that units matter
        model.factors["p(z)"].head.log_scale.fill_(math.log(2.0))
        model.factors["p(v)"].head.log_scale.fill_(math.log(0.5))
    return model, data


def posterior(model, pair):
    z = mean_of(model, "q(z|x,y)", pair)
    return {
        "z": z,
        "u": mean_of(model, "q(u|z,x)", {"z": z, **pair}),
        "v": mean_of(model, "q(v|z,y)", {"z": z, **pair}),
    }


def outputs(model, at):
    return {"x": mean_of(model, "p(x|z,u)", at), "y": mean_of(model, "p(y|z,v)", at)}


def test_along_z_the_style_is_that_of_the_start(wyner_vae):
    model, data = wyner_vae
    start, end = data.sample(4), data.sample(4)
    a, b = posterior(model, start), posterior(model, end)
    made = model.interpolate(start, end, steps=5)
    for s, t in enumerate(np.linspace(0, 1, 5)):
        exact = outputs(model, {"z": (1 - t) * a["z"] + t * b["z"], "u": a["u"], "v": a["v"]})
        for k in ("x", "y"):
            same(made[k][s], exact[k])


def test_along_u_and_v_the_content_is_fixed(wyner_vae):
    model, data = wyner_vae
    start, end = data.sample(4), data.sample(1)
    a, b = posterior(model, start), posterior(model, end)
    made = model.interpolate(start, end, along=("u", "v"), steps=3)
    exact = outputs(model, {"z": a["z"], "u": (a["u"] + b["u"]) / 2, "v": (a["v"] + b["v"]) / 2})
    for k in ("x", "y"):
        same(made[k][1], exact[k])
        same(made[k][0], outputs(model, a)[k])
    only = model.interpolate(start, end, along="v", steps=3)
    same(only["x"], outputs(model, a)["x"].expand(3, -1, -1))


def test_what_cannot_be_inferred_is_held_at_the_prior(wyner_vae):
    model, data = wyner_vae
    x0, x1 = data.sample(2)["x"], data.sample(2)["x"]
    z0, z1 = mean_of(model, "q(z|x)", {"x": x0}), mean_of(model, "q(z|x)", {"x": x1})
    made = model.interpolate({"x": x0}, {"x": x1}, steps=2, to="y")
    zero = torch.zeros(2, 3)
    assert set(made) == {"y"}
    same(made["y"][1], mean_of(model, "p(y|z,v)", {"z": z1, "v": zero}))
    drawn = model.interpolate({"x": x0}, {"x": x1}, steps=4, to="y", means=False, seed=3)["y"]
    again = model.interpolate({"x": x0}, {"x": x1}, steps=4, to="y", means=False, seed=3)["y"]
    same(again, drawn)
    same(drawn[1] - drawn[0], drawn[3] - drawn[2])  # v is drawn once for each row and stays
    assert float((drawn[0] - mean_of(model, "p(y|z,v)", {"z": z0, "v": zero})).abs().max()) > 0.05


def test_from_one_side_the_style_of_the_other_can_be_traversed(wyner_vae):
    model, data = wyner_vae
    x = data.sample(2)["x"]
    found = model.traverse(x=x, along="v", dims=[0], steps=2, span=1.0, to="y")
    at = {"z": mean_of(model, "q(z|x)", {"x": x}), "v": torch.tensor([[0.5, 0.0, 0.0]])}
    same(found.outputs["y"][0, 1], mean_of(model, "p(y|z,v)", at))


@pytest.mark.parametrize(("along", "target"), [("z", "y"), ("v", "y"), ("u", "x")])
def test_one_coordinate_moves_in_units_of_its_prior(wyner_vae, along, target):
    model, data = wyner_vae
    pair = data.sample(2)
    held = posterior(model, pair)
    found = model.traverse(**pair, along=along, dims=[2, 0], steps=5, span=2.0)
    assert (found.latent, found.dims, found.at) == (along, (2, 0), (-2.0, -1.0, 0.0, 1.0, 2.0))
    scale = scale_of(model, f"p({along})")
    for i, d in enumerate(found.dims):
        for s, place in enumerate(found.at):
            at = {k: v.clone() for k, v in held.items()}
            at[along][:, d] = place * scale[d]
            same(found.outputs[target][i, s], outputs(model, at)[target])
    other = {"y": "x", "x": "y"}[target]
    if along != "z":  # private to the one side: the other does not move
        same(found.outputs[other], outputs(model, held)[other].expand(2, 5, -1, -1))


def test_without_rows_the_rest_is_at_the_means_of_the_priors(wyner_vae):
    model, _ = wyner_vae
    found = model.traverse(along="v", dims=[1], steps=3, span=1.0, to="y")
    at = {"z": torch.zeros(1, 3), "v": torch.tensor([[0.0, 0.5, 0.0]])}
    assert found.outputs["y"].shape == (1, 3, 1, *model.observed["y"].event_shape)
    same(found.outputs["y"][0, 2], mean_of(model, "p(y|z,v)", at))


def test_coordinates_come_in_the_order_of_their_rates():
    model, data = build("WynerVAE", 3)
    pair = data.sample(200)
    rates = wyner.tasks.rate_per_dimension(model, pair)["z"]
    found = model.traverse(**pair, along="z", steps=2)
    assert list(found.dims) == sorted(range(3), key=lambda d: -float(rates[d]))


def test_a_conditional_prior_gives_the_units():
    """CVAE: v ~ p(v|x), whose mean and scale depend on x."""
    model, data = build("CVAE", 2)
    pair = data.sample(3)
    v = mean_of(model, "q(v|y,x)", pair)
    found = model.traverse(**pair, along="v", dims=[1], steps=3, span=1.5)
    centre, scale = mean_of(model, "p(v|x)", pair), scale_of(model, "p(v|x)")
    moved = v.clone()
    moved[:, 1] = centre[:, 1] + 1.5 * scale[1]
    same(found.outputs["y"][0, 2], mean_of(model, "p(y|v,x)", {"v": moved, "x": pair["x"]}))
    assert set(found.outputs) == {"y"}


def test_decode_at_chosen_values_and_with_draws(wyner_vae):
    model, _ = wyner_vae
    at = {"z": torch.randn(5, 3), "u": torch.randn(5, 3), "v": torch.randn(5, 3)}
    for k, value in model.decode(at).items():
        same(value, outputs(model, at)[k])
    n, z = 20_000, torch.tensor([[0.3, -1.0, 2.0]])
    drawn = model.decode({"z": z.expand(n, -1)}, to="y", seed=0)["y"]
    w = affine(model, parse("p(y|z,v)").terms[0]).weights["v"]
    mean = mean_of(model, "p(y|z,v)", {"z": z, "v": torch.zeros(1, 3)})[0]
    assert_moments(drawn, mean, 0.25 * w @ w.T, "y at a fixed z")
    same(model.decode({"z": z}, to="y", means=True)["y"][0], mean)


def test_a_categorical_latent_takes_each_of_its_values():
    model = wyner.models.WynerVAE(
        x=Real(2), y=Real(2), z=Categorical(2, 3), u=1, v=1, networks=AFFINE
    )
    found = model.traverse(along="z", dims=[1], to="x")
    assert found.at == (0.0, 1.0, 2.0)
    f = affine(model, parse("p(x|z,u)").terms[0])
    for k in range(3):
        z = torch.full((1, 2, 3), 1 / 3)
        z[0, 1] = torch.eye(3)[k]
        same(found.outputs["x"][0, k], z.flatten(1) @ f.weights["z"].T + f.bias)


@pytest.mark.parametrize("name", NAMES)
def test_every_model_walks_or_says_why_not(name):
    model, data = build(name, 2)
    rows = data.sample(3)
    for latent in model.latent:
        refusal = ""
        try:
            found = model.traverse(**rows, along=latent, steps=3)
            path = model.interpolate(rows, data.sample(1), along=latent, steps=3)
        except TaskError as e:
            refusal = str(e)
        if refusal:
            assert model.title in refusal
            continue
        for k, value in found.outputs.items():
            assert value.shape == (2, 3, 3, *model.observed[k].event_shape)
            assert path[k].shape == (3, 3, *model.observed[k].event_shape)
            assert bool(torch.isfinite(value).all())


def test_what_comes_in_goes_out():
    model, data = build("WynerVAE", 2)
    rows = {k: v.numpy() for k, v in data.sample(3).items()}
    assert isinstance(model.interpolate(rows, rows)["x"], np.ndarray)
    assert isinstance(model.traverse(**rows).outputs["y"], np.ndarray)
    before = torch.random.get_rng_state()
    model.traverse(**rows, seed=1, means=False)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda m, r: m.traverse(**r, along="zz"), TaskError, "did you mean 'z'"),
        (lambda m, r: m.traverse(**r, along="z", dims=[2]), TaskError, "coordinates 0 to 1, got 2"),
        (lambda m, r: m.traverse(**r, steps=1), TaskError, "at least 2 steps"),
        (lambda m, r: m.traverse(**r, to="q"), TaskError, "one of x, y"),
        (lambda m, r: m.interpolate(r, {"x": r["x"]}), TaskError, "same modalities at both ends"),
        (lambda m, r: m.interpolate(r, r, steps=1), TaskError, "at least 2 steps"),
        (lambda m, r: m.interpolate(r, {k: v[:2] for k, v in r.items()}), TaskError, "1 row or 3"),
        (
            lambda m, r: m.interpolate({"x": r["x"]}, {"x": r["x"]}, along="v"),
            TaskError,
            "no law q of v given x",
        ),
        (
            lambda m, r: m.interpolate({"x": r["x"]}, {"x": r["x"]}, along="v", to="x"),
            TaskError,
            "does not depend on it",
        ),
        (lambda m, r: m.decode({"z": torch.zeros(3)}), ShapeError, r"z needs shape \(rows, 2\)"),
        (lambda m, r: m.decode({}), TaskError, "at least one of z, u, v"),
        (
            lambda m, r: m.decode({"z": torch.zeros(3, 2), "u": torch.zeros(2, 2)}),
            ShapeError,
            "3 of z, 2 of u",
        ),
    ],
    ids=[
        "latent",
        "dim",
        "step",
        "target",
        "ends",
        "steps",
        "rows",
        "prior",
        "apart",
        "shape",
        "none",
        "counts",
    ],
)
def test_bad_questions_are_refused(ask, error, said):
    model, data = build("WynerVAE", 2)
    rows = data.sample(3)
    with pytest.raises(error, match=said):
        ask(model, rows)
