"""The order in which plans are evaluated: complete, possible, and without effect on what comes
out."""

import pytest
import torch

from wyner import Real, models
from wyner.laws import Op, schedule
from wyner.models import DMVAE, WynerVAE
from wyner.networks import MLP
from wyner.tasks import likelihood

SMALL = {"x": Real(3), "y": Real(2)}


class Alone(MLP):
    """A network whose rows may see each other."""

    by_rows = False


def dmvae():
    return DMVAE(**SMALL, z=2, u=2, v=2).double()


def wyner_vae():
    return WynerVAE(**SMALL, z=2, u=2, v=2, lam=0.1, alpha=1.0).double()


BUILDS = {"dmvae": dmvae, "wyner_vae": wyner_vae}


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_every_operation_comes_once_and_after_its_arguments(build):
    program = build().objective
    done = []
    for step in program.schedule:
        assert all(a in done for i in step for a in program.plan.ops[i].args)
        assert len({program.plan.ops[i].name for i in step}) == 1
        done += step
    assert sorted(done) == list(range(len(program.plan.ops)))


def test_the_decoders_of_a_shared_private_model_are_called_once():
    program = dmvae().objective
    together = [program.plan.ops[s[0]].name for s in program.schedule if len(s) == 3]
    assert sorted(together) == ["p(x|z,u)", "p(y|z,v)"]
    calls = []
    network = program.factors["p(x|z,u)"].network
    network.register_forward_hook(lambda m, args, out: calls.append(len(out)))
    rows = {k: torch.randn(5, s.size, dtype=torch.float64) for k, s in SMALL.items()}
    program(rows, program.noise((5,), rows["x"]), torch.ones(3, dtype=torch.float64))
    assert calls == [15]


@pytest.mark.parametrize("lead", [(6,), (4, 6)], ids=["one draw", "four draws"])
@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_losses_and_gradients_are_those_of_one_call_after_the_other(build, lead):
    torch.manual_seed(0)
    program = build().objective
    rows = {k: torch.randn(6, s.size, dtype=torch.float64) for k, s in SMALL.items()}
    noise = program.noise(lead, rows["x"])
    weights = torch.linspace(0.5, 1.5, len(program.divergences), dtype=torch.float64)

    def outcome():
        program.zero_grad()
        loss, terms = program(rows, noise, weights)
        loss.backward()
        return [
            loss.detach(),
            terms.detach(),
            *(p.grad for p in program.parameters() if p.grad is not None),
        ]

    together = outcome()
    program.schedule = None
    for a, b in zip(together, outcome(), strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)


def test_networks_whose_rows_may_see_each_other_are_called_one_by_one():
    own = Alone([(2,), (2,)], (3,), (4,))
    program = DMVAE(**SMALL, z=2, u=2, v=2, modules={"p(x|z,u)": own}).objective
    names = [program.plan.ops[s[0]].name for s in program.schedule if len(s) > 1]
    assert names == ["p(y|z,v)"]


def test_calls_that_wait_for_each_other_are_not_joined():
    factors = torch.nn.ModuleDict({"f": torch.nn.Module(), "g": torch.nn.Module()})
    for m in factors.values():
        m.network = MLP([(1,)], (1,))
    ops = [
        Op("given", "x", ()),
        Op("dist", "f", (0,)),
        Op("draw", "z", (1,)),
        Op("dist", "g", (2,)),
        Op("draw", "w", (3,)),
        Op("dist", "f", (4,)),
        Op("draw", "v", (5,)),
        Op("dist", "g", (6,)),
        Op("dist", "g", (0,)),
    ]
    order = schedule(ops, factors)
    assert sorted(i for s in order for i in s) == list(range(len(ops)))
    assert (1,) in order
    assert (5,) in order
    for k, step in enumerate(order):
        assert all(any(a in earlier for earlier in order[:k]) for i in step for a in ops[i].args)


def test_parents_of_different_shapes_are_passed_one_after_the_other():
    factor = wyner_vae().factors["p(x|z,u)"]
    calls = [
        [torch.randn(*lead, 2, dtype=torch.float64) for _ in range(2)] for lead in ((4,), (3, 4))
    ]
    for call, dist in zip(calls, factor.each(calls), strict=True):
        assert torch.equal(dist.loc, factor(*call).loc)


@pytest.mark.parametrize("samples", [7, 300])
def test_a_likelihood_does_not_depend_on_how_many_rows_are_evaluated_at_a_time(
    samples, monkeypatch
):
    model = models.JMVAE(**SMALL, w=2).double()
    rows = {k: torch.randn(23, s.size, dtype=torch.float64) for k, s in SMALL.items()}
    found = []
    for rows_at_a_time in (10**9, 50, 1):
        monkeypatch.setattr(likelihood, "CACHED", rows_at_a_time)
        found.append(model.log_likelihood(**rows, samples=samples, seed=0))
    for other in found[1:]:
        assert torch.allclose(found[0].value, other.value, rtol=1e-12)
        assert torch.allclose(found[0].ess, other.ess, rtol=1e-9)
