"""Likelihoods of a run by importance sampling and by annealed importance sampling, side by side.

    wyner demo --out runs/demo && python benchmarks/annealed.py runs/demo

Writes `results/benchmarks/annealed.json` and `.md`: the joint nll of the same test rows, effective
samples, the distance of the two bounds on simulated rows, wall and CPU time.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

import wyner
from wyner.data import load
from wyner.runs import read_config

WAYS = (
    {"samples": 100},
    {"samples": 1600},
    {"method": "ais", "samples": 4, "steps": 100, "simulate": 16},
    {"method": "ais", "samples": 4, "steps": 300, "simulate": 16},
)


def measure(model: wyner.Model, rows: dict[str, Any], way: dict[str, Any]) -> dict[str, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = model.log_likelihood(rows, seed=0, **way)
    return {
        "settings": way,
        "nll": found.nll,
        "standard_error": found.standard_error,
        "sampling_error": found.sampling_error,
        "ess": float(found.ess.mean()),
        "gap": found.gap,
        "gap_error": found.gap_error,
        "reliable": found.reliable,
        "diagnosis": found.diagnosis,
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
    }


def markdown(about: dict[str, Any]) -> str:
    lines = [
        f"# Joint nll of {about['run']}, {about['rows']} test rows, nats per pair",
        "",
        "| method | nll | error of the samples | effective | gap on simulated rows | reliable |"
        " wall s | CPU s |",
        "|" + " --- |" * 8,
    ]
    for r in about["ways"]:
        s = r["settings"]
        ais = s.get("method") == "ais"
        name = f"annealed, {s['steps']} steps" if ais else "importance sampling"
        gap = f"{r['gap']:.2f} ± {r['gap_error']:.2f}" if ais else "-"
        lines.append(
            f"| {name}, S = {s['samples']} | {r['nll']:.2f} | {r['sampling_error']:.2f} |"
            f" {r['ess']:.1f} | {gap} | {'yes' if r['reliable'] else 'no'} | {r['wall_s']:.1f} |"
            f" {r['cpu_s']:.1f} |"
        )
    text = (
        "The gap is the distance of the lower and the upper bound of log p (bidirectional Monte"
        f" Carlo). `{about['command']}`, one thread, torch {about['torch']}."
    )
    return "\n".join([*lines, "", text, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path("results") / "benchmarks")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = wyner.load(args.run)
    rows = load(**read_config(args.run)["about"]["data"]).pairs("test", args.rows)
    ways = []
    for way in WAYS:
        ways.append(measure(model, rows, way))
        print(ways[-1], flush=True)
    about = {
        "run": args.run.name,
        "rows": args.rows,
        "command": "python benchmarks/annealed.py RUN",
        "torch": torch.__version__,
        "ways": ways,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "annealed.json").write_text(json.dumps(about, indent=1) + "\n")
    (args.out / "annealed.md").write_text(markdown(about))
    print(markdown(about))


if __name__ == "__main__":
    main()
