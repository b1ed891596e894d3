"""Programs: the loss from the terms, missing modalities, several draws, and where gradients go."""

from __future__ import annotations

import pytest
import torch

import wyner
from oracle.cases import NAMES, build, implicit, leaves
from oracle.gaussian import is_mixture
from wyner import KL, Image, Real
from wyner.laws import run
from wyner.models import WynerVAE
from wyner.networks import Convolutional, MLPs
from wyner.schedules import Linear

pytestmark = pytest.mark.usefixtures("float64")


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def small(**more) -> WynerVAE:
    return WynerVAE(x=Real(3), y=Real(2), z=2, u=1, v=1, networks=MLPs(hidden=(8,)), **more)


def batch(model, rows: int) -> dict[str, torch.Tensor]:
    return {k: torch.randn(rows, *s.event_shape) for k, s in model.observed.items()}


def test_the_loss_is_the_weighted_sum_of_the_means_of_the_terms():
    model = small(lam=0.3, alpha={"x2y": 2.0})
    program, given = model.objective, batch(model, 7)
    noise = program.noise((7,), given["x"])
    weights = {"joint": 1.0, "rate": 0.3, "x2y": 2.0}
    loss, means = program(given, noise, torch.tensor(list(weights.values())))
    scores = program.scores(given, noise)
    close(means, torch.stack([scores[n].mean() for n in program.names]))
    total = 0.0
    for law, weight in weights.items():
        alone = model.program(KL(law))
        own = [noise[program.plan.draws.index(n)] for n in alone.plan.draws]
        total = total + weight * sum(s.mean() for s in alone.scores(given, own).values())
    close(loss, total)


def test_names_of_the_terms_belong_to_the_first_divergence_that_has_them():
    terms = [
        "KL(q(z|x,y) || p(z))",
        "KL(q(u|z,x) || p(u))",
        "KL(q(v|z,y) || p(v))",
        "-log p(x|z,u)",
        "-log p(y|z,v)",
    ]
    assert small(lam=0.3).objective.names == [
        f"joint: {t}" for t in terms
    ]  # rate has the first of them, which is not named twice


def test_several_draws_per_row_are_averaged():
    model = small(lam=0.3, alpha=0.5)
    program, given = model.objective, batch(model, 6)
    weights = torch.rand(len(program.divergences))
    noise = program.noise((4, 6), given["x"])
    loss, means = program(given, noise, weights)
    each = [program(given, [n[k] for n in noise], weights) for k in range(4)]
    close(loss, torch.stack([e[0] for e in each]).mean())
    close(means, torch.stack([e[1] for e in each]).mean(0))


def test_terms_have_the_leading_shape_of_the_draws():
    model = small()
    given = batch(model, 6)
    noise = model.objective.noise((4, 6), given["x"])
    scores = model.objective.scores(given, noise, pointwise=True)
    many = {n: s.expand(4, 6) for n, s in scores.items()}
    for k in range(4):
        one = model.objective.scores(given, [n[k] for n in noise], pointwise=True)
        for n in one:
            close(many[n][k], one[n])


MASKS = {
    "x": torch.tensor([1, 1, 0, 1, 0, 1, 1]).double(),
    "y": torch.tensor([1, 0, 1, 1, 0, 1, 1]).double(),
}


def test_rows_count_only_where_their_data_are_there():
    """joint, rate, x2y, y2x read rows with both; x2x rows with x; y2y rows with y: each is a mean
    over its own rows."""
    model = small(lam=0.3, alpha={"x2x": 0.5, "y2y": 2.0, "x2y": 0.7})
    program, given = model.objective, batch(model, 7)
    noise = program.noise((7,), given["x"])
    weights = torch.tensor([1.0, 0.3, 0.5, 2.0, 0.7])
    loss, means = program(given, noise, weights, MASKS)
    both = MASKS["x"] * MASKS["y"] == 1
    rows = {
        "joint": both,
        "rate": both,
        "x2x": MASKS["x"] == 1,
        "y2y": MASKS["y"] == 1,
        "x2y": both,
    }
    total = torch.zeros(())
    for i, law in enumerate(program.divergences):
        pick = rows[law]
        only = torch.zeros_like(weights)
        only[i] = weights[i]
        total = (
            total
            + program({k: v[pick] for k, v in given.items()}, [n[pick] for n in noise], only)[0]
        )
    close(loss, total)
    scores = program.scores(given, noise)
    for name, mean in zip(program.names, means, strict=True):
        close(mean, scores[name][rows[name.split(":")[0]]].mean())


