"""Families: how the output of a network becomes a distribution.

A family with m parameters per coordinate reads `(*leading, m * event[0], *event[1:])`: they are
stacked along the first axis of the event. So a Gaussian over `(3, 32, 32)` with predicted variance
reads `(..., 6, 32, 32)`: three channels of means, then three of log scales.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyner import variables
from wyner.codec import extendable, stored
from wyner.errors import OptionError
from wyner.families import distributions as D
from wyner.schedules import Schedule, at
from wyner.variables import Shape, Space

LOG_SCALE_RANGE = (-6.0, 4.0)
"""Predicted log scales are clamped here (log-variances in [-12, 8]; our choice)."""


@stored("fixed")
@dataclass(frozen=True)
class Fixed:
    """A variance that is not trained, the same for every coordinate.

    Args:
        variance: a number, or a schedule over training, coarse to fine: at a large variance only
            what is worth its nats is encoded.
    """

    variance: float | Schedule = 0.5

    def __post_init__(self) -> None:
        for value in (at(self.variance, 0.0), at(self.variance, 1.0)):
            if not value > 0:
                raise OptionError(f"Fixed({self.variance}): a variance must be positive")


@stored("trainable")
@dataclass(frozen=True)
class Trainable:
    """A trained variance that does not depend on the parents, stored as a log scale.

    Args:
        variance: where it starts. Below a floor that falls, it is the floor until that has come
            down to it: a log scale moves by at most a learning rate a step, which from 1 to 0.01
            can be the whole training.
        per: "channel" (the first axis of the event), "coordinate", or "event" (one number).
        floor: smallest variance, without which a likelihood of degenerate data is unbounded; with a
            schedule what is common is found first, while errors are cheap.
    """

    variance: float = 1.0
    per: str = "channel"
    floor: float | Schedule = 1e-4

    def __post_init__(self) -> None:
        if self.per not in ("channel", "coordinate", "event"):
            raise OptionError(
                f"Trainable(per={self.per!r}): expected 'channel', 'coordinate' or 'event'"
            )
        if not self.variance >= min(at(self.floor, 0.0), at(self.floor, 1.0)) > 0:
            raise OptionError(
                f"Trainable: expected variance >= floor > 0, got {self.variance} and {self.floor}"
            )


@stored("predicted")
@dataclass(frozen=True)
class Predicted:
    """A variance that the network predicts, one per coordinate and value of the parents."""


Variance = Fixed | Trainable | Predicted

MOST_VALUES = 4096
"""A categorical variable with more values is not summed over."""


@extendable
class Family:
    """A kind of conditional distribution: it makes heads, which turn outputs into distributions."""

    distribution: ClassVar[type[D.Distribution]]

    def head(self, space: Space) -> Head:
        """The module for one variable of this family; by default the output is the parameter."""
        return _Plain(space, self.distribution)

    def prior(self, space: Space) -> Head | None:
        """A head without a network, for a factor without parents; None if it needs a network."""
        return None


class Head(nn.Module, ABC):
    """Network output `(*leading, m * event[0], *event[1:])` in, distribution out."""

    parameters_per_coordinate: int = 1
    inner_shape: Shape | None = None
    """Shape of what a density computes before it reads its parameters, if others may read it."""
    distribution: type[D.Distribution]

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.event = space.event_shape

    @property
    def raw_shape(self) -> tuple[int, ...]:
        """What a network must return for one value of the parents."""
        return (self.parameters_per_coordinate * self.event[0], *self.event[1:])

    def init_last(self, rows: Tensor) -> None:
        """Adapts the start of the weights of a network's last layer, one row a number of `raw`."""

    @abstractmethod
    def forward(self, raw: Tensor) -> D.Distribution: ...


@stored("gaussian")
@dataclass(frozen=True)
class Gaussian(Family):
    """Diagonal Gaussian over arrays of any rank. Densities with all constants.

    Args:
        variance: `Predicted()` (encoders), `Fixed(v)` or `Trainable(...)` (decoders).
    """

    variance: Variance = field(default_factory=Predicted)
    distribution: ClassVar[type[D.Distribution]] = D.Normal

    def head(self, space: Space) -> Head:
        if isinstance(self.variance, Predicted):
            return _PredictedNormal(space)
        ones = (1,) * (len(space.event_shape) - 1)
        return _SharedNormal(space, self.variance, (space.event_shape[0], *ones), space.event_shape)

    def prior(self, space: Space) -> Head:
        variance = at(getattr(self.variance, "variance", 1.0), 1.0)
        return _PriorNormal(space, isinstance(self.variance, Fixed), variance)


