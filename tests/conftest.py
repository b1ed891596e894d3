"""What all tests share: one thread, a fixed random state, and float64 where numbers are compared to
nine digits.

Helpers of the tests lie in `tests/oracle` and are imported as `oracle.gaussian`, from any test
folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

if (here := str(Path(__file__).parent)) not in sys.path:
    sys.path.insert(0, here)

import shapes

shapes.on()
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the same in processes that tests start
settings.register_profile(
    "wyner", derandomize=True, deadline=None, database=None
)  # the same examples in every run
settings.load_profile("wyner")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test starts from the same random state, so that its order among the others does not
    matter."""
    torch.manual_seed(0)


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Shapes are not checked at run time, which does not trace under `torch.compile`."""
    shapes.off()
    try:
        yield
    finally:
        shapes.on()


@pytest.fixture
def float64() -> Iterator[None]:
    """Models built in the test are float64 throughout, their constants included."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
