"""The distributions on which dit tests its Wyner common information, with the values that its tests
expect, in bits.

From dit's tests/multivariate/common_informations/test_wyner_common_information.py and
test_backend_switching.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Cells = Mapping[tuple[str, ...], float]


@dataclass(frozen=True)
class Case:
    """A distribution, which of its variables are meant, and J.

    Attributes:
        name: of the case.
        cells: probability by outcome.
        truth: J in bits.
        rvs: variables that are to be independent; None for all.
        crvs: variables that are given.
        bound: values of Z that dit's test allows; None for its default.
        direct: whether dit's test optimises the class itself rather than calling the function.
    """

    name: str
    cells: Cells
    truth: float
    rvs: tuple[int, ...] | None = None
    crvs: tuple[int, ...] = ()
    bound: int | None = None
    direct: bool = False

    def tables(self) -> list[tuple[float, np.ndarray]]:
        """Weight and table of the variables for every value of the given ones: J given W is the
        mean of J at W = w."""
        alphabets = [sorted({o[k] for o in self.cells}) for k in range(len(next(iter(self.cells))))]
        p = np.zeros([len(a) for a in alphabets])
        for outcome, mass in self.cells.items():
            p[tuple(a.index(v) for a, v in zip(alphabets, outcome, strict=True))] = mass
        rvs = self.rvs if self.rvs is not None else tuple(range(p.ndim))
        others = tuple(k for k in range(p.ndim) if k not in rvs + self.crvs)
        kept = sorted(rvs + self.crvs)
        p = np.moveaxis(p.sum(others), [kept.index(k) for k in self.crvs], range(len(self.crvs)))
        blocks = p.reshape(-1, *p.shape[len(self.crvs) :])
        return [(float(b.sum()), b / b.sum()) for b in blocks if b.sum() > 0]


def h(p: float) -> float:
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def erasure(p: float) -> Cells:
    return {("0", "0"): (1 - p) / 2, ("0", "e"): p / 2, ("1", "e"): p / 2, ("1", "1"): (1 - p) / 2}


XOR = {tuple(o): 1 / 8 for o in ("0000", "0001", "0110", "0111", "1010", "1011", "1100", "1101")}
EQUAL = {("0", "0"): 0.5, ("1", "1"): 0.5}
GOLDEN = {("0", "0"): 1 / 3, ("0", "1"): 1 / 3, ("1", "0"): 1 / 3}
CASES = [
    Case("xor, all four", XOR, 2.0),
    Case("xor, three", XOR, 2.0, (0, 1, 2)),
    Case("xor, two given two", XOR, 1.0, (0, 1), (2, 3)),
    Case("xor, two given one", XOR, 1.0, (0, 1), (2,)),
    Case("xor, two", XOR, 0.0, (0, 1)),
    Case("golden mean", GOLDEN, 2 / 3, bound=2, direct=True),
    Case("equal bits", EQUAL, 1.0, bound=2, direct=True),
    Case(
        "equal unfair bits", {("0", "0"): 2 / 3, ("1", "1"): 1 / 3}, h(1 / 3), bound=2, direct=True
    ),
    *(
        Case(f"erasure {k / 10:.1f}", erasure(k / 10), 1.0 if k < 5 else h(k / 10), direct=True)
        for k in range(1, 10)
    ),
]
