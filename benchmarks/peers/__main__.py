"""Ours against MultiVae in one run: training steps, ten seeds at once, joint likelihood, and values
that are known exactly.

    python -m benchmarks.peers                # networks of three hidden layers of 256, and of 64
    python -m benchmarks.peers --hidden 64    # one of them

Run it from the root of the repository, in the environment that the README of the benchmarks
describes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from benchmarks.peers import exact, hand, ours
from benchmarks.peers.report import HAND, PEER, compare, markdown, text
from benchmarks.peers.turns import Contender, Windows, race, repeat
from benchmarks.peers.workload import Workload
from benchmarks.step_time import cpu_model, yardstick
from torch import Tensor

from wyner.data.synthetic import mog

SEEDS = 10
SEED = 0
SAMPLES = 1000
"""Of the values that are known exactly."""


def training(
    load: Workload, data: Mapping[str, Tensor], rounds: int, steps: int, compiled: bool
) -> dict[str, Any]:
    """Steps of both trainers and of ten seeds at once, all in turn."""
    from benchmarks.peers import peer

    modes = {"eager": False, "compiled": True} if compiled else {"eager": False}
    parts: dict[str, Any] = {}
    kinds = (
        ("JMVAE", ours.jmvae, peer.jmvae, hand.JMVAE),
        ("DMVAE", ours.dmvae, peer.dmvae, hand.DMVAE),
    )
    for part, mine, theirs, floor in kinds:
        torch.manual_seed(SEED)
        torch.compiler.reset()
        contenders = {
            PEER: Contender(peer.training(theirs(load), data, load), steps),
            f"{PEER}, fused Adam": Contender(
                peer.training(theirs(load), data, load, fused=True), steps
            ),
        }
        for mode, compile in modes.items():
            contenders[f"{HAND}, {mode}"] = Contender(
                hand.training(floor(load), data, load, compile), steps
            )
            contenders[mode] = Contender(ours.training(mine(load), data, load, compile), steps)
            if part == "JMVAE":
                many = ours.training(mine(load), data, load, compile, SEEDS)
                contenders[f"ten seeds, {mode}"] = Contender(many, max(1, steps // SEEDS), SEEDS)
        parts[part] = race(contenders, rounds)
    return parts


def likelihood(load: Workload, data: Mapping[str, Tensor], rounds: int) -> dict[str, Windows]:
    """The joint likelihood of equal models on both sides."""
    from benchmarks.peers import peer

    model = ours.shaken(ours.jmvae(load))
    theirs = peer.jmvae_of(model, load)
    rows = {k: v[: load.pairs] for k, v in data.items()}
    return repeat(
        {
            PEER: lambda: peer.joint_nll(theirs, rows, load.samples),
            "eager": lambda: ours.joint_nll(model, rows, load.samples),
        },
        rounds,
    )


def losses(load: Workload, data: Mapping[str, Tensor]) -> dict[str, dict[str, float]]:
    """Losses of both sides with equal parameters and draws.

    MultiVae's DMVAE draws the private latents anew for each of its three terms, ours once; here it
    gets the same ones.
    """
    from benchmarks.peers import peer

    rows = {k: v[: load.batch] for k, v in data.items()}
    count, found = len(rows["x"]), {}
    eps = lambda size: torch.randn(count, size)
    model = ours.shaken(ours.jmvae(load))
    w = eps(load.joint)
    found["JMVAE"] = (
        ours.loss(model, rows, {"q(w|x,y)": w}),
        peer.loss(peer.jmvae_of(model, load), rows, [w]),
    )
    model = ours.shaken(ours.dmvae(load))
    both, first, second = eps(load.shared), eps(load.shared), eps(load.shared)
    u, v = eps(load.private), eps(load.private)
    draws = {"q(z|x,y)": both, "q(z|x)": first, "q(z|y)": second, "q(u|x)": u, "q(v|y)": v}
    order = [both, u, v, first, u, v, second, u, v]
    found["DMVAE"] = (
        ours.loss(model, rows, draws),
        peer.loss(peer.dmvae_of(model, load), rows, order),
    )
    return {
        k: {"ours": a, PEER: b, "relative difference": abs(a - b) / abs(a)}
        for k, (a, b) in found.items()
    }


def known(samples: int) -> dict[str, dict[str, float]]:
    """Likelihoods of linear-Gaussian models: exact, ours, and MultiVae's with its own batch sizes
    and row by row."""
    from benchmarks.peers import peer

    found = {}
    for name, case, load, build in (
        ("JMVAE", exact.jmvae(), Workload(hidden=(), joint=5), peer.jmvae_of),
        ("DMVAE", exact.dmvae(), Workload(hidden=(), shared=5, private=4), peer.dmvae_of),
    ):
        theirs = build(case.model, load)
        torch.manual_seed(0)
        found[name] = {
            "joint: exact": case.joint,
            "joint: ours": ours.joint_nll(case.model, case.data, samples),
            f"joint: {PEER}": peer.joint_nll(theirs, case.data, samples),
            f"joint: {PEER}, one row at a time": peer.joint_nll(
                theirs, case.data, samples, rows=1, block=samples
            ),
            "y given x: exact": case.conditional,
            "y given x: ours": ours.conditional_nll(case.model, case.data, samples),
            f"y given x: exact, as {PEER} draws z": case.conditional_with_prior,
            f"y given x: {PEER}": peer.conditional_nll(theirs, case.data, samples),
        }
    return found


def epochs_per_minute(row: Mapping[str, Any], steps: int) -> float:
    """Epochs in a minute of this process's CPU time."""
    return 60_000 / (steps * row["cpu_ms"]["mean"])


