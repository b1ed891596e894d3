"""Distributions of sequences: Gaussian step by step, and a prior that remembers the past.

Events are `(t, d)`; steps that are NaN do not exist and count nothing (`wyner.variables.Sequence`).
[CMI] and DSAE: q(s_t|x,z) is Gaussian step by step, p(s_t|s_<t) reads the past through an LSTM;
specification of sequence models, 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wyner import variables
from wyner.codec import stored
from wyner.errors import OptionError, ShapeError, unknown
from wyner.families import distributions as D
from wyner.families.heads import LOG_SCALE_RANGE, Family, Head, Predicted, SharedScale, Variance
from wyner.math import LOG_2PI, filled, padded, present
from wyner.variables import Shape, Space

Steps = Float[Tensor, "*lead t d"]


class StepNormal(D.Normal):
    """Independent Gaussians N(loc_t, exp(2 log_scale_t)) over the steps of a sequence.

    Args:
        loc: `(*leading, t, d)`, NaN where there is no step; or `(1, d)` for the same at all steps.
        log_scale: of the same shape, or `(d,)` for one scale a coordinate, or a scalar.
        event: `(T, d)`, where `loc` does not say it.
    """

    def __init__(self, loc: Steps, log_scale: Tensor, event: Shape | None = None) -> None:
        super().__init__(loc, log_scale, event or tuple(loc.shape[-2:]))

    @property
    def mean(self) -> Tensor:
        return self.loc.expand(*self.leading, *self.event)

    @property
    def variance(self) -> Tensor:
        return padded(torch.exp(2 * self.log_scale).expand(self.mean.shape), present(self.mean))

    def log_prob(self, value: Steps) -> Float[Tensor, "*both"]:
        """Sum over the steps of `value` that exist, in nats, `(*leading)`."""
        there = present(value)
        # a step that the value has and the location has not is a mistake, and stays NaN
        loc = torch.where(there, self.loc, 0.0)
        square = (filled(value) - loc).mul(torch.exp(-self.log_scale)).square()
        each = square.mul(0.5) + self.log_scale
        return -torch.where(there, each + 0.5 * LOG_2PI, 0.0).sum((-2, -1))

    def rsample(self, noise: D.Noise) -> Steps:
        """A draw; noise `(*leading, T, d)` may have more steps than there are."""
        return torch.addcmul(self.loc, torch.exp(self.log_scale), noise[..., : self.event[0], :])

    def entropy(self) -> Float[Tensor, "*lead"]:
        """H = sum over existing steps of sum_j [ log s_tj + log(2 pi e) / 2 ] in nats."""
        each = self.log_scale.expand(self.mean.shape) + 0.5 * (LOG_2PI + 1)
        return torch.where(present(self.mean), each, 0.0).sum((-2, -1))


def kl_steps(q: StepNormal, p: StepNormal) -> Float[Tensor, "*lead"]:
    """KL(q || p): sum over the steps of q that exist of the KLs of Gaussians, in nats."""
    there = present(q.loc)
    loc, other = torch.where(there, q.loc, 0.0), torch.where(there, p.loc, 0.0)
    delta = q.log_scale - p.log_scale
    square = (loc - other).mul(torch.exp(-p.log_scale)).square()
    each = (square + torch.exp(2 * delta) - 1) * 0.5 - delta
    return torch.where(there, each, 0.0).sum((-2, -1))


class StepPrior(D.Distribution):
    """p(s) = prod_t N(s_t; m(s_<t), diag v(s_<t)): each step Gaussian given those before it.

    Its mean has no closed form: `.mean` is the path of conditional means, each step taken for what
    comes next.

    Args:
        past: gives the parameters of every step.
        steps: T of a draw.
        frame: d.
    """

    noise = "normal"

    def __init__(self, past: Past, steps: int, frame: int) -> None:
        self.past, self.event = past, (steps, frame)

    @property
    def leading(self) -> Shape:
        return ()

    @property
    def mean(self) -> Tensor:
        like = next(self.past.parameters())
        return self.rsample(like.new_zeros(self.event))

    def given_past(self, value: Steps) -> StepNormal:
        """The conditionals p(s_t|s_<t) of all existing steps of a sequence (teacher forcing)."""
        flat = filled(value).reshape(-1, *value.shape[-2:])
        loc, log_scale = (a.reshape(value.shape) for a in self.past.conditional(flat))
        return StepNormal(padded(loc, present(value)), log_scale)

    def log_prob(self, value: Steps) -> Float[Tensor, "*both"]:
        return self.given_past(value).log_prob(value)

    def rsample(self, noise: D.Noise) -> Steps:
        """A draw, step by step, from noise `(*leading, T, d)`."""
        flat = noise.reshape(-1, *noise.shape[-2:])
        last, state, drawn = torch.zeros_like(flat[:, 0]), None, []
        for t in range(flat.shape[1]):
            loc, log_scale, state = self.past.step(last, state)
            last = torch.addcmul(loc, torch.exp(log_scale), flat[:, t])
            drawn.append(last)
        return torch.stack(drawn, 1).reshape(noise.shape)


def kl_past(q: StepNormal, p: StepPrior, value: Steps) -> Float[Tensor, "*lead"]:
    """Estimate sum_t KL( q(s_t) || p(s_t|s_<t) ) of KL(q || p), at a draw s of q, in nats.

    Each step's KL is exact given the past: of the noise of log q - log p only the past's is left.
    """
    return kl_steps(q, p.given_past(value))


D.CLOSED_FORMS[StepNormal, StepNormal] = kl_steps
D.STEPWISE[StepNormal, StepPrior] = kl_past

CELLS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Past(nn.Module):
    """Mean and log scale of a step from the steps before it, zeros standing before the first.

    A cell "lstm", "gru" or "rnn" is a recurrent network over the whole past, then a linear layer;
    "markov" a linear layer of the last step alone, so that p(s) is a linear Gaussian process s_t =
    A s_{t-1} + b + noise, the noise's variance log-linear in s_{t-1}.
    """

    def __init__(self, frame: int, width: int, cell: str) -> None:
        super().__init__()
        self.cell = None if cell == "markov" else CELLS[cell](frame, width, batch_first=True)
        self.readout = nn.Linear(frame if self.cell is None else width, 2 * frame)
        nn.init.zeros_(self.readout.weight[frame:].data)  # scales start at 1
        nn.init.zeros_(self.readout.bias.data)

    def conditional(
        self, value: Float[Tensor, "N t d"]
    ) -> tuple[Float[Tensor, "N t d"], Float[Tensor, "N t d"]]:
        """Location and log scale of every step, given the steps before it."""
        before = F.pad(value[:, :-1], (0, 0, 1, 0))
        h = before if self.cell is None else self.cell(before)[0]
        return self._read(h)

    def step(self, last: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
        """Location and log scale of the next step, `(N, d)`, from the last and what is
        remembered.
        """
        h, state = (last, None) if self.cell is None else self.cell(last[:, None], state)
        loc, log_scale = self._read(h if self.cell is None else h[:, 0])
        return loc, log_scale, state

    def _read(self, h: Tensor) -> tuple[Tensor, Tensor]:
        loc, log_scale = self.readout(h).chunk(2, -1)
        return loc, F.hardtanh(log_scale, *LOG_SCALE_RANGE)


@stored("step-gaussian")
@dataclass(frozen=True)
class StepGaussian(Family):
    """Gaussian over every coordinate of every step, given the parents; padded steps count nothing.

    Args:
        variance: `Predicted()` (one a step and coordinate), `Fixed(v)`, or `Trainable(...)`: one
            for each coordinate, the same at all times, or one for all if `per="event"`.
    """

    variance: Variance = field(default_factory=Predicted)
    distribution: ClassVar[type[D.Distribution]] = StepNormal

    def head(self, space: Space) -> Head:
        _, frame = _sequence(space, "StepGaussian")
        if isinstance(self.variance, Predicted):
            return _Predicted(space)
        return _Shared(space, self.variance, (frame,), (frame,))

    def prior(self, space: Space) -> Head:
        _sequence(space, "StepGaussian")
        return _White(space)


class _Predicted(Head):
    parameters_per_coordinate, distribution = 2, StepNormal

    def forward(self, raw: Tensor) -> StepNormal:
        loc, log_scale = raw.chunk(2, dim=-2)
        return StepNormal(loc, F.hardtanh(filled(log_scale), *LOG_SCALE_RANGE))


class _Shared(SharedScale):
    distribution = StepNormal

    def forward(self, raw: Tensor) -> StepNormal:
        return StepNormal(raw, self.scale())


class _White(Head):
    """N(0, 1) at every step: the prior of a model without a memory."""

    distribution = StepNormal
    loc: Tensor

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self.register_buffer("loc", torch.zeros(1, self.event[1]), persistent=False)

    def forward(self, raw: Tensor | None = None) -> StepNormal:
        return StepNormal(self.loc, self.loc.new_zeros(()), self.event)


@stored("recurrent")
@dataclass(frozen=True)
class Recurrent(Family):
    """p(s) = prod_t N(s_t; m(s_<t), v(s_<t)), for factors without parents: a `StepPrior`.

    In training the network reads draws of the posterior (teacher forcing), zeros before the first
    step; a draw feeds back its own steps. Specification of sequence models, 2.2.

    Args:
        width: of the recurrent network.
        cell: "lstm", "gru", "rnn", or "markov"; see `Past`.
    """

    width: int = 256
    cell: str = "lstm"
    distribution: ClassVar[type[D.Distribution]] = StepPrior

    def __post_init__(self) -> None:
        if self.cell not in (*CELLS, "markov"):
            raise OptionError(unknown("cell of a recurrent prior", self.cell, (*CELLS, "markov")))
        if self.width < 1:
            raise OptionError(f"Recurrent: expected a positive width, got {self.width!r}")

    def head(self, space: Space) -> Head:
        raise OptionError(
            "Recurrent is a prior, for a factor without parents such as p(s); for others use"
            " StepGaussian()"
        )

    def prior(self, space: Space) -> Head:
        steps, frame = _sequence(space, "Recurrent")
        return _Recurrent(space, Past(frame, self.width, self.cell), steps, frame)


class _Recurrent(Head):
    distribution = StepPrior

    def __init__(self, space: Space, past: Past, steps: int, frame: int) -> None:
        super().__init__(space)
        self.past, self.steps, self.frame = past, steps, frame

    def forward(self, raw: Tensor | None = None) -> StepPrior:
        return StepPrior(self.past, self.steps, self.frame)


def _sequence(space: Space, family: str) -> tuple[int, int]:
    if not isinstance(space, variables.Sequence):
        raise ShapeError(f"{family} needs a variable such as Sequence(20, Real(64)), got {space!r}")
    return space.steps, space.frame
