"""Images per second of the convolutional Wyner VAE, in training and in sampling, beside what the
machine's products allow.

    python benchmarks/images.py                                      # light and published networks
        on a CPU; about four minutes
    python benchmarks/images.py --device cuda --precision bf16-mixed --channels-last --compile

Made-up pictures of the sizes of the paper: speed does not depend on what is in them. See README.md
beside this file for how to read the numbers.
"""

from __future__ import annotations

import argparse
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
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from wyner import Binary, Image
from wyner.models import WynerVAE
from wyner.networks import LIGHT, TABLE_8, TABLE_10
from wyner.training.fabric import launch
from wyner.training.phase_state import PhaseState
from wyner.training.rows import rows_of
from wyner.training.settings import Settings
from wyner.training.trainer import Trainer

DIGIT, NUMBER, FACE = Image(1, 32, 32), Image(3, 32, 32), Image(3, 64, 64)
CASES: dict[str, dict[str, Any]] = {
    "add-1, light": {"x": DIGIT, "y": DIGIT, "z": 32, "u": 32, "v": 32, "networks": LIGHT},
    "mnist-svhn, light": {"x": DIGIT, "y": NUMBER, "z": 32, "u": 32, "v": 32, "networks": LIGHT},
    "mnist-svhn, table 8": {
        "x": DIGIT,
        "y": NUMBER,
        "z": 128,
        "u": 128,
        "v": 128,
        "networks": TABLE_8,
    },
    "celeba, table 10": {
        "x": Binary(40),
        "y": FACE,
        "z": 128,
        "u": 0,
        "v": 128,
        "networks": TABLE_10,
    },
}
"""Models of the joint objective, equation (7) with lambda = 0.05."""


def pictures(case: dict[str, Any], rows: int) -> dict[str, Tensor]:
    """Values of both sides, pictures as uint8, as data sets hold them."""
    one = lambda s: torch.randint(0, 2, (rows, *s.event_shape)).float()
    other = lambda s: torch.randint(0, 256, (rows, *s.event_shape), dtype=torch.uint8)
    return {k: (one if isinstance(case[k], Binary) else other)(case[k]) for k in ("x", "y")}


def trainer_of(
    case: dict[str, Any], settings: Settings
) -> tuple[Trainer, Callable[[], Tensor], WynerVAE]:
    """A step as `wyner.fit` takes it: gather, floats of 8-bit pictures, noise, loss, Adam."""
    torch.manual_seed(0)
    model, fabric = WynerVAE(**case, lam=0.05), launch(settings, [], None)
    model.to(fabric.device)
    if settings.channels_last:
        model.to(memory_format=torch.channels_last)
    rows = rows_of(model, pictures(case, 4 * settings.batch_size), ("x", "y")).to(
        fabric.device, torch.float32
    )
    trainer = Trainer(PhaseState(fabric, model, model.phases[0], 0, 1000, settings))
    trainer.state.activate()

    def step() -> Tensor:
        index = torch.randperm(rows.count)[: settings.batch_size].to(fabric.device)
        return trainer.train(rows.take(index))

    return trainer, step, model


def work(case: dict[str, Any], batch: int = 4) -> tuple[float, float]:
    """Floating-point operations of a pair in training (forward and backward) and in sampling, in
    products and convolutions."""
    model = WynerVAE(**case, lam=0.05)
    program = model.program(model.phases[0].objective)
    given = {k: model.observed[k].prepare(v) for k, v in pictures(case, batch).items()}
    with FlopCounterMode(display=False) as counter:
        loss, _ = program(
            given, program.noise((batch,), given["x"]), torch.ones(len(program.divergences))
        )
        loss.backward()
    trained = counter.get_total_flops() / batch
    with FlopCounterMode(display=False) as counter:
        model.generate(batch)
    return trained, counter.get_total_flops() / batch


def clock(device: torch.device) -> float:
    """Seconds: of this process on a CPU, so that neighbours do not count; of the wall where a
    device is waited for."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def seconds(
    call: Callable[[], Any], device: torch.device, windows: int, budget: float
) -> list[float]:
    """Seconds of a call, in so many windows that share a budget of seconds."""
    call()  # warm: buffers, kernels, compilation
    start = clock(device)
    call()
    once = max(1e-5, clock(device) - start)
    times = max(1, math.floor(budget / windows / once))
    found = []
    for _ in range(windows):
        start = clock(device)
        for _ in range(times):
            call()
        found.append((clock(device) - start) / times)
    return found


def product_limit(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """Operations per second of a large square matrix product, the best of ten: what nothing on this
    machine exceeds by much."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / min(seconds(lambda: a @ b, device, 10, 4.0))


