"""The variational Wyner model: the objectives of the workshop paper, the ablation, and what is
refused."""

from __future__ import annotations

import pytest
import torch

import wyner
from wyner import Binary, Image, Real
from wyner.errors import LawError, OptionError, TaskError
from wyner.models import VariationalWyner
from wyner.models.variational_wyner import ADD_ONE, RETRIEVAL
from wyner.networks import Convolutional, Critics, MLPs
from wyner.objectives import Information, SymmetricKL
from wyner.objectives.critic_inputs import seen_by
from wyner.schedules import Linear

SMALL = {"z": 2, "u": 1, "v": 1, "networks": MLPs((8,)), "critics": Critics(width=8, hidden=(8,))}


def weights(model) -> dict[str, float]:
    terms = model.objective.objective.active
    return dict(zip((t.name for t in terms), model.objective.objective.weights(1.0), strict=True))


def test_the_objective_for_add_one_is_that_of_section_2_3():
    model = VariationalWyner(x=Real(3), y=Real(2), **{**SMALL, **ADD_ONE}, lam=0.5)
    matching = dict.fromkeys(["SKL(joint)", "SKL(x2y)", "SKL(y2x)"], 1.0)
    common = dict.fromkeys(["I(x,y;z) p joint", "I(x,y;z) p x2y", "I(x,y;z) p y2x"], 0.5)
    back = dict.fromkeys(["d(x) joint", "d(y) joint", "d(y) x2y_pair", "d(x) y2x_pair"], 1.0)
    assert weights(model) == matching | common | back
    assert weights(VariationalWyner(x=Real(3), y=Real(2), **SMALL, lam=0.5)) == weights(model)
    assert model.abilities()["generate"] == "yes"


def test_the_objective_for_retrieval_is_that_of_section_2_3_and_has_no_joint_model():
    model = VariationalWyner(x=Real(3), y=Real(2), **{**SMALL, **RETRIEVAL, "z": 2, "u": 1, "v": 1})
    matching = dict.fromkeys(["SKL(x2y)", "SKL(y2x)", "SKL(cross)"], 1.0)
    common = dict.fromkeys(["I(x,y;z) p x2y", "I(x,y;z) p y2x"], 0.1)
    back = dict.fromkeys(["d(y) x2y_pair", "d(x) y2x_pair", "d(x) x2x", "d(y) y2y"], 8.0)
    assert weights(model) == matching | common | back
    with pytest.raises(TaskError, match=r"cannot generate: it has no joint law p\(x,y\)"):
        model.generate(2)
    assert model.encode(x=torch.zeros(4, 3))["z"].mean.shape == (4, 2)


def test_lambda_0_watches_none_leaves_out_and_schedules_move():
    make = lambda lam, **more: VariationalWyner(x=Real(3), y=Real(2), lam=lam, **SMALL, **more)
    assert weights(make(0.0))["I(x,y;z) p x2y"] == 0.0
    assert "[watched]" in str(make(0.0).objective)
    assert not any("I(" in name for name in weights(make(None)))
    model = make(Linear(0.0, 0.4))
    assert model.objective.objective.weights(0.5)[3:6] == [0.2, 0.2, 0.2]
    with pytest.raises(OptionError, match="if the other is 1"):
        make(Linear(0.0, 0.4), inform={"joint": 2.0})


def test_the_ablation_reads_one_side_only():
    model = VariationalWyner(x=Real(3), y=Real(2), own=True, **SMALL)
    assert {"q(u|x)", "q(v|y)"} <= set(model.factors)
    assert not {"q(u|z,x)", "q(v|z,y)"} & set(model.factors)
    assert "q(x,y) q(z|x,y) q(u|x) q(v|y) || p(z) p(u) p(v) p(x|z,u) p(y|z,v)" in str(
        model.objective
    )


def test_without_local_latents():
    model = VariationalWyner(
        x=Real(3), y=Real(2), **{**SMALL, "u": 0, "v": 0}, rec={"x2y": 1.0, "u": 1.0}
    )
    assert "SKL( q(x,y) q(z|x,y) || p(z) p(x|z) p(y|z) )" in str(model.objective)
    assert "d(u) joint" not in weights(model)


