"""Wyner common information by dit and by wyner on dit's own test distributions, and by wyner on
large alphabets.

    python -m benchmarks.dit                 # everything; dit takes several minutes
    python -m benchmarks.dit --large-only    # 16 x 16 and 32 x 32 only

Run it from the root of the repository, in the environment that the README of the benchmarks
describes.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ[
    "MKL_NUM_THREADS"
] = "1"

import argparse
import importlib.metadata
import json
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from benchmarks.dit.cases import CASES, Case
from benchmarks.dit.large import TABLES
from benchmarks.step_time import cpu_model

from wyner import information

SEED = 0


def timed(run: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, CPU seconds of this process, wall seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = run()
    return found, time.process_time() - cpu, time.perf_counter() - wall


def ours(case: Case) -> dict[str, float]:
    """J in bits, its proven lower bound, the largest misfit."""
    parts = [(mass, information.pmf(p, unit="bits", seed=SEED)) for mass, p in case.tables()]
    return {
        "value": sum(m * r.wyner for m, r in parts),
        "lower_bound": sum(m * r.lower_bound for m, r in parts),
        "violation": max(r.violation for _, r in parts),
    }


def against_dit(rows: list[dict[str, Any]]) -> None:
    from benchmarks.dit import peer

    print(
        f"{'distribution':<20} {'truth':>9} {'wyner':>10} {'error':>9} {'s':>7}   {'dit':>10}"
        f" {'error':>9} {'s':>8}"
    )
    for case in CASES:
        mine, cpu, wall = timed(lambda case=case: ours(case))
        theirs, their_cpu, their_wall = timed(lambda case=case: peer.common_information(case, SEED))
        row = {
            "model": "wyner and dit",
            "settings": {"distribution": case.name},
            "seed": SEED,
            "metrics": {
                "truth": case.truth,
                "wyner": mine["value"],
                "wyner lower bound": mine["lower_bound"],
                "wyner violation": mine["violation"],
                "wyner cpu s": cpu,
                "wyner wall s": wall,
                "dit": theirs,
                "dit cpu s": their_cpu,
                "dit wall s": their_wall,
            },
        }
        rows.append(row)
        print(
            f"{case.name:<20} {case.truth:9.6f} {mine['value']:10.7f}"
            f" {abs(mine['value'] - case.truth):9.1e} {cpu:7.3f}   {theirs:10.7f}"
            f" {abs(theirs - case.truth):9.1e} {their_cpu:8.2f}",
            flush=True,
        )


def large(rows: list[dict[str, Any]]) -> None:
    print(
        f"\n{'table':<34} {'truth':>9} {'J':>9} {'lower':>9} {'dual est.':>9} {'misfit':>8}"
        f" {'|Z|':>4} {'s':>7}"
    )
    for name, (p, truth) in TABLES.items():
        found, cpu, wall = timed(lambda p=p: information.pmf(p, unit="bits", seed=SEED))
        metrics = {
            "truth": truth,
            "wyner": found.wyner,
            "wyner lower bound": found.lower_bound,
            "wyner dual estimate": found.dual_estimate,
            "wyner violation": found.violation,
            "exact violation": found.exact_violation,
            "values of z": len(found.latent.weights),
            "wyner cpu s": cpu,
            "wyner wall s": wall,
        }
        rows.append(
            {"model": "wyner", "settings": {"distribution": name}, "seed": SEED, "metrics": metrics}
        )
        known = "-" if truth is None else f"{truth:.6f}"
        print(
            f"{name:<34} {known:>9} {found.wyner:9.6f} {found.lower_bound:9.6f}"
            f" {found.dual_estimate:9.6f} {found.violation:8.1e} {len(found.latent.weights):4d}"
            f" {cpu:7.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--large-only", action="store_true", help="leave dit out")
    parser.add_argument(
        "--out", type=Path, default=Path("results") / "information", help="folder of the results"
    )
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    information.pmf([[0.4, 0.1], [0.2, 0.3]])  # what is loaded once is not timed
    start, rows, many = time.perf_counter(), [], []
    if not args.large_only:
        against_dit(rows)
    large(many)
    versions = {n: importlib.metadata.version(n) for n in ("torch", "numpy", "dit", "scipy")}
    report = {
        "experiment": "information",
        "protocol": "dit",
        "command": "python -m benchmarks.dit",
        "versions": {"python": platform.python_version(), **versions},
        "device": f"{cpu_model()}, one thread; load {os.getloadavg()[0]:.1f}",
        "unit": "bits",
        "wall_s": time.perf_counter() - start,
        "rows": rows + many,
    }
    from benchmarks.dit.table import markdown

    args.out.mkdir(parents=True, exist_ok=True)
    name = "large" if args.large_only else "dit"
    (args.out / f"{name}.json").write_text(json.dumps(report, indent=1, default=float) + "\n")
    (args.out / f"{name}.md").write_text(markdown(report))
    print(markdown(report))


if __name__ == "__main__":
    main()