class _PredictedNormal(Head):
    parameters_per_coordinate, distribution = 2, D.Normal

    def init_last(self, rows: Tensor) -> None:
        """Scales start at 1 whatever the parents are: random ones reach e^4 and drown the rest."""
        nn.init.zeros_(rows[len(rows) // 2 :])

    def forward(self, raw: Tensor) -> D.Normal:
        loc, log_scale = raw.chunk(2, dim=-len(self.event))
        # hardtanh is clamp with one operation backward in place of five
        return D.Normal(loc, F.hardtanh(log_scale, *LOG_SCALE_RANGE), self.event)


class Annealed(Head):
    """A head with one number that a schedule may set while the model trains."""

    schedule: Schedule | None = None
    falling: Schedule | None = None

    def anneal(self, progress: float) -> None:
        """Sets what is scheduled for a share `progress` in [0, 1] of the training."""


class SharedScale(Annealed):
    """A log scale that does not depend on the parents: fixed, trained, or on a schedule.

    Args:
        variance: which of them.
        channel, coordinate: shapes of a trained log scale, for each `Trainable.per`.
    """

    log_floor: Tensor

    def __init__(
        self, space: Space, variance: Fixed | Trainable, channel: Shape, coordinate: Shape
    ) -> None:
        super().__init__(space)
        self.schedule = variance.variance if isinstance(variance.variance, Schedule) else None
        start, self.floor = 0.5 * math.log(at(variance.variance, 0.0)), -math.inf
        if isinstance(variance, Fixed):
            self.register_buffer("log_scale", torch.tensor(start))
            return
        self.floor = 0.5 * math.log(at(variance.floor, 0.0))
        if isinstance(variance.floor, Schedule):
            self.falling = variance.floor
            self.register_buffer("log_floor", torch.tensor(self.floor))
        shape = {"channel": channel, "coordinate": coordinate, "event": ()}[variance.per]
        self.log_scale = nn.Parameter(torch.full(shape, start))

    def anneal(self, progress: float) -> None:
        if self.schedule is not None:
            self.log_scale.fill_(0.5 * math.log(self.schedule(progress)))
        if self.falling is not None:
            self.log_floor.fill_(0.5 * math.log(self.falling(progress)))

    def scale(self) -> Tensor:
        """The log scale, not below its floor."""
        floor = self.floor if self.falling is None else self.log_floor
        return self.log_scale.clamp_min(floor)


class _SharedNormal(SharedScale):
    distribution = D.Normal

    def forward(self, raw: Tensor) -> D.Normal:
        return D.Normal(raw, self.scale(), self.event)


class _PriorNormal(Head):
    """N(0, s^2 I) with one scalar log s, trained unless fixed; starts at `variance`."""

    distribution = D.Normal
    loc: Tensor

    def __init__(self, space: Space, fixed: bool, variance: float) -> None:
        super().__init__(space)
        self.register_buffer("loc", torch.zeros(self.event), persistent=False)
        start = torch.tensor(0.5 * math.log(variance))
        if fixed:
            self.register_buffer("log_scale", start)
        else:
            self.log_scale = nn.Parameter(start)

    def forward(self, raw: Tensor | None = None) -> D.Normal:
        return D.Normal(self.loc, self.log_scale, self.event)


@stored("bernoulli")
@dataclass(frozen=True)
class Bernoulli(Family):
    """Independent bits; the network returns logits."""

    distribution: ClassVar[type[D.Distribution]] = D.Bernoulli


class _Plain(Head):
    """What the network returns is the one parameter of the distribution."""

    def __init__(self, space: Space, distribution: Any) -> None:
        super().__init__(space)
        self.distribution: Any = distribution

    def forward(self, raw: Tensor) -> D.Distribution:
        return self.distribution(raw, self.event)


@stored("categorical-family")
@dataclass(frozen=True)
class Categorical(Family):
    """n k-ary variables; relaxed draws in training, hard draws in every task.

    Args:
        temperature: of the relaxation; a number or a schedule over training.
        summed: no draws in training: terms are summed over all k^n values, with their
            probabilities.
        trained: whether a prior of this family is trained, from uniform; else it stays uniform, and
            values that the posterior never uses cost likelihood and rate.
    """

    temperature: float | Schedule = 0.5
    summed: bool = False
    trained: bool = False
    distribution: ClassVar[type[D.Distribution]] = D.Categorical

    def head(self, space: Space) -> Head:
        if not isinstance(space, variables.Categorical):
            raise OptionError(
                f"the Categorical family needs a Categorical(n, k) variable, got {space!r}"
            )
        n, k = space.event_shape
        if self.summed and k**n > MOST_VALUES:
            raise OptionError(
                f"{space!r} has {k}^{n} values, too many to sum over; expected at most"
                f" {MOST_VALUES}"
            )
        return _Summed(space) if self.summed else _Categorical(space, self.temperature)

    def prior(self, space: Space) -> Head:
        return _PriorCategorical(space, 1.0 if self.summed else self.temperature, self.trained)


class _Categorical(Annealed):
    """Draws in training at a temperature, the same for prior and posterior, which a critic sees."""

    distribution = D.Categorical
    temperature: Tensor

    def __init__(
        self, space: Space, temperature: float | Schedule, persistent: bool = True
    ) -> None:
        super().__init__(space)
        self.schedule = temperature if isinstance(temperature, Schedule) else None
        self.register_buffer(
            "temperature", torch.tensor(at(temperature, 0.0)), persistent=persistent
        )

    def anneal(self, progress: float) -> None:
        if self.schedule is not None:
            self.temperature.fill_(self.schedule(progress))

    def forward(self, raw: Tensor) -> D.Categorical:
        return D.Categorical(raw, self.temperature, self.event)


class _Summed(Head):
    distribution = D.Summed

    def forward(self, raw: Tensor) -> D.Summed:
        return D.Summed(raw, 1.0, self.event)


class _PriorCategorical(_Categorical):
    """Probabilities that do not depend on anything: uniform, or trained from there."""

    logits: Tensor

    def __init__(self, space: Space, temperature: float | Schedule, trained: bool) -> None:
        super().__init__(space, temperature, False)
        if trained:
            self.logits = nn.Parameter(torch.zeros(self.event))
        else:
            self.register_buffer("logits", torch.zeros(self.event), persistent=False)

    def forward(self, raw: Tensor | None = None) -> D.Categorical:
        return super().forward(self.logits)


@stored("deterministic")
@dataclass(frozen=True)
class Deterministic(Family):
    """A function of the parents: drawn, never scored."""

    distribution: ClassVar[type[D.Distribution]] = D.Delta
