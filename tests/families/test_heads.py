"""Heads: which number of a network's output is which parameter, and what is trained."""

from __future__ import annotations

import math

import pytest
import torch

from wyner.errors import OptionError
from wyner.families import (
    Bernoulli,
    Categorical,
    Deterministic,
    Family,
    Fixed,
    Gaussian,
    Predicted,
    Trainable,
    default,
)
from wyner.families.distributions import Delta
from wyner.schedules import Linear
from wyner.variables import Binary, Image, Real, Space
from wyner.variables import Categorical as OneHot

pytestmark = pytest.mark.usefixtures("float64")


def parameters(head: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in head.named_parameters()}


def test_predicted_gaussian_reads_means_then_log_scales():
    head = Gaussian(Predicted()).head(Real(2))
    assert head.raw_shape == (4,)
    d = head(torch.tensor([[1.0, 2.0, -0.5, 0.25]]))
    torch.testing.assert_close(d.mean, torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close(d.variance, torch.tensor([[math.exp(-1.0), math.exp(0.5)]]))


def test_predicted_gaussian_over_an_image_splits_channels():
    head = Gaussian().head(Image(3, 2, 2))
    assert head.raw_shape == (6, 2, 2)
    raw = torch.randn(5, 4, 6, 2, 2)
    d = head(raw)
    torch.testing.assert_close(d.mean, raw[:, :, :3])
    torch.testing.assert_close(d.variance, torch.exp(2 * raw[:, :, 3:]))


def test_predicted_log_scales_are_clamped_to_log_variances_in_minus_12_to_8():
    d = Gaussian().head(Real(2))(torch.tensor([0.0, 0.0, -50.0, 50.0]))
    torch.testing.assert_close(d.variance, torch.tensor([math.exp(-12.0), math.exp(8.0)]))


def test_fixed_variance():
    head = Gaussian(Fixed(0.3)).head(Real(4))
    assert head.raw_shape == (4,)
    assert parameters(head) == {}
    raw = torch.randn(7, 4)
    torch.testing.assert_close(head(raw).variance, torch.full((7, 4), 0.3))
    torch.testing.assert_close(head(raw).mean, raw)


@pytest.mark.parametrize(
    ("per", "shape"), [("channel", (3, 1, 1)), ("coordinate", (3, 4, 2)), ("event", ())]
)
def test_trainable_variance(per, shape):
    head = Gaussian(Trainable(0.7, per=per)).head(Image(3, 4, 2))
    assert parameters(head) == {"log_scale": shape}
    raw = torch.randn(5, 3, 4, 2)
    torch.testing.assert_close(head(raw).variance, torch.full((5, 3, 4, 2), 0.7))
    with torch.no_grad():
        head.log_scale.copy_(torch.randn(shape))
    torch.testing.assert_close(head(raw).variance, torch.exp(2 * head.log_scale).expand(5, 3, 4, 2))


def test_trainable_variance_of_a_vector_is_one_number_per_coordinate():
    assert parameters(Gaussian(Trainable()).head(Real(4))) == {"log_scale": (4,)}


def test_trainable_variance_stays_above_its_floor():
    head = Gaussian(Trainable(1.0, per="event", floor=0.01)).head(Real(2))
    with torch.no_grad():
        head.log_scale.fill_(-30.0)
    torch.testing.assert_close(head(torch.zeros(1, 2)).variance, torch.full((1, 2), 0.01))


def test_gaussian_prior_is_isotropic_with_one_trained_scale():
    head = Gaussian().prior(Real(3))
    assert parameters(head) == {"log_scale": ()}
    d = head(None)
    torch.testing.assert_close(d.mean, torch.zeros(3))
    torch.testing.assert_close(d.variance, torch.ones(3))
    with torch.no_grad():
        head.log_scale.fill_(0.5 * math.log(2.5))
    torch.testing.assert_close(head(None).variance, torch.full((3,), 2.5))


def test_gaussian_prior_of_fixed_variance_trains_nothing():
    head = Gaussian(Fixed(0.3)).prior(Real(3))
    assert parameters(head) == {}
    torch.testing.assert_close(head(None).variance, torch.full((3,), 0.3))


def test_categorical_prior_is_uniform():
    head = Categorical().prior(OneHot(2, 5))
    assert parameters(head) == {}
    torch.testing.assert_close(head(None).mean, torch.full((2, 5), 0.2))


def test_categorical_temperature_follows_its_schedule():
    head = Categorical(Linear(1.0, 0.2)).head(OneHot(1, 3))
    raw, noise = torch.randn(1, 3), torch.randn(1, 3)
    for progress, temperature in [(0.0, 1.0), (0.5, 0.6), (1.0, 0.2)]:
        head.anneal(progress)
        expected = torch.softmax((torch.log_softmax(raw, -1) + noise) / temperature, -1)
        torch.testing.assert_close(head(raw).rsample(noise), expected)


def test_categorical_temperature_that_is_a_number_stays():
    head = Categorical(0.5).head(OneHot(1, 3))
    head.anneal(0.9)
    assert float(head.temperature) == 0.5


def test_bernoulli_and_deterministic_read_the_output_as_it_is():
    raw = torch.randn(4, 3)
    torch.testing.assert_close(Bernoulli().head(Binary(3))(raw).mean, torch.sigmoid(raw))
    d = Deterministic().head(Real(3))(raw)
    assert isinstance(d, Delta)
    assert torch.equal(d.mean, raw)


@pytest.mark.parametrize(
    ("space", "observed", "family"),
    [
        (Real(2), True, Gaussian(Fixed(0.5))),
        (Real(2), False, Gaussian(Predicted())),
        (Image(1, 8, 8), True, Gaussian(Trainable())),
        (Binary(3), True, Bernoulli()),
        (OneHot(1, 3), True, Categorical()),
        (OneHot(1, 3), False, Categorical()),
    ],
)
def test_default_families(space: Space, observed: bool, family: Family):
    assert default(space, observed) == family


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Fixed(0.0), "variance must be positive"),
        (lambda: Fixed(-1.0), "variance must be positive"),
        (lambda: Trainable(per="pixel"), "'channel', 'coordinate' or 'event'"),
        (lambda: Trainable(variance=1e-6), "variance >= floor > 0"),
        (lambda: Trainable(floor=0.0), "variance >= floor > 0"),
        (
            lambda: Categorical().head(Real(3)),
            r"needs a Categorical\(n, k\) variable, got Real\(3\)",
        ),
    ],
)
def test_refusals(make, words):
    with pytest.raises(OptionError, match=words):
        make()


def test_draws_of_a_categorical_prior_are_as_hard_as_those_of_the_posterior():
    """In training both are relaxed; at different temperatures a critic would tell them apart by
    nothing else."""
    path = Linear(1.0, 0.1)
    for temperature, start, end in ((0.05, 0.05, 0.05), (path, 1.0, 0.1)):
        family = Categorical(temperature=temperature, trained=True)
        prior, posterior = family.prior(OneHot(1, 4)), family.head(OneHot(1, 4))
        g = torch.Generator().manual_seed(0)
        noise = -torch.log(-torch.log(torch.rand(500, 1, 4, generator=g)))
        for progress, want in ((0.0, start), (1.0, end)):
            for head in (prior, posterior):
                head.anneal(progress)
            logits = torch.zeros(1, 4)
            expected = torch.softmax((torch.log_softmax(logits, -1) + noise) / want, -1)
            torch.testing.assert_close(prior().rsample(noise), expected)
            torch.testing.assert_close(posterior(logits).rsample(noise), expected)
    assert (
        "temperature" not in prior.state_dict()
    )  # follows from the progress; runs without it can be read
    assert Categorical(summed=True).prior(OneHot(1, 4))().temperature == 1.0