def test_several_draws_of_incomplete_rows_are_averaged():
    model = small(lam=0.3, alpha={"x2x": 0.5, "y2y": 2.0})
    program, given = model.objective, batch(model, 7)
    noise, weights = program.noise((3, 7), given["x"]), torch.rand(len(program.divergences))
    each = [program(given, [n[k] for n in noise], weights, MASKS) for k in range(3)]
    loss, means = program(given, noise, weights, MASKS)
    close(loss, torch.stack([e[0] for e in each]).mean())
    close(means, torch.stack([e[1] for e in each]).mean(0))


def test_what_stands_in_missing_rows_does_not_matter():
    model = small(lam=0.3, alpha=1.0)
    program, given = model.objective, batch(model, 7)
    noise, weights = program.noise((7,), given["x"]), torch.ones(6)
    results = []
    for fill in (0.0, 17.0):
        values = {k: torch.where(MASKS[k][:, None] == 1, v, fill) for k, v in given.items()}
        model.zero_grad()
        loss, _ = program(values, noise, weights, MASKS)
        loss.backward()
        results.append([loss.detach(), *(p.grad.clone() for p in model.parameters())])
    for a, b in zip(*results, strict=True):
        close(a, b)


def test_full_masks_are_no_masks_and_empty_ones_add_nothing():
    model = small(lam=0.3, alpha=1.0)
    program, given = model.objective, batch(model, 7)
    noise, weights = program.noise((7,), given["x"]), torch.rand(6)
    full = {k: torch.ones(7) for k in given}
    for a, b in zip(
        program(given, noise, weights), program(given, noise, weights, full), strict=True
    ):
        close(a, b)
    none = {"x": torch.ones(7), "y": torch.zeros(7)}
    loss, _ = program(given, noise, weights, none)
    x2x = torch.zeros(6)
    x2x[program.divergences.index("x2x")] = weights[program.divergences.index("x2x")]
    close(loss, program(given, noise, x2x)[0])


def grads(model, program, weights=None, noise=None):
    given = batch(model, 9)
    noise = noise or program.noise((9,), next(iter(given.values())))
    model.zero_grad()
    program(given, noise, torch.ones(len(program.divergences)) if weights is None else weights)[
        0
    ].backward()
    reached = {
        n for n, p in model.named_parameters() if p.grad is not None and bool((p.grad != 0).any())
    }
    return {
        n for n in reached if not n.startswith("critics.")
    }  # held fixed by the trainer: tests/training/test_two_player.py


def expected(model, used):
    return {
        n for n, _ in model.named_parameters() if n.startswith(tuple(f"factors.{f}." for f in used))
    }


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_factor_of_the_objective_and_no_other(name):
    model, _ = build(name, 2)
    laws = {law: model.laws[law] for law in model.objective.divergences}
    parts = lambda pair: {
        n
        for side in pair
        for t in side.terms
        if t.name in model.factors
        for n in leaves(model, t.name)
    }
    used = {n for pair in laws.values() for n in parts(pair)}
    # a factor that cancels is a sampler only; its parameters count where a draw of it is scored or
    # conditions a score
    assert grads(model, model.objective) == expected(model, used)
    for law, (q, p) in model.laws.items():
        if is_mixture(model, q) or implicit(model, law):
            continue  # refused: tests/oracle/test_mixtures.py, test_implicit.py
        program = model.program(KL(law))
        assert grads(model, program) == expected(model, parts((q, p)) & set(program.used))


def test_the_two_stage_scheme_trains_the_marginal_encoders_only_in_their_phase():
    model = small(lam=0.3)
    joint, marginal = model.phases
    assert marginal.train == ("q(z|x)", "q(z|y)")
    inside = expected(model, ("q(z|x)", "q(z|y)"))
    everything = {n for n, _ in model.named_parameters()}
    assert grads(model, model.program(joint.objective)) == everything - inside
    for n, p in model.named_parameters():
        p.requires_grad_(n in inside)
    assert grads(model, model.program(marginal.objective)) == inside


