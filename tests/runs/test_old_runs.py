"""Runs of version 0.1.0: they load, answer with the same numbers, and can be continued."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import wyner
from wyner import Categorical, Real, Sequence, codec
from wyner.errors import RunError
from wyner.families import Categorical as Codes
from wyner.families import Fixed, Gaussian, Recurrent, Trainable
from wyner.models import DSAE, VariationalWyner, WynerVAE
from wyner.networks import Critics, MLPs, SequenceCritics, Sequences
from wyner.objectives.phases import After
from wyner.runs import read_config
from wyner.schedules import Linear
from wyner.schedules import Path as Knots

OLD = Path(__file__).resolve().parents[1] / "fixtures" / "runs-0.1.0"
ANSWERS = json.loads((OLD / "answers.json").read_text())
PAIR = {"x": Real(3), "y": Real(2), "u": 1, "v": 1, "networks": MLPs((4,))}
MAKE = {
    "wyner-vae": lambda: WynerVAE(
        **PAIR,
        z=2,
        lam=Knots(((0.0, -0.5), (0.5, 0.0), (1.0, 0.1))),
        alpha={"x2y": 1.0, "y2x": Linear(0.0, 1.0)},
        families={"x": Gaussian(Trainable(per="coordinate")), "y": Gaussian(Fixed(0.5))},
        marginals=After(0.5),
    ),
    "wyner-vae-codes": lambda: WynerVAE(
        **PAIR,
        z=Categorical(1, 3),
        cycle=0.0,
        local_rate=Knots(((0.0, 1.0), (1.0, 0.0))),
        match_prior=0.0,
        families={"z": Codes(summed=True, trained=True)},
    ),
    "variational-wyner": lambda: VariationalWyner(
        **PAIR, z=2, critics=Critics(width=4, hidden=(4,), relative=True)
    ),
    "dsae": lambda: DSAE(
        x=Sequence(4, Real(3)),
        z=2,
        s=2,
        prior=Recurrent(width=4),
        critics=SequenceCritics(channels=4),
        networks=Sequences(frame=(4,), lstm=4, rnn=4, decoder=(4,)),
    ),
}
"""The models as this version spells them."""
FIT = {"wyner-vae": {"validation": 0.2, "schedule": "one-cycle", "patience": 5}}


def data(name: str) -> dict[str, np.ndarray]:
    """The rows that the fixture was trained on."""
    g = np.random.default_rng(0)
    x = g.normal(size=(60, 3)).astype("float32")
    y = (x @ g.normal(size=(3, 2)) + 0.5 * g.normal(size=(60, 2))).astype("float32")
    return (
        {"x": x, "y": y} if name != "dsae" else {"x": g.normal(size=(20, 4, 3)).astype("float32")}
    )


def refit(name: str, model: wyner.Model, folder: Path) -> wyner.training.Run:
    common = {"epochs": 2, "batch_size": 20, "lr": 1e-2, "seed": 0, "loggers": []}
    options = {**common, "progress": False, **FIT.get(name, {})}
    return wyner.fit(model, data(name), out=folder, resume=True, **options)


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("checkpoint", [False, True], ids=["weights", "checkpoint"])
def test_it_answers_with_the_same_numbers(name: str, checkpoint: bool) -> None:
    model, expected = wyner.load(OLD / name, checkpoint=checkpoint), ANSWERS[name]
    given = {k: np.array(expected[k], "float32") for k in ("x", "y") if k in expected}
    assert all(np.array_equal(v, data(name)[k][:4]) for k, v in given.items())
    close = lambda found, key: np.testing.assert_allclose(
        np.asarray(found), expected[key], rtol=1e-5, atol=1e-6
    )
    close(model.encode(**given)["z"].mean, "encode")
    if "translate" in expected:
        close(model.translate(x=given["x"], n=2, seed=1), "translate")
    if "log_likelihood" in expected:
        samples = 50 if "y" in given else 20
        close(model.log_likelihood(**given, samples=samples, seed=2).value, "log_likelihood")


@pytest.mark.parametrize("name", MAKE)
def test_it_is_the_model_that_this_version_spells_otherwise(name: str) -> None:
    old, new = wyner.load(OLD / name), MAKE[name]()
    assert old.config == new.config == codec.current_model(read_config(OLD / name)["model"])
    assert old.config != read_config(OLD / name)["model"]
    assert str(old.objective) == str(new.objective)
    assert old.phases == new.phases


@pytest.mark.parametrize("name", MAKE)
def test_it_can_be_continued(name: str, tmp_path: Path) -> None:
    shutil.copytree(OLD / name, tmp_path / name)
    trained, model = wyner.load(OLD / name).state_dict(), MAKE[name]()
    run = refit(name, model, tmp_path / name)
    assert len(run.history) == len((OLD / name / "metrics.jsonl").read_text().splitlines())
    assert all(torch.equal(v, trained[k]) for k, v in run.model.state_dict().items())


def test_a_run_without_its_weights_is_finished_from_the_old_checkpoint(tmp_path) -> None:
    name = "variational-wyner"
    shutil.copytree(OLD / name, tmp_path / name)
    (tmp_path / name / "model.safetensors").unlink()
    with pytest.raises(RunError, match="not finished"):
        wyner.load(tmp_path / name)
    refit(name, MAKE[name](), tmp_path / name)
    found, expected = (wyner.load(k / name).state_dict() for k in (tmp_path, OLD))
    assert all(torch.equal(found[k], expected[k]) for k in expected)


def test_other_settings_are_refused_under_their_names_of_today(tmp_path: Path) -> None:
    name = "wyner-vae-codes"
    shutil.copytree(OLD / name, tmp_path / name)
    other = WynerVAE(
        **PAIR,
        z=Categorical(1, 3),
        cycle=0.0,
        local_rate=Knots(((0.0, 2.0), (1.0, 0.0))),
        match_prior=0.0,
        families={"z": Codes(summed=True, trained=True)},
    )
    with pytest.raises(RunError, match="other settings: local_rate was .* and is now ") as e:
        refit(name, other, tmp_path / name)
    assert "cycle" not in str(e.value)
    with pytest.raises(RunError, match="model was 'wyner-vae' and is now 'variational-wyner'"):
        refit(name, MAKE["variational-wyner"](), tmp_path / name)
