"""Distributions of sequences: densities against PyTorch's, padding that counts nothing, draws that
agree with densities."""

from __future__ import annotations

import math

import pytest
import torch
from torch import distributions as td

from wyner.errors import OptionError, ShapeError
from wyner.families import Fixed, Gaussian, Recurrent, StepGaussian, Trainable, kl
from wyner.families.distributions import kl_at
from wyner.families.sequences import StepNormal
from wyner.schedules import Linear
from wyner.variables import Real, Sequence

NAN = float("nan")


def _steps(*lead: int, seed: int = 0) -> StepNormal:
    g = torch.Generator().manual_seed(seed)
    return StepNormal(
        torch.randn(*lead, 5, 3, generator=g), 0.3 * torch.randn(*lead, 5, 3, generator=g)
    )


@pytest.mark.parametrize("lead", [(), (4,), (2, 4)])
def test_density_kl_and_entropy_are_those_of_independent_gaussians(lead):
    q, p = _steps(*lead), _steps(*lead, seed=1)
    as_torch = lambda d: td.Independent(td.Normal(d.loc, d.log_scale.exp()), 2)
    x = torch.randn(*lead, 5, 3)
    torch.testing.assert_close(q.log_prob(x), as_torch(q).log_prob(x))
    torch.testing.assert_close(kl(q, p), td.kl_divergence(as_torch(q), as_torch(p)))
    torch.testing.assert_close(q.entropy(), as_torch(q).entropy())


def test_steps_that_do_not_exist_count_nothing():
    q, p = _steps(4), _steps(4, seed=1)
    loc, x = q.loc.clone(), torch.randn(4, 5, 3)
    loc[1, 3:], x[1, 3:] = NAN, NAN
    short = lambda d: StepNormal(d.loc[1:2, :3], d.log_scale[1:2, :3])
    cut = StepNormal(loc, q.log_scale)
    assert torch.equal(cut.log_prob(x)[1:2], short(q).log_prob(x[1:2, :3]))
    assert torch.equal(kl(cut, p)[1:2], kl(short(q), short(p)))
    assert torch.equal(cut.entropy()[1:2], short(q).entropy())
    assert torch.equal(kl(cut, p)[[0, 2, 3]], kl(q, p)[[0, 2, 3]])
    drawn = cut.rsample(torch.randn(4, 9, 3))  # noise for more steps than there are
    assert torch.isnan(drawn[1, 3:]).all()
    assert torch.isnan(drawn).sum() == 6


def test_a_value_at_a_step_that_the_distribution_lacks_is_no_number():
    loc = torch.zeros(2, 5, 3)
    loc[0, 4:] = NAN
    short, whole = StepNormal(loc, torch.zeros(())), torch.zeros(2, 5, 3)
    found = short.log_prob(whole)
    assert torch.isnan(found[0])  # not -12 or -15 log(2 pi) / 2, as if the step counted or did not
    assert float(found[1]) == pytest.approx(-7.5 * math.log(2 * math.pi), rel=1e-6)
    whole[0, 4:] = NAN  # a value that ends where the distribution does
    assert float(short.log_prob(whole)[0]) == pytest.approx(-6 * math.log(2 * math.pi), rel=1e-6)


def test_gradients_are_finite_beside_padding():
    prior = Recurrent(width=4).prior(Sequence(5, 3))()
    raw, log_scale = (
        torch.randn(4, 5, 3, requires_grad=True),
        torch.zeros(4, 5, 3, requires_grad=True),
    )
    there = torch.ones(4, 5, 1, dtype=torch.bool)
    there[1, 3:] = False
    q = StepNormal(torch.where(there, raw, NAN), log_scale)
    s = q.rsample(torch.randn(4, 5, 3))
    x = torch.where(there, torch.randn(4, 5, 3), NAN)
    loss = kl_at(q, prior, s).sum() - q.log_prob(x).sum() + prior.log_prob(s).sum()
    loss.backward()
    for p in (raw, log_scale, *prior.past.parameters()):
        assert torch.isfinite(p.grad).all()
    assert (raw.grad[1, 3:] == 0).all()
    assert (log_scale.grad[1, 3:] == 0).all()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "markov"])
