"""Counts, positive numbers and mixed columns: densities against SciPy, draws, means, gradients."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from oracle.statistics import assert_mean
from wyner import Binary, Categorical, Counts, Mixed, Positive, Real
from wyner.errors import LawError, OptionError
from wyner.families import (
    Bernoulli,
    Columns,
    Fixed,
    Gaussian,
    LogNormal,
    NegativeBinomial,
    Poisson,
    Predicted,
    Trainable,
    ZeroInflatedNegativeBinomial,
    default,
)
from wyner.families.counts import NegativeBinomialCounts, PoissonCounts, ZeroInflatedCounts
from wyner.families.distributions import Normal, draw_noise, kl
from wyner.families.positive import LogNormalValue
from wyner.math import log_choose

pytestmark = pytest.mark.usefixtures("float64")

VALUES = torch.tensor([0.0, 1.0, 2.0, 7.0, 30.0, 1000.0, 1e5]).double()
MEANS = (1e-3, 0.5, 9.0, 300.0, 1e5)
DISPERSIONS = (1e-4, 0.03, 1.0, 9.9, 10.1, 250.0, 1e4)
N = 40_000
COUNTED = (Poisson, NegativeBinomial, ZeroInflatedNegativeBinomial)


def log(*values: float) -> Tensor:
    return torch.tensor(values).log()


def same(found: Tensor, exact: np.ndarray) -> None:
    torch.testing.assert_close(found, torch.as_tensor(exact), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("m", MEANS)
def test_poisson_density(m):
    found = PoissonCounts(log(m), (1,)).log_prob(VALUES[:, None])
    same(found, stats.poisson.logpmf(VALUES.numpy(), m))


@pytest.mark.parametrize(("m", "r"), itertools.product(MEANS, DISPERSIONS))
def test_negative_binomial_density_with_and_without_extra_zeros(m, r):
    exact = stats.nbinom.logpmf(VALUES.numpy(), r, r / (r + m))
    shared = {"log_dispersion": log(r)}
    same(NegativeBinomialCounts(log(m), (1,), **shared).log_prob(VALUES[:, None]), exact)
    for pi in (1e-6, 0.3, 1 - 1e-6):
        logits = torch.tensor([math.log(pi / (1 - pi))])
        found = ZeroInflatedCounts(log(m), (1,), zero_logits=logits, **shared)
        mixed = np.log1p(-pi) + exact
        mixed[0] = np.logaddexp(np.log(pi), mixed[0])
        same(found.log_prob(VALUES[:, None]), mixed)


def test_a_huge_dispersion_is_poisson():
    """SciPy's own negative binomial is off here: its probability r / (r + m) is rounded to 1."""
    found = NegativeBinomialCounts(log(3.0), (1,), log_dispersion=torch.tensor([30.0]))
    same(found.log_prob(VALUES[:5, None]), stats.poisson.logpmf(VALUES[:5].numpy(), 3.0))


def test_a_negative_binomial_is_poisson_with_a_gamma_mean():
    r, m = 2.5, 4.0
    for k in (0, 3, 20):
        density = lambda rate, k=k: stats.poisson.pmf(k, rate) * stats.gamma.pdf(rate, r, 0, m / r)
        exact, _ = integrate.quad(density, 0, np.inf, epsabs=1e-13, epsrel=1e-12)
        d = NegativeBinomialCounts(log(m), (1,), log_dispersion=log(r))
        same(d.log_prob(torch.tensor([[float(k)]])), np.log([exact]))


@pytest.mark.parametrize("a", [1e-8, 0.5, 9.5, 10.5, 1e3, 1e8])
def test_log_choose_is_the_sum_of_its_logarithms(a):
    for k in (0, 1, 4, 25):
        exact = math.fsum(math.log((a + i) / (i + 1)) for i in range(k))
        found = float(log_choose(torch.tensor(a), torch.tensor(float(k))))
        assert found == pytest.approx(exact, rel=1e-11, abs=1e-11)


