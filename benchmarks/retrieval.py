"""Time and memory of a search: the nearest 100 of a million codes of 64 numbers, exactly, by FAISS
and in blocks of PyTorch.

    python benchmarks/retrieval.py                       # one core, about a minute; writes
                                                         results/benchmarks/retrieval.md and .json
    python benchmarks/retrieval.py --items 10000000 --folder /big/disk

Codes lie in a file and are memory-mapped, then in memory. Each engine runs in a process of its own,
whose peak of resident memory is read.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from wyner.tasks.retrieval import nearest
from wyner.tasks.retrieval.search import has_faiss, unit_rows
from wyner.tasks.retrieval.store import HEAD, read_codes, write_codes

SIZE, K, BLOCK = 64, 100, 1 << 16


def codes(rows: int, seed: int) -> torch.Tensor:
    """Unit rows."""
    return unit_rows(torch.randn(rows, SIZE, generator=torch.Generator().manual_seed(seed)))


def gallery(path: Path, items: int) -> None:
    """A gallery on disk, made block by block."""
    write_codes(
        path, (codes(min(BLOCK, items - i), 1 + i // BLOCK) for i in range(0, items, BLOCK))
    )


def anonymous() -> float:
    """Memory that is no page of a mapped file, in MB."""
    text = Path("/proc/self/status").read_text()
    return int(text.split("RssAnon:")[1].split()[0]) / 2**10


def measure(path: Path, items: int, engine: str, mapped: bool, rounds: int) -> dict[str, Any]:
    """One engine: milliseconds a query, alone and among 64, CPU and wall; and what memory it took
    beyond the codes."""
    on_disk = read_codes(path, items, SIZE)
    b = on_disk if mapped else np.array(on_disk)
    found: dict[str, Any] = {"engine": engine, "codes": "mapped" if mapped else "in memory"}
    nearest(codes(1, 0), b[:BLOCK], K, engine=engine)  # warm
    before, peak = anonymous(), 0.0
    for queries in (1, 64):
        a = codes(queries, 0)
        wall, cpu = [], []
        for _ in range(rounds):
            w, c = time.perf_counter(), time.process_time()
            hits = nearest(a, b, K, engine=engine)
            cpu.append(1e3 * (time.process_time() - c) / queries)
            wall.append(1e3 * (time.perf_counter() - w) / queries)
            peak = max(peak, anonymous() - before)
        found[f"{queries} cpu_ms"], found[f"{queries} wall_ms"] = (
            round(statistics.median(v), 2) for v in (cpu, wall)
        )
    found["added_mb"] = round(peak, 1)
    found["resident_peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1)
    found["first"] = hits.index[0, :5].tolist()
    return found


def table(rows: list[dict[str, Any]], items: int) -> str:
    """The results as Markdown."""
    head = (
        "| engine | codes | one query, CPU ms (wall) | of 64 queries, each, CPU ms (wall) | added"
        " MB | peak of resident MB |"
    )
    lines = [head, "| --- | --- | --- | --- | --- | --- |"]
    for r in rows:
        lines.append(
            f"| {r['engine']} | {r['codes']} | {r['1 cpu_ms']:.1f} ({r['1 wall_ms']:.1f}) |"
            f" {r['64 cpu_ms']:.1f} ({r['64 wall_ms']:.1f}) | {r['added_mb']:.0f} |"
            f" {r['resident_peak_mb']:.0f} |"
        )
    size = 4 * items * SIZE / 2**20
    return (
        f"# Retrieval: the nearest {K} of {items:,} codes of {SIZE} numbers\n\nOne thread, exact"
        f" search by cosine, medians. The codes take {size:.0f} MB. Added MB: memory beyond the"
        " codes and the libraries after a search; the peak of resident memory counts the libraries"
        " and, of mapped codes, pages of the file that the system may drop at any time. Wall times"
        " beside CPU times show how busy the machine was.\n\n" + "\n".join(lines) + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the codes go for the time of the run"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parents[1] / "results" / "benchmarks"
    )
    parser.add_argument(
        "--only", nargs=3, default=None, help=argparse.SUPPRESS
    )  # path, engine, mapped: one measurement
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.only:
        path, engine, mapped = args.only
        print(json.dumps(measure(Path(path), args.items, engine, mapped == "mapped", args.rounds)))
        return
    rows = []
    with tempfile.TemporaryDirectory(dir=args.folder) as place:
        path = Path(place) / "codes.safetensors"
        gallery(path, args.items)
        assert path.stat().st_size == HEAD + 4 * SIZE * args.items
        for engine in (["faiss"] if has_faiss() else []) + ["torch"]:
            for mapped in ("memory", "mapped"):
                command = [
                    sys.executable,
                    __file__,
                    "--items",
                    str(args.items),
                    "--rounds",
                    str(args.rounds),
                    "--only",
                    str(path),
                    engine,
                    mapped,
                ]
                rows.append(
                    json.loads(
                        subprocess.run(command, check=True, capture_output=True, text=True).stdout
                    )
                )
                print(rows[-1], flush=True)
    assert len({tuple(r["first"]) for r in rows}) == 1, "the engines disagree"
    about = {
        "what": f"nearest {K} of {args.items} codes of {SIZE} numbers, one thread",
        "items": args.items,
        "rounds": args.rounds,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, **_faiss()},
        "rows": rows,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "retrieval.json").write_text(json.dumps(about, indent=1) + "\n")
    (args.out / "retrieval.md").write_text(table(rows, args.items))
    print(f"written to {args.out}")


def _faiss() -> dict[str, str]:
    if not has_faiss():
        return {}
    import faiss

    return {"faiss": faiss.__version__}


if __name__ == "__main__":
    main()
