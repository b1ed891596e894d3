"""WynerVAE with a price on what encoders do not read back from what is generated."""

from __future__ import annotations

import math

import torch

import wyner
from wyner import Categorical, Real
from wyner.families import Fixed, Gaussian
from wyner.models import WynerVAE
from wyner.networks import MLPs

ROWS = 200_000


def affine(**options) -> WynerVAE:
    torch.manual_seed(0)
    families = {"x": Gaussian(Fixed(0.3)), "y": Gaussian(Fixed(0.5))}
    parts = dict(x=Real(3), y=Real(2), z=2, u=1, v=1, networks=MLPs(hidden=()), families=families)
    return WynerVAE(**parts, **options)


@torch.no_grad()
def exact(model: WynerVAE) -> float:
    """E[-log q(z|x)] + E[-log q(z|y)] in nats with z, u ~ N(0, I), x = A (z,u) + a + noise; the
    mean of q is affine in x."""
    total = 0.0
    for of, side, var in (("x", "u", 0.3), ("y", "v", 0.5)):
        size = model.observed[of].size
        zero = torch.zeros(1, 3)
        a = model.factors[f"p({of}|z,{side})"](zero[:, :2], zero[:, 2:]).mean[0]
        eye = torch.eye(3)
        A = (model.factors[f"p({of}|z,{side})"](eye[:, :2], eye[:, 2:]).mean - a).T  # (size, 3)
        q = model.factors[f"q(z|{of})"]
        b = q(torch.zeros(1, size)).mean[0]
        B = (q(torch.eye(size)).mean - b).T  # (2, size)
        mean, cov = a, A @ A.T + var * torch.eye(size)
        error = torch.eye(2) - B @ A[:, :2]  # of z - B x
        rest = B @ A[:, 2:] @ A[:, 2:].T @ B.T + var * B @ B.T
        square = (error @ error.T + rest).diagonal() + (B @ mean + b).square()
        # the log scale is affine in x too, log s = c + C x, so E[(z - m)^2 / s^2] needs a tilted
        # Gaussian; here C = 0
        scale = q(torch.eye(size)).log_scale - q(torch.zeros(1, size)).log_scale
        assert float(scale.abs().max()) == 0, cov
        log_s = q(torch.zeros(1, size)).log_scale[0]
        total += float(
            (0.5 * math.log(2 * math.pi) + log_s + 0.5 * square / (2 * log_s).exp()).sum()
        )
    return total


def test_it_is_the_expectation_under_the_models_own_law(float64):
    model = affine(cycle=1.0)
    with torch.no_grad():  # scales that do not depend on x have a closed form
        for of in "xy":
            last = model.factors[f"q(z|{of})"].network.last
            last.weight[2:] = 0.0
            last.bias[2:] = torch.tensor([-0.4, 0.2])
    program = model.program(
        wyner.Reconstruction("z", "x2x", "log") + wyner.Reconstruction("z", "y2y", "log")
    )
    given = {"x": torch.zeros(ROWS, 3), "y": torch.zeros(ROWS, 2)}
    parts = [
        program(
            {k: v[:1000] for k, v in given.items()},
            program.noise((1000,), torch.zeros(())),
            torch.ones(2),
        )[1]
        for _ in range(ROWS // 1000)
    ]
    found = torch.stack(parts).sum(1).detach()
    z = (float(found.mean()) - exact(model)) / float(found.std() / len(found) ** 0.5)
    assert abs(z) < 4, z


def test_the_term_stands_in_the_objective_and_only_if_asked_for():
    text = str(affine(cycle=2.0).objective)
    assert "2 * d(z) x2x = E[-log q(z|x)]" in text
    assert "2 * d(z) y2y = E[-log q(z|y)]" in text
    assert "-log q(z|x)" not in str(affine().objective)


def test_what_is_generated_is_read_as_its_z_when_encoders_stay():
    """Pairs share one of two values; the private part is larger than what tells the values
    apart."""
    g = torch.Generator().manual_seed(0)
    sign = torch.randint(2, (4000, 1), generator=g) * 2.0 - 1
    data = {
        k: torch.cat(
            [sign + 0.2 * torch.randn(4000, 1, generator=g), 2 * torch.randn(4000, 1, generator=g)],
            1,
        )
        for k in "xy"
    }
    make = lambda **options: WynerVAE(
        x=Real(2),
        y=Real(2),
        z=Categorical(1, 2),
        u=1,
        v=1,
        networks=MLPs(hidden=(16,)),
        families={"x": Gaussian(Fixed(1.0)), "y": Gaussian(Fixed(1.0))},
        **options,
    )
    torch.manual_seed(0)
    start = make(alpha=1.0, local_rate=10.0)
    wyner.fit(start, data, epochs=6, batch_size=100, lr=1e-2, schedule="one-cycle", progress=False)
    found = {}
    for weight in (0.0, 20.0):
        torch.manual_seed(1)
        model = make(cycle=weight, alpha=1.0)
        wyner.fit(
            model,
            data,
            start=start,
            freeze=["q(z|x,y)", "q(z|x)", "q(z|y)"],
            epochs=3,
            batch_size=100,
            lr=1e-2,
            progress=False,
        )
        z = torch.eye(2).repeat(500, 1)[:, None]
        drawn = torch.as_tensor(model.decode({"z": z, "u": torch.randn(1000, 1)})["x"])
        found[weight] = float((model.encode(x=drawn)["z"].mean * z).sum((1, 2)).mean())
    assert found[20.0] > found[0.0]
    assert found[20.0] > 0.9
