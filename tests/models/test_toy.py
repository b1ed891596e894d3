"""A new model is one pair of laws: it then trains, generates, translates, scores, saves and prints
without a line more."""

from __future__ import annotations

import torch

import wyner
from wyner import KL, Model, Real
from wyner.networks import MLPs


class Chain(Model):
    """x and y are drawn one after the other from a latent: p(z) p(x|z) p(y|x,z)."""

    def __init__(self, x: int, y: int, z: int = 1) -> None:
        super().__init__(
            observed={"x": Real(x), "y": Real(y)},
            latent={"z": Real(z)},
            objective=KL("joint"),
            common=("z",),
            laws={"joint": ("q(x,y) q(z|x,y)", "p(z) p(x|z) p(y|x,z)")},
            networks=MLPs(hidden=(16,)),
        )


def test_one_pair_of_laws_is_a_model(tmp_path):
    torch.manual_seed(0)
    z = torch.randn(600, 1)
    x = z + 0.3 * torch.randn(600, 2)
    y = x[:, :1] - z + 0.3 * torch.randn(600, 1)
    model = Chain(2, 1)
    assert (
        str(model.objective)
        == "1 * joint = KL(q(z|x,y) || p(z)) - log p(x|z) - log p(y|x,z)   [dropped: -h(x,y)]"
    )
    assert model.title == "Chain"
    assert model.abilities() == {
        "generate": "yes",
        "translate": "-",
        "restyle": "-",
        "encode": "(x,y)",
        "retrieve": "-",
        "log_likelihood": "p(x,y)",
        "common_information": "yes",
    }
    before = model.log_likelihood(x=x, y=y, samples=20, seed=0).nll
    history = wyner.fit(
        model, {"x": x, "y": y}, epochs=12, batch_size=50, lr=1e-2, seed=0, progress=False
    ).history
    after = model.log_likelihood(x=x, y=y, samples=20, seed=0)
    assert after.nll < before - 0.2
    assert history[-1]["loss"] < history[0]["loss"]
    pairs = model.generate(4000, sample=True, seed=0)
    drawn, true = (torch.cov(torch.cat([a["x"], a["y"]], 1).T) for a in (pairs, {"x": x, "y": y}))
    assert float((drawn - true)[:2, :2].abs().max()) < 0.6  # decoder variance 1/2 in place of 0.09
    assert model.encode(x=x, y=y)["z"].mean.shape == (600, 1)
    assert model.reconstruct(x=x, y=y, means=True)["y"].shape == (600, 1)
    assert set(model.common_information(x=x, y=y)) == {"I41", "I40", "aggregate"}
    model.save(tmp_path / "m")
    again = wyner.load(tmp_path / "m", into=Chain(2, 1))
    torch.testing.assert_close(
        again.log_likelihood(x=x, y=y, samples=20, seed=0).value, after.value
    )
