"""Memory and time of long recordings and of batches with lengths from 5 to 500 frames.

    python benchmarks/sequences.py            # about five minutes on one core

Every case runs in a process of its own; memory is what its peak adds to that of the imported
library. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from wyner.data.spectra import Spectra
from wyner.families import Recurrent
from wyner.models import DSAE
from wyner.networks import Sequences
from wyner.ragged import Ragged, bucketed, waste
from wyner.tasks import voices
from wyner.training.fit import fit
from wyner.variables import Sequence

BINS, STEPS = 201, 20


def model(steps: int, width: int) -> DSAE:
    """A DSAE of the given width on frames of 201 bins, without critics."""
    torch.manual_seed(0)
    return DSAE(
        x=Sequence(steps, BINS),
        z=64,
        s=64,
        objective="beta",
        gamma=0.4,
        watch=False,
        prior=Recurrent(width),
        networks=Sequences((width, width), width, width, (width, width)),
    )


def recording(minutes: float, width: int = 256) -> dict[str, Any]:
    """Sound of white noise to frames, codes, and frames in another voice."""
    spectra, made = Spectra(16_000), model(STEPS, width).eval()
    sound = np.random.default_rng(0).standard_normal(int(minutes * 60 * 16_000)).astype(np.float32)
    clock, seconds = time.process_time(), {}
    frames = spectra.of(sound)
    frames -= frames.mean(0)
    seconds["frames_s"] = time.process_time() - clock
    code = voices.code(made, frames)
    seconds["code_s"] = time.process_time() - clock - sum(seconds.values())
    found = voices.convert(made, frames, code["z"])
    seconds["convert_s"] = time.process_time() - clock - sum(seconds.values())
    assert found.shape == frames.shape
    return {
        "minutes": minutes,
        "frames": len(frames),
        "arrays_mib": (sound.nbytes + 2 * frames.nbytes) / 2**20,
        **seconds,
    }


def ragged(rows: int = 192, batch: int = 16, width: int = 64) -> dict[str, Any]:
    """One epoch over rows of 5 to 500 frames, and the padding in its batches; a random order for
    comparison."""
    lengths = torch.randint(5, 501, (rows,), generator=torch.Generator().manual_seed(0))
    data = Ragged([torch.randn(int(n), BINS) for n in lengths])
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(rows, generator=generator)
    clock = time.process_time()
    fit(model(500, width), {"x": data}, epochs=1, batch_size=batch, progress=False)
    return {
        "rows": rows,
        "batch": batch,
        "frames": int(lengths.sum()),
        "seconds": time.process_time() - clock,
        "padding": waste(bucketed(order, lengths, batch, generator), lengths, batch),
        "padding_random_order": waste(order, lengths, batch),
        "data_mib": data.frames.nbytes / 2**20,
    }


CASES = {
    "recording, 1 minute": lambda: recording(1),
    "recording, 10 minutes": lambda: recording(10),
    "lengths 5 to 500": ragged,
}


def peak() -> float:
    """Highest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Runs the cases, each in a process of its own, and writes their numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--case", choices=list(CASES), help="one case, in this process")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "sequences.json"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.case:
        model(STEPS, 8)  # what the first call of a library loads is not the case's
        before = peak()
        print(json.dumps({**CASES[given.case](), "peak_mib": peak() - before}))
        return
    found = {}
    for case in CASES:
        lines = subprocess.run(
            [sys.executable, __file__, "--case", case], check=True, capture_output=True, text=True
        ).stdout
        found[case] = {
            k: round(v, 4) if isinstance(v, float) else v
            for k, v in json.loads(lines.splitlines()[-1]).items()
        }
        print(case, found[case], flush=True)
    about = {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": 1,
        "cases": found,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
