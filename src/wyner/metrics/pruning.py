"""Which values of what is swept are hopeless: far behind the best, beyond chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from wyner.metrics.spread import Spread, spread

Looks = Mapping[str, Sequence[tuple[float, float]]]
"""By value: a number that should be small and its standard error over rows, of every seed."""


def hopeless(now: Looks, before: Looks, what: str = "conditional nll") -> dict[str, str]:
    """Values to drop at a rung, with the reason.

    Args:
        now: at the rung.
        before: at half of its epochs. A value that is not yet where the best one was then needs
            twice the training at least; curves that merely cross are left alone.
        what: the number is called.
    """
    means = _spreads(now)
    if not means:
        return {}
    first = min(means, key=lambda k: means[k].mean)
    best, was = means[first], _spreads(before).get(first)
    out = {}
    for key, s in means.items():
        error = math.hypot(s.error, best.error)
        late = was is None or s.mean > was.mean
        if key != first and late and s.mean - best.mean > 2 * error:
            out[key] = f"{what} {s.mean:.3f} against {best.mean:.3f}, standard error {error:.3f}"
    return out


def _spreads(looks: Looks) -> dict[str, Spread]:
    found = {k: spread([a for a, _ in v], [b for _, b in v]) for k, v in looks.items()}
    return {k: s for k, s in found.items() if s is not None}
