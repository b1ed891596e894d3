"""The printed objective of each model is a golden file, to be read beside the paper.

A change of a file here is a change of what the library minimises: compare it with the equation
    before you accept it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.cases import NAMES, build

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", NAMES)
def test_the_printed_objective_is_the_golden_file(name):
    file = GOLDEN / f"{name}.txt"
    assert file.exists(), f"write the objective of {name} to {file}, from the paper"
    assert str(build(name, 2)[0].objective) == file.read_text().rstrip("\n")


def test_every_golden_file_belongs_to_a_model():
    assert sorted(f.stem for f in GOLDEN.glob("*.txt")) == sorted(NAMES)
