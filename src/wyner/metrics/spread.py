"""Numbers over seeds: mean, deviation and error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BESIDE = ("_se", "_ess", "_ess_min")
"""Ends of the names of what stands beside a number: its error, and effective samples."""


@dataclass(frozen=True)
class Spread:
    """Numbers of one metric over seeds: mean, standard deviation with n - 1 (None for one), how
    many, and the standard error of the mean (of one number, that over its rows).
    """

    mean: float
    std: float | None
    n: int
    error: float

    def text(self, digits: int = 3, shift: float = 0.0) -> str:
        """Mean and deviation with so many digits."""
        std = "" if self.std is None else f" ± {self.std:.{digits}f}"
        return f"{self.mean + shift:.{digits}f}{std}"


def spread(values: Sequence[float], within: Sequence[float] = ()) -> Spread | None:
    """Mean and standard deviation over seeds; None without values.

    Args:
        values: one a seed.
        within: standard errors over rows, one a seed; used where there is only one.
    """
    n = len(values)
    if not n:
        return None
    mean = math.fsum(values) / n
    if n == 1:
        return Spread(mean, None, 1, within[0] if within else math.nan)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    return Spread(mean, std, n, std / math.sqrt(n))


def spreads(found: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Of every number of several models, which may lack some; errors are those of `NAME_se`."""
    out: dict[str, Spread] = {}
    for name in dict.fromkeys(k for m in found for k in m if not k.endswith(BESIDE)):
        some = [m for m in found if name in m]
        within = [m.get(f"{name}_se", math.nan) for m in some]
        if (made := spread([m[name] for m in some], within)) is not None:
            out[name] = made
    return out


def trimmed(values: Sequence[float]) -> list[float]:
    """The paper's rule: of ten runs the two best and the two worst are dropped; of other numbers
    the same share, rounded down.

    >>> trimmed([9, 1, 2, 3, 4, 5, 6, 7, 8, 0])
    [2, 3, 4, 5, 6, 7]
    """
    cut = len(values) // 5
    return sorted(values)[cut : len(values) - cut]
