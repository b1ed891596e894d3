"""DSAE: printed objectives beside the paper, padding that counts nothing, tasks, errors."""

from __future__ import annotations

import pytest
import torch

import wyner
from wyner import KL
from wyner.errors import LawError, OptionError, ShapeError
from wyner.models import DSAE
from wyner.networks import Sequences
from wyner.objectives import regularised
from wyner.variables import Real, Sequence

TINY = Sequences(frame=(5,), lstm=4, rnn=4, decoder=(5,))
ELBO = (
    "1 * elbo = KL(q(z|x) || p(z)) + KL(q(s|x,z) || p(s)), step by step - log p(x|s,z) [dropped:"
    " -h(x)]"
)
RATE = "-0.4 * rate = KL(q(z|x) || p(z))"
MATCH = "0.4 * KL(aggregate) = KL( q(x) q(z|x) || p(z) ) by T(z)"
PRICE = "0.4 * R(z;s) q elbo = KL( (z,s) || p(z) (s) ) under q(x) q(z|x) q(s|x,z) by T(z,s)"
SHARED = "{} * I(z;s) q elbo = I(z;s) under q(x) q(z|x) q(s|x,z) by T(z,s){}"


def _model(**options) -> DSAE:
    torch.manual_seed(0)
    return DSAE(**{"x": Sequence(10, 3), "z": 2, "s": 2, "networks": TINY, **options})


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({"objective": "elbo", "watch": False}, [ELBO]),  # (2)
        ({"objective": "elbo"}, [ELBO, SHARED.format("0", " [watched]")]),  # with (15), (16)
        ({"objective": "beta", "watch": False}, [ELBO, RATE]),  # (5)
        ({"objective": "cmi", "watch": False}, [ELBO, RATE, PRICE]),  # (13)
        ({"objective": "mi", "watch": False}, [ELBO, RATE, MATCH]),  # (26)
        (
            {"objective": "cmi", "alpha": 2.0, "watch": False},
            [ELBO, RATE, MATCH, SHARED.format("0.8", "")],
        ),  # (17)
        ({"objective": "cmi", "gamma": 0.0, "watch": False}, [ELBO]),
    ],
)
def test_printed_objectives(options, lines):
    text = str(_model(**{"gamma": 0.4, **options}).objective)
    assert [" ".join(line.split()) for line in text.splitlines()] == lines


def test_a_weight_of_one_recovers_the_paper():
    """Under equal draws, CMI-VAE's loss is -ELBO + gamma (I' - KL(z)); beta-VAE's weight on KL(z)
    is 1 - gamma."""
    model, x = _model(gamma=0.4), torch.randn(6, 10, 3)
    parts = {}
    for kind in ("elbo", "beta", "cmi"):
        program = model.program(regularised(kind, 0.4, watch=False))
        noise = program.noise((6,), x, torch.Generator().manual_seed(1))
        weights = torch.tensor(regularised(kind, 0.4, watch=False).weights(0.0))
        loss, terms = program({"x": x}, noise, weights)
        parts[kind] = float(loss.detach()), dict(zip(program.names, terms.tolist(), strict=True))
    kl_z = parts["elbo"][1]["elbo: KL(q(z|x) || p(z))"]
    assert parts["beta"][0] == pytest.approx(parts["elbo"][0] - 0.4 * kl_z, rel=1e-5)
    price = parts["cmi"][1]["R(z;s) q elbo"]
    assert parts["cmi"][0] == pytest.approx(parts["elbo"][0] + 0.4 * (price - kl_z), rel=1e-5)


