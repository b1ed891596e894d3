"""The loop: seeds, phases, validation, early stopping, masks, devices, divergence."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch

import wyner
from wyner import KL, Binary, Model, Real
from wyner.errors import DataError, Diverged, OptionError, RunError, TaskError
from wyner.families import Gaussian, Trainable
from wyner.models import WynerVAE
from wyner.networks import MLPs
from wyner.objectives.phases import After, Alternating, Jointly, Phase
from wyner.training.fit import fit
from wyner.training.settings import PRECISIONS


def pair(n: int = 200, seed: int = 0) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=g)
    return {"x": x, "y": x[:, :2] + 0.5 * torch.randn(n, 2, generator=g)}


def model(seed: int = 0, **options) -> WynerVAE:
    torch.manual_seed(seed)
    options = {"z": 2, "u": 1, "v": 1, "networks": MLPs((8,)), **options}
    return WynerVAE(x=Real(3), y=Real(2), **options)


def weights(m: Model) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in m.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> list[str]:
    """Names of the weights that are equal."""
    return [k for k in a if torch.equal(a[k], b[k])]


def quiet(m: Model, data, **options):
    return fit(m, data, progress=False, **{"epochs": 3, "batch_size": 50, **options})


def test_equal_seeds_are_bit_identical_and_others_are_not() -> None:
    runs = [quiet(model(), pair(), seed=s) for s in (1, 1, 2)]
    a, b, c = (weights(r.model) for r in runs)
    assert len(same(a, b)) == len(a)
    assert len(same(a, c)) < len(a)
    assert [r["terms"] for r in runs[0].history] == [r["terms"] for r in runs[1].history]


def test_the_seed_makes_the_weights_of_a_fresh_model() -> None:
    """Whatever was drawn before; a model whose weights were changed keeps them."""
    found = []
    for used in (0, 1, 2):
        m = model(used)
        torch.randn(used)
        found.append(weights(quiet(m, pair(), epochs=1, seed=3).model))
    assert all(len(same(found[0], f)) == len(f) for f in found[1:])
    still = lambda m, **o: weights(quiet(m, pair(), epochs=1, lr=1e-30, **o).model)
    torch.testing.assert_close(still(model(1), seed=3), weights(model(3)))
    m = model(1)
    with torch.no_grad():
        m.factors["q(z|x)"].network.last.bias += 1
    before = weights(m)
    torch.testing.assert_close(still(m), before)
    torch.testing.assert_close(still(model(1).keep_weights()), weights(model(1)))


def test_the_callers_random_state_is_untouched() -> None:
    m = model()
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    quiet(m, pair())
    m.log_likelihood(**pair(5), seed=3)
    m.generate(3, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_two_stages_train_the_marginal_encoders_against_a_frozen_model() -> None:
    m = model(marginals=After(0.7))
    start = weights(m)
    only_joint = model()
    only_joint.phases = only_joint.phases[:1]
    joint = weights(quiet(only_joint, pair()).model)
    both = weights(quiet(m, pair()).model)
    marginal = {k for k in joint if k.startswith(("factors.q(z|x).", "factors.q(z|y)."))}
    assert marginal
    assert set(same(joint, start)) >= marginal
    assert set(same(joint, both)) == set(joint) - marginal


def test_jointly_equals_alternating_in_what_the_main_phase_learns() -> None:
    joint = [
        weights(quiet(model(marginals=w), pair()).model) for w in (Jointly(), Alternating(1, 1))
    ]
    common = {k for k in joint[0] if "q(z|x)." not in k and "q(z|y)." not in k}
    assert set(same(*joint)) == common


def test_gradients_reach_the_trained_and_no_frozen_parameter() -> None:
    m = model(alpha=1.0)
    before = weights(m)
    quiet(m, pair(), epochs=1)
    after = weights(m)
    fixed = {
        "factors.p(x|z,u).head.log_scale",
        "factors.p(y|z,v).head.log_scale",
    }  # variance 1/2 is not trained
    assert set(same(before, after)) == fixed
    frozen = model(alpha=1.0)
    frozen.phases = (Phase("part", frozen.objective.objective, freeze=("p(x|z,u)",)),)
    quiet(frozen, pair(), epochs=1)
    assert all(
        torch.equal(before[k], v)
        for k, v in frozen.state_dict().items()
        if k.startswith("factors.p(x|z,u).")
    )


def test_best_weights_and_patience() -> None:
    """With a learning rate that wrecks the model the best validation epoch is returned, and the
    phase stops early."""
    m = model(alpha=1.0)
    run = quiet(m, pair(), epochs=60, lr=0.3, validation=0.25, patience=4, clip=1.0)
    held = [r["loss"] for r in run.history if r["split"] == "validation"]
    best = held.index(min(held))
    assert len(held) == best + 1 + 4 < 60
    again = quiet(
        model(alpha=1.0),
        pair(),
        epochs=60,
        lr=0.3,
        validation=0.25,
        patience=4,
        clip=1.0,
        keep_best=False,
    )
    assert len(same(weights(run.model), weights(again.model))) < len(weights(m))
    resumed = quiet(run.model, pair(), epochs=1, lr=1e-12, validation=0.25)
    assert resumed.history[-1]["loss"] == pytest.approx(min(held), rel=1e-6)


def test_validation_rows_are_not_trained_on() -> None:
    data = pair(40)
    held = {k: v.clone() for k, v in pair(10, seed=9).items()}
    a = weights(quiet(model(), data, validation=held, keep_best=False).model)
    held["x"] += 5
    b = weights(quiet(model(), data, validation=held, keep_best=False).model)
    assert len(same(a, b)) == len(a)


def test_schedules_reach_weights_and_learning_rate() -> None:
    m = model(lam=wyner.schedules.Linear(0.0, 1.0), alpha=1.0)
    run = quiet(m, pair(), epochs=4, lr=0.1, schedule="cosine")
    rates = [r["lr"] for r in run.history]
    assert rates == sorted(rates, reverse=True)
    steps = 4 * 4
    expected = [0.1 * 0.5 * (1 + math.cos(math.pi * (4 * e - 1) / steps)) for e in range(1, 5)]
    assert rates == pytest.approx(expected)
    last = run.history[-1]
    kl = {k: v for k, v in last["terms"].items()}
    plain = (
        sum(kl.values())
        + kl["joint: KL(q(u|z,x) || p(u))"] * 2
        + kl["joint: KL(q(v|z,y) || p(v))"] * 1
    )
    assert last["loss"] > 0
    assert plain > 0


def test_samples_average_over_draws() -> None:
    """A step with K draws a row has the mean loss of K steps with one draw each."""
    m, data = model(alpha=1.0), pair(20)
    noise = m.objective.noise((7, 20), data["x"])
    weights = torch.tensor(m.objective.objective.weights(0.0))
    loss, terms = m.objective(data, noise, weights)
    each = [m.objective(data, [n[k] for n in noise], weights) for k in range(7)]
    assert loss.item() == pytest.approx(sum(e[0].item() for e in each) / 7, rel=1e-5)
    assert torch.allclose(terms, torch.stack([e[1] for e in each]).mean(0), rtol=1e-4)
    run = quiet(model(alpha=1.0), data, epochs=1, batch_size=20, samples=7)
    assert run.history[0]["loss"] > 0


def test_masked_rows_train_only_the_laws_that_need_what_is_there() -> None:
    """With y missing everywhere, nothing about y moves; what stands in the masked rows does not
    matter."""
    data = pair(100)
    data["y_mask"] = torch.zeros(100)
    data["y"] = torch.full((100, 2), float("nan"))
    m = model(alpha=1.0)
    before = weights(m)
    quiet(m, data)
    moved = {k.split(".")[1] for k in set(before) - set(same(before, weights(m)))}
    assert moved == {"q(z|x)", "q(u|z,x)", "p(z)", "p(u)", "p(x|z,u)"}


def test_half_missing_equals_the_complete_rows_for_the_joint_law() -> None:
    m = model(lam=0.2)
    program = m.program(KL("joint"))
    data = pair(10)
    values = {k: v.clone() for k, v in data.items()}
    mask = {"x": torch.ones(10), "y": torch.tensor([1.0] * 6 + [0.0] * 4)}
    noise = program.noise((10,), values["x"])
    masked, _ = program(values, noise, torch.ones(1), mask)
    part, _ = program({k: v[:6] for k, v in values.items()}, [n[:6] for n in noise], torch.ones(1))
    assert masked.item() == pytest.approx(part.item(), rel=1e-6)


@pytest.mark.usefixtures("unchecked")
def test_compiled_steps_see_the_same_noise_and_agree() -> None:
    eager, compiled = (
        quiet(model(alpha=1.0), pair(), epochs=2, compile=c).history for c in (False, True)
    )
    for a, b in zip(eager, compiled, strict=True):
        assert a["terms"] == pytest.approx(b["terms"], rel=2e-4)


def test_bf16_stays_close() -> None:
    full, short = (
        quiet(model(alpha=1.0), pair(), epochs=2, precision=p).history[-1]["loss"]
        for p in ("32-true", "bf16-mixed")
    )
    assert short == pytest.approx(full, rel=0.03)
    assert short != full


DDP = """
import json, sys, torch, wyner
from wyner.networks import MLPs
torch.set_num_threads(1)
torch.manual_seed(0)
g = torch.Generator().manual_seed(0)
x = torch.randn(64, 3, generator=g)
model = wyner.models.WynerVAE(x=wyner.Real(3), y=wyner.Real(3), z=2, u=1, v=1, networks=MLPs((8,)))
run = wyner.fit(model, {"x": x, "y": x}, epochs=3, batch_size=16, lr=1e-2, out=sys.argv[1],
                progress=False, loggers=[], accelerator="cpu", devices=int(sys.argv[2]),
                strategy="ddp" if sys.argv[2] == "2" else "auto")
