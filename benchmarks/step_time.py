"""Time of one training step of the Wyner VAE, against a loop written by hand in plain PyTorch.

    python benchmarks/step_time.py                       # both objectives, eager and compiled;
                                                         about five minutes
    python benchmarks/step_time.py --no-compiled         # eager only; under two minutes

Both sides train the same model on the same kind of data: mixture pairs in R^10 x R^10, networks of
    three hidden layers of
256 ReLU units, latents of size 10, lambda = 0.05, batches of 100, fused Adam, float32, one thread.
See README.md beside this file for how to read the numbers.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn

from wyner import Real
from wyner.data.synthetic import mog
from wyner.models import WynerVAE
from wyner.seeds import ROWS, mix
from wyner.training.fabric import launch
from wyner.training.phase_state import PhaseState
from wyner.training.rows import rows_of
from wyner.training.settings import Settings
from wyner.training.trainer import Trainer

D, HIDDEN, LAYERS, BATCH, LAM, LR = 10, 256, 3, 100, 0.05, 1e-4
TARGETS = {"eager": 1.10, "compiled": 1.05}
OBJECTIVES = {"joint": 0.0, "all terms": 1.0}
"""Weights alpha of the marginal and conditional terms of equation (15)."""


# The loop by hand. No clamp of log scales, no terms by name, no weights: only the loss.


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(LAYERS):
        layers += [nn.Linear(inputs, HIDDEN), nn.ReLU()]
        inputs = HIDDEN
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def draw(out: Tensor, eps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    loc, log_scale = out.chunk(2, -1)
    return loc, log_scale, torch.addcmul(loc, log_scale.exp(), eps)


def kl_prior(loc: Tensor, log_scale: Tensor, prior: Tensor) -> Tensor:
    """Sum over the batch of KL(N(loc, e^2s) || N(0, e^2t))."""
    d = log_scale - prior
    return (0.5 * ((2 * d).exp() + (loc * (-prior).exp()).square() - 1) - d).sum()


def kl_pair(loc: Tensor, log_scale: Tensor, other: Tensor) -> Tensor:
    m, t = other.chunk(2, -1)
    d = log_scale - t
    return (0.5 * ((2 * d).exp() + ((loc - m) * (-t).exp()).square() - 1) - d).sum()


class ByHand(nn.Module):
    """Equation (15) with weights a on the last four terms, z, u, v of the joint part used again in
    the conditional parts."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = a
        self.z_xy, self.u, self.v = mlp(2 * D, 2 * D), mlp(2 * D, 2 * D), mlp(2 * D, 2 * D)
        self.x, self.y = mlp(2 * D, D), mlp(2 * D, D)
        if a:
            self.z_x, self.z_y = mlp(D, 2 * D), mlp(D, 2 * D)
        self.prior_z, self.prior_u, self.prior_v = (nn.Parameter(torch.zeros(())) for _ in range(3))

    def forward(self, x: Tensor, y: Tensor, eps: list[Tensor]) -> Tensor:
        cat = torch.cat
        mz, sz, z = draw(self.z_xy(cat([x, y], -1)), eps[0])
        mu, su, u = draw(self.u(cat([z, x], -1)), eps[1])
        mv, sv, v = draw(self.v(cat([z, y], -1)), eps[2])
        error_x = (x - self.x(cat([z, u], -1))).square().sum()  # decoder variance 1/2
        error_y = (y - self.y(cat([z, v], -1))).square().sum()
        kl_u, kl_v = kl_prior(mu, su, self.prior_u), kl_prior(mv, sv, self.prior_v)
        loss = error_x + error_y + (1 + LAM) * kl_prior(mz, sz, self.prior_z) + kl_u + kl_v
        constant = D * math.log(math.pi)
        if self.a:
            out_x, out_y = self.z_x(x), self.z_y(y)
            conditional = (
                error_y + kl_pair(mz, sz, out_x) + kl_v + error_x + kl_pair(mz, sz, out_y) + kl_u
            )
            mx, sx, zx = draw(out_x, eps[3])
            my, sy, zy = draw(out_y, eps[4])
            mu, su, u = draw(self.u(cat([zx, x], -1)), eps[5])
            mv, sv, v = draw(self.v(cat([zy, y], -1)), eps[6])
            marginal = (x - self.x(cat([zx, u], -1))).square().sum() + (
                y - self.y(cat([zy, v], -1))
            ).square().sum()
            marginal = marginal + kl_prior(mx, sx, self.prior_z) + kl_prior(my, sy, self.prior_z)
            marginal = marginal + kl_prior(mu, su, self.prior_u) + kl_prior(mv, sv, self.prior_v)
            loss = loss + self.a * (conditional + marginal)
            constant += self.a * 2 * D * math.log(math.pi)
        return loss / len(x) + constant

    def draws(self) -> int:
        return 7 if self.a else 3