@pytest.mark.parametrize("full", [True, False])
def test_terms_of_a_padded_row_are_those_of_the_row_alone(full):
    model = _model(full=full, networks=Sequences((5,), 4, 4, (5,), full=full))
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    x = torch.randn(3, 10, 3)
    x[1, 4:] = float("nan")
    program = model.program(KL("elbo"))
    noise = program.noise((3,), x, torch.Generator().manual_seed(0))
    whole = program.scores({"x": x}, noise)
    alone = program.scores({"x": x[1:2, :4]}, [n[1:2] for n in noise])
    assert len(whole) == 3
    for name, values in whole.items():
        assert torch.isfinite(values).all()
        torch.testing.assert_close(values[1:2], alone[name], rtol=1e-5, atol=1e-5)
    sum(v.sum() for v in whole.values()).backward()
    used = [p for f in model.factors.values() for p in f.parameters()] + list(
        model.features.parameters()
    )
    assert all(torch.isfinite(p.grad).all() for p in used)


def test_training_moves_every_factor_and_the_critics():
    model = _model(gamma=0.5)
    x = torch.randn(60, 10, 3)
    x[::7, 6:] = float("nan")
    before = {k: v.clone() for k, v in model.state_dict().items()}
    history = wyner.fit(model, {"x": x}, epochs=2, batch_size=20, lr=1e-2, progress=False).history
    terms = history[-1]["terms"]
    assert {"R(z;s) q elbo", "I(z;s) q elbo", "critic of R(z;s) q elbo"} <= set(terms)
    after = model.state_dict()
    still = [k for k, v in before.items() if v.is_floating_point() and torch.equal(v, after[k])]
    assert [k for k in still if not k.endswith(("loc", "p(z).head.log_scale"))] == []


def test_tasks_and_a_file(tmp_path):
    model, x = _model(), torch.randn(5, 10, 3)
    can = model.abilities()
    assert (can["generate"], can["encode"], can["log_likelihood"]) == ("yes", "(x)", "p(x)")
    assert model.generate(4, seed=0)["x"].shape == (4, 10, 3)
    assert model.generate(5, like={"x": x[:, :6]}, seed=0)["x"].shape == (
        5,
        6,
        3,
    )  # content kept, voice drawn
    assert model.reconstruct(x=x, seed=0)["x"].shape == (5, 10, 3)  # voice kept, content drawn
    both = model.restyle(x=x, like={"x": x})
    torch.testing.assert_close(both, model.reconstruct(x=x, keep_style=True, means=True)["x"])
    assert model.log_likelihood(x=x, samples=5, seed=0).value.shape == (5,)
    model.save(tmp_path / "m")
    again = wyner.load(tmp_path / "m")
    torch.testing.assert_close(again.encode(x=x)["s"].mean, model.encode(x=x)["s"].mean)
    assert str(again.objective) == str(model.objective)


def test_an_interrupted_training_resumes_exactly(tmp_path):
    rows = wyner.ragged.Ragged(
        [torch.randn(n, 3, generator=torch.Generator().manual_seed(n)) for n in range(10, 40)],
        window=10,
    )
    run = lambda out, **o: wyner.fit(
        _model(objective="beta", watch=False),
        {"x": rows},
        batch_size=8,
        checkpoint_seconds=0.0,
        out=out,
        progress=False,
        loggers=(),
        **o,
    )
    whole = run(tmp_path / "a", epochs=3).model.state_dict()

    class StopHere(Exception):
        pass

    def stop(model):
        raise StopHere

    with pytest.raises(StopHere):
        run(tmp_path / "b", epochs=3, probe=stop, probe_every=2)
    parts = run(tmp_path / "b", epochs=3, resume=True).model.state_dict()
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


def test_what_is_refused():
    with pytest.raises(ShapeError, match="x is a sequence"):
        DSAE(x=Real(4))
    with pytest.raises(OptionError, match="s needs a positive size"):
        _model(s=0)
    with pytest.raises(OptionError, match="unknown objective 'cmi-vae'"):
        _model(objective="cmi-vae")
    with pytest.raises(OptionError, match="gamma: expected"):
        _model(gamma=1.0)
    with pytest.raises(OptionError, match="alpha: expected"):
        _model(alpha=-1.0)
    with pytest.raises(LawError):
        _model().program(KL("elbow"))
