"""Counts: Poisson, negative binomial, and negative binomial with extra zeros.

With mean m and dispersion r, so that the variance of a negative binomial is m + m^2 / r:

    Poisson                       p(k) = m^k exp(-m) / k!
    negative binomial             p(k) = Gamma(r+k) / (Gamma(r) k!)  (r/(r+m))^r  (m/(r+m))^k
    with extra zeros              pi [k = 0] + (1 - pi) p(k)

Without a library log m_j is what the network returns. With the library size l of a row, its total
count over the columns, the network says in which shares it falls:

    m_j = l softmax(a)_j,        log l ~ N(mu, s^2) fitted to the training rows

Lopez et al., "Deep generative modeling for single-cell transcriptomics", Nature Methods 15 (2018),
Methods, where l is observed (`use_observed_lib_size` of scvi-tools). A density then takes l from
the very row that it scores: it is log p(x | latents, l), given the total and not with it, and
compares with others that are given the total alone. A draw takes l from the row where the row is
known, from the caller, or else from the log-normal.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wyner import variables
from wyner.codec import stored
from wyner.errors import OptionError
from wyner.families import distributions as D
from wyner.families.heads import Family, Head
from wyner.math import log_choose, softplus, sum_last
from wyner.variables import Shape, Space

LOG_RATE_MOST = 20.0
"""Log means are at most this, a mean of 5e8 (our choice)."""
LOG_DISPERSION_RANGE = (-9.0, 14.0)
"""Log dispersions are clamped here: r from 1e-4 to 1e6, which is nearly Poisson (our choice)."""
LEAST_MEAN = 1e-3
"""Columns of training rows without counts start at this mean (our choice)."""

Library = tuple[Tensor, Tensor]
"""Mean and log of the standard deviation of the logarithm of a row's total."""


