"""Grids: points, folders, launchers, probes, and a way back from every interruption."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import types

import numpy as np
import pytest
import torch

import wyner
from wyner import Real
from wyner.errors import OptionError, RunError
from wyner.files import read_tensors
from wyner.models import WynerVAE
from wyner.networks import MLPs
from wyner.training.fit import fit
from wyner.training.grid_points import points_of


def pair(n: int = 120, seed: int = 0) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=g)
    return {"x": x, "y": x[:, :2] + 0.5 * torch.randn(n, 2, generator=g)}


def model(**options) -> WynerVAE:
    return WynerVAE(
        x=Real(3),
        y=Real(2),
        **{"z": 2, "u": 1, "v": 1, "alpha": 1.0, "networks": MLPs((8,)), **options},
    )


def quiet(m, data=None, **options):
    return fit(
        m, data or pair(), progress=False, **{"epochs": 3, "batch_size": 40, "lr": 1e-2, **options}
    )


def log(folder) -> list[dict]:
    """Logged rows without what the clock says."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_points_are_products_in_order_or_as_listed() -> None:
    assert points_of({"seed": range(2), "lam": (0.0, 1.0)}) == [
        {"seed": 0, "lam": 0.0},
        {"seed": 0, "lam": 1.0},
        {"seed": 1, "lam": 0.0},
        {"seed": 1, "lam": 1.0},
    ]
    (point,) = points_of([{"seed": np.int64(3)}])
    assert type(point["seed"]) is int


