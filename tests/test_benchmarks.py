"""The wyner side of benchmarks/peers: its models, its exact values, its clock. No peer is needed
and none is imported."""

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

from benchmarks.peers import exact, hand, ours  # noqa: E402
from benchmarks.peers.report import HAND, PEER, TARGETS, compare, markdown, text  # noqa: E402
from benchmarks.peers.turns import Contender, Windows, race, ratio  # noqa: E402
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
        # each estimate is the log of a mean: its error is about sqrt(1/ess - 1/samples), its bias
        # half the square of that
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
    q, qx, qy = (
        model.factors[f"q(w|{g})"](*(rows[k] for k in g.split(","))) for g in ("x,y", "x", "y")
    )
    value = q.loc + q.log_scale.exp() * w
    normal = lambda d: torch.distributions.Normal(d.loc, d.log_scale.exp())
    kl = lambda a, b: torch.distributions.kl_divergence(a, b).sum(-1)
    expected = kl(normal(q), torch.distributions.Normal(0.0, 1.0)) + SMALL.pull * (
        kl(normal(q), normal(qx)) + kl(normal(q), normal(qy))
    )
    for side in "xy":
        expected = expected - torch.distributions.Normal(
            model.factors[f"p({side}|w)"](value).loc, 1.0
        ).log_prob(rows[side]).sum(-1)
    assert found == pytest.approx(float(expected.mean().detach()), rel=1e-5)


def linear(network) -> list[torch.nn.Linear]:
    return [m for m in network.modules() if isinstance(m, torch.nn.Linear)]


@torch.no_grad()
def take(network, *ours_: torch.nn.Module) -> None:
    """Copies layers; several last layers stand below each other."""
    layers = [linear(m) for m in ours_]
    mine, hidden = linear(network), layers[0][: len(linear(network)) - 1]
    for a, b in zip(mine[:-1], hidden, strict=True):
        a.load_state_dict(b.state_dict())
    last = [m[-1] for m in (layers if len(layers) == 1 else layers[1:])]
    mine[-1].weight.copy_(torch.cat([m.weight for m in last]))
    mine[-1].bias.copy_(torch.cat([m.bias for m in last]))


def test_the_loops_by_hand_minimise_the_same():
    torch.manual_seed(0)
    rows, batch = pairs(SMALL.batch), SMALL.batch
    model, loop = ours.shaken(ours.jmvae(SMALL)), hand.JMVAE(SMALL)
    take(loop.both, model.factors["q(w|x,y)"].network)
    for side, encoder, decoder in zip("xy", loop.encoders, loop.decoders, strict=True):
        take(encoder, model.factors[f"q(w|{side})"].network)
        take(decoder, model.factors[f"p({side}|w)"].network)
    eps = torch.randn(loop.noise)
    found = loop(rows["x"], rows["y"], eps).item()
    assert found == pytest.approx(ours.loss(model, rows, {"q(w|x,y)": eps}), rel=1e-5)

    model, loop = ours.shaken(ours.dmvae(SMALL)), hand.DMVAE(SMALL)
    for side, own, encoder, decoder in zip("xy", "uv", loop.encoders, loop.decoders, strict=True):
        heads = (model.factors[f"q(z|{side})"].network, model.factors[f"q({own}|{side})"].network)
        take(encoder, model.features[side], *heads)
        take(decoder, model.factors[f"p({side}|z,{own})"].network)
    eps = torch.randn(loop.noise)
    z, u, v = eps.split(2, -1)
    both, first, second = z.split(batch)
    draws = {
        "q(z|x,y)": both,
        "q(z|x)": first,
        "q(z|y)": second,
        "q(u|x)": u[:batch],
        "q(v|y)": v[:batch],
    }
    assert loop(rows["x"], rows["y"], eps).item() == pytest.approx(
        ours.loss(model, rows, draws), rel=1e-5
    )


def test_a_report_says_which_targets_are_missed():
    clock = lambda *ms: Windows(cpu=list(ms), wall=[2 * v for v in ms])
    windows = {
        PEER: clock(6.0, 9.0, 12.0),
        f"{HAND}, eager": clock(3.0, 3.0, 4.0),
        "eager": clock(4.0, 6.5, 7.0),
    }
    rows = compare("JMVAE", windows, 256)
    assert [r["ratio"]["median"] for r in rows] == [1.0, 3.0, 1.5]
    assert rows[2]["wall_ratio"]["median"] == 1.5
    assert [r["met"] for r in rows] == [None, None, True]
    rows += compare("joint nll", {PEER: clock(2.0), "eager": clock(1.0)}, 256)
    assert TARGETS[256]["joint nll"]["eager"] > 2
    assert rows[-1]["met"] is False
    report = {
        "command": "c",
        "seed": 0,
        "date": "d",
        "cpu": "c",
        "cores": 1,
        "seconds": 1.0,
        "yardstick_gflops": 1.0,
        "versions": {},
        "widths": {256: {"rows": rows}},
        "losses": {"A": {"ours": 1.0, PEER: 1.0, "relative difference": 0.0}},
        "known": {"A": {"exact": 2.5}},
    }
    table, shown = markdown(report), "\n".join(text(report))
    assert "| JMVAE: wyner, eager | 6.50 | 1.50 | 1.38 - 1.71 | 1.50 |  | 1.50 | met |" in table
    assert "| missed |" in table
    assert "MISSED" in shown
    assert "2.5000" in shown


def test_trainings_take_turns():
    data = pairs(40)
    steps = {"one": 3, "two seeds": 2}
    contenders = {
        "one": Contender(ours.training(ours.jmvae(SMALL), data, SMALL), steps["one"]),
        "two seeds": Contender(
            ours.training(ours.jmvae(SMALL), data, SMALL, seeds=2), steps["two seeds"], models=2
        ),
        "private": Contender(ours.training(ours.dmvae(SMALL), data, SMALL), 1),
        "by hand": Contender(hand.training(hand.JMVAE(SMALL), data, SMALL), 2),
    }
    found = race(contenders, rounds=4)
    for name, windows in found.items():
        assert len(windows.cpu) == 4, name
        assert not contenders[name].thread.is_alive()
    assert ratio(found["one"].cpu, found["one"].cpu)["median"] == 1.0


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
