"""Numbers that change over training: functions of the share of it that is done, in [0, 1]."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from wyner.codec import extendable, stored
from wyner.errors import OptionError, refuse_unknown


@extendable
class Schedule(ABC):
    """A function, without state, from progress in [0, 1] to a weight, a rate or a temperature."""

    @abstractmethod
    def __call__(self, progress: float) -> float: ...


@stored("constant")
@dataclass(frozen=True)
class Constant(Schedule):
    """The same value throughout."""

    value: float = 1.0

    def __call__(self, progress: float) -> float:
        return self.value


@stored("linear")
@dataclass(frozen=True)
class Linear(Schedule):
    """From `start` to `end` in a straight line over the share `until` of training, then `end`."""

    start: float = 0.0
    end: float = 1.0
    until: float = 1.0

    def __call__(self, progress: float) -> float:
        share = min(1.0, progress / self.until) if self.until > 0 else 1.0
        return self.start + (self.end - self.start) * share


@stored("exponential")
@dataclass(frozen=True)
class Exponential(Schedule):
    """start * exp(-rate * progress), never below `floor` (for Gumbel-softmax: Jang et al. 2017)."""

    start: float = 1.0
    rate: float = 1.0
    floor: float = 0.5

    def __call__(self, progress: float) -> float:
        return max(self.floor, self.start * math.exp(-self.rate * progress))


@stored("decay")
@dataclass(frozen=True)
class Decay(Schedule):
    """end + (start - end) exp(-rate * progress), the time constant 1/rate of the training."""

    start: float = 1.0
    end: float = 0.0
    rate: float = 5.0

    def __call__(self, progress: float) -> float:
        return self.end + (self.start - self.end) * math.exp(-self.rate * progress)


@stored("path")
@dataclass(frozen=True)
class Path(Schedule):
    """Straight lines through knots (share of the training, value), constant outside them."""

    knots: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        knots = tuple((float(a), float(b)) for a, b in self.knots)
        object.__setattr__(self, "knots", knots)
        shares = [a for a, _ in knots]
        if not knots or shares != sorted(set(shares)) or shares[0] < 0 or shares[-1] > 1:
            raise OptionError(
                "Path: expected knots (share, value) with rising shares in [0, 1], got"
                f" {self.knots!r}"
            )

    def __call__(self, progress: float) -> float:
        before = self.knots[0]
        for after in self.knots:
            if progress <= after[0]:
                width = after[0] - before[0]
                share = (progress - before[0]) / width if width > 0 else 1.0
                return before[1] + (after[1] - before[1]) * min(1.0, max(0.0, share))
            before = after
        return before[1]


@stored("cosine")
@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from `start` to `end`."""

    start: float = 1.0
    end: float = 0.0

    def __call__(self, progress: float) -> float:
        half = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        return self.end + (self.start - self.end) * half


@stored("one-cycle")
@dataclass(frozen=True)
class OneCycle(Schedule):
    """Cosine from 1/`divide` up to 1 over the share `warm`, then down to 1/`final` (Smith 2018)."""

    warm: float = 0.3
    divide: float = 25.0
    final: float = 1e4

    def __call__(self, progress: float) -> float:
        if progress < self.warm:
            return Cosine(1 / self.divide, 1.0)(progress / self.warm)
        return Cosine(1.0, 1 / self.final)((progress - self.warm) / max(1e-12, 1 - self.warm))


@stored("warmup")
@dataclass(frozen=True)
class Warmup(Schedule):
    """Linear from 0 to 1 over the first `share` of the training, then 1."""

    share: float = 0.1

    def __call__(self, progress: float) -> float:
        return min(1.0, progress / self.share) if self.share > 0 else 1.0


LEARNING_RATES: dict[str, Schedule] = {
    "constant": Constant(),
    "one-cycle": OneCycle(),
    "cosine": Cosine(),
    "linear": Linear(1.0, 0.0),
}


def learning_rate(name: str | Schedule) -> Schedule:
    """The schedule of this name, or the schedule itself."""
    if isinstance(name, Schedule):
        return name
    refuse_unknown("learning-rate schedule", name, LEARNING_RATES)
    return LEARNING_RATES[name]


def at(value: float | Schedule, progress: float) -> float:
    """The value of a number or schedule at `progress`."""
    if isinstance(value, Schedule):
        return value(progress)
    try:
        return float(value)
    except (TypeError, ValueError):
        text = f"a weight: expected a number or a schedule, got {value!r}"
        raise OptionError(text) from None


def ended(path: Any, value: Any) -> Any:
    """The new value of a setting in plain values: a number in place of a path is its end."""
    if not isinstance(path, dict) or isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if "end" in path:
        return {**path, "end": value}
    if path.get("knots"):
        *before, (share, _) = path["knots"]
        return {**path, "knots": [*before, [share, value]]}
    return value


def end_of(path: Any) -> float:
    """The last value of a path in plain values, or the number itself."""
    if isinstance(path, dict):
        return float(path["end"] if "end" in path else path["knots"][-1][1])
    return float(path)
