"""Which tests run a line, and how long each of them takes: measured once, by pytest-cov."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from coverage.numbits import numbits_to_nums

SECONDS = 60.0
"""Tests of a mutant, the quickest first, are run up to this many seconds in all."""


class Reach:
    """Tests by the lines that they run.

    Args:
        tree: a clone of the project.
        work: where the measurement is kept.
        tests: files and folders of tests, in `tree`.
        fresh: measure once more, since there are other tests now.
    """

    def __init__(self, tree: Path, work: Path, tests: list[str], fresh: bool = False) -> None:
        self.data, times = work / "coverage.db", work / "times.xml"
        if fresh or not times.exists():
            _measure(tree, tests, self.data, times)
        self.seconds = {
            f"{case.get('classname')}.{case.get('name')}": float(case.get("time", 0))
            for case in ElementTree.parse(times).iter("testcase")
        }

    def of(self, module: str, first: int, last: int) -> list[str]:
        """Node ids of the tests that run one of these lines, the quickest first.

        Lines that run only on import belong to every test that runs any line of the module.
        """
        of_lines, of_module = set(), set()
        with sqlite3.connect(self.data) as db:
            rows = db.execute(
                "select context, numbits from line_bits"
                " join context on context.id = context_id join file on file.id = file_id"
                " where path like ?",
                (f"%/{module}",),
            )
            for context, bits in rows:
                if test := context.rpartition("|")[0]:
                    of_module.add(test)
                    if not set(range(first, last + 1)).isdisjoint(numbits_to_nums(bits)):
                        of_lines.add(test)
        spent, tests = 0.0, []
        for seconds, test in sorted((self.time(t), t) for t in of_lines or of_module):
            spent += seconds
            if tests and spent > SECONDS:
                break
            tests.append(test)
        return tests

    def time(self, test: str) -> float:
        """Seconds of a test, by its node id."""
        file, _, name = test.partition("::")
        words = [*file.removesuffix(".py").split("/"), *name.split("::", name.count("::"))]
        return self.seconds.get(".".join(words), 1.0)


def _measure(tree: Path, tests: list[str], data: Path, times: Path) -> None:
    settings = data.with_suffix(".ini")
    settings.write_text(f"[run]\nsource = wyner\ndata_file = {data}\n")
    part = times.with_suffix(".part")
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--cov=wyner", f"--cov-config={settings}", "--cov-context=test", "--cov-report="]
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    subprocess.run([*command, f"--junitxml={part}", *tests], cwd=tree, env=environment, check=True)
    part.rename(times)
