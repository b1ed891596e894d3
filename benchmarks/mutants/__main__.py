"""Changes one token in each of a random sample of places and runs the tests that reach it.

    python -m benchmarks.mutants --sample 400

Mutants are made by cosmic-ray in a clone of the committed tree. A mutant is killed as soon as one
of the tests that run its line fails, or if they take far longer than they should; the quickest go
first. What is done is kept: the same command goes on where it stopped, and `--again` runs survivors
once more, against the tests as they are now.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.mutants.page import write
from benchmarks.mutants.reach import Reach
from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec

AREAS = ("laws", "families", "objectives", "tasks", "metrics", "information", "estimation")
BESIDE = ("oracle", "reference", "models", "test_codec.py", "test_math.py", "test_schedules.py")
SKIPPED = ("BitOr", "RemoveDecorator", "ExceptionReplacer")
"""Operators that mostly change annotations, or how an error is called: not the mathematics."""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=400, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--areas", default=",".join(AREAS), help="packages, separated by commas")
    parser.add_argument("--work", type=Path, default=Path("runs/mutants"), help="clone and state")
    parser.add_argument("--out", type=Path, default=Path("results/mutants"))
    parser.add_argument("--again", action="store_true", help="run survivors once more")
    args = parser.parse_args()
    work, out, areas = args.work.resolve(), args.out.resolve(), args.areas.split(",")
    work.mkdir(parents=True, exist_ok=True)
    tree = _clone(work / "tree")
    tests = [t for t in (f"tests/{name}" for name in (*AREAS, *BESIDE)) if (tree / t).exists()]
    reach = Reach(tree, work, tests, fresh=args.again)
    chosen = _sample(tree, work, areas, args.sample, args.seed)
    done = work / "done.jsonl"
    results = {r["name"]: r for r in map(json.loads, _lines(done))}
    if args.again:
        results = {k: r for k, r in results.items() if r["outcome"] != "survived"}
    _warm(tree)
    for i, (name, spec) in enumerate(chosen):
        if name not in results or not _in_place(spec, results[name]["was"]):
            results[name] = {"name": name, **_try(tree, spec, reach)}
            with done.open("a") as f:
                f.write(json.dumps(results[name]) + "\n")
            print(f"{i + 1}/{len(chosen)} {results[name]['outcome']:9} {name}", flush=True)
    write(out, [results[name] for name, _ in chosen], "python -m benchmarks.mutants")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _clone(tree: Path) -> Path:
    """The committed tree once more: mutants are made there, never in the user's."""
    if tree.exists():
        subprocess.run(["git", "-C", tree, "checkout", "--quiet", "."], check=True)
        subprocess.run(["git", "-C", tree, "pull", "--quiet", "--ff-only"], check=True)
    else:
        subprocess.run(["git", "clone", "--quiet", ".", tree], check=True)
    return tree


def _sample(
    tree: Path, work: Path, areas: list[str], count: int, seed: int
) -> list[tuple[str, MutationSpec]]:
    """Named mutants, drawn from all of them."""
    paths = [p for a in areas for p in sorted((tree / "src/wyner" / a).rglob("*.py"))]
    names = [n for n in operator_names() if not any(word in n for word in SKIPPED)]
    with use_db(work / "session.sqlite") as db:
        init(paths, db, {})
        specs = [item.mutations[0] for item in db.work_items]
    named = {}
    for s in specs:
        if s.operator_name in names:
            place = f"{Path(s.module_path).relative_to(tree / 'src')}:{s.start_pos[0]}"
            operator = s.operator_name.removeprefix("core/")
            named[f"{place} {operator} {s.occurrence} {s.operator_args or ''}".rstrip()] = s
    packages: dict[str, list[str]] = defaultdict(list)
    for name in sorted(named):
        packages[name.split("/")[1]].append(name)
    chosen = []
    for names in packages.values():  # as many of each package as it has mutants
        random.Random(seed).shuffle(names)
        chosen += names[: round(count * len(names) / len(named))]
    print(f"{len(named)} mutants in all, {len(chosen)} are tried", flush=True)
    return [(name, named[name]) for name in chosen]


def _in_place(spec: MutationSpec, line: str) -> bool:
    """Whether the line that a stored outcome is of is still where the mutant is."""
    lines = Path(spec.module_path).read_text().split("\n")[spec.start_pos[0] - 1 : spec.end_pos[0]]
    return line in (own.strip() for own in lines)


def _warm(tree: Path) -> None:
    """Imports once what every child needs and no mutant changes."""
    sys.dont_write_bytecode = True
    os.chdir(tree)
    os.environ.update(PYTHONPATH=str(tree / "src"), PYTHONDONTWRITEBYTECODE="1")
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.path[:0] = [str(tree / "src"), str(tree)]
    for name in ("torch", "scipy.stats", "sklearn", "pytest", "hypothesis", "beartype"):
        __import__(name)


def _try(tree: Path, spec: MutationSpec, reach: Reach) -> dict[str, Any]:
    """One mutant: what became of it, in which line."""
    path = Path(spec.module_path)
    before = path.read_text()
    after = mutate_code(
        before, get_operator(spec.operator_name)(**spec.operator_args), spec.occurrence
    )
    tests = reach.of(str(path.relative_to(tree / "src")), spec.start_pos[0], spec.end_pos[0])
    lines = [(o, n) for o, n in zip(before.split("\n"), after.split("\n"), strict=True) if o != n]
    found = {"was": lines[0][0].strip(), "is": lines[0][1].strip(), "tests": len(tests)}
    start = time.perf_counter()
    path.write_text(after)
    try:
        limit = 60 + 10 * sum(map(reach.time, tests))
        outcome = _outcome(tests, limit) if tests else "survived"
    finally:
        path.write_text(before)
    return {**found, "outcome": outcome, "seconds": round(time.perf_counter() - start, 1)}


def _outcome(tests: list[str], limit: float) -> str:
    """Runs tests in a child process until one fails."""
    if (child := os.fork()) == 0:
        os.setsid()
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        import pytest

        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:pytest_cov"]
        os._exit(int(pytest.main([*options, *tests])))
    end = time.monotonic() + limit
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return "killed" if os.waitstatus_to_exitcode(status) else "survived"
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "killed"


if __name__ == "__main__":
    main()