BAD = {
    "name": (
        {"lamb": [0.1]},
        {},
        "unknown setting or argument of the model 'lamb': did you mean 'lam'",
    ),
    "setting": ({"epoch": [3]}, {}, "did you mean 'epochs'"),
    "value": ({"lam": 0.1}, {}, r"lam: expected a list of values, got 0\.1"),
    "text": ({"schedule": "cosine"}, {}, "schedule: expected a list of values"),
    "empty": ({"seed": []}, {}, "at least one point"),
    "kind": (7, {}, "expected {name: values} or a list of points"),
    "launcher": ({"seed": [0]}, {"launcher": "batch"}, "did you mean 'batched'"),
    "checked": ({"seed": [-1]}, {}, "seed: expected a whole number"),
    "resume": ({"seed": [0]}, {"resume": True}, "resume: expected out="),
    "probe": ({"seed": [0]}, {"probe": 7}, "probe: expected a function"),
    "precision": (
        {"seed": [0, 1]},
        {"launcher": "batched", "precision": "bf16-mixed"},
        "one device in float32",
    ),
    "loggers": ({"seed": [0, 1]}, {"loggers": [object()]}, "a grid has no loggers"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_grids_get_one_clear_sentence(case: str) -> None:
    grid, options, message = BAD[case]
    with pytest.raises(OptionError, match=message) as e:
        quiet(model(), grid=grid, **options)
    assert "\n" not in str(e.value)


def test_models_that_cannot_be_made_again_and_functions_that_do_not_fit() -> None:
    own = torch.nn.Linear(3, 4)
    with pytest.raises(OptionError, match="network or family of your own.*pass a function"):
        quiet(model(modules={"q(z|x)": own}), grid={"seed": [0]})
    with pytest.raises(OptionError, match="must return a wyner.Model, got int"):
        quiet(lambda seed: seed, grid={"seed": [0]})
    with pytest.raises(OptionError, match="cannot be made: missing a required argument: 'lam'"):
        quiet(lambda lam: model(lam=lam), grid={"seed": [0]})
    with pytest.raises(OptionError, match="did you mean 'lam'"):
        quiet(lambda lam: model(lam=lam), grid={"lan": [0.1]})
    with pytest.raises(OptionError, match=r"expected a wyner\.Model"):
        quiet(lambda: model())


def test_dropout_and_batch_normalisation_train_one_after_the_other() -> None:
    noisy = lambda: torch.nn.Sequential(
        torch.nn.Linear(3, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 4)
    )
    norm = lambda: torch.nn.Sequential(
        torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 4)
    )
    for network, reason in ((noisy, "dropout"), (norm, "running statistics")):
        make = lambda seed, network=network: model(modules={"q(z|x)": network()})
        with pytest.raises(
            OptionError, match=f"'batched' is impossible: phase 'joint': .*({reason})"
        ):
            quiet(make, grid={"seed": [0, 1]}, launcher="batched")
        run = quiet(make, grid={"seed": [0, 1]}, epochs=1)
        assert len({m.history[0]["loss"] for m in run.members}) == 2


def test_all_launchers_leave_the_same_files_and_rows(tmp_path) -> None:
    """Members are ordinary runs: they load, answer, and equal what was returned."""
    grid = {"seed": [0, 1], "lam": [0.0, 0.1]}
    options = {"grid": grid, "validation": 0.2, "probe": ess, "probe_every": 2}
    runs = {
        k: quiet(model(), out=tmp_path / k, launcher=k, **options)
        for k in ("batched", "sequential")
    }
    files = {
        k: sorted(
            str(p.relative_to(tmp_path / k)) for p in (tmp_path / k).rglob("*") if p.is_file()
        )
        for k in runs
    }
    assert files["batched"] == files["sequential"]
    assert "000-seed=0-lam=0.0/config.json" in files["batched"]
    assert len(files["batched"]) == 1 + 4 * 3
    for a, b in zip(*(r.members for r in runs.values()), strict=True):
        configs = [json.loads((m.folder / "config.json").read_text()) for m in (a, b)]
        assert configs[0] == configs[1]
        one, two = log(a.folder), log(b.folder)
        plain = lambda rows: [
            (r["phase"], r["split"], r["epoch"], r["step"], r["lr"], list(r["terms"])) for r in rows
        ]
        assert plain(one) == plain(two) == plain(a.history)
        for r, s in zip(one, two, strict=True):
            assert r["terms"] == pytest.approx(s["terms"], abs=2e-4)
        loaded = wyner.load(a.folder)
        assert torch.equal(loaded.generate(4, seed=0)["x"], a.model.generate(4, seed=0)["x"])
        assert loaded.translate(x=pair(5)["x"], seed=0).shape == (1, 5, 2)
    listed = json.loads((tmp_path / "batched" / "grid.json").read_text())
    assert listed["batches"] == [[0, 1, 2, 3]]
    assert [m["point"] for m in listed["members"]] == points_of(grid)
    assert {m["state"] for m in listed["members"]} == {"finished"}
    last = [
        [r["loss"] for r in m.history if r["split"] == "validation"][-1]
        for m in runs["batched"].members
    ]
    best = runs["batched"].members[last.index(min(last))]
    assert (runs["batched"].point, runs["batched"].folder) == (best.point, best.folder)
    again = quiet(model(), out=tmp_path / "batched", resume=True, **options)
    assert [m.history for m in again.members] == [m.history for m in runs["batched"].members]
    assert torch.equal(again.model.generate(4, seed=0)["x"], best.model.generate(4, seed=0)["x"])


def ess(m) -> dict[str, float]:
    """A probe with random draws."""
    assert not m.training
    assert not torch.is_grad_enabled()
    found = m.log_likelihood(**pair(10, seed=5), samples=5)
    return {
        "nll": -found.value.mean(),
        "ess": float(found.ess.mean()),
        "draw": float(torch.randn(())),
    }


def test_probes_of_single_runs_and_members_agree_and_change_nothing() -> None:
    options = {"epochs": 5, "batch_size": 40, "lr": 1e-2, "progress": False, "validation": 0.2}
    make = lambda seed: model(marginals=wyner.training.Alternating(2, 1), alpha=0.0)
    grids = [
        fit(make, pair(), grid={"seed": [0, 1]}, probe=p, probe_every=2, **options)
        for p in (ess, None)
    ]
    for k, (with_probe, without) in enumerate(zip(*(g.members for g in grids), strict=True)):
        assert with_probe.model.state_dict().keys() == without.model.state_dict().keys()
        assert all(
            torch.equal(v, without.model.state_dict()[n])
            for n, v in with_probe.model.state_dict().items()
        )
        torch.manual_seed(wyner.seeds.mix(k, wyner.seeds.INITIAL))
        single = fit(make(k).keep_weights(), pair(), seed=k, probe=ess, probe_every=2, **options)
        rows = [[r for r in run.history if r["split"] == "probe"] for run in (with_probe, single)]
        assert [r["epoch"] for r in rows[0]] == [r["epoch"] for r in rows[1]] == [2.0, 4.0, 5.0]
        assert {r["phase"] for r in rows[0]} == {"joint"}
        assert all("loss" not in r for r in rows[0])
        for a, b in zip(*rows, strict=True):
            assert a["terms"] == pytest.approx(b["terms"], abs=1e-3)
        assert rows[0][0]["terms"]["draw"] == rows[1][0]["terms"]["draw"]
    only_end = quiet(model(), probe=lambda m: {"one": 1})
    assert [(r["epoch"], r["terms"]) for r in only_end.history if r["split"] == "probe"] == [
        (3.0, {"one": 1.0})
    ]
    with pytest.raises(OptionError, match="probe: expected a dictionary of numbers by name, got 3"):
        quiet(model(), probe=lambda m: 3)


def test_points_may_change_settings_and_structure(tmp_path) -> None:
    points = [{"seed": 0}, {"seed": 1, "z": 3}, {"seed": 1, "lr": 0.1}, {"seed": 2}]
    run = quiet(model(), grid=points, out=tmp_path / "g")
    assert json.loads((tmp_path / "g" / "grid.json").read_text())["batches"] == [[0, 3], [1], [2]]
    assert [m.model.latent["z"].shape for m in run.members] == [(2,), (3,), (2,), (2,)]
    assert [m.history[0]["lr"] for m in run.members] == [0.01, 0.01, 0.1, 0.01]
    assert run.point == {"seed": 0}


def test_the_callers_model_and_random_state_are_untouched() -> None:
    m = model()
    before, state = {k: v.clone() for k, v in m.state_dict().items()}, torch.random.get_rng_state()
    quiet(m, grid={"seed": [0, 1]})
    assert all(torch.equal(v, before[k]) for k, v in m.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_grid_is_resumed_as_it_was_or_not_at_all(tmp_path) -> None:
    grid, out = {"seed": [0, 1]}, tmp_path / "g"
    quiet(model(), grid=grid, out=out)
    with pytest.raises(RunError, match="not empty; continue it"):
        quiet(model(), grid=grid, out=out)
    with pytest.raises(RunError, match="other points"):
        quiet(model(), grid={"seed": [0, 2]}, out=out, resume=True)
    with pytest.raises(RunError, match="other data"):
        quiet(model(), pair(seed=3), grid=grid, out=out, resume=True)
    with pytest.raises(RunError, match="epochs was 3 and is now 4"):
        quiet(model(), grid=grid, out=out, resume=True, epochs=4)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a").write_text("")
    with pytest.raises(RunError, match="holds no grid.json"):
        quiet(model(), grid=grid, out=tmp_path / "other")


def test_diverged_members_are_named_in_the_grid(tmp_path) -> None:
    grid = {"seed": [0, 1], "lam": [0.1, 1e39]}  # infinite in float32
    for launcher in ("batched", "sequential"):
        with pytest.warns(UserWarning, match="member seed=1, lam=1e"):
            run = quiet(model(), grid=grid, out=tmp_path / launcher, launcher=launcher, epochs=1)
        assert [m.point["lam"] for m in run.members] == [0.1, 0.1]
        members = json.loads((tmp_path / launcher / "grid.json").read_text())["members"]
        assert [m["state"] for m in members] == ["finished", "diverged"] * 2
        assert (
            "phase 'joint', step 0: the loss is not a number any more: loss = "
            in members[1]["reason"]
        )
        assert not (tmp_path / launcher / members[1]["folder"] / "model.safetensors").exists()
        again = quiet(model(), grid=grid, out=tmp_path / launcher, resume=True, epochs=1)
        assert [m.point for m in again.members] == [m.point for m in run.members]


def test_ray_is_asked_for_one_task_a_point(tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "ray", None)
        with pytest.raises(OptionError, match=r"pip install 'wyner\[ray\]'"):
            quiet(model(), grid={"seed": [0, 1]}, launcher="ray")
    calls = []

    def remote(**resources):
        def wrap(f):
            def start(*args):
                calls.append(args[2])
                return f"task {args[2]}", f(*args)

            return types.SimpleNamespace(remote=lambda *a: Result(*start(*a)))

        return wrap

    class Result:
        def __init__(self, name, value) -> None:
            self.name, self.value = name, value

    fake = types.SimpleNamespace(
        is_initialized=lambda: True,
        remote=remote,
        put=lambda v: v,
        get=lambda r: r.value,
        wait=lambda rs: (rs[-1:], rs[:-1]),
    )
    monkeypatch.setitem(sys.modules, "ray", fake)
    grid = {"seed": [0, 1, 2]}
    a = quiet(model(), grid=grid, out=tmp_path / "ray", launcher="ray")
    b = quiet(model(), grid=grid, out=tmp_path / "alone", launcher="sequential")
    assert calls == [0, 1, 2]
    for one, two in zip(a.members, b.members, strict=True):
        assert log(one.folder) == log(two.folder)
        assert torch.equal(one.model.generate(3, seed=0)["y"], two.model.generate(3, seed=0)["y"])


SCRIPT = """
import sys, torch, wyner
from wyner.networks import MLPs
from wyner.training import After
torch.set_num_threads(1)
g = torch.Generator().manual_seed(3)
x = torch.randn(150, 3, generator=g)
model = wyner.models.WynerVAE(x=wyner.Real(3), y=wyner.Real(3), z=2, u=1, v=1, networks=MLPs((8,)),
                               marginals=After(0.3))
probe = lambda m: {"nll": -m.log_likelihood(x=x[:10], y=x[:10], samples=3).value.mean()}
grid = [{"seed": s, "lam": lam} for s in (0, 1) for lam in (0.0, 0.1)] + [{"seed": 2, "z": 3}]
print("ready", flush=True)
wyner.fit(model, {"x": x, "y": x}, grid=grid, validation=0.2, patience=3, epochs=8,
          batch_size=16, lr=5e-2, schedule="cosine", clip=5.0, log_every=3, probe=probe,
          probe_every=2, out=sys.argv[1], resume=True, progress=False, checkpoint_seconds=0.02)
print("done", flush=True)
"""


def outcome(folder) -> dict[str, tuple]:
    found = {}
    for member in json.loads((folder / "grid.json").read_text())["members"]:
        assert member["state"] == "finished"
        tensors, _ = read_tensors(folder / member["folder"] / "model.safetensors")
        found[member["folder"]] = tensors, log(folder / member["folder"])
    return found


def test_killed_and_resumed_equals_uninterrupted(tmp_path, until_done) -> None:
    """A batch, then a single run; killed at random places."""

    def start(out) -> subprocess.Popen:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", SCRIPT, str(out)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    whole = start(tmp_path / "whole")
    assert "done" in whole.communicate(timeout=120)[0]
    expected, rng = outcome(tmp_path / "whole"), random.Random(0)
    died = until_done(lambda: start(tmp_path / "killed"), [rng.uniform(0.3, 1.0) for _ in range(2)])
    assert died >= 2, "the grid was not interrupted often enough to show anything"
    found = outcome(tmp_path / "killed")
    assert found.keys() == expected.keys()
    for name, (tensors, rows) in found.items():
        assert rows == expected[name][1]
        assert all(torch.equal(v, expected[name][0][k]) for k, v in tensors.items())
    assert not (tmp_path / "killed" / "checkpoint").exists()
