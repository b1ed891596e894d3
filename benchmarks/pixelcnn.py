"""Seconds to draw pictures from a PixelCNN: with caches, and by one full pass for every pixel; the
same pictures from the same numbers.

    python benchmarks/pixelcnn.py                       # the 13 layers of 64 channels, 64 pictures
                                                        of 28x28; a minute on one core
    python benchmarks/pixelcnn.py --device cuda

The full passes of the large network would take a quarter of an hour on a CPU, and every one costs
    the same: `--passes` of them are timed,
from the first pixels on, and those pixels compared. A small network is drawn to the end both ways.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor

from wyner.networks import PixelCNN
from wyner.networks.pixel_by_pixel import draw
from wyner.networks.pixelcnn import KERNELS

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from reference.pixels import draw_slowly

SMALL: dict[str, Any] = {"channels": 8, "kernels": (7, 5, 5, 3, 3, 3), "split": 3}
LARGE: dict[str, Any] = {"channels": 64, "kernels": KERNELS, "split": 6}


def network(shape: dict[str, Any], size: int, device: str) -> PixelCNN:
    """With running statistics of a few batches, and logits around 0."""
    torch.manual_seed(0)
    made = PixelCNN(**shape).to(device)
    with torch.no_grad():
        for _ in range(3):
            made(
                (torch.rand(32, 1, size, size) < 0.3).float().to(device),
                torch.randn(32, 4, size, size).to(device),
            )
    return made.eval()


def clocked(work: Callable[[], Tensor], device: str) -> tuple[Tensor, float, float]:
    """A result, its wall time and the time of the CPU."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    wait()
    return found, time.perf_counter() - wall, time.process_time() - cpu


def case(
    shape: dict[str, Any], pictures: int, size: int, passes: int | None, device: str
) -> dict[str, Any]:
    """Both ways on the same maps and uniform numbers."""
    made, pixels = network(shape, size, device), size * size
    maps, uniform = (
        torch.randn(pictures, 4, size, size).to(device),
        torch.rand(pictures, 1, size, size).to(device),
    )
    draw(made, maps[:2], uniform[:2])  # warm
    fast, wall, cpu = clocked(lambda: draw(made, maps, uniform), device)
    done = pixels if passes is None else min(passes, pixels)
    slow, slow_wall, slow_cpu = clocked(lambda: draw_slowly(made, maps, uniform, done), device)
    differ = int((fast.flatten(1)[:, :done] != slow.flatten(1)[:, :done]).sum())
    return {
        "layers": len(made.kernels),
        "channels": made.channels,
        "pictures": pictures,
        "size": size,
        "pixels drawn slowly": done,
        "pixels that differ": differ,
        "fast wall_s": wall,
        "fast cpu_s": cpu,
        "slow wall_s": slow_wall * pixels / done,
        "slow cpu_s": slow_cpu * pixels / done,
        "times faster (wall)": slow_wall * pixels / done / wall,
        "times faster (cpu)": slow_cpu * pixels / done / max(cpu, 1e-9),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument(
        "--passes",
        type=int,
        default=8,
        help="full passes of the large network that are timed; 0 for all",
    )
    parser.add_argument("--out", type=Path, help="a JSON file for the numbers")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    for shape, pictures, size, passes in (
        (LARGE, options.pictures, 28, options.passes or None),
        (SMALL, options.pictures, 14, None),
    ):
        found.append(case(shape, pictures, size, passes, options.device))
        print(
            json.dumps(
                {k: round(v, 3) if isinstance(v, float) else v for k, v in found[-1].items()}
            ),
            flush=True,
        )
    if options.out:
        about = {
            "torch": torch.__version__,
            "machine": platform.machine(),
            "device": options.device,
            "threads": 1,
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({**about, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
