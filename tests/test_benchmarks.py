"""The wyner side of benchmarks/peers: its models, its exact values, its clock. No peer is needed and none is imported."""

from __future__ import annotations

import ast
import math
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.peers import exact, ours  # noqa: E402
from benchmarks.peers.turns import Contender, race, ratio  # noqa: E402
from benchmarks.peers.workload import D, Workload  # noqa: E402

SMALL = Workload(hidden=(8, 8), batch=10, joint=3, shared=2, private=2)
FILES = sorted((ROOT / "benchmarks" / "peers").glob("*.py"))


def pairs(n: int) -> dict[str, torch.Tensor]:
    return {k: torch.randn(n, D) for k in ("x", "y")}


@pytest.mark.parametrize("build", [exact.jmvae, exact.dmvae])
def test_likelihoods_are_the_exact_ones(build):
    case = build(rows=100)
    for asked, value in (({"x", "y"}, case.joint), ({"y"}, case.conditional)):
        targets = {k: v for k, v in case.data.items() if k in asked}
        given = {k: v for k, v in case.data.items() if k not in asked}
        found = case.model.log_likelihood(**targets, given=given, samples=1000, seed=0)
        # each estimate is the log of a mean: its error is about sqrt(1/ess - 1/samples), its bias half the square of that
        variance = (1 / found.ess - 1 / 1000).clamp_min(0)
        error = math.sqrt(float(variance.sum())) / len(found.value)
        assert abs(found.nll - 0.5 * float(variance.mean()) - value) < 5 * error


def test_both_conditionals_agree_where_no_prior_stands_beside_the_encoder():
    case = exact.jmvae(rows=20)
    assert case.conditional == case.conditional_with_prior
    case = exact.dmvae(rows=20)
    assert case.conditional != case.conditional_with_prior


def test_every_network_has_the_layers_of_the_peer():
    load = Workload()
    linear = lambda *sizes: sum(i * o + o for i, o in zip(sizes[:-1], sizes[1:], strict=True))
    hidden = (256, 256, 256)
    count = lambda model: sum(p.numel() for p in model.parameters())
    assert count(ours.jmvae(load)) == sum(
        linear(i, *hidden, o) for i, o in ((20, 60), (10, 60), (10, 60), (30, 10), (30, 10))
    )
    assert count(ours.dmvae(load)) == 2 * (linear(10, *hidden, 40) + linear(20, *hidden, 10))


def test_the_loss_of_given_draws_is_that_of_the_objective():
    model, rows = ours.shaken(ours.jmvae(SMALL)), pairs(6)
    w = torch.randn(6, SMALL.joint)
    found = ours.loss(model, rows, {"q(w|x,y)": w})
    q, qx, qy = (model.factors[f"q(w|{g})"](*(rows[k] for k in g.split(","))) for g in ("x,y", "x", "y"))
    value = q.loc + q.log_scale.exp() * w
    normal = lambda d: torch.distributions.Normal(d.loc, d.log_scale.exp())
    kl = lambda a, b: torch.distributions.kl_divergence(a, b).sum(-1)
    expected = kl(normal(q), torch.distributions.Normal(0.0, 1.0)) + SMALL.pull * (
        kl(normal(q), normal(qx)) + kl(normal(q), normal(qy))
    )
    for side in "xy":
        expected = expected - torch.distributions.Normal(model.factors[f"p({side}|w)"](value).loc, 1.0).log_prob(
            rows[side]
        ).sum(-1)
    assert found == pytest.approx(float(expected.mean().detach()), rel=1e-5)


def test_trainings_take_turns():
    data = pairs(40)
    steps = {"one": 3, "two seeds": 2}
    contenders = {
        "one": Contender(ours.training(ours.jmvae(SMALL), data, SMALL), steps["one"]),
        "two seeds": Contender(ours.training(ours.jmvae(SMALL), data, SMALL, seeds=2), steps["two seeds"], models=2),
        "private": Contender(ours.training(ours.dmvae(SMALL), data, SMALL), 1),
    }
    found = race(contenders, rounds=4)
    for name, windows in found.items():
        assert len(windows.cpu) == 4, name
        assert not contenders[name].thread.is_alive()
    assert ratio(found["one"], found["one"])["median"] == 1.0


def test_a_training_that_fails_says_so():
    contender = Contender(ours.training(ours.jmvae(SMALL), {"x": torch.randn(40, D)}, SMALL), 1)
    with pytest.raises(RuntimeError, match="during the measurement"):
        race({"broken": contender}, rounds=1)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_only_the_peer_module_imports_peers(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    assert bool(names & {"multivae", "pythae"}) == (path.stem == "peer")
