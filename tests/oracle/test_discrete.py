"""A Wyner VAE whose five variables are categorical: every task against sums over all values."""

from __future__ import annotations

import itertools

import pytest
import torch

from oracle.statistics import LIMIT, assert_mean
from wyner import Categorical
from wyner.laws import parse
from wyner.models import WynerVAE
from wyner.networks import MLPs

pytestmark = pytest.mark.usefixtures("float64")

K = {"x": 3, "y": 2, "z": 3, "u": 2, "v": 2}
N = 40_000


@pytest.fixture
def model() -> WynerVAE:
    torch.manual_seed(5)
    spaces = {name: Categorical(1, k) for name, k in K.items()}
    model = WynerVAE(**spaces, lam=0.1, alpha=1.0, networks=MLPs(hidden=()))
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(
                0.3 * torch.randn(p.shape)
            )  # mild, so that the proposals fit and weights have light tails
    return model.eval()


def one_hot(name: str, code: torch.Tensor) -> torch.Tensor:
    return torch.eye(K[name])[code][:, None]


@torch.no_grad()
def table(model: WynerVAE, law: str, given: dict[str, int]) -> torch.Tensor:
    """Probabilities of a law, with axes x, y, z, u, v; axes of variables that it does not draw, or
    that are given, have length 1."""
    axes = list(K)
    drawn = {v for t in parse(law).terms for v in t.of}
    values = {v: [given[v]] if v in given else range(K[v]) if v in drawn else [0] for v in axes}
    grid = torch.tensor(list(itertools.product(*values.values())))
    column = {v: grid[:, i] for i, v in enumerate(axes)}
    out = torch.ones(len(grid))
    for t in parse(law).terms:
        if t.head == "q" and not t.given:
            continue
        p = model.factors[t.name](*(one_hot(g, column[g]) for g in t.given)).mean
        out = (
            out
            * p.reshape(-1, K[t.of[0]])
            .expand(len(grid), -1)
            .gather(1, column[t.of[0]][:, None])[:, 0]
        )
    return out.reshape([len(values[v]) for v in axes])


JOINT = "p(z) p(u) p(v) p(x|z,u) p(y|z,v)"


def test_generate_has_the_frequencies_of_the_model(model):
    pairs = table(model, JOINT, {}).sum((2, 3, 4))
    out = model.generate(N, sample=True, seed=1)
    assert_mean(out["x"][:, 0, :, None] * out["y"][:, 0, None, :], pairs, "pairs")


@pytest.mark.parametrize("sample", [False, True])
def test_translate_has_the_conditional_frequencies(model, sample):
    out = model.translate(x=torch.arange(3), n=N, sample=sample, seed=2)
    for x in range(3):
        assert_mean(
            out[:, x, 0],
            table(model, "q(x) q(z|x) p(v) p(y|z,v)", {"x": x}).sum((0, 2, 3, 4)),
            f"y given x = {x}",
        )


def test_reconstruct_has_the_frequencies_of_its_law(model):
    out = model.reconstruct(x=torch.full((N,), 2), y=torch.full((N,), 1), sample=True, seed=3)
    z = table(model, "q(x,y) q(z|x,y)", {"x": 2, "y": 1})[0, 0, :, 0, 0]
    each = torch.stack(
        [table(model, "p(u) p(v) p(x|z,u) p(y|z,v)", {"z": k}).sum((2, 3, 4)) for k in range(3)]
    )
    assert_mean(
        out["x"][:, 0, :, None] * out["y"][:, 0, None, :],
        (z[:, None, None] * each).sum(0),
        "reconstructions",
    )


ASKED = {
    "joint": (("x", "y"), ()),
    "x2x": (("x",), ()),
    "y2y": (("y",), ()),
    "x2y": (("y",), ("x",)),
    "y2x": (("x",), ("y",)),
}


@pytest.mark.parametrize("law", ASKED)
def test_likelihoods_are_the_sums(model, law):
    """E_q w = p, with the standard error from the exact E_q w^2."""
    targets, given = ASKED[law]
    samples, repeats = 5, 4000
    for x, y in itertools.product(range(K["x"]), range(K["y"])):
        seen = {k: {"x": x, "y": y}[k] for k in (*targets, *given)}
        q, p = (table(model, side.text, seen) for side in model.laws[law])
        exact, second = p.sum(), (p**2 / q).sum()
        rows = {k: torch.full((repeats,), c) for k, c in seen.items()}
        found = model.log_likelihood(
            **{k: rows[k] for k in targets},
            given={k: rows[k] for k in given},
            samples=samples,
            seed=4,
        )
        assert (
            float(second / exact**2) < 6
        )  # light tails: the mean of the weights is close to normal
        error = ((second / exact**2 - 1) / (samples * repeats)).sqrt()
        assert abs(float(((found.value.exp() / exact).mean() - 1) / error)) < LIMIT, (law, x, y)
        assert float(found.value.mean()) < float(exact.log())


def test_encode_is_the_tables_of_the_factors(model):
    found = model.encode(x=torch.tensor([0, 2]), y=torch.tensor([1, 0]))
    for i, (x, y) in enumerate([(0, 1), (2, 0)]):
        exact = table(model, "q(x,y) q(z|x,y)", {"x": x, "y": y})[0, 0, :, 0, 0]
        torch.testing.assert_close(found["z"].mean[i, 0], exact, rtol=1e-12, atol=0)
    drawn = model.encode(
        x=torch.full((N,), 1), y=torch.zeros(N, dtype=torch.long), draws=True, seed=6
    )
    u = table(model, "q(x,y) q(z|x,y) q(u|z,x)", {"x": 1, "y": 0}).sum((0, 1, 2, 4))
    assert_mean(drawn["u"].mean[:, 0], u, "q(u|z,x) over z")
