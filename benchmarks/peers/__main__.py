"""Ours against MultiVae in one run: training steps, ten seeds at once, joint likelihood, and values that are known exactly.

    python -m benchmarks.peers                # networks of three hidden layers of 256
    python -m benchmarks.peers --hidden 64    # the same with 64

Run it from the root of the repository, in the environment that the README of the benchmarks describes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from benchmarks.peers import exact, ours
from benchmarks.peers.turns import Contender, Windows, race, ratio, repeat
from benchmarks.peers.workload import Workload
from benchmarks.step_time import cpu_model, yardstick
from torch import Tensor

from wyner.data.synthetic import mog

PEER = "MultiVae"
TARGETS = {
    256: {"JMVAE": {"eager": 1.5, "compiled": 1.65}, "ten seeds": {"eager": 1.7, "compiled": 1.7}, "DMVAE": {"eager": 1.75}, "joint nll": {"eager": 2.7}},
    64: {"ten seeds": {"eager": 6.0, "compiled": 6.0}, "joint nll": {"eager": 7.0}},
}  # fmt: skip
"""Smallest ratios MultiVae / ours, by hidden width, part and mode."""
SEEDS = 10


def training(load: Workload, data: Mapping[str, Tensor], rounds: int, steps: int, compiled: bool) -> dict[str, Any]:
    """Steps of both trainers and of ten seeds at once, all in turn."""
    from benchmarks.peers import peer

    modes = {"eager": False, "compiled": True} if compiled else {"eager": False}
    parts: dict[str, Any] = {}
    for part, mine, theirs in (("JMVAE", ours.jmvae, peer.jmvae), ("DMVAE", ours.dmvae, peer.dmvae)):
        torch.manual_seed(0)
        contenders = {
            PEER: Contender(peer.training(theirs(load), data, load), steps),
            f"{PEER}, fused Adam": Contender(peer.training(theirs(load), data, load, fused=True), steps),
        }
        for mode, compile in modes.items():
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

    MultiVae's DMVAE draws the private latents anew for each of its three terms, ours once; here it gets the same ones.
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
    found["DMVAE"] = ours.loss(model, rows, draws), peer.loss(peer.dmvae_of(model, load), rows, order)
    return {k: {"ours": a, PEER: b, "relative difference": abs(a - b) / abs(a)} for k, (a, b) in found.items()}


def known(samples: int) -> dict[str, dict[str, float]]:
    """Likelihoods of linear-Gaussian models: exact, ours, and MultiVae's with its own batch sizes and row by row."""
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
            f"joint: {PEER}, one row at a time": peer.joint_nll(theirs, case.data, samples, rows=1, block=samples),
            "y given x: exact": case.conditional,
            "y given x: ours": ours.conditional_nll(case.model, case.data, samples),
            f"y given x: exact, as {PEER} draws z": case.conditional_with_prior,
            f"y given x: {PEER}": peer.conditional_nll(theirs, case.data, samples),
        }
    return found


def compare(
    part: str, windows: Mapping[str, Windows], targets: Mapping[str, Mapping[str, float]]
) -> list[dict[str, Any]]:
    """One row for each contender, with MultiVae / contender."""
    rows = []
    for name, w in windows.items():
        many = name.startswith("ten seeds")
        label, mode = ("ten seeds", name.split(", ")[1]) if many else (part, name)
        target = None if name.startswith(PEER) else targets.get(label, {}).get(mode)
        found = ratio(windows[PEER], w)
        met = None if target is None else found["median"] >= target
        rows.append({"part": label, "who": mode, **w.summary(), "ratio": found, "target": target, "met": met})
    return rows


def epochs_per_minute(row: Mapping[str, Any], steps: int) -> float:
    """Whole epochs in a minute of this process's CPU time, ends of epochs included."""
    return 60_000 / (steps * row["cpu_ms"]["mean"])