class PoissonCounts(D.Distribution):
    """Independent Poisson variables.

    Args:
        log_rate: logarithms of the means, `(*leading, *event)`; with a library they are shifted to
            those of shares that sum to 1, and the total is the rest.
        event: event shape.
        library: how totals are distributed, where no row tells; None for rates as they are.
    """

    noise, differentiable, parameter = "uniform", False, "log_rate"
    refusal = "counts have no draw that gradients pass through; use Real(n) for a latent"
    values, instead = "counts", "Real(n)"
    total: Tensor | None = None
    """Totals of the rows, where they are known."""

    def __init__(self, log_rate: Tensor, event: Shape, library: Library | None = None) -> None:
        self.log_rate, self.event, self.library = log_rate, event, library
        if library is not None:
            axes = tuple(range(-len(event), 0))
            self.log_rate = log_rate - torch.logsumexp(log_rate, axes, keepdim=True)

    def observing(self, value: Tensor) -> PoissonCounts:
        if self.library is None:
            return self
        return self.with_library(sum_last(value, len(self.event)))

    def with_library(self, total: Tensor) -> PoissonCounts:
        if self.library is None:
            super().with_library(total)  # refuses
        made = copy.copy(self)
        made.total = total
        return made

    def _log_mean(self, log_total: Tensor | None) -> Tensor:
        if log_total is None:
            return self.log_rate.clamp_max(LOG_RATE_MOST)
        return self.log_rate + log_total.reshape(*log_total.shape, *[1] * len(self.event))

    @property
    def mean(self) -> Tensor:
        """Expected counts; over the totals as well, where these are not known."""
        log_total = None if self.total is None else log_of(self.total)
        if self.library is not None and log_total is None:
            loc, log_scale = self.library
            log_total = loc + 0.5 * torch.exp(2 * log_scale)
        return self.expected(self._log_mean(log_total))

    def log_prob(self, value: Float[Tensor, "*any"]) -> Float[Tensor, "*lead"]:
        """Log p(value) in nats, `(*leading)`; with a library, given the total of the value."""
        n = len(self.event)
        log_total = None if self.library is None else log_of(sum_last(value, n))
        return sum_last(self.each(value, self._log_mean(log_total)), n)

    def exact(self, noise: D.Noise) -> Tensor:
        """A draw, by PyTorch's generators of gamma and Poisson numbers with the noise as seed."""
        generator = D.generator_of(noise)
        log_total = None if self.total is None else log_of(self.total)
        if self.library is not None and log_total is None:
            loc, log_scale = self.library
            normal = torch.empty_like(noise.flatten(-len(self.event))[..., 0])
            log_total = loc + torch.exp(log_scale) * normal.normal_(generator=generator)
        mean = torch.exp(self._log_mean(log_total)).expand(noise.shape)
        return torch.poisson(self.intensity(mean, noise, generator), generator)

    # What the subclasses change, for means m: density, mean, and the intensity that is drawn.

    def each(self, value: Tensor, log_mean: Tensor) -> Tensor:
        """Log p of every count."""
        return value * log_mean - torch.exp(log_mean) - torch.lgamma(value + 1)

    def expected(self, log_mean: Tensor) -> Tensor:
        """Expected counts."""
        return torch.exp(log_mean)

    def intensity(self, mean: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
        """Means of Poisson variables that are such counts together."""
        return mean


class NegativeBinomialCounts(PoissonCounts):
    """Independent negative binomial variables.

    Args:
        log_rate, event, library: as of `PoissonCounts`.
        log_dispersion: log r, which broadcasts with `log_rate`.
    """

    def __init__(
        self,
        log_rate: Tensor,
        event: Shape,
        library: Library | None = None,
        *,
        log_dispersion: Tensor,
    ) -> None:
        super().__init__(log_rate, event, library)
        self.log_dispersion = log_dispersion

    def each(self, value: Tensor, log_mean: Tensor) -> Tensor:
        ratio = log_mean - self.log_dispersion
        r = torch.exp(self.log_dispersion)
        # log(r/(r+m)) = -softplus(log m - log r), log(m/(r+m)) = -softplus(log r - log m)
        return log_choose(r, value) - r * softplus(ratio) - value * softplus(-ratio)

    def intensity(self, mean: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
        r = torch.exp(self.log_dispersion).expand(mean.shape)
        return mean * torch._standard_gamma(r, generator=generator) / r


class ZeroInflatedCounts(NegativeBinomialCounts):
    """Independent negative binomial variables, each 0 with probability pi whatever its mean.

    Args:
        log_rate, event, library, log_dispersion: as of `NegativeBinomialCounts`.
        zero_logits: logits of pi, `(*leading, *event)`.
    """

    def __init__(
        self,
        log_rate: Tensor,
        event: Shape,
        library: Library | None = None,
        *,
        log_dispersion: Tensor,
        zero_logits: Tensor,
    ) -> None:
        super().__init__(log_rate, event, library, log_dispersion=log_dispersion)
        self.zero_logits = zero_logits

    def each(self, value: Tensor, log_mean: Tensor) -> Tensor:
        counted = super().each(value, log_mean) + F.logsigmoid(-self.zero_logits)
        zero = torch.logaddexp(F.logsigmoid(self.zero_logits), counted)
        return torch.where(value == 0, zero, counted)

    def expected(self, log_mean: Tensor) -> Tensor:
        return torch.exp(log_mean) * torch.sigmoid(-self.zero_logits)

    def intensity(self, mean: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
        counted = noise >= torch.sigmoid(self.zero_logits)
        return counted * super().intensity(mean, noise, generator)


def log_of(total: Tensor) -> Tensor:
    """Log of the totals of rows; no count at all is taken for one."""
    return torch.log(total.clamp_min(1))


@stored("poisson")
@dataclass(frozen=True)
class Poisson(Family):
    """Counts whose variance is their mean.

    Args:
        library: whether the total of a row is given, and the network says in which shares it falls
            on the columns: for molecules of a cell or words of a text, where it says how much was
            measured. Likelihoods are then given the totals.
    """

    library: bool = False
    distribution: ClassVar[type[D.Distribution]] = PoissonCounts

    def head(self, space: Space) -> Head:
        name = type(self).__name__
        if not isinstance(space, variables.Counts):
            raise OptionError(f"the {name} family needs a Counts variable, got {space!r}")
        if self.library and space.size < 2:
            raise OptionError(
                f"{name}(library=True) needs several columns, got {space!r}: the total of one is"
                " the column itself"
            )
        return self._head(space)

    def _head(self, space: Space) -> Head:
        return _Counts(space, self.library)


@stored("negative-binomial")
@dataclass(frozen=True)
class NegativeBinomial(Poisson):
    """Counts whose variance is larger than their mean, m + m^2 / r.

    Args:
        library: as of `Poisson`.
        predicted: whether the network predicts r too; else it is trained, one number a column.
    """

    predicted: bool = False
    distribution: ClassVar[type[D.Distribution]] = NegativeBinomialCounts

    def _head(self, space: Space) -> Head:
        return _Dispersed(space, self.library, self.predicted, zeros=False)


@stored("zero-inflated-negative-binomial")
@dataclass(frozen=True)
class ZeroInflatedNegativeBinomial(NegativeBinomial):
    """Negative binomial counts with extra zeros, whose probabilities are predicted.

    Args:
        library, predicted: as of `NegativeBinomial`.
    """

    distribution: ClassVar[type[D.Distribution]] = ZeroInflatedCounts

    def _head(self, space: Space) -> Head:
        return _Dispersed(space, self.library, self.predicted, zeros=True)


class _Counts(Head):
    """Reads log means, or logits of shares; adds those of the training rows once it knows them."""

    centre: Tensor
    fitted: Tensor

    def __init__(self, space: Space, library: bool) -> None:
        super().__init__(space)
        self.distribution: Any = PoissonCounts
        self.library = library
        self.register_buffer("centre", torch.zeros(self.event))
        self.register_buffer("library_loc", torch.zeros(()))
        self.register_buffer("library_log_scale", torch.zeros(()))
        self.register_buffer("fitted", torch.tensor(False))

    def fit(self, rows: Tensor) -> None:
        """Takes over means and totals of training rows, once: networks learn what differs."""
        if bool(self.fitted):
            return
        log_total = log_of(sum_last(rows, len(self.event)))
        self.get_buffer("library_loc").copy_(log_total.mean())
        self.get_buffer("library_log_scale").copy_(log_total.std().clamp_min(1e-3).log())
        self.centre.copy_(rows.mean(0).clamp_min(LEAST_MEAN).log())
        self.fitted.fill_(True)

    def options(self, raw: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Log rates, and what else the distribution takes."""
        return raw, {}

    def forward(self, raw: Tensor) -> PoissonCounts:
        log_rate, options = self.options(raw)
        get = self.get_buffer
        library = (get("library_loc"), get("library_log_scale")) if self.library else None
        return self.distribution(log_rate + self.centre, self.event, library, **options)


class _Dispersed(_Counts):
    """Reads log means, then log dispersions if these are predicted, then logits of zeros if any."""

    def __init__(self, space: Space, library: bool, predicted: bool, zeros: bool) -> None:
        super().__init__(space, library)
        self.distribution = ZeroInflatedCounts if zeros else NegativeBinomialCounts
        self.zeros, self.parameters_per_coordinate = zeros, 1 + predicted + zeros
        self.log_dispersion = None if predicted else nn.Parameter(torch.zeros(self.event))

    def init_last(self, rows: Tensor) -> None:
        """Dispersions and zeros start without regard to the parents."""
        nn.init.zeros_(rows[len(rows) // self.parameters_per_coordinate :])

    @torch.no_grad()
    def fit(self, rows: Tensor) -> None:
        """As of Poisson counts; trained dispersions start at those of the training rows.

        Of their moments: r = m^2 / (variance - m), from what the totals do not explain.
        """
        if self.log_dispersion is not None and not bool(self.fitted):
            total = sum_last(rows, len(self.event))
            mean = rows.mean(0).clamp_min(LEAST_MEAN)
            share = (total / total.mean().clamp_min(1)) if self.library else torch.ones_like(total)
            expected = share.reshape(-1, *[1] * len(self.event)) * mean
            excess = ((rows - expected).square() - expected).mean(0)
            r = expected.square().mean(0) / excess.clamp_min(1e-6)
            self.log_dispersion.copy_(r.log().clamp(-3.0, 5.0))
        super().fit(rows)

    def options(self, raw: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        parts = list(raw.chunk(self.parameters_per_coordinate, dim=-len(self.event)))
        log_rate = parts.pop(0)
        log_r = parts.pop(0) if self.log_dispersion is None else self.log_dispersion
        options = {"log_dispersion": F.hardtanh(log_r, *LOG_DISPERSION_RANGE)}
        if self.zeros:
            options["zero_logits"] = parts.pop(0)
        return log_rate, options
