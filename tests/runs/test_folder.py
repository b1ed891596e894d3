"""Runs on disk: what was saved is what is loaded, and damaged folders say so."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import wyner
from wyner import Binary, Categorical, Image, Real
from wyner.codec import decode, encode
from wyner.errors import OptionError, RunError, WynerError
from wyner.families import Bernoulli, Deterministic, Fixed, Gaussian, Predicted, Trainable
from wyner.models import WynerVAE
from wyner.networks import Convolutional, MLPs
from wyner.objectives.phases import After, Alternating, Phase


def make(seed: int = 0, **options) -> WynerVAE:
    torch.manual_seed(seed)
    options = {"networks": MLPs((6,)), "z": 2, "u": 1, "v": 1, **options}
    return WynerVAE(x=Real(3), y=Binary(4), **options)


def test_saved_and_loaded_models_answer_the_same(tmp_path) -> None:
    m = make(
        lam=wyner.schedules.Linear(0, 0.3),
        alpha={"x2y": 0.5},
        marginals=Alternating(2, 1),
        families={"x": Gaussian(Trainable(2.0))},
    )
    m.save(tmp_path / "m")
    again = wyner.load(tmp_path / "m")
    assert str(again.objective) == str(m.objective)
    assert again.config == m.config
    assert again.phases == m.phases
    x, y = np.random.default_rng(0).random((2, 5, 4))
    a, b = (k.log_likelihood(x=x[:, :3], y=y, samples=50, seed=1).value for k in (m.eval(), again))
    assert np.array_equal(a, b)
    assert not again.training


def test_images_and_convolutions_survive(tmp_path) -> None:
    spaces, networks = dict(x=Image(1, 8, 8), y=Image(3, 8, 8)), Convolutional((4,), width=2)
    m = WynerVAE(**spaces, z=2, u=1, v=1, networks=networks)
    m.save(tmp_path / "m")
    again = wyner.load(tmp_path / "m")
    assert torch.equal(again.generate(3, seed=2)["y"], m.generate(3, seed=2)["y"])


def test_adhoc_models_are_stored_whole(tmp_path) -> None:
    m = wyner.Model(
        observed={"x": Real(2)},
        latent={"z": Categorical(2, 3)},
        laws={"elbo": ("q(x) q(z|x)", "p(z) p(x|z)")},
        objective=0.5 * wyner.KL("elbo"),
        networks=MLPs(()),
        phases=[Phase("a", wyner.KL("elbo"), freeze=("p(x|z)",), when=After(0.2))],
    )
    m.save(tmp_path / "m")
    again = wyner.load(tmp_path / "m")
    assert str(again.objective) == str(m.objective)
    assert again.phases == m.phases
    assert torch.equal(
        again.log_likelihood(x=torch.zeros(2, 2), seed=0).value,
        m.log_likelihood(x=torch.zeros(2, 2), seed=0).value,
    )


def test_own_networks_need_their_code(tmp_path) -> None:
    own = torch.nn.Linear(3, 4)
    m = make(modules={"q(z|x)": own})
    m.save(tmp_path / "m")
    with pytest.raises(RunError, match=r"network of your own.*into=model"):
        wyner.load(tmp_path / "m")
    fresh = make(seed=5, modules={"q(z|x)": torch.nn.Linear(3, 4)})
    again = wyner.load(tmp_path / "m", into=fresh)
    assert torch.equal(
        again.encode(x=torch.ones(1, 3))["z"].mean, m.eval().encode(x=torch.ones(1, 3))["z"].mean
    )


@pytest.mark.parametrize(
    "value",
    [
        Real(2, 3),
        Binary(4),
        Image(1, 8, 8),
        Categorical(2, 5),
        Gaussian(),
        Gaussian(Fixed(0.2)),
        Gaussian(Trainable(per="event")),
        Bernoulli(),
        Deterministic(),
        Predicted(),
        MLPs((3, 4), "elu"),
        Convolutional(),
        wyner.schedules.OneCycle(),
        After(0.3),
        Alternating(2, 3),
        {"a": [1, 2.5, None, True, "text"]},
        0.5 * wyner.KL("a") + wyner.schedules.Warmup(0.2) * wyner.KL("b"),
    ],
)
def test_settings_survive_json(value) -> None:
    assert decode(json.loads(json.dumps(encode(value)))) == value


def test_settings_that_cannot_be_stored_are_refused() -> None:
    with pytest.raises(RunError, match="cannot store"):
        encode({"a": object()})


def damage(folder, what: str) -> None:
    config = folder / "config.json"
    weights = folder / "model.safetensors"
    if what == "cut":
        weights.write_bytes(weights.read_bytes()[:-10])
    elif what == "flipped":
        raw = bytearray(weights.read_bytes())
        raw[-3] ^= 0xFF
        weights.write_bytes(raw)
    elif what == "no weights":
        weights.unlink()
    elif what == "no config":
        config.unlink()
    elif what == "bad config":
        config.write_text("{")
    elif what == "other config":
        config.write_text("[]")
    elif what == "format":
        config.write_text(
            json.dumps(
                {**json.loads(config.read_text()), "format": 99, "versions": {"wyner": "9.9"}}
            )
        )
    elif what == "model":
        config.write_text(config.read_text().replace("wyner-vae", "winer-vae"))
    elif what == "size":
        config.write_text(config.read_text().replace('"z": 2', '"z": 3'))
    elif what == "kind":
        config.write_text(config.read_text().replace('"kind": "real"', '"kind": "surreal"'))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("cut", "damaged"),
        ("flipped", "checksum"),
        ("no weights", "incomplete"),
        ("no config", "is not a run"),
        ("bad config", "damaged"),
        ("other config", "does not describe a run"),
        ("format", "format 99 by wyner 9.9; this version reads formats 1 and 2"),
        ("model", "did you mean 'wyner-vae'"),
        ("size", "weights are of another model"),
        ("kind", "unknown kind"),
    ],
)
def test_damaged_runs_say_what_is_wrong(tmp_path, what: str, message: str) -> None:
    make().save(tmp_path / "m")
    assert wyner.load(tmp_path / "m").latent["z"] == Real(2)
    damage(tmp_path / "m", what)
    with pytest.raises(RunError, match=message) as e:
        wyner.load(tmp_path / "m")
    assert "\n" not in str(e.value)


def test_no_such_run() -> None:
    with pytest.raises(RunError, match="there is no run at nowhere"):
        wyner.load("nowhere")


def test_half_written_last_lines_are_left_out(tmp_path) -> None:
    from wyner.runs import read_history

    (tmp_path / "metrics.jsonl").write_text('{"loss": 1}\n{"loss": 2}\n{"lo')
    assert read_history(tmp_path) == [{"loss": 1}, {"loss": 2}]


def test_unwritable_and_non_empty_folders(tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    data = {"x": torch.randn(20, 3), "y": torch.rand(20, 4)}
    with pytest.raises(RunError, match="is a file"):
        wyner.fit(make(), data, out=tmp_path / "file", progress=False)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other").write_text("x")
    with pytest.raises(RunError, match="not empty; choose another folder"):
        wyner.fit(make(), data, out=tmp_path / "full", progress=False)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["other"]
    with pytest.raises(RunError, match="cannot write"):
        wyner.fit(make(), data, out=tmp_path / "file" / "below", progress=False)


def test_errors_are_value_errors() -> None:
    assert issubclass(WynerError, ValueError)
    assert issubclass(OptionError, WynerError)