def show(rows: list[dict[str, Any]]) -> None:
    print(
        f"\n{'':<34} {'CPU ms':>9} {'min':>9} {'max':>9} {'wall ms':>9} {PEER + ' / it':>14} {'quartiles':>15} {'target':>7}"
    )
    for r in rows:
        who = r["who"] if r["who"].startswith(PEER) else f"wyner, {r['who']}"
        verdict = "" if r["met"] is None else f"{r['target']:7.2f} {'met' if r['met'] else 'MISSED'}"
        cpu, found = r["cpu_ms"], r["ratio"]
        print(
            f"{r['part'] + ': ' + who:<34} {cpu['median']:9.3f} {cpu['min']:9.3f} {cpu['max']:9.3f} {r['wall_ms']['median']:9.3f} "
            f"{found['median']:14.3f} {found['low']:7.3f} - {found['high']:<5.3f} {verdict}"
        )


def version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hidden", type=int, default=256, help="width of the three hidden layers")
    parser.add_argument(
        "--steps", type=int, default=50, help="training steps in a window (of ten seeds at once: a tenth)"
    )
    parser.add_argument("--rounds", type=int, default=20, help="windows of each training")
    parser.add_argument("--likelihoods", type=int, default=7, help="evaluations of the joint likelihood")
    parser.add_argument("--cpu", type=int, default=None, help="core to run on; by default the last one allowed")
    parser.add_argument(
        "--compiled", action=argparse.BooleanOptionalAction, default=True, help="also time compiled steps"
    )
    parser.add_argument(
        "--out", type=Path, default=None, help="by default results/peers-<hidden>.json of the benchmarks"
    )
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if args.cpu is None else args.cpu})
    torch.set_num_threads(1)
    torch.manual_seed(0)
    load = Workload(hidden=(args.hidden,) * 3)
    source = mog(validation=1, test=load.pairs)
    pick = lambda arrays: {k: torch.from_numpy(arrays[k]) for k in ("x", "y")}
    data, test = pick(source.train), pick(source.test)
    report: dict[str, Any] = {
        "what": "CPU ms of one process on one core, per training step and model or per evaluation; ratio = median over windows of MultiVae / it",
        "hidden": args.hidden, "steps": args.steps, "load_before": os.getloadavg(), "yardstick_gflops": round(yardstick(), 1),
    }  # fmt: skip

    report["losses"] = losses(load, data)
    print("training loss, equal parameters and draws")
    for name, values in report["losses"].items():
        print(
            f"  {name}: ours {values['ours']:.4f}, {PEER} {values[PEER]:.4f}, relative difference {values['relative difference']:.1e}"
        )
        if values["relative difference"] > 1e-5:
            raise SystemExit(f"{name}: the two do not minimise the same; the comparison would mean nothing")

    report["known"] = known(samples=1000)
    print("\nlinear-Gaussian models, -log p in nats per pair, 200 pairs, 1000 samples")
    for name, values in report["known"].items():
        for what, value in values.items():
            print(f"  {name}, {what:<36} {value:12.4f}")

    targets = TARGETS.get(args.hidden, {})
    rows = []
    for part, windows in training(load, data, args.rounds, args.steps, args.compiled).items():
        rows += compare(part, windows, targets)
    rows += compare("joint nll", likelihood(load, test, args.likelihoods), targets)
    steps = len(data["x"]) // load.batch
    for row in rows:
        if row["part"] != "joint nll":
            row["epochs_per_minute"] = round(epochs_per_minute(row, steps), 1)
    show(rows)
    print(f"\nepochs per minute of CPU time ({steps} steps and the end of the epoch; ten seeds: of one model)")
    for row in rows:
        if "epochs_per_minute" in row:
            print(f"  {row['part']}: {row['who']:<22} {row['epochs_per_minute']:8.1f}")
    names = ("wyner", "torch", "multivae", "pythae", "numpy", "lightning-fabric")
    report |= {
        "rows": rows, "versions": {"python": platform.python_version(), **{n: version(n) for n in names}},
        "cpu": cpu_model(), "cores": os.cpu_count(), "threads": torch.get_num_threads(),
        "load_after": os.getloadavg(), "yardstick_gflops_after": round(yardstick(), 1), "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    out = args.out or Path(__file__).parent.parent / "results" / f"peers-{args.hidden}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nload {os.getloadavg()[0]:.2f}, yardstick {report['yardstick_gflops_after']} GFLOP/s; written to {out}")


if __name__ == "__main__":
    main()
