"""Distributions as values: parameters in, densities and draws out, in nats.

Shapes are `(*leading, *event)`. They are thinner than `torch.distributions`: no validation at every
call, noise is an argument (so that a compiled step draws none), and events of any rank are summed
inside.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from wyner.errors import LawError
from wyner.math import LOG_2PI, broadcast_shapes, sum_last, total
from wyner.variables import Shape

Noise = Any
"""A tensor `(*leading, *event)` of the kind that a distribution names; None if it needs none."""


class Distribution(ABC):
    """One distribution per leading index."""

    noise: str | None = None
    """What draws are made of: "normal", "uniform", "gumbel", "component" or None."""
    differentiable: bool = True
    """Whether `rsample` lets gradients through."""
    averaged: bool = True
    """Whether `mean` is known; where it is not, tasks return draws."""
    summed: bool = False
    """Whether training sums over all values in place of a draw; see `Summed`."""
    parameter: ClassVar[str] = ""
    """Attribute of the parameter whose shape is `(*leading, *event)`; by default the mean."""
    refusal: ClassVar[str] = ""
    """Why no gradient passes a draw."""
    values: ClassVar[str] = "bits"
    """What is drawn, and which space a latent needs, where no gradient passes."""
    instead: ClassVar[str] = "Categorical(n, 2)"
    event: Shape

    @property
    def mean(self) -> Tensor:
        """Expected value, `(*leading, *event)`."""
        return getattr(self, self.parameter)

    @property
    def leading(self) -> Shape:
        """Leading shape of the parameters."""
        shape = getattr(self, self.parameter).shape
        return tuple(shape[: len(shape) - len(self.event)])

    @abstractmethod
    def log_prob(self, value: Float[Tensor, "*any"]) -> Float[Tensor, "*lead"]:
        """Log p(value) in nats, summed over the event: `(*leading)`."""

    def observing(self, value: Tensor) -> Distribution:
        """The same where the row is known, `(*leading, *event)`: counts take their total from it.

        Means and draws depend on it; densities take it from what they score.
        """
        return self

    def with_library(self, total: Tensor) -> Distribution:
        """The same where the total counts `(*leading)` are known.

        Raises:
            LawError: totals say nothing of this distribution.
        """
        raise LawError(
            "library: no total is given to these variables; expected counts of a family with"
            " library=True"
        )

    def rsample(self, noise: Noise) -> Tensor:
        """A draw that gradients pass through.

        Raises:
            LawError: there is none for this distribution.
        """
        raise LawError(self.refusal)

    def exact(self, noise: Noise) -> Tensor:
        """A draw from the distribution itself, where `rsample` is a relaxed one."""
        return self.rsample(noise)

    def sample(self, *shape: int) -> Tensor:
        """Draws `(*shape, *leading, *event)` from the global random state, without gradient."""
        like = self.mean
        with torch.no_grad():
            full = (*shape, *self.leading, *self.event)
            return self.exact(draw_noise(self.noise, full, like)).expand(full)


def draw_noise(
    kind: str | None, shape: Shape, like: Tensor, generator: torch.Generator | None = None
) -> Tensor | None:
    """Noise of one kind with the type and device of `like`; None for a deterministic draw."""
    if kind is None:
        return None
    options: Any = {"dtype": like.dtype, "device": like.device, "generator": generator}
    if kind == "normal":
        return torch.randn(shape, **options)
    if kind == "component":  # normal noise, and one more number that chooses the component
        return torch.randn((*shape[:-1], shape[-1] + 1), **options)
    uniform = torch.rand(shape, **options)
    return _gumbel(uniform) if kind == "gumbel" else uniform


def generator_of(noise: Tensor) -> torch.Generator:
    """A generator whose seed is a function of uniform noise, for draws that need many numbers."""
    seed = int(noise.double().sum().view(torch.int64))
    return torch.Generator(noise.device).manual_seed(seed)


def _gumbel(uniform: Tensor) -> Tensor:
    """Gumbel noise -log(-log U), kept finite."""
    tiny = torch.finfo(uniform.dtype).tiny
    return -torch.log((-torch.log(uniform.clamp_min(tiny))).clamp_min(tiny))


def _from_normal(kind: str | None, normal: Tensor) -> Tensor | None:
    """Noise of one kind from normal noise: U = Phi(normal), kept below 1."""
    if kind is None:
        return None
    if kind == "normal":
        return normal
    uniform = torch.special.ndtr(normal).clamp_max(1 - torch.finfo(normal.dtype).eps)
    return _gumbel(uniform) if kind == "gumbel" else uniform


class Normal(Distribution):
    """Diagonal Gaussian N(loc, exp(2 log_scale)); `log_scale` may be shared inside the event."""

    noise, parameter = "normal", "loc"

    def __init__(self, loc: Tensor, log_scale: Tensor, event: Shape) -> None:
        self.loc, self.log_scale, self.event = loc, log_scale, event

    @property
    def variance(self) -> Tensor:
        """Variance of each coordinate, `(*leading, *event)`."""
        return torch.exp(2 * self.log_scale).expand(self.loc.shape)

    def log_prob(self, value: Float[Tensor, "*any"]) -> Float[Tensor, "*lead"]:
        size = math.prod(self.event)
        constant = 0.5 * LOG_2PI * size
        if self.log_scale.ndim == 0:  # one scale for all: the sum is scaled, not every coordinate
            square = distances(value, self.loc, len(self.event))
            once = size * self.log_scale + constant
            return square * (-0.5 * torch.exp(-2 * self.log_scale)) - once
        square = (value - self.loc).mul(torch.exp(-self.log_scale)).square()
        if self.log_scale.shape == square.shape:
            each = torch.add(self.log_scale, square, alpha=0.5)
            return sum_last(each, len(self.event)).neg() - constant
        once = total(self.log_scale, self.event) + constant
        return -0.5 * sum_last(square, len(self.event)) - once

    def rsample(self, noise: Noise) -> Tensor:
        return torch.addcmul(self.loc, torch.exp(self.log_scale), noise)

    def entropy(self) -> Tensor:
        """H = sum_j log s_j + (d/2) log(2 pi e) in nats, `(*leading)`."""
        constant = 0.5 * (LOG_2PI + 1) * math.prod(self.event)
        return (total(self.log_scale, self.event) + constant).expand(self.leading)


class Bernoulli(Distribution):
    """Independent bits, probabilities sigmoid(logits); values in [0, 1] score as
    cross-entropies.
    """

    noise, differentiable, parameter = "uniform", False, "logits"
    refusal = (
        "Bernoulli variables have no draw that gradients pass through; use Categorical(n, 2) for a"
        " latent"
    )

    def __init__(self, logits: Tensor, event: Shape) -> None:
        self.logits, self.event = logits, event

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(self.logits)

    def log_prob(self, value: Float[Tensor, "*any"]) -> Float[Tensor, "*lead"]:
        logits = self.logits
        if value.shape != logits.shape:
            value, logits = torch.broadcast_tensors(value, logits)
        each = F.binary_cross_entropy_with_logits(logits, value, reduction="none")
        return -sum_last(each, len(self.event))

    def exact(self, noise: Noise) -> Tensor:
        return (noise < self.mean).to(self.logits.dtype)

    def entropy(self) -> Tensor:
        """Sum of binary entropies in nats, `(*leading)`."""
        p = torch.sigmoid(self.logits)
        each = F.binary_cross_entropy_with_logits(self.logits, p, reduction="none")
        return sum_last(each, len(self.event))


class Categorical(Distribution):
    """n independent k-ary variables, one-hot over the last axis: event (n, k).

    `rsample` is the Gumbel-softmax softmax((logits + g) / temperature) (Jang et al. 2017; Maddison
    et al. 2017); densities and KLs use the un-relaxed probabilities.
    """

    noise, parameter = "gumbel", "log_p"

    def __init__(
        self, logits: Float[Tensor, "*lead n k"], temperature: Tensor | float, event: Shape
    ) -> None:
        self.log_p, self.temperature, self.event = torch.log_softmax(logits, -1), temperature, event

    @property
    def mean(self) -> Tensor:
        return self.log_p.exp()

    def log_prob(self, value: Float[Tensor, "*any"]) -> Float[Tensor, "*lead"]:
        return sum_last(value * self.log_p, len(self.event))

    def rsample(self, noise: Noise) -> Tensor:
        return torch.softmax((self.log_p + noise) / self.temperature, -1)

    def exact(self, noise: Noise) -> Tensor:
        codes = (self.log_p + noise).argmax(-1)
        return F.one_hot(codes, self.event[-1]).to(self.log_p.dtype)

    def entropy(self) -> Tensor:
        """sum_n H(q_n) in nats, `(*leading)`."""
        return -sum_last(self.log_p.exp() * self.log_p, len(self.event))


class Summed(Categorical):
    """A categorical variable that training sums over: E_q f(x) = sum_x q(x) f(x), exactly.

    In place of a draw, `rsample` gives every value, `(k^n, 1, ..., 1, n, k)`; what is computed from
    it has one leading axis more, over which the terms are summed with the probabilities. Tasks draw
    as from any categorical variable.
    """

    summed = True

    def rsample(self, noise: Noise) -> Tensor:
        return noise


def distances(
    value: Float[Tensor, "*any"], loc: Float[Tensor, "*places"], axes: int
) -> Float[Tensor, "*lead"]:
    """sum_j (value_j - loc_j)^2 over the last axes.

    Where each of B values `(B, *event)` meets each of K places `(K, 1, *event)`, one product in
    place of an array `(K, B, *event)`; it is off by some 1e-7 |value|^2 in float32.
    """
    every = loc.ndim == axes + 2 and loc.shape[1] == 1 and loc.shape[0] > 1
    if not (every and value.ndim == axes + 1) or torch.is_autocast_enabled(loc.device.type):
        return sum_last((value - loc).square(), axes)  # under autocast a product keeps 8 bits
    v, m = value.flatten(1), loc.flatten(1)
    return torch.addmm(m.square().sum(1)[:, None] + v.square().sum(1), m, v.T, alpha=-2)


def all_values(lead: int, event: Shape, like: Tensor) -> Tensor:
    """Every value of n k-ary variables, one-hot, `(k^n, 1, ..., 1, n, k)` with `lead` ones."""
    n, k = event
    codes = torch.cartesian_prod(*[torch.arange(k, device=like.device)] * n).reshape(-1, n)
    return F.one_hot(codes, k).to(like.dtype).reshape(len(codes), *[1] * lead, n, k)


class Mixture(Distribution):
    """(1/M) sum_m q_m, components of one kind over one event; no gradient passes a draw."""

    noise, differentiable = "component", False
    refusal = (
        "a draw from a mixture of experts has no gradient for the choice of the expert; draw from"
        " each expert in a law of its own"
    )

    def __init__(self, components: Sequence[Distribution], there: Tensor | None = None) -> None:
        self.components, self.event = list(components), components[0].event
        self.there = there
        """`(M, B)`, 1 where a row has the component; None if every row has all."""

    def _shares(self, there: Tensor, like: Tensor, rank: int = 0) -> Tensor:
        """Shares of the components that each row has, for `like` `(M, *leading, B, *event)`."""
        shares = (there / there.sum(0)).to(like)
        ones = [1] * rank
        return shares.reshape(len(there), *[1] * (like.ndim - 2 - rank), -1, *ones).expand_as(like)

    @property
    def mean(self) -> Tensor:
        if self.there is None:
            first, *rest = (c.mean for c in self.components)
            return sum(rest, start=first) / len(self.components)
        each = torch.stack(torch.broadcast_tensors(*(c.mean for c in self.components)))
        return (self._shares(self.there, each, len(self.event)) * each).sum(0)

    @property
    def leading(self) -> Shape:
        return broadcast_shapes(*(c.leading for c in self.components))

    def log_prob(self, value: Float[Tensor, "*any"]) -> Float[Tensor, "*lead"]:
        each = torch.stack(torch.broadcast_tensors(*(c.log_prob(value) for c in self.components)))
        if self.there is None:
            return torch.logsumexp(each, 0) - math.log(len(each))
        return torch.logsumexp(each + self._shares(self.there, each).log(), 0)

    def exact(self, noise: Noise) -> Tensor:
        m, rank = len(self.components), len(self.event)
        uniform = torch.special.ndtr(noise.flatten(noise.ndim - rank)[..., -1])
        if self.there is None:
            chosen = (uniform * m).long().clamp(max=m - 1)
        else:
            ends = self._shares(self.there, uniform.expand(m, *uniform.shape)).cumsum(0)
            # what rounding leaves beyond all shares belongs to the last of them
            ends = torch.where(ends >= ends[-1:], math.inf, ends)
            chosen = (uniform >= ends).sum(0)
        own = _from_normal(self.components[0].noise, noise[..., :-1])
        draws = torch.stack(torch.broadcast_tensors(*(c.exact(own) for c in self.components)))
        at = chosen.reshape(1, *uniform.shape, *[1] * rank).expand(1, *draws.shape[1:])
        return draws.gather(0, at)[0]


class Delta(Distribution):
    """A point mass at `value`: it can be drawn, not scored."""

    parameter = "value"

    def __init__(self, value: Tensor, event: Shape) -> None:
        self.value, self.event = value, event

    @property
    def variance(self) -> Tensor:
        """Zero, `(*leading, *event)`."""
        return torch.zeros_like(self.value)

    def log_prob(self, value: Float[Tensor, "*any"]) -> Float[Tensor, "*lead"]:
        raise LawError(
            "a deterministic factor has no density; match its law by a density ratio instead of"
            " a KL"
        )

    def rsample(self, noise: Noise) -> Tensor:
        return self.value


def kl_normal(q: Normal, p: Normal) -> Float[Tensor, "*lead"]:
    """KL(q || p) of diagonal Gaussians, in nats.

    sum_j [ t_j - s_j + ( exp(2(s_j - t_j)) + ((m_j - n_j) exp(-t_j))^2 - 1 ) / 2 ], with locations
    m of q and n of p, log scales s of q and t of p.
    """
    delta = q.log_scale - p.log_scale
    square = (q.loc - p.loc).mul(torch.exp(-p.log_scale)).square()
    each = torch.add(square, torch.exp(2 * delta)).sub(1).mul(0.5) - delta
    return sum_last(each, len(q.event))


def kl_bernoulli(q: Bernoulli, p: Bernoulli) -> Float[Tensor, "*lead"]:
    """KL(q || p) = sum_j [ a_j log(a_j/b_j) + (1-a_j) log((1-a_j)/(1-b_j)) ], a, b the means."""
    each = q.mean * (q.logits - p.logits) + F.softplus(p.logits) - F.softplus(q.logits)
    return sum_last(each, len(q.event))


def kl_categorical(q: Categorical, p: Categorical) -> Float[Tensor, "*lead"]:
    """KL(q || p) = sum_n sum_k q_nk log(q_nk / p_nk) in nats, of the un-relaxed probabilities."""
    return sum_last(q.log_p.exp() * (q.log_p - p.log_p), len(q.event))


Kinds = tuple[type[Distribution], type[Distribution]]

CLOSED_FORMS: dict[Kinds, Callable[[Any, Any], Tensor]] = {
    (Normal, Normal): kl_normal,
    (Bernoulli, Bernoulli): kl_bernoulli,
    (Categorical, Categorical): kl_categorical,
    (Summed, Categorical): kl_categorical,
    (Summed, Summed): kl_categorical,
}
"""KL(q || p) by the kinds of q and p."""

STEPWISE: dict[Kinds, Callable[[Any, Any, Tensor], Tensor]] = {}
"""Functions (q, p, draw of q) whose expectation over the draw is KL(q || p): p's steps depend on
the steps before them."""


def kl_at(q: Distribution, p: Distribution, draw: Tensor) -> Float[Tensor, "*lead"]:
    """KL(q || p) in nats from a draw of q: exact in every step, given the steps before it."""
    return STEPWISE[type(q), type(p)](q, p, draw)


def kl(q: Distribution, p: Distribution) -> Float[Tensor, "*lead"]:
    """KL(q || p) >= 0 in nats, `(*leading)`, where a closed form exists.

    Raises:
        LawError: the two families have no closed form.
    """
    form = CLOSED_FORMS.get((type(q), type(p)))
    if form is None:
        raise LawError(f"no closed-form KL from {type(q).__name__} to {type(p).__name__}")
    return form(q, p)
