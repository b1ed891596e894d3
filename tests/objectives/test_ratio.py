"""Density ratios: bounds and plug-ins at the exact T, critics that learn it, gradients of the
model's side against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import wyner
from oracle.gaussian import Joint, joint_of, random_joint, sigma_points
from wyner import Information, Model, Real, Reconstruction, Redundancy, SymmetricKL
from wyner.families import Deterministic, Fixed, Gaussian
from wyner.networks import Critics, MLPs
from wyner.objectives import Objective, Ratio
from wyner.objectives.critic_inputs import cycle as cycle_of
from wyner.objectives.ratio import LOG4, TRAIN, plug_in

pytestmark = pytest.mark.usefixtures("float64")

P, Q = torch.tensor([2, 5, 1, 8]), torch.tensor([6, 2, 4, 4])  # sixteenths


def exact_t() -> tuple[torch.Tensor, torch.Tensor]:
    """T = log P/Q at rows whose frequencies are the probabilities."""
    t = (P / Q).log()
    return t.repeat_interleave(P), t.repeat_interleave(Q)


def values() -> dict[str, float]:
    p, q = P / 16, Q / 16
    m = (p + q) / 2
    skl = float((p * (p / q).log() + q * (q / p).log()).sum())
    return {
        "js": float((p * (p / m).log() + q * (q / m).log()).sum()),
        "dv": skl,
        "nwj": skl,
        "ls": 0.5 - float((p * q / (p + q)).sum()),
    }


@pytest.mark.parametrize("bound", TRAIN)
def test_every_bound_is_largest_at_the_log_ratio_and_has_its_value_there(bound):
    t_p, t_q = exact_t()
    assert float(TRAIN[bound](t_p, t_q)) == pytest.approx(values()[bound], rel=1e-12)
    assert 0 <= values()["js"] <= LOG4
    free = (P / Q).log().clone().requires_grad_()
    TRAIN[bound](free.repeat_interleave(P), free.repeat_interleave(Q)).backward()
    torch.testing.assert_close(free.grad, torch.zeros(4), rtol=0, atol=1e-12)
    for _ in range(50):
        off = free.detach() + torch.randn(4) * torch.rand(1)
        assert (
            float(TRAIN[bound](off.repeat_interleave(P), off.repeat_interleave(Q)))
            <= values()[bound] + 1e-12
        )


def test_plug_ins_are_the_divergences():
    t_p, t_q = exact_t()
    p, q = P / 16, Q / 16
    forward, backward = float((p * (p / q).log()).sum()), float((q * (q / p).log()).sum())
    found = {
        how: float(plug_in(Ratio(minimise=how), t_p, t_q))
        for how in ("symmetric", "forward", "reverse", "js")
    }
    assert found == pytest.approx(
        {
            "symmetric": forward + backward,
            "forward": forward,
            "reverse": backward,
            "js": values()["js"],
        },
        rel=1e-12,
    )
    assert float(plug_in(Ratio("ls", "bound"), t_p, t_q)) == pytest.approx(
        values()["ls"], rel=1e-12
    )


# critics of the library on Gaussian laws

LAWS = {"m": ("q(x,y) q(z|x,y)", "p(z) p(x|z) p(y|z)")}


class Exact(nn.Module):
    """T = log P - log Q of two Gaussians, or of one against the product of two of its marginals."""

    def __init__(self, first: Joint, second: list[Joint], names: list[str]) -> None:
        super().__init__()
        self.first, self.second, self.names = first, second, names

    def forward(self, *rows):
        found = dict(zip(self.names, rows, strict=True))
        whole = self.first.log_prob({n: found[n] for n in self.first.sizes})
        return whole - sum(j.log_prob({n: found[n] for n in j.sizes}) for j in self.second)


def gaussian(objective: Objective, modules=None, **more) -> tuple[Model, Joint]:
    model = Model(
        observed={"x": Real(1), "y": Real(2)},
        latent={"z": Real(2)},
        laws=LAWS,
        objective=objective,
        common=("z",),
        networks=MLPs(()),
        modules=modules,
        **more,
    )
    from oracle.cases import randomise

    randomise(model, 3)
    return model, random_joint({"x": 1, "y": 2}, 7)


def blurred(joint: Joint, sigma: float) -> Joint:
    return Joint(joint.sizes, joint.mean, joint.cov + sigma**2 * torch.eye(len(joint.mean)))


def symmetric(p: Joint, q: Joint) -> float:
    """Section 10 of the specification: 1/2 tr(S'^-1 S + S^-1 S') - d + 1/2 (m-m')' (S^-1 + S'^-1)
    (m-m')."""
    q = q.marginal(p.sizes)
    a, b, off = torch.linalg.inv(p.cov), torch.linalg.inv(q.cov), p.mean - q.mean
    return float(0.5 * (b @ p.cov + a @ q.cov).trace() - len(off) + 0.5 * off @ (a + b) @ off)


def information(joint: Joint, left: list[str], right: list[str]) -> float:
    return joint.entropy(left) + joint.entropy(right) - joint.entropy([*left, *right])


def exactly(model: Model, data: Joint):
    """Data and noise whose mean over the rows is an exact expectation of anything quadratic."""
    program = model.objective
    shapes = [n.shape[1:] for n in program.noise((1,), torch.zeros(()))[: len(program.drawn)]]
    points = sigma_points(3 + sum(s.numel() for s in shapes))
    rows, *noise = points.split([3, *(s.numel() for s in shapes)], 1)
    extra = [torch.rand(len(points)) for d in program.pairs if d.moved]
    return data.from_noise(rows), [*noise, *extra]


def test_with_the_exact_ratio_every_term_is_its_closed_form():
    objective = (
        SymmetricKL("m") + Information("x,y;z", under="m") + 2.0 * Redundancy("z;y", under="m")
    )
    model, data = gaussian(objective, critics=Critics(noise=0.0))
    q, p = (joint_of(model, law, data) for law in model.laws["m"])
    prior = joint_of(model, wyner.laws.parse("p(z)"), data)
    names = ["x", "y", "z"]
    model, data = gaussian(
        objective,
        {
            "SKL(m)": Exact(q.marginal(names), [p.marginal(names)], names),
            "I(x,y;z) p m": Exact(p.marginal(names), [p.marginal("xy"), p.marginal("z")], names),
            "R(z;y) q m": Exact(q.marginal("yz"), [prior, q.marginal("y")], ["y", "z"]),
        },
        critics=Critics(noise=0.0),
    )
    given, noise = exactly(model, data)
    loss, terms = model.objective(given, noise, torch.tensor([1.0, 1.0, 2.0]))
    exact = [
        symmetric(q.marginal(names), p),
        information(p, ["x", "y"], ["z"]),
        information(q, ["z"], ["y"]) + q.marginal("z").kl(prior),  # equation (10)
    ]
    assert q.kl(p) + p.marginal(q.sizes).kl(q) == pytest.approx(exact[0], rel=1e-9)
    assert terms.tolist() == pytest.approx(exact, rel=1e-9)
    assert float(loss.detach()) == pytest.approx(exact[0] + exact[1] + 2 * exact[2], rel=1e-9)


def learn(
    model: Model, data: Joint, steps: int, rows: int = 200, lr: float = 5e-3
) -> dict[str, tuple[float, float]]:
    """Trains the critics on fresh draws; means and standard errors of the plug-ins on many more."""
    program = model.objective
    parameters = list(model.critics.parameters())
    adam = torch.optim.Adam(parameters, lr=lr, fused=True)
    for step in range(steps):
        adam.param_groups[0]["lr"] = lr * (1 - step / steps)
        loss, _ = program.critic_loss(data.sample(rows), program.noise((rows,), torch.zeros(())))
        adam.zero_grad()
        loss.backward()
        adam.step()
    model.eval()
    n, out = 40_000, {}
    with torch.no_grad():
        for name, (t_p, t_q) in program.ratios(
            data.sample(n), program.noise((n,), torch.zeros(()))
        ).items():
            one = name.startswith("I(")
            mean = t_p.mean() if one else t_p.mean() - t_q.mean()
            variance = t_p.var() if one else t_p.var() + t_q.var()
            out[name] = float(mean), math.sqrt(float(variance) / n)
    return out


class Quadratic(nn.Module):
    """T = x' A x + b' x + c, which can be exact for Gaussians."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.a, self.b, self.c = (
            nn.Parameter(torch.zeros(d, d)),
            nn.Parameter(torch.zeros(d)),
            nn.Parameter(torch.zeros(())),
        )

    def forward(self, *rows):
        x = torch.cat(rows, -1)
        return ((x @ self.a) * x).sum(-1) + x @ self.b + self.c


@pytest.mark.parametrize("bound", ["js", "dv", "nwj", "ls"])
def test_each_bound_trains_the_same_ratio(bound):
    """The symmetric KL of two Gaussians in the plane within 5 percent, with instance noise."""
    model = Model(
        observed={"x": Real(2)},
        latent={"z": Real(1)},
        laws={"m": ("q(x)", "p(z) p(x|z)")},
        networks=MLPs(()),
        objective=SymmetricKL("m", Ratio(train=bound)),
        modules={"SKL(m)": Quadratic(2)},
        critics=Critics(noise=0.25),
        families={"p(z)": Gaussian(Fixed(1.0))},
    )
    put(model, "p(x|z)", torch.tensor([[0.6], [-0.2]]))  # and noise of variance 1/2
    data = Joint({"x": 2}, torch.tensor([0.4, 0.0]), torch.tensor([[1.0, 0.4], [0.4, 0.8]]))
    exact = symmetric(
        blurred(data, 0.25), blurred(joint_of(model, model.laws["m"][1], data).marginal("x"), 0.25)
    )
    found, error = learn(model, data, 600, lr=2e-2)["SKL(m)"]
    assert abs(found - exact) < 0.05 * exact + 4 * error, (found, exact, error)


@pytest.mark.parametrize("noise", [0.0, 0.25])
def test_networks_learn_symmetric_kl_and_information_with_and_without_noise(noise):
    """Section 10: -1/2 sum log(1 - r^2) with r -> r / (1 + s^2), and the symmetric KL, within 8
    percent."""
    r = 0.8
    objective = SymmetricKL("m") + Information("x,y;z", under="m", side="q")
    model = Model(
        observed={"x": Real(1), "y": Real(1)},
        latent={"z": Real(2)},
        laws=LAWS,
        objective=objective,
        networks=MLPs(()),
        families={"q(z|x,y)": Gaussian(Fixed(1 - r**2)), "p(z)": Gaussian(Fixed(1.0))},
        critics=Critics(width=48, hidden=(48,), activation="silu", noise=noise),
    )
    put(model, "q(z|x,y)", r * torch.eye(2))
    put(model, "p(x|z)", torch.tensor([[0.6, 0.1]]))
    put(model, "p(y|z)", torch.tensor([[0.0, 0.5]]))
    data = Joint({"x": 1, "y": 1}, torch.zeros(2), torch.eye(2))
    q, p = (joint_of(model, law, data) for law in model.laws["m"])
    seen = r / (1 + noise**2)
    exact = {
        "SKL(m)": symmetric(blurred(q, noise), blurred(p, noise)),
        "I(x,y;z) q m": -math.log(1 - seen**2),
    }
    assert information(blurred(q, noise), ["x", "y"], ["z"]) == pytest.approx(
        exact["I(x,y;z) q m"], rel=1e-9
    )
    for name, (found, error) in learn(model, data, 700, lr=1e-2).items():
        print(noise, name, found, exact[name], error)
        assert abs(found - exact[name]) < 0.08 * exact[name] + 4 * error, (
            name,
            found,
            exact[name],
            error,
        )


@torch.no_grad()
def put(model: Model, factor: str, weight: torch.Tensor) -> None:
    """The matrix of an affine factor, without an offset."""
    (layer,) = model.factors[factor].network.layers
    layer.weight.copy_(weight)
    layer.bias.zero_()


def test_noise_on_unit_variances_divides_the_correlation():
    """Section 10: r becomes r / (1 + s^2), 0.9412 r at s = 0.25."""
    joint, s = Joint({"x": 1, "z": 1}, torch.zeros(2), torch.tensor([[1.0, 0.8], [0.8, 1.0]])), 0.25
    assert 1 / (1 + s**2) == pytest.approx(0.9412, abs=5e-5)
    expected = -0.5 * math.log(1 - (0.8 / (1 + s**2)) ** 2)
    assert information(blurred(joint, s), ["x"], ["z"]) == pytest.approx(expected, rel=1e-12)


# gradients of the model's side


def line(objective: Objective, modules, decoder=Deterministic()):  # noqa: B008
    model = Model(
        observed={"x": Real(1)},
        latent={"z": Real(1)},
        laws={"m": ("q(x)", "p(z) p(x|z)")},
        objective=objective,
        families={"x": decoder, "z": Gaussian(Fixed(1.0))},
        networks=MLPs(()),
        modules=modules,
        critics=Critics(noise=0.0),
    )
    (layer,) = model.factors["p(x|z)"].network.layers
    with torch.no_grad():
        layer.weight.fill_(A)
        layer.bias.fill_(B)
    return model, layer


A, B, M, S = 0.7, 0.4, -0.3, 1.2  # x = A z + B against N(M, S^2)


def test_the_gradient_of_a_matching_term_is_that_of_the_kl_from_the_model():
    """d/da KL(N(b, a^2) || N(m, s^2)) = -1/a + a/s^2, d/db = (b - m)/s^2, with T held fixed."""
    one = lambda mean, sd: Joint({"x": 1}, torch.tensor([mean]), torch.tensor([[sd**2]]))
    model, layer = line(SymmetricKL("m"), {"SKL(m)": Exact(one(M, S), [one(B, A)], ["x"])})
    z = torch.tensor([[1.0], [-1.0]])
    loss, _ = model.objective({"x": M + S * z}, [z, None], torch.ones(1))
    exact = symmetric(one(M, S), one(B, A))
    assert float(loss) == pytest.approx(exact, rel=1e-12)
    loss.backward()
    assert float(layer.weight.grad) == pytest.approx(-1 / A + A / S**2, rel=1e-12)
    assert float(layer.bias.grad) == pytest.approx((B - M) / S**2, rel=1e-12)


def test_the_gradient_of_information_is_that_of_the_exact_information():
    """x = a z + b + s e: I(x;z) = 1/2 log(1 + a^2/s^2) and dI/da = a / (a^2 + s^2)."""
    cov = torch.tensor([[A**2 + S**2, A], [A, 1.0]])
    joint = Joint({"x": 1, "z": 1}, torch.tensor([B, 0.0]), cov)
    critic = Exact(joint, [joint.marginal("x"), joint.marginal("z")], ["x", "z"])
    model, layer = line(
        Information("x;z", under="m"), {"I(x;z) p m": critic}, Gaussian(Fixed(S**2))
    )
    points = sigma_points(2)
    given = {"x": torch.zeros(4, 1)}
    loss, _ = model.objective(given, [points[:, :1], points[:, 1:], torch.rand(4)], torch.ones(1))
    assert float(loss) == pytest.approx(0.5 * math.log(1 + A**2 / S**2), rel=1e-12)
    loss.backward()
    assert float(layer.weight.grad) == pytest.approx(A / (A**2 + S**2), rel=1e-12)
    assert float(layer.bias.grad) == pytest.approx(0, abs=1e-12)


def test_a_watched_term_is_computed_and_moves_nothing():
    model, _ = gaussian(SymmetricKL("m") + 0 * Information("x,y;z", under="m"))
    assert model.objective.objective.weights(0.0) == [1.0, 0.0]
    given, noise = (
        {"x": torch.randn(9, 1), "y": torch.randn(9, 2)},
        model.objective.noise((9,), torch.zeros(())),
    )
    both = torch.autograd.grad(
        model.objective(given, noise, torch.tensor([1.0, 5.0]))[0],
        list(model.factors.parameters()),
        allow_unused=True,
    )
    one = torch.autograd.grad(
        model.objective(given, noise, torch.tensor([1.0, 0.0]))[0],
        list(model.factors.parameters()),
        allow_unused=True,
    )
    for a, b in zip(both, one, strict=True):
        assert (a is None and b is None) or torch.equal(a, b)
    assert "I(x,y;z) p m" in model.objective.names
    with pytest.raises(wyner.WynerError, match="every weight is 0"):
        gaussian(0 * SymmetricKL("m") + 0 * wyner.KL("m"))


# features, cycles, noise


def test_dependences_read_shared_features_and_do_not_train_them():
    model, _ = gaussian(SymmetricKL("m") + Information("x,y;z", under="m"))
    assert list(model.critics.maps) == ["x,y"]
    given, noise = (
        {"x": torch.randn(9, 1), "y": torch.randn(9, 2)},
        model.objective.noise((9,), torch.zeros(())),
    )
    only = model.program(Information("x,y;z", under="m"))
    loss, _ = only.critic_loss(given, only.noise((9,), torch.zeros(())))
    loss.backward()
    shared, head = model.critics.maps["x,y"], model.critics.heads["I(x,y;z) p m"]
    assert all(p.grad is None for p in shared.parameters())
    assert all(p.grad is not None for p in head.parameters())
    assert all(
        p.grad is None for p in model.factors.parameters()
    )  # critics learn from draws, not through them
    model.objective.critic_loss(given, noise)[0].backward()
    assert all(bool((p.grad != 0).any()) for p in shared.parameters())
    decoder = model.factors["p(x|z)"].network.layers[0].weight
    only(given, only.noise((9,), torch.zeros(())), torch.ones(1))[0].backward()
    assert bool((decoder.grad != 0).any())  # the model does feel them through the features


def test_rows_of_a_product_law_come_from_other_rows_in_onecycle_of():
    for n in (2, 3, 17):
        cycle = cycle_of(torch.rand(n))
        at, seen = 0, []
        for _ in range(n):
            at = int(cycle[at])
            seen.append(at)
        assert sorted(seen) == list(range(n))


def test_the_product_law_keeps_one_side_and_moves_the_other():
    class Show(nn.Module):
        def forward(self, x, y, z):
            return x[:, 0] + 1000 * z[:, 0]

    model, data = gaussian(
        Information("x,y;z", under="m", side="q"),
        {"I(x,y;z) q m": Show()},
        critics=Critics(noise=0.0),
    )
    rows, u = data.sample(6), torch.tensor([0.3, 0.9, 0.1, 0.5, 0.2, 0.7])
    noise = [*model.objective.noise((6,), torch.zeros(()))[:-1], u]
    ((t_p, t_q),) = model.objective.ratios(rows, noise).values()
    z = (t_p - rows["x"][:, 0]) / 1000
    torch.testing.assert_close(t_q, rows["x"][:, 0] + 1000 * z[cycle_of(u)])


def test_noise_has_its_size_is_relative_on_request_and_silent_when_quiet():
    class Show(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = []

        def forward(self, x, y, z):
            self.seen.append((x.detach(), y.detach()))
            return x[:, 0] + y[:, 0] + z[:, 0]

    n = 20_000
    for made, sd in (
        (Critics(noise=0.5), (0.5, 0.5)),
        (Critics(noise=0.5, relative=True, quiet=True), (1.0, 1.5)),
    ):
        show = Show()
        model, _ = gaussian(SymmetricKL("m"), {"SKL(m)": show}, critics=made)
        spread = (
            torch.tensor([[2.0, -2.0]]).T.repeat(500, 1),
            torch.tensor([[3.0, 1.0], [-3.0, -1.0]]).repeat(500, 1),
        )
        model.prepare({"x": spread[0], "y": spread[1]}, None, 0, False)
        given = {"x": torch.zeros(n, 1), "y": torch.zeros(n, 2)}
        noise = model.objective.noise((n,), torch.zeros(()))
        model.objective.critic_loss(given, noise)
        x, y = show.seen[0]
        assert (float(x.std()), float(y[:, 0].std())) == pytest.approx(sd, rel=0.03)
        model.objective(given, noise, torch.ones(1))
        assert bool((show.seen[2][0] == 0).all()) == made.quiet


def test_several_draws_and_reconstructions():
    model, data = gaussian(
        SymmetricKL("m") + Reconstruction("x", "m") + Reconstruction("z", "m", "l1")
    )
    program, given = model.objective, data.sample(8)
    noise = program.noise((3, 8), given["x"])
    loss, terms = program(given, noise, torch.ones(3))
    assert terms.shape == (3,)
    assert float(loss) == pytest.approx(float(terms.sum()), rel=1e-12)
    one = [n[0] if n.ndim > 1 else n for n in noise]
    factors = model.factors
    z = factors["q(z|x,y)"](given["x"], given["y"]).rsample(
        one[program.plan.draws.index("q(z|x,y)")]
    )
    back = factors["p(x|z)"](z).mean
    single = program(given, one, torch.ones(3))[1]
    assert float(single[1]) == pytest.approx(float((back - given["x"]).square().mean()), rel=1e-12)
    at = {n: one[program.plan.draws.index(n)] for n in ("p(z)", "p(x|z)", "p(y|z)")}
    z0 = factors["p(z)"]().rsample(at["p(z)"])
    x0, y0 = (
        factors["p(x|z)"](z0).rsample(at["p(x|z)"]),
        factors["p(y|z)"](z0).rsample(at["p(y|z)"]),
    )
    expected = (factors["q(z|x,y)"](x0, y0).mean - z0).abs().mean()
    assert float(single[2]) == pytest.approx(float(expected), rel=1e-12)


def test_divergences_with_densities_stand_beside_ratios_and_share_their_draws():
    """ELBO + gamma I'(z;y), as CMI-VAE has it: z is drawn once for both."""
    model, data = gaussian(wyner.KL("m") + 0.4 * Redundancy("z;y", under="m"))
    program, given = model.objective, data.sample(12)
    assert program.plan.draws.count("q(z|x,y)") == 1
    noise = program.noise((12,), given["x"])
    loss, terms = program(given, noise, torch.tensor([1.0, 0.4]))
    alone = model.program(wyner.KL("m"))
    own = [noise[program.plan.draws.index(n)] for n in alone.plan.draws]
    below, means = alone(given, own, torch.ones(1))
    torch.testing.assert_close(terms[:-1], means)
    assert float(loss) == pytest.approx(float(below + 0.4 * terms[-1]), rel=1e-12)
    assert program.judged
    assert not gaussian(SymmetricKL("m"))[0].objective.judged