def measure(
    name: str, settings: Settings, limit: float, windows: int, budget: float, samples: int
) -> dict[str, Any]:
    """One row of the report."""
    trainer, step, model = trainer_of(CASES[name], settings)
    device = trainer.state.fabric.device
    trained, sampled = work(CASES[name])
    rates: dict[str, Any] = {}
    for what, call, pairs, flops in (
        ("train", step, settings.batch_size, trained),
        ("sample", lambda: model.generate(samples), samples, sampled),
    ):
        if what == "sample":
            model.eval()
        each = sorted(pairs / s for s in seconds(call, device, windows, budget))
        rate = statistics.median(each)
        pictures_each = sum(isinstance(s, Image) for s in model.observed.values())
        rates[what] = {
            "pairs_per_second": round(rate, 1),
            "quartiles": [round(each[len(each) // 4], 1), round(each[-1 - len(each) // 4], 1)],
            "images_per_second": round(rate * pictures_each, 1),
            "mflop_per_pair": round(flops / 1e6, 1),
            "gflops": round(rate * flops / 1e9, 2),
            "share_of_product_limit": round(rate * flops / limit, 3),
        }
    parameters = sum(p.numel() for p in model.parameters())
    return {
        "case": name,
        "parameters": parameters,
        "batch": settings.batch_size,
        "samples": samples,
        **rates,
    }


def show(row: dict[str, Any], first: bool) -> None:
    if first:
        print(
            f"{'model':<22} {'':<7} {'images/s':>9} {'pairs/s':>9} {'quartiles':>19} {'GFLOP/s':>9}"
            f" {'of limit':>9}"
        )
    for what in ("train", "sample"):
        r = row[what]
        low, high = r["quartiles"]
        print(
            f"{row['case'] if what == 'train' else '':<22} {what:<7} {r['images_per_second']:>9.1f}"
            f" {r['pairs_per_second']:>9.1f} {low:>8.1f} - {high:<8.1f} {r['gflops']:>9.1f}"
            f" {r['share_of_product_limit']:>9.1%}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", default="32-true", choices=("32-true", "bf16-mixed"))
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="on a CPU")
    parser.add_argument(
        "--batch",
        type=int,
        default=None,
        help="pairs in a step; 128, but 16 for the published networks on a CPU",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=None,
        help="pairs in a call of generate; by default twice the batch",
    )
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--budget", type=float, default=15.0, help="seconds for each number")
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument(
        "--out",
        type=Path,
        default=None,
        help="by default results/images[-DEVICE-...].json beside this file",
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    common = {
        "lr": 1e-4,
        "precision": args.precision,
        "channels_last": args.channels_last,
        "compile": args.compile,
        "accumulate": args.accumulate,
        "accelerator": args.device,
    }
    dtype = torch.bfloat16 if args.precision.startswith("bf16") else torch.float32
    limit = product_limit(device, dtype, 1024 if args.device == "cpu" else 8192)
    print(
        f"limit: {limit / 1e9:.1f} GFLOP/s, {str(dtype).removeprefix('torch.')} products on"
        f" {args.threads if args.device == 'cpu' else 'all'} threads"
    )
    rows = []
    for name in args.cases:
        batch = args.batch or (16 if args.device == "cpu" and "light" not in name else 128)
        settings = Settings(batch_size=batch, **common)
        rows.append(
            measure(name, settings, limit, args.windows, args.budget, args.samples or 2 * batch)
        )
        show(rows[-1], first=len(rows) == 1)
    report = {
        "what": (
            "images per second of the convolutional Wyner VAE; CPU seconds of this process, wall"
            " seconds on a GPU; medians of windows"
        ),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "device": torch.cuda.get_device_name(device) if args.device == "cuda" else processor(),
        "threads": args.threads,
        "settings": common,
        "product_limit_gflops": round(limit / 1e9, 1),
        "date": time.strftime("%Y-%m-%d"),
        "rows": rows,
    }
    marks = [
        args.device,
        *(["bf16"] if dtype is torch.bfloat16 else []),
        *(["channels-last"] if args.channels_last else []),
        *(["compiled"] if args.compile else []),
    ]
    out = args.out or Path(__file__).parent / "results" / f"images-{'-'.join(marks)}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written to {out}")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
