"""A run that is killed anywhere and resumed ends bit-identical to one that is not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from wyner.files import read_tensors

SCRIPT = """
import sys, time, torch, wyner
from wyner.networks import MLPs
from wyner.training import After, Alternating, Jointly
torch.set_num_threads(1)
torch.manual_seed(3)
x = torch.randn(120, 3)
y = x @ torch.randn(3, 4) + torch.randn(120, 4)
when = {"after": After(0.5), "alternating": Alternating(2, 1), "jointly": Jointly()}[sys.argv[2]]
drop = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 4))
model = wyner.models.WynerVAE(x=wyner.Real(3), y=wyner.Real(4), z=2, u=2, v=1, networks=MLPs((8,)),
                              lam=wyner.schedules.Linear(0, 0.5), marginals=when,
                              modules={"q(z|x)": drop})
print("ready", flush=True)
wyner.fit(model, {"x": x, "y": y}, validation=0.2, epochs=14, batch_size=16, lr=1e-2,
          schedule="one-cycle",
          clip=5.0, log_every=3, out=sys.argv[1], resume=True, progress=False, loggers=[], seed=7,
          checkpoint_seconds=0.0 if len(sys.argv) < 4 else float(sys.argv[3]))
print("done", flush=True)
"""


def start(out: str, *arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(out), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def outcome(folder) -> tuple[dict, list]:
    tensors, _ = read_tensors(folder / "model.safetensors")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return tensors, [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.parametrize(("when", "kills"), [("after", 8), ("alternating", 6), ("jointly", 6)])
def test_killed_and_resumed_equals_uninterrupted(tmp_path, until_done, when, kills) -> None:
    whole = start(tmp_path / "whole", when)
    assert "done" in whole.communicate(timeout=120)[0]
    tensors, rows = outcome(tmp_path / "whole")
    rng, out = random.Random(when), tmp_path / "killed"
    pauses = [0.8, *(rng.uniform(0.05, 1.2) for _ in range(kills - 1))]
    died = until_done(lambda: start(out, when), pauses)
    assert died >= 2, "the run was not interrupted often enough to show anything"
    again, log = outcome(out)
    assert log == rows
    assert again.keys() == tensors.keys()
    assert all((again[k] == tensors[k]).all() for k in tensors)


def test_interrupt_saves_and_says_how_to_go_on(tmp_path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            SCRIPT.replace("epochs=14", "epochs=4000"),
            str(tmp_path / "run"),
            "after",
            "1000",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    process.stdout.readline()
    for _ in range(600):  # until the first epochs are logged
        if (tmp_path / "run" / "metrics.jsonl").exists():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "continue with resume=True" in err
    tensors, meta = read_tensors(tmp_path / "run" / "checkpoint" / "state.safetensors")
    assert meta["trainers"]["joint"]["step"] > 0
    assert any(k.startswith("phase.joint.adam.") for k in tensors)
