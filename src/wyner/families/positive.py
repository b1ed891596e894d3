"""Log-normal variables: Gaussian on a logarithmic scale, with densities of the numbers themselves.

    p(x) = N( log(x + c); m, s^2 ) / (x + c)

The Jacobian 1/(x + c) makes densities comparable with those of other families of x. With c = 1 it
is the Gaussian after log1p.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from wyner import variables
from wyner.codec import stored
from wyner.errors import LawError, OptionError
from wyner.families import distributions as D
from wyner.families.heads import Annealed, Family, Fixed, Gaussian, Head, Trainable, Variance
from wyner.math import sum_last
from wyner.variables import Space


class LogNormalValue(D.Distribution):
    """Independent log-normal variables, shifted by -c.

    Args:
        log: distribution of log(x + c).
        shift: c.
    """

    noise = "normal"

    def __init__(self, log: D.Normal, shift: float = 0.0) -> None:
        self.log, self.shift, self.event = log, shift, log.event

    @property
    def leading(self) -> D.Shape:
        return self.log.leading

    @property
    def mean(self) -> Tensor:
        """Expected value exp(m + s^2 / 2) - c, `(*leading, *event)`."""
        return torch.exp(self.log.loc + 0.5 * self.log.variance) - self.shift

    @property
    def median(self) -> Tensor:
        """Median exp(m) - c, `(*leading, *event)`."""
        return torch.exp(self.log.loc) - self.shift

    def log_prob(self, value: Float[Tensor, "*any"]) -> Float[Tensor, "*lead"]:
        log = torch.log(value + self.shift)
        return self.log.log_prob(log) - sum_last(log, len(self.event))

    def rsample(self, noise: D.Noise) -> Tensor:
        return torch.exp(self.log.rsample(noise)) - self.shift


def kl_log_normal(q: LogNormalValue, p: LogNormalValue) -> Float[Tensor, "*lead"]:
    """KL(q || p) in nats: that of the Gaussians of log(x + c)."""
    if q.shift != p.shift:
        raise LawError(
            f"log-normal variables shifted by {q.shift} and {p.shift} have no KL in closed form"
        )
    return D.kl_normal(q.log, p.log)


D.CLOSED_FORMS[LogNormalValue, LogNormalValue] = kl_log_normal


@stored("log-normal")
@dataclass(frozen=True)
class LogNormal(Family):
    """Positive numbers, Gaussian on a logarithmic scale.

    Locations, and variances that are not fixed, are in units of the spread of the training rows'
    logarithms, so that columns of any scale begin alike.

    Args:
        variance: of log(x + shift): `Trainable(...)` (decoders), `Predicted()` or `Fixed(v)`.
        shift: c >= 0; 1 for the Gaussian after log1p, which takes zeros.
    """

    variance: Variance = field(default_factory=lambda: Trainable(per="coordinate"))
    shift: float = 0.0
    distribution: ClassVar[type[D.Distribution]] = LogNormalValue

    def __post_init__(self) -> None:
        if not self.shift >= 0:
            raise OptionError(f"LogNormal(shift={self.shift}): expected a number from 0 up")

    def head(self, space: Space) -> Head:
        if not isinstance(space, variables.Positive | variables.Counts):
            raise OptionError(f"the LogNormal family needs a Positive variable, got {space!r}")
        if isinstance(space, variables.Counts) and not self.shift:
            raise OptionError(
                "LogNormal() has no density at a count of 0; expected LogNormal(shift=1) or"
                " NegativeBinomial()"
            )
        return _LogNormal(space, self.variance, self.shift)


class _LogNormal(Annealed):
    distribution = LogNormalValue
    centre: Tensor
    log_spread: Tensor
    fitted: Tensor

    def __init__(self, space: Space, variance: Variance, shift: float) -> None:
        super().__init__(space)
        self.log = Gaussian(variance).head(space)
        self.relative, self.shift = not isinstance(variance, Fixed), shift
        self.parameters_per_coordinate = self.log.parameters_per_coordinate
        self.register_buffer("centre", torch.zeros(self.event))
        self.register_buffer("log_spread", torch.zeros(self.event))
        self.register_buffer("fitted", torch.tensor(False))

    def fit(self, rows: Tensor) -> None:
        """Takes over mean and spread of the logarithms of training rows, once."""
        if bool(self.fitted):
            return
        self.fitted.fill_(True)
        log = torch.log(rows + self.shift)
        self.centre.copy_(log.mean(0))
        self.log_spread.copy_(log.std(0).clamp_min(1e-3).log())

    def init_last(self, rows: Tensor) -> None:
        self.log.init_last(rows)

    def anneal(self, progress: float) -> None:
        if isinstance(self.log, Annealed):
            self.log.anneal(progress)

    def forward(self, raw: Tensor) -> LogNormalValue:
        made: D.Normal = self.log(raw)
        loc = torch.addcmul(self.centre, torch.exp(self.log_spread), made.loc)
        log_scale = made.log_scale + self.log_spread if self.relative else made.log_scale
        return LogNormalValue(D.Normal(loc, log_scale, self.event), self.shift)
