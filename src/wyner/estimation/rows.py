"""What an estimator returns: a row of the table, and how intervals are made."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """One number about a pair, in nats.

    Attributes:
        estimator: who found it.
        quantity: "I", "J", "C_GK", or "I(X,Y;Z)", "I(X;Y|Z)" of a learned z.
        value: in nats.
        interval: (low, high) in nats, meant to hold the quantity in 95 of 100 samples; low end
            only, with infinity, for a lower bound.
        kind: "estimate" (aims at the quantity), "lower" (at most the quantity, but for sampling
            error) or "upper" (at least it, if the model fits).
        seconds: that it took; shared by rows of one estimator.
        note: what to know before believing it.
        explains: for descriptions with an exact J, the mutual information that they show on rows
            they were not fitted to, in nats. A description that shows all of I(X;Y) has the J of
            the pair.
    """

    estimator: str
    quantity: str
    value: float
    interval: Interval
    kind: str
    seconds: float = 0.0
    note: str = ""
    explains: float | None = None

    def holds(self, truth: float) -> bool:
        """Whether the interval holds a value (to rounding)."""
        return self.interval[0] - 1e-9 <= truth <= self.interval[1] + 1e-9


def around(value: float, error: float, kind: str = "estimate") -> Interval:
    """The value -+ 2 standard errors, not below 0; without upper end for a lower bound."""
    low = max(0.0, value - 2 * error) if math.isfinite(error) else 0.0
    return low, math.inf if kind == "lower" or not math.isfinite(error) else value + 2 * error


def interval_text(interval: Interval) -> str:
    """[0.123, 0.456], with inf for an open end."""
    low, high = interval
    return f"[{low:.3f}, {high:.3f}]" if math.isfinite(high) else f"[{low:.3f}, inf)"


def row_as_json(row: Estimate) -> dict[str, Any]:
    """An estimate as a dictionary that JSON can hold; an infinite end of the interval is None."""
    ends = [end if math.isfinite(end) else None for end in row.interval]
    return dataclasses.asdict(row) | {"interval": ends}
