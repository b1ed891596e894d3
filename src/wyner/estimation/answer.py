"""One answer for C_GK <= I <= J, from everything that was found. Nats.

What the rows do not tell from chance is 0, up to an upper end. Otherwise the interval is that of
every description that the rows have not refused, from the lowest end to the highest; where none is
left, it runs from the largest lower bound to what bounds I and J in any case, the entropy of
categories, or to infinity. The three intervals are then made to keep C_GK <= I <= J end by end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from wyner.estimation.independence import LEVEL
from wyner.estimation.rows import Estimate

QUANTITIES = ("I", "J", "C_GK")


def answer(
    rows: Sequence[Estimate], p: float, ceiling: float, infinite: str = ""
) -> Mapping[str, Estimate]:
    """The estimates of I, J and C_GK that hold together.

    Args:
        rows: of all estimators.
        p: of the test of independence.
        ceiling: what I and J cannot exceed.
        infinite: why they are infinite, if they are.
    """
    found = {q: _one(q, rows, ceiling) for q in QUANTITIES}
    if infinite:
        found = {
            q: replace(
                r, value=math.inf, interval=(r.interval[0], math.inf), kind="lower", note=infinite
            )
            for q, r in found.items()
        }
    if p > LEVEL:
        word = f"rows do not differ from shuffled ones (p = {p:.2f}): 0 unless more rows show it"
        found = {
            q: replace(r, value=0.0, interval=(0.0, r.interval[1]), note=word)
            for q, r in found.items()
        }
    return _ordered(found)


def _one(quantity: str, rows: Sequence[Estimate], ceiling: float) -> Estimate:
    mine = [r for r in rows if r.quantity == quantity]
    if descriptions := [r for r in mine if r.kind == "estimate"]:
        first = descriptions[0]
        low = min(r.interval[0] for r in descriptions)
        high = max(r.interval[1] for r in descriptions)
        high = min(high, max(ceiling, first.value))
        return replace(first, interval=(min(low, first.value), max(high, first.value)))
    if quantity == "C_GK":
        note = "no description holds, so nothing is known to be common to both sides"
        return Estimate("none", quantity, 0.0, (0.0, ceiling), "lower", note=note)
    bounds = [r for r in rows if r.kind == "lower" and r.quantity in {"I", quantity}]
    if not bounds:
        note = "the estimators that ran bound nothing"
        return Estimate("none", quantity, 0.0, (0.0, ceiling), "lower", note=note)
    best = max(bounds, key=lambda r: (r.interval[0], r.value))
    high = min([ceiling, *(b.interval[1] for b in bounds if b.quantity == quantity)])
    low = min(best.interval[0], high)
    value = min(max(r.value for r in (best, *(b for b in bounds if b.quantity == quantity))), high)
    return replace(best, quantity=quantity, value=value, interval=(low, high), kind="lower")


def _ordered(found: Mapping[str, Estimate]) -> Mapping[str, Estimate]:
    """C_GK <= I <= J in the values and in both ends."""
    i, j, c = (found[q] for q in QUANTITIES)
    high_i = min(i.interval[1], j.interval[1]) if j.kind == "estimate" else i.interval[1]
    low_i = min(i.interval[0], high_i)
    value_i = min(max(i.value, low_i), high_i) if math.isfinite(i.value) else i.value
    i = replace(i, value=value_i, interval=(low_i, high_i))
    low_j, high_j = max(j.interval[0], low_i), max(j.interval[1], high_i)
    j = replace(j, value=max(min(j.value, high_j), value_i), interval=(low_j, high_j))
    high_c = min(c.interval[1], high_i)
    value_c = min(c.value, value_i, high_c)
    c = replace(c, value=value_c, interval=(min(c.interval[0], value_c, low_i), high_c))
    return {"I": i, "J": j, "C_GK": c}