def test_a_draw_and_its_density_take_the_same_steps(cell):
    """With noise e, s_t = m(s_<t) + sd(s_<t) e_t: the conditionals at the draw give the noise
    back."""
    torch.manual_seed(0)
    prior = Recurrent(width=6, cell=cell).prior(Sequence(7, 2))()
    torch.nn.init.normal_(prior.past.readout.weight, std=0.5)
    noise = torch.randn(3, 7, 2)
    s = prior.rsample(noise)
    steps = prior.given_past(s)
    torch.testing.assert_close(
        (s - steps.loc) * torch.exp(-steps.log_scale), noise, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(prior.log_prob(s), steps.log_prob(s))
    assert prior.log_prob(s[None]).shape == (1, 3)
    assert prior.mean.shape == (7, 2)
    earlier = prior.given_past(
        torch.cat([s[:, :3], 9 * torch.ones(3, 4, 2)], 1)
    )  # what comes later changes nothing before it
    torch.testing.assert_close(earlier.loc[:, :4], steps.loc[:, :4])


def test_padded_rows_of_the_prior_are_the_rows_alone():
    torch.manual_seed(0)
    prior = Recurrent(width=6).prior(Sequence(7, 2))()
    s = torch.randn(3, 7, 2)
    s[1, 4:] = NAN
    torch.testing.assert_close(prior.log_prob(s)[1], prior.log_prob(s[1, :4]))


def test_white_prior_is_the_standard_normal():
    prior = StepGaussian().prior(Sequence(5, 3))()
    x = torch.randn(4, 5, 3)
    torch.testing.assert_close(
        prior.log_prob(x), td.Independent(td.Normal(torch.zeros(5, 3), 1.0), 2).log_prob(x)
    )
    assert prior.mean.shape == (5, 3)
    assert prior.log_prob(x[:, :2]).shape == (4,)


def test_a_scheduled_variance_or_floor_is_set_while_the_model_trains():
    space, raw = Sequence(5, 3), torch.zeros(1, 5, 3)
    fixed = StepGaussian(Fixed(Linear(4.0, 1.0))).head(space)
    falling = StepGaussian(Trainable(0.02, floor=Linear(1.0, 0.01))).head(space)
    for progress, variance, floor in ((0.0, 4.0, 1.0), (0.5, 2.5, 0.505), (1.0, 1.0, 0.02)):
        with torch.no_grad():
            fixed.anneal(progress)
            falling.anneal(progress)
        assert float(fixed(raw).variance[0, 0, 0]) == pytest.approx(variance, rel=1e-6)
        assert falling(raw).variance[0, 4].tolist() == pytest.approx([floor] * 3, rel=1e-5)


def test_heads_of_observed_sequences():
    space, raw = Sequence(5, 3), torch.randn(4, 5, 3)
    one = StepGaussian(Trainable(0.25)).head(space)(raw)
    torch.testing.assert_close(one.variance, torch.full((4, 5, 3), 0.25))
    assert one.log_scale.shape == (3,)
    assert StepGaussian(Trainable(per="event")).head(space).log_scale.shape == ()
    torch.testing.assert_close(
        StepGaussian(Fixed(2.0)).head(space)(raw).variance, torch.full((4, 5, 3), 2.0)
    )
    assert StepGaussian().head(space).raw_shape == (10, 3)


def test_what_is_refused():
    with pytest.raises(ShapeError, match="needs a variable such as Sequence"):
        StepGaussian().head(Real(3))
    with pytest.raises(OptionError, match="without parents"):
        Recurrent().head(Sequence(5, 3))
    with pytest.raises(OptionError, match="cell of a recurrent prior"):
        Recurrent(cell="lstn")
    with pytest.raises(OptionError, match="positive width"):
        Recurrent(width=0)
    assert isinstance(Gaussian().head(Real(3)), object)