"""


def test_two_processes_train_like_one(tmp_path) -> None:
    """The same rows per step, other noise: the losses agree within noise and all processes hold the
    same weights."""
    losses = []
    script = tmp_path / "ddp.py"
    script.write_text(DDP)
    for n in ("1", "2"):
        done = subprocess.run(
            [sys.executable, str(script), str(tmp_path / n), n],
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        rows = [
            json.loads(line) for line in (tmp_path / n / "metrics.jsonl").read_text().splitlines()
        ]
        assert len(rows) == 4
        losses.append(rows[0]["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=0.1)


DDP_PATIENCE = """
import hashlib, os, sys, torch, wyner
from wyner.networks import MLPs

g = torch.Generator().manual_seed(0)
x = torch.randn(80, 3, generator=g)
model = wyner.models.WynerVAE(
    x=wyner.Real(3), y=wyner.Real(3), z=2, u=1, v=1, networks=MLPs((8,), linear=True))
wyner.fit(model, {"x": x, "y": x}, epochs=30, batch_size=16, lr=0.05, validation=0.25, patience=2,
          start="linear", progress=False, loggers=[], accelerator="cpu", devices=2, strategy="ddp")
digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters()))
sys.stdout.write(f"weights {digest.hexdigest()}\\n")  # at once, beside the other process
"""


def test_two_processes_stop_together_with_the_same_weights(tmp_path) -> None:
    script = tmp_path / "ddp.py"
    script.write_text(DDP_PATIENCE)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    digests = [line for line in done.stdout.splitlines() if line.startswith("weights")]
    assert len(digests) == 2
    assert digests[0] == digests[1]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_trains_validates_and_leaves_the_type(precision) -> None:
    m = model(alpha=1.0)
    run = quiet(m, pair(), epochs=1, validation=0.2, precision=precision, accelerator="cpu")
    assert math.isfinite(run.history[-1]["loss"])
    assert {p.dtype for p in m.parameters()} == {torch.float32}
    assert m.translate(x=pair(4)["x"]).dtype == torch.float32


def test_short_numbers_are_refused_in_a_sentence() -> None:
    with pytest.raises(OptionError, match="three digits; expected 'bf16-mixed'"):
        quiet(model(), pair(), precision="bf16-true")
    short = model().bfloat16()
    with pytest.raises(OptionError, match="float32 or float64, got torch.bfloat16"):
        quiet(short, pair())
    with pytest.raises(TaskError, match=r"model\.float\(\)"):
        short.generate(3)


def test_raw_columns_are_warned_of() -> None:
    raw = pair()
    raw["x"] = 1000 + 50 * raw["x"]
    with pytest.warns(UserWarning, match="x: columns with standard deviations.*standardise"):
        quiet(model(), raw, epochs=1)


def test_divergence_names_the_term_and_keeps_the_last_good_checkpoint(tmp_path) -> None:
    m = model(alpha=1.0, families={"y": Gaussian(Trainable())})
    factor = m.factors["p(y|z,v)"]
    calls = {"n": 0}

    def poison(module, inputs, output):
        calls["n"] += module.training
        return output * float("nan") if calls["n"] > 60 else output

    factor.network.register_forward_hook(poison)
    with pytest.raises(Diverged, match=r"-log p\(y\|z,v\) = nan.*lr.*last good checkpoint") as e:
        quiet(m, pair(), epochs=50, out=tmp_path / "run", checkpoint_seconds=0.0, loggers=[])
    assert "KL(q(z|x,y) || p(z))" not in str(e.value)
    loaded = wyner.load(
        tmp_path / "run",
        checkpoint=True,
        into=model(alpha=1.0, families={"y": Gaussian(Trainable())}),
    )
    assert all(torch.isfinite(p).all() for p in loaded.parameters())


def test_resume_refuses_other_settings_models_and_data(tmp_path) -> None:
    out = tmp_path / "run"
    quiet(model(), pair(), out=out, loggers=[])
    with pytest.raises(RunError, match="not empty"):
        quiet(model(), pair(), out=out)
    with pytest.raises(RunError, match="lr was 0.001 and is now 0.01"):
        quiet(model(), pair(), out=out, resume=True, lr=0.01)
    with pytest.raises(RunError, match="z was 2 and is now 3"):
        quiet(model(z=3), pair(), out=out, resume=True)
    with pytest.raises(RunError, match="other data"):
        quiet(model(), pair(seed=4), out=out, resume=True)
    finished = quiet(model(seed=8), pair(), out=out, resume=True)
    assert torch.equal(
        finished.model.generate(3, seed=0)["x"], wyner.load(out).generate(3, seed=0)["x"]
    )


def test_a_full_disk_leaves_no_half_written_file(tmp_path, monkeypatch) -> None:
    import os

    from wyner import files

    files.write_json(tmp_path / "a.json", {"old": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="No space left"):
        files.write_json(tmp_path / "a.json", {"new": 2})
    with pytest.raises(RunError, match="No space left"):
        files.write_tensors(tmp_path / "b.safetensors", {"w": torch.ones(3)}, {})
    assert json.loads((tmp_path / "a.json").read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


BAD = [
    ({"x": np.zeros((3, 3)), "y": np.zeros((4, 2))}, DataError, "same number of rows"),
    ({"x": np.zeros((0, 3)), "y": np.zeros((0, 2))}, DataError, "empty"),
    ({"x": np.zeros((1, 3)), "y": np.zeros((1, 2))}, DataError, "one row is not enough"),
    ({"x": np.zeros((5, 3))}, DataError, "y is missing"),
    (
        {"x": np.zeros((5, 3)), "y": np.zeros((5, 2)), "w": np.zeros(5)},
        DataError,
        "unknown array 'w'",
    ),
    ({"x": np.array([["a"] * 3] * 5), "y": np.zeros((5, 2))}, DataError, "strings"),
    ({"x": np.zeros((5, 3)), "y": np.zeros((5, 2), dtype=object)}, DataError, "objects"),
    (
        {"x": np.full((5, 3), np.inf), "y": np.zeros((5, 2))},
        DataError,
        "x: found inf at row 0, column 0",
    ),
    (
        {"x": np.zeros((5, 4)), "y": np.zeros((5, 2))},
        wyner.WynerError,
        r"x: expected shape \(..., 3\)",
    ),
    (
        {"x": np.zeros((5, 3)), "y": np.zeros((5, 2)), "x_mask": np.ones(4)},
        DataError,
        "x_mask needs 5 entries",
    ),
    (
        {"x": np.zeros((5, 3)), "y": np.zeros((5, 2)), "x_mask": np.full(5, 2)},
        DataError,
        "0 .missing. and 1",
    ),
    (7, OptionError, "expected a dictionary"),
]


@pytest.mark.parametrize(("data", "error", "message"), BAD)
def test_bad_data_gets_one_clear_sentence(data, error, message) -> None:
    with pytest.raises(error, match=message) as e:
        quiet(model(), data)
    assert "\n" not in str(e.value)


def test_pixels_outside_the_unit_interval_are_refused() -> None:
    m = WynerVAE(x=Binary(4), y=Real(2), z=1, networks=MLPs(()))
    with pytest.raises(
        DataError, match=r"x: a Bernoulli decoder needs values in \[0, 1\], got 0 to 255"
    ):
        quiet(m, {"x": np.array([[0, 255, 0, 1]] * 5), "y": np.zeros((5, 2))})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"epochs": 0}, "epochs: expected a positive whole number"),
        ({"lr": -1.0}, "lr: expected a positive number"),
        ({"schedule": "onecycle"}, "did you mean 'one-cycle'"),
        ({"precision": "bf16"}, "did you mean 'bf16-true'|did you mean 'bf16-mixed'"),
        ({"patience": 0}, "patience"),
        ({"validation": 1.5}, "share between 0 and 1"),
        ({"resume": True}, "expected out="),
    ],
)
def test_bad_settings_get_one_clear_sentence(options, message) -> None:
    with pytest.raises(OptionError, match=message):
        quiet(model(), pair(), **options)


def test_constant_columns_warn_and_train() -> None:
    data = pair()
    data["x"][:, 1] = 4.0
    with pytest.warns(UserWarning, match=r"x: 1 constant column \(1\)"):
        run = quiet(model(), data)
    assert math.isfinite(run.history[-1]["loss"])


def test_the_keyword_arguments_are_the_fields_of_the_settings() -> None:
    from dataclasses import fields

    from wyner.training.settings import Settings, SettingsDict

    assert list(SettingsDict.__annotations__) == [f.name for f in fields(Settings)]