def test_weights_scale_gradients_and_zero_stops_them():
    model = small(lam=Linear(0.0, 1.0), alpha={"x2x": 1.0})
    program = model.objective
    noise = program.noise((9,), torch.zeros(()))
    reached = grads(model, program, torch.tensor([0.0, 0.0, 1.0]), noise)
    assert reached == expected(model, ("q(z|x)", "q(u|z,x)", "p(z)", "p(u)", "p(x|z,u)"))
    reached = grads(model, program, torch.tensor([0.0, 1.0, 0.0]), noise)
    assert reached == expected(model, ("q(z|x,y)", "p(z)"))


def test_shared_image_features_get_gradients_from_every_encoder():
    sizes, networks = dict(z=2, u=1, v=1), Convolutional(hidden=(8,), width=2, blocks=1)
    model = WynerVAE(x=Image(1, 8, 8), y=Real(2), **sizes, networks=networks, alpha=1.0)
    reached = grads(model, model.objective)
    assert {n for n, _ in model.named_parameters() if n.startswith("features.x.")} <= reached
    features = [op for op in model.objective.plan.ops if op.kind == "feature"]
    assert len(features) == 1  # computed once, read by q(z|x,y), q(u|z,x) and q(z|x)


def test_features_of_values_with_several_leading_dimensions():
    """Convolutions take one of them; scores of (2, 3) pictures are those of the six."""
    model = WynerVAE(
        x=Image(1, 8, 8),
        y=Real(2),
        z=2,
        u=1,
        v=1,
        networks=Convolutional(hidden=(8,), width=2, blocks=1),
    ).eval()
    program, given = model.program(KL("x2x")), {"x": torch.rand(2, 3, 1, 8, 8)}
    noise = program.noise((2, 3), given["x"])
    flat = program.scores({"x": given["x"].flatten(0, 1)}, [n.flatten(0, 1) for n in noise])
    for name, found in program.scores(given, noise).items():
        close(found.expand(2, 3).flatten(), flat[name].expand(6))


def test_every_draw_has_one_noise():
    model = small()
    program, given = model.objective, batch(model, 4)
    noise = program.noise((4,), given["x"])
    for wrong in (noise[:-1], [*noise, noise[0]]):
        with pytest.raises(ValueError, match="argument 2 is"):
            run(program.plan, model.factors, model.features, given, wrong)


def test_noise_is_a_function_of_its_generator():
    program = small().objective
    a, b = (
        program.noise((3, 5), torch.zeros(()), torch.Generator().manual_seed(7)) for _ in range(2)
    )
    assert all(torch.equal(i, j) for i, j in zip(a, b, strict=True))
    assert [tuple(n.shape) for n in a] == [(3, 5, 2), (3, 5, 1), (3, 5, 1)]
    assert len({float(n.sum()) for n in a}) == 3


def test_what_a_program_needs_and_uses():
    model = small()
    assert model.objective.needs == ("x", "y")
    assert model.program(KL("x2x")).needs == ("x",)
    assert set(model.program(KL("x2x")).used) == {"q(z|x)", "q(u|z,x)", "p(z)", "p(u)", "p(x|z,u)"}
    assert set(model.program(KL("x2y")).used) == {
        "q(z|x,y)",
        "q(v|z,y)",
        "q(z|x)",
        "p(v)",
        "p(y|z,v)",
    }


def test_events_of_any_rank_are_summed():
    model = wyner.Model(
        observed={"x": Real(2, 3, 4)},
        latent={"z": Real(2, 2)},
        laws={"e": ("q(x) q(z|x)", "p(z) p(x|z)")},
        objective=KL("e"),
        networks=MLPs(hidden=()),
    )
    x = torch.randn(5, 2, 3, 4)
    noise = model.objective.noise((5,), x)
    scores = model.objective.scores({"x": x}, noise)
    q = model.factors["q(z|x)"](x)
    mean = model.factors["p(x|z)"](q.rsample(noise[0])).mean
    close(
        scores["e: -log p(x|z)"],
        ((x - mean) ** 2).sum((1, 2, 3)) + 12 * torch.log(torch.tensor(torch.pi)),
    )
    close(
        scores["e: KL(q(z|x) || p(z))"],
        0.5 * (q.variance + q.mean**2 - 1 - q.variance.log()).sum((1, 2)),
    )