def members(log_mean: Tensor, library=None) -> list[PoissonCounts]:
    event = tuple(log_mean.shape[-1:])
    shared = {"log_dispersion": log(0.7, 3.0, 40.0)}
    zeros = torch.tensor([-1.0, 0.5, -3.0])
    return [
        PoissonCounts(log_mean, event, library),
        NegativeBinomialCounts(log_mean, event, library, **shared),
        ZeroInflatedCounts(log_mean, event, library, zero_logits=zeros, **shared),
    ]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_draws_have_the_mean_and_the_frequencies(which):
    d = members(log(0.3, 2.0, 6.0))[which]
    draws = d.sample(N)
    assert draws.shape == (N, 3)
    assert_mean(draws, d.mean)
    for k in (0.0, 1.0, 4.0):
        each = [float(d.each(torch.full((3,), k), d.log_rate)[j].exp()) for j in range(3)]
        assert_mean((draws == k).double(), torch.tensor(each), f"frequency of {k}")


def test_draws_are_functions_of_their_noise():
    d = members(log(3.0, 2.0, 30.0))[2]
    noise = draw_noise("uniform", (4, 3), d.log_rate)
    before = torch.random.get_rng_state()
    assert torch.equal(d.exact(noise), d.exact(noise))
    assert torch.equal(before, torch.random.get_rng_state())
    assert not torch.equal(d.exact(noise), d.exact(noise.flip(0)))
    with pytest.raises(LawError, match="no draw that gradients pass"):
        d.rsample(noise)


