"""Values as text: numbers, times, counts, and when a phase runs."""

from __future__ import annotations

import json
import math
from typing import Any

from wyner.objectives.phases import After, Alternating, Phase


def number(value: float) -> str:
    """Three decimals, fewer for large values."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    if value and abs(value) < 5e-4:
        return f"{value:.1e}"
    return f"{value:.3f}" if abs(value) < 1e4 else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, on one line."""
    if seconds < 100:
        return f"{seconds:.0f}\u00a0s"
    return f"{seconds / 60:.0f}\u00a0min" if seconds < 6000 else f"{seconds / 3600:.1f}\u00a0h"


def count(n: int) -> str:
    """Whole numbers with separators; millions in short."""
    return f"{n / 1e6:.1f} million" if n >= 1_000_000 else f"{n:,}"


def plain(value: Any) -> str:
    """Any setting: texts as they are, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def when(phase: Phase, first: bool) -> str:
    """When a phase runs, as a sentence."""
    if first:
        return "throughout: the main phase"
    if isinstance(phase.when, After):
        return (
            f"after the phases before it, for {100 * phase.when.share:g} % of their epochs (at"
            " least one)"
        )
    if isinstance(phase.when, Alternating):
        return (
            f"after every {phase.when.every} epochs of the main phase, for {phase.when.epochs}"
            " epochs of its own"
        )
    return "in every step, on the same rows, after the phases before it"
