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
        interval: (low, high) in nats, meant to hold the quantity in 95 of 100 samples; with an
            infinite end where the rows bound it on one side only.
        kind: what the value is: "estimate" (of the quantity, under the assumption), "lower" (a
            lower bound, but for sampling error) or "upper".
        seconds: that it took; shared by rows of one estimator.
        note: what to know before believing it.
        assumption: what has to hold for the value to be of this kind.
        tested: how the assumption was tested, and what came out.
        null: what the estimator says of the same rows when those of one side are shuffled, at most
            in 95 of 100 shuffles; None where that was not tried.
    """

    estimator: str
    quantity: str
    value: float
    interval: Interval
    kind: str
    seconds: float = 0.0
    note: str = ""
    assumption: str = ""
    tested: str = ""
    null: float | None = None

    def holds(self, truth: float) -> bool:
        """Whether the interval holds a value (to rounding)."""
        return self.interval[0] - 1e-9 <= truth <= self.interval[1] + 1e-9

    @property
    def text(self) -> str:
        """The value and its interval as they are printed: a lower bound as one, nothing as 0."""
        low, high = self.interval
        if math.isinf(self.value):
            return f"inf nats (>= {low:.3f})"
        if high == 0:
            return "0 nats"
        if self.value == 0 and low == 0:
            most = "no upper end" if math.isinf(high) else f"at most {high:.3f}"
            return f"0 nats: nothing beyond chance, {most}"
        if self.kind == "lower":
            most = "" if math.isinf(high) else f", <= {high:.3f}"
            return f">= {low:.3f}{most} nats (shown: {self.value:.3f})"
        return f"{self.value:.3f} nats {interval_text(self.interval)}"


def around(value: float, error: float, kind: str = "estimate") -> Interval:
    """The value -+ 2 standard errors, not below 0; without upper end for a lower bound."""
    low = max(0.0, value - 2 * error) if math.isfinite(error) else 0.0
    return low, math.inf if kind == "lower" or not math.isfinite(error) else value + 2 * error


def interval_text(interval: Interval) -> str:
    """[0.123, 0.456], with inf for an open end."""
    low, high = interval
    return f"[{low:.3f}, {high:.3f}]" if math.isfinite(high) else f"[{low:.3f}, inf)"


def row_as_json(row: Estimate) -> dict[str, Any]:
    """An estimate as a dictionary that JSON can hold; an infinite number is None."""
    ends = [end if math.isfinite(end) else None for end in row.interval]
    value = row.value if math.isfinite(row.value) else None
    return dataclasses.asdict(row) | {"interval": ends, "value": value}