LIBRARY = torch.tensor(3.0).double(), torch.tensor(-1.0).double()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_library_shares_out_the_total_of_the_row(which):
    logits = torch.randn(2, 3)
    value = torch.tensor([[5.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    d = members(logits, LIBRARY)[which]
    rate = torch.softmax(logits, -1) * torch.tensor([[7.0], [1.0]])  # a total of 0 counts as 1
    same(d.log_prob(value), members(rate.log())[which].log_prob(value).numpy())
    known = d.observing(value)
    same(known.mean, members(rate.log())[which].mean.numpy())
    assert_mean(known.sample(N), known.mean)
    total = math.exp(3.0 + 0.5 * math.exp(-2.0))
    same(d.mean, members((torch.softmax(logits, -1) * total).log())[which].mean.numpy())
    assert_mean(d.sample(N), d.mean)


def test_the_library_that_is_drawn_is_that_of_the_training_rows():
    head = NegativeBinomial(library=True).head(Counts(3))
    rows = torch.poisson(torch.exp(0.5 * torch.randn(500, 1)) * torch.tensor([10.0, 60.0, 5.0]))
    head.fit(rows)
    totals = rows.sum(1).log()
    assert float(head.library_loc) == pytest.approx(float(totals.mean()))
    assert float(head.library_log_scale) == pytest.approx(float(totals.std().log()))
    made = head(torch.zeros(3))
    same(made.log_rate.exp(), (rows.sum(0) / rows.sum()).numpy())
    head.fit(rows + 5)  # once
    assert float(head.library_loc) == pytest.approx(float(totals.mean()))


def test_counts_start_at_the_means_and_dispersions_of_the_training_rows():
    rows = torch.poisson(5 * torch._standard_gamma(torch.full((4000, 1), 2.0)) / 2)
    head = NegativeBinomial().head(Counts(1))
    head.fit(rows)
    d = head(torch.zeros(1))
    same(d.mean, rows.mean(0).numpy())
    assert float(d.log_dispersion.detach().exp()) == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("family", [f(library=b) for f in COUNTED for b in (False, True)])
def test_gradients_are_finite_at_extremes(family, dtype):
    head = family.head(Counts(3)).to(dtype)
    value = torch.tensor([[0.0, 0.0, 0.0], [1e5, 0.0, 1e5], [0.0, 1.0, 1e6]], dtype=dtype)
    for size in (-40.0, -5.0, 0.0, 5.0, 40.0):
        for dispersion in (-60.0, 0.0, 60.0):
            raw = torch.full((3, *head.raw_shape), size, dtype=dtype, requires_grad=True)
            if isinstance(getattr(head, "log_dispersion", None), Tensor):
                head.log_dispersion.data.fill_(dispersion)
            found = head(raw).log_prob(value)
            found.sum().backward()
            grads = [raw.grad, *(p.grad for p in head.parameters())]
            assert bool(torch.isfinite(found).all()), (size, dispersion)
            assert all(g is not None and bool(torch.isfinite(g).all()) for g in grads)


def test_heads_read_means_then_dispersions_then_zeros():
    raw = torch.randn(5, 9)
    head = ZeroInflatedNegativeBinomial(predicted=True).head(Counts(3))
    assert head.raw_shape == (9,)
    d = head(raw)
    assert torch.equal(d.log_rate, raw[:, :3])
    assert torch.equal(d.log_dispersion, raw[:, 3:6])
    assert torch.equal(d.zero_logits, raw[:, 6:])
    weights = torch.ones(9, 4)
    head.init_last(weights)
    assert weights.sum(1).tolist() == [4.0] * 3 + [0.0] * 6
    assert dict(head.named_parameters()) == {}
    names = [n for n, _ in NegativeBinomial().head(Counts(3)).named_parameters()]
    assert names == ["log_dispersion"]


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_log_normal_density_mean_and_draws(shift):
    loc, log_scale = torch.tensor([0.3, -1.0]), torch.tensor([-0.7, 0.1])
    d = LogNormalValue(Normal(loc, log_scale, (2,)), shift)
    value = torch.rand(6, 2) * 9 + 0.01
    exact = stats.lognorm.logpdf(value.numpy() + shift, log_scale.exp(), scale=loc.exp())
    same(d.log_prob(value), exact.sum(-1))
    same(d.mean, stats.lognorm.mean(log_scale.exp(), scale=loc.exp()) - shift)
    same(d.median, stats.lognorm.median(log_scale.exp(), scale=loc.exp()) - shift)
    assert_mean(d.sample(N), d.mean)
    assert_mean((d.sample(N) + shift).log(), loc)


def test_kl_of_log_normals_is_the_mean_of_the_log_ratio():
    q, p = (LogNormalValue(Normal(torch.randn(2), 0.3 * torch.randn(2), (2,))) for _ in range(2))
    draws = q.sample(N)
    assert_mean(q.log_prob(draws) - p.log_prob(draws), kl(q, p))
    with pytest.raises(LawError, match="shifted by 0.0 and 1.0"):
        kl(q, LogNormalValue(p.log, 1.0))


def test_log_normal_heads_start_at_the_training_rows():
    rows = torch.exp(7 + 0.05 * torch.randn(3000, 2))
    head = LogNormal().head(Positive(2))
    head.fit(rows)
    d = head(torch.zeros(2))
    same(d.log.loc, rows.log().mean(0).numpy())
    same(d.log.variance, rows.log().var(0).numpy())
    fixed = LogNormal(Fixed(0.3)).head(Positive(2))
    fixed.fit(rows)
    same(fixed(torch.zeros(2)).log.variance, np.full(2, 0.3))
    assert LogNormal(Predicted()).head(Positive(2)).raw_shape == (4,)


SPACE = Mixed(Real(1), Counts(1), Categorical(1, 3), Real(1), Binary(1), Positive(1), Counts(1))
ROWS = torch.tensor(
    [[0.3, 4.0, 2.0, -1.0, 1.0, 2.5, 0.0], [1.0, 0.0, 0.0, 2.0, 0.0, 0.1, 9.0]]
).double()


def mixed() -> tuple[torch.nn.Module, Tensor]:
    head = default(SPACE, True).head(SPACE)
    torch.manual_seed(1)
    return head, 0.5 * torch.randn(2, *head.raw_shape)


def test_mixed_columns_are_the_product_of_their_families():
    head, raw = mixed()
    assert [g.space for g in head.groups] == [
        Real(2),
        Counts(2),
        Categorical(1, 3),
        Binary(1),
        Positive(1),
    ]
    assert head.raw_shape == (2 + 2 + 3 + 1 + 1,)
    head.requires_grad_(False)
    d, a = head(raw), raw.numpy()
    x = ROWS.numpy()
    mean = np.exp(a[:, 2:4])
    p = np.exp(a[:, 4:7]) / np.exp(a[:, 4:7]).sum(1, keepdims=True)
    bit = 1 / (1 + np.exp(-a[:, 7]))
    exact = (
        stats.norm.logpdf(x[:, [0, 3]], a[:, :2], 1).sum(1)
        + stats.nbinom.logpmf(x[:, [1, 6]], 1, 1 / (1 + mean)).sum(1)
        + np.log(p[np.arange(2), x[:, 2].astype(int)])
        + stats.bernoulli.logpmf(x[:, 4], bit)
        + stats.lognorm.logpdf(x[:, 5], 1, scale=np.exp(a[:, 8]))
    )
    same(d.log_prob(ROWS), exact)
    same(d.mean[:, [0, 3]], a[:, :2])
    same(d.mean[:, [1, 6]], mean)
    same(d.mean[:, 2], p.argmax(1).astype(float))
    same(d.mean[:, 4], bit)
    draws = d.sample(N)
    assert draws.shape == (N, 2, 7)
    assert_mean(draws[..., [0, 1, 3, 4, 5, 6]], d.mean[:, [0, 1, 3, 4, 5, 6]])
    for k in range(3):
        assert_mean((draws[..., 2] == k).double(), torch.as_tensor(p[:, k]))
    SPACE.prepare(draws[:9])  # draws are values of the space


def test_families_of_columns_can_be_chosen_one_by_one():
    space = Mixed(Counts(2), Counts(1), Counts(2), Real(1))
    families = (NegativeBinomial(library=True), Poisson(), NegativeBinomial(library=True), None)
    head = Columns(families).head(space)
    assert [g.columns.tolist() for g in head.groups] == [[0, 1, 3, 4], [2], [5]]
    assert head.library
    value = torch.tensor([[1.0, 2.0, 7.0, 3.0, 4.0, 0.5]])
    d = head(torch.zeros(1, *head.raw_shape)).observing(value)
    same(d.mean, np.array([[2.5, 2.5, 1.0, 2.5, 2.5, 0.0]]))  # the Poisson column has no part in 10
    same(d.with_library(torch.tensor([20.0])).mean[0, :3], np.array([5.0, 5.0, 1.0]))


def test_columns_pass_rows_starts_and_schedules_to_their_heads():
    space = Mixed(Real(1), Counts(1))
    head = Columns((Gaussian(Predicted()), None)).head(space)
    weights = torch.ones(3, 2)
    head.init_last(weights)
    assert weights.sum(1).tolist() == [2.0, 0.0, 2.0]
    head.fit(torch.tensor([[0.0, 3.0], [0.0, 5.0]]))
    same(head(torch.zeros(3)).mean, np.array([0.0, 4.0]))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: NegativeBinomial().head(Real(3)), r"NegativeBinomial family needs a Counts"),
        (lambda: Poisson(library=True).head(Counts(1)), "the total of one is the column itself"),
        (lambda: LogNormal().head(Counts(3)), r"expected LogNormal\(shift=1\)"),
        (lambda: LogNormal().head(Real(3)), "needs a Positive variable"),
        (lambda: LogNormal(shift=-1), "from 0 up"),
        (lambda: Columns().head(Real(3)), "needs a Mixed variable"),
        (lambda: Columns((Bernoulli(),)).head(SPACE), "for each of the 7 parts"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(OptionError, match=words):
        make()


def test_totals_are_refused_where_they_say_nothing():
    for d in (
        members(log(1.0, 1.0, 1.0))[0],
        default(Mixed(Real(2)), True).head(Mixed(Real(2)))(torch.zeros(2)),
    ):
        with pytest.raises(LawError, match="library=True"):
            d.with_library(torch.tensor(3.0))


@pytest.mark.parametrize(
    ("space", "family"),
    [
        (Counts(2), NegativeBinomial()),
        (Positive(2), LogNormal(Trainable(per="coordinate"))),
        (SPACE, Columns()),
    ],
)
def test_default_families(space, family):
    assert default(space, True) == family