def width(
    hidden: int, data: Mapping[str, Tensor], test: Mapping[str, Tensor], args: argparse.Namespace
) -> dict[str, Any]:
    """All times with networks of one width."""
    load, rows = Workload(hidden=(hidden,) * 3), []
    for part, windows in training(load, data, args.rounds, args.steps, args.compiled).items():
        rows += compare(part, windows, hidden)
    steps = len(data["x"]) // load.batch
    for row in rows:
        row["epochs_per_minute"] = round(epochs_per_minute(row, steps), 1)
    return {"rows": rows + compare("joint nll", likelihood(load, test, args.likelihoods), hidden)}


def version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__.split("\n")[0]
    )
    add = parser.add_argument
    add(
        "--hidden", type=int, nargs="+", default=[256, 64], help="widths of the three hidden layers"
    )
    add(
        "--steps",
        type=int,
        default=15,
        help="training steps in a window (of ten seeds at once: a tenth)",
    )
    add("--rounds", type=int, default=20, help="windows of each training")
    add("--likelihoods", type=int, default=7, help="evaluations of the joint likelihood")
    add("--cpu", type=int, default=None, help="core to run on; by default any, one at a time")
    add(
        "--compiled",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also time compiled steps",
    )
    add(
        "--out",
        type=Path,
        default=Path("results/benchmarks/peers.json"),
        help="results; a table is written beside them",
    )
    return parser.parse_args()


def main() -> None:
    args, started = options(), time.monotonic()
    if args.cpu is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {args.cpu})
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    source = mog(validation=1, test=Workload().pairs)
    pick = lambda arrays: {k: torch.from_numpy(arrays[k]) for k in ("x", "y")}
    data, test = pick(source.train), pick(source.test)
    names = ("wyner", "torch", "multivae", "pythae", "numpy", "lightning-fabric")
    report: dict[str, Any] = {
        "what": (
            "CPU ms of one process, per training step and model or per evaluation; ratio = median"
            " over windows of MultiVae / it"
        ),
        "command": " ".join(["python -m benchmarks.peers", *sys.argv[1:]]),
        "seed": SEED,
        "date": time.strftime("%Y-%m-%d"),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), **{n: version(n) for n in names}},
        "load_before": os.getloadavg()[0],
        "yardstick_gflops": round(yardstick(), 1),
    }
    report["losses"] = losses(Workload(), data)
    for name, values in report["losses"].items():
        if values["relative difference"] > 1e-5:
            raise SystemExit(
                f"{name}: the two do not minimise the same; the comparison would mean nothing"
            )
    report["known"] = known(SAMPLES)
    report["widths"] = {hidden: width(hidden, data, test, args) for hidden in args.hidden}
    report |= {"load_after": os.getloadavg()[0], "yardstick_gflops_after": round(yardstick(), 1)}
    report["seconds"] = round(time.monotonic() - started, 1)
    print("\n".join(text(report)))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    args.out.with_suffix(".md").write_text(markdown(report))
    print(f"\nwritten to {args.out}")


if __name__ == "__main__":
    main()
