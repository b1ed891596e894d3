"""End to end: a Gaussian pair, trained for half a minute, reaches the optimum that is known in
closed form."""

from __future__ import annotations

import pytest

from wyner.experiments import read
from wyner.information import gaussian
from wyner.training.fit import fit


def test_a_linear_wyner_vae_reaches_the_gaussian_optimum() -> None:
    """Loss h(X,Y) + 0.283883 within 0.01 nats and I41 = 0.789093 within 3 percent, for r = 0.8 and
    lam = 0.3."""
    experiment = read("gaussian")
    data = experiment.load()
    model = experiment.build(data)
    run = fit(model, data, progress=False, **experiment.fit)
    exact = gaussian(correlations=[0.8]).lagrangian(0.3)
    assert exact.value == pytest.approx(0.283883, abs=1e-6)
    last = [r for r in run.history if r["phase"] == "joint" and r["split"] == "train"][-1]
    assert last["loss"] == pytest.approx(data.truth["entropy"] + exact.value, abs=0.01)
    found = model.common_information(**data.pairs("train"))
    assert found["I41"] == pytest.approx(exact.rate, rel=0.03)
    assert found["I40"] == pytest.approx(exact.rate, rel=0.03)
    assert found["aggregate"] == pytest.approx(exact.rate, rel=0.05)
    pair = model.generate(100_000, sample=True, seed=0)
    x, y = pair["x"][:, 0].double(), pair["y"][:, 0].double()
    correlation = float(((x - x.mean()) * (y - y.mean())).mean() / (x.std() * y.std()))
    assert correlation == pytest.approx((0.8 - 0.3) / (1 - 0.3), abs=0.03)