def test_latents_come_back_through_the_encoders():
    """R_zuv->zuv: z' = e(x', y'), u' = f(z', x') of generated x', y'."""
    model = VariationalWyner(
        x=Real(3), y=Real(2), **SMALL, lam=None, match={"joint": 1.0}, rec={"z": 1.0, "u": 1.0}
    )
    program = model.objective
    noise = program.noise((5,), torch.zeros(()))
    _, terms = program({"x": torch.zeros(5, 3), "y": torch.zeros(5, 2)}, noise, torch.ones(3))
    z, u, v = (noise[program.plan.draws.index(f"p({k})")] for k in "zuv")
    f = model.factors
    x, y = f["p(x|z,u)"](z, u).mean, f["p(y|z,v)"](z, v).mean
    again = f["q(z|x,y)"](x, y).mean
    expected = [(again - z).square().mean(), (f["q(u|z,x)"](again, x).mean - u).square().mean()]
    torch.testing.assert_close(terms[1:], torch.stack(expected))


def test_images_share_convolutional_features_and_are_compared_by_absolute_errors():
    model = VariationalWyner(
        x=Image(1, 16, 16),
        y=Image(3, 16, 16),
        z=2,
        u=1,
        v=1,
        networks=Convolutional((8,), width=2, blocks=1),
        critics=Critics(width=8, conv=4, spectral=True),
    )
    assert list(model.critics.maps) == ["x,y"]
    assert (
        model.critics.maps["x,y"].size == 4 * 4 * 2 * 2
    )  # three halvings: 4, 8, 16 channels of 2 x 2
    assert "mean |x - p(x|z,u)|   " not in str(model.objective)
    assert str(model.objective).splitlines()[-1].endswith("mean |x - p(x|z,u)|")
    rows = {"x": torch.rand(12, 1, 16, 16), "y": torch.rand(12, 3, 16, 16)}
    history = wyner.fit(model, rows, epochs=1, batch_size=6, progress=False).history
    assert history[-1]["step"] == 2
    assert model.generate(3)["y"].shape == (3, 3, 16, 16)


def test_what_is_refused():
    with pytest.raises(OptionError, match="match: unknown term 'joints': did you mean 'joint'"):
        VariationalWyner(x=Real(3), y=Real(2), **SMALL, match={"joints": 1.0})
    with pytest.raises(OptionError, match="expected at least one term"):
        VariationalWyner(x=Real(3), y=Real(2), **SMALL, match={}, inform={}, rec={})
    with pytest.raises(LawError, match="draws bits, which no gradient passes"):
        VariationalWyner(x=Binary(3), y=Real(2), **SMALL)
    with pytest.raises(LawError, match="two sides with different variables"):
        Information("x,y", under="joint")
    with pytest.raises(LawError, match="expected 'q' or 'p'"):
        Information("x;z", under="joint", side="joint")
    with pytest.raises(OptionError, match="unknown bound for a density ratio"):
        wyner.objectives.Ratio("mine")
    model = VariationalWyner(x=Real(3), y=Real(2), **SMALL)
    with pytest.raises(LawError, match=r"there is no critic for SKL\(x2x\)"):
        model.program(SymmetricKL("x2x"))
    with pytest.raises(LawError, match="SKL.joint: w.: joint: both laws: unknown variable 'w'"):
        seen_by(
            SymmetricKL("joint", sees=("w",)).terms[0],
            model.laws,
            list(model.variables),
            model.observed,
        )


def test_a_pair_of_equal_laws_and_independent_rows_of_data_are_refused():
    declare = lambda q, p: wyner.Model(
        observed={"x": Real(1), "y": Real(1)},
        latent={"z": Real(1)},
        laws={"m": (q, p)},
        objective=SymmetricKL("m"),
        networks=MLPs(()),
    )
    with pytest.raises(LawError, match="draw the same with the same factors"):
        declare("p(z) p(x|z)", "p(z) p(x|z)")
    with pytest.raises(
        LawError, match="are independent of each other, but rows of the data are not"
    ):
        declare("q(x,y) q(z|x,y)", "q(x) q(y) p(z)")