def by_hand(net: ByHand, x: Tensor, y: Tensor, compiled: bool) -> Callable[[int], float]:
    """A runner of n steps, and nothing that a step does not need."""
    optimiser = torch.optim.Adam(net.parameters(), lr=LR, fused=True)
    forward = torch.compile(net, dynamic=False) if compiled else net
    at, order, count = 0, torch.randperm(len(x)), net.draws()

    def run(n: int) -> float:
        nonlocal at, order
        total = torch.zeros(())
        for _ in range(n):
            if at + BATCH > len(x):
                at, order = 0, torch.randperm(len(x))
            index = order[at : at + BATCH]
            at += BATCH
            loss = forward(x[index], y[index], [torch.randn(BATCH, D) for _ in range(count)])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.detach()
        return float(total) / n

    return run


# What `wyner.fit` does in a step: see wyner/training/loop.py.


def wyner_trainer(a: float, compiled: bool, data: dict[str, Any]) -> tuple[Trainer, Any]:
    torch.manual_seed(0)
    model = WynerVAE(x=Real(D), y=Real(D), z=D, u=D, v=D, lam=LAM, alpha=a)
    settings = Settings(epochs=500, batch_size=BATCH, lr=LR, compile=compiled, accelerator="cpu")
    rows = rows_of(model, data, ("x", "y"))
    steps, fabric = 500 * (rows.count // BATCH), launch(settings, [], None)
    return Trainer(PhaseState(fabric, model, model.phases[0], 0, steps, settings)), rows


def ours(trainer: Trainer, rows: Any) -> Callable[[int], float]:
    """A runner of n steps as `wyner.fit` takes them: gather, step, sums for the log, a look at the
    loss and at the clock."""
    at, epoch, order = 0, 0, torch.randperm(rows.count)
    trainer.state.activate()

    def run(n: int) -> float:
        nonlocal at, epoch, order
        last = 0.0
        for _ in range(n):
            if at + BATCH > rows.count:
                at, epoch = 0, epoch + 1
                order = torch.randperm(
                    rows.count, generator=torch.Generator().manual_seed(mix(0, ROWS, epoch))
                )
            batch = rows.take(order[at : at + BATCH])
            at += BATCH
            trainer.train(batch)  # looks at the loss and adds up the terms for the log
            now = time.monotonic()
            if now - last > 0.25:
                last = now
        return trainer.means()["loss"]

    return run


def same_loss(trainer: Trainer, net: ByHand, x: Tensor, y: Tensor) -> float:
    """Copies the parameters into the hand-written model and returns the relative difference of the
    losses."""
    state = trainer.state
    factors = state.model.factors
    name = {
        "q(z|x,y)": "z_xy",
        "q(u|z,x)": "u",
        "q(v|z,y)": "v",
        "p(x|z,u)": "x",
        "p(y|z,v)": "y",
        "q(z|x)": "z_x",
        "q(z|y)": "z_y",
    }
    with torch.no_grad():
        for factor, attribute in name.items():
            if hasattr(net, attribute):
                linear = [m for m in getattr(net, attribute) if isinstance(m, nn.Linear)]
                for mine, theirs in zip(linear, factors[factor].network.layers, strict=True):
                    mine.weight.copy_(theirs.weight)
                    mine.bias.copy_(theirs.bias)
        for i, latent in enumerate("zuv"):  # away from where they start, so that they count
            factors[f"p({latent})"].head.log_scale.fill_(0.1 * (i + 1))
            getattr(net, f"prior_{latent}").fill_(0.1 * (i + 1))
        noise = state.noise(len(x), 123)
        drawn = [
            state.program.plan.ops[op.args[0]] for op in state.program.plan.ops if op.kind == "draw"
        ]
        slots: dict[str, list[Tensor]] = {}
        for op, eps in zip(drawn, noise, strict=True):
            slots.setdefault(op.name, []).append(eps)
        take = lambda key: slots[key].pop(0)
        keys = ["q(z|x,y)", "q(u|z,x)", "q(v|z,y)"] + (
            ["q(z|x)", "q(z|y)", "q(u|z,x)", "q(v|z,y)"] if net.a else []
        )
        mine = float(net(x, y, [take(k) for k in keys]))
        theirs = float(state.program({"x": x, "y": y}, noise, state.weights(0.0))[0])
        for latent in "zuv":
            factors[f"p({latent})"].head.log_scale.fill_(0.0)
            getattr(net, f"prior_{latent}").fill_(0.0)
    return abs(mine - theirs) / abs(mine)


# Measuring


def pair(
    a: float, compiled: bool, data: dict[str, Tensor]
) -> tuple[dict[str, Callable[[int], float]], float]:
    """Fresh runners of both sides and the relative difference of their losses, which must be
    rounding."""
    torch.compiler.reset()
    trainer, rows = wyner_trainer(a, compiled, data)
    net = ByHand(a)
    difference = same_loss(trainer, net, data["x"][:BATCH], data["y"][:BATCH])
    if difference > 1e-5:
        raise SystemExit(
            f"the two losses differ by {difference:.2g} (relative); the comparison would mean"
            " nothing"
        )
    return {
        "hand": by_hand(net, data["x"], data["y"], compiled),
        "wyner": ours(trainer, rows),
    }, difference


def windows(
    runners: dict[str, Callable[[int], float]], steps: int, rounds: int, warm: int
) -> dict[str, list[float]]:
    """CPU milliseconds per step of this process, a window at a time, runners in turn, so that drift
    hits all alike."""
    for run in runners.values():
        run(warm)
    found: dict[str, list[float]] = {k: [] for k in runners}
    for r in range(rounds):
        order = list(runners) if r % 2 == 0 else list(runners)[::-1]
        for k in order:
            start = time.process_time()
            runners[k](steps)
            found[k].append(1e3 * (time.process_time() - start) / steps)
    return found


def yardstick() -> float:
    """GFLOP/s of a (100 x 256)(256 x 256) float32 product: tells a disturbed machine from a slow
    one."""
    a, b = torch.randn(BATCH, HIDDEN), torch.randn(HIDDEN, HIDDEN)
    best = math.inf
    for _ in range(20):
        start = time.process_time()
        for _ in range(200):
            a @ b
        best = min(best, time.process_time() - start)
    return 200 * 2 * BATCH * HIDDEN * HIDDEN / best / 1e9


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=50, help="steps in a window")
    parser.add_argument("--rounds", type=int, default=11, help="windows of each side in a repeat")
    parser.add_argument(
        "--repeats",
        type=int,
        default=3,
        help="fresh pairs of models: where parameters lie in memory moves a ratio by about 1%%",
    )
    parser.add_argument(
        "--cpu", type=int, default=None, help="core to run on; by default the last one allowed"
    )
    parser.add_argument(
        "--compiled",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also time torch.compile on both sides",
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "step_time.json"
    )
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if args.cpu is None else args.cpu})
    torch.set_num_threads(1)
    data = {
        k: torch.from_numpy(v) for k, v in mog(validation=1, test=1).train.items() if k != "label"
    }
    rows_out = []
    for objective, a in OBJECTIVES.items():
        for mode in ["eager", "compiled"] if args.compiled else ["eager"]:
            found: dict[str, list[float]] = {"hand": [], "wyner": []}
            for _ in range(args.repeats):
                runners, difference = pair(a, mode == "compiled", data)
                for k, v in windows(runners, args.steps, args.rounds, warm=2 * args.steps).items():
                    found[k] += v
            ratios = sorted(w / h for w, h in zip(found["wyner"], found["hand"], strict=True))
            rows_out.append(
                {
                    "objective": objective,
                    "mode": mode,
                    "steps": args.steps,
                    "windows": len(ratios),
                    "hand_ms": round(statistics.median(found["hand"]), 4),
                    "wyner_ms": round(statistics.median(found["wyner"]), 4),
                    "ratio": round(statistics.median(ratios), 4),
                    "ratio_quartiles": [
                        round(ratios[len(ratios) // 4], 4),
                        round(ratios[-1 - len(ratios) // 4], 4),
                    ],
                    "target": TARGETS[mode],
                    "relative_difference_of_losses": difference,
                }
            )
            show(rows_out[-1], first=len(rows_out) == 1)
    report = {
        "what": (
            "CPU ms per training step of the Wyner VAE, one thread; ratio = median over windows of"
            " wyner / hand-written"
        ),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "lightning": _version("lightning-fabric", "lightning"),
        },
        "cpu": cpu_model(),
        "threads": torch.get_num_threads(),
        "yardstick_gflops": round(yardstick(), 1),
        "date": time.strftime("%Y-%m-%d"),
        "rows": rows_out,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written to {args.out}")


def show(row: dict[str, Any], first: bool) -> None:
    if first:
        print(
            f"{'objective':<10} {'mode':<9} {'hand ms':>8} {'wyner ms':>9} {'ratio':>6}"
            f" {'quartiles':>14} {'target':>7}"
        )
    low, high = row["ratio_quartiles"]
    verdict = "met" if row["ratio"] <= row["target"] else "MISSED"
    print(
        f"{row['objective']:<10} {row['mode']:<9} {row['hand_ms']:>8.3f} {row['wyner_ms']:>9.3f}"
        f" {row['ratio']:>6.3f} {low:>6.3f} - {high:<5.3f} {row['target']:>7.2f} {verdict}",
        flush=True,
    )


def _version(*names: str) -> str:
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"


if __name__ == "__main__":
    main()
