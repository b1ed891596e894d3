"""Binary pictures pixel by pixel: densities that sum to one, draws with those frequencies, features
that are computed once."""

from __future__ import annotations

import itertools

import pytest
import torch

import wyner
from oracle.statistics import assert_mean
from wyner import Binary, Image, Real
from wyner.errors import LawError, OptionError, ShapeError
from wyner.families import Autoregressive, Bernoulli, FeatureOf, autoregressive
from wyner.families.autoregressive import Pixels
from wyner.networks import MLPs

FEW = Autoregressive(channels=4, kernels=(3, 3, 5, 3), split=3, maps=2)


def head(height: int, width: int, seed: int = 0):
    """A decoder with weights and running statistics that matter; every pixel is likely enough to be
    either."""
    torch.manual_seed(seed)
    made = FEW.head(Binary(1, height, width))
    x, maps = (torch.rand(64, 1, height, width) < 0.5).double(), torch.randn(64, 2, height, width)
    for _ in range(3):
        made(maps).log_prob(x)
    for p in made.parameters():
        p.data += 0.2 * torch.randn(p.shape)
    made.eval()
    logits = made(maps).logits(x)
    made.network.last.weight.data *= 1.5 / logits.std()
    made.network.last.bias.data -= (made(maps).logits(x)).mean()
    return made.requires_grad_(False)


def every(height: int, width: int) -> torch.Tensor:
    """All pictures, `(2^(H W), 1, H, W)`."""
    bits = torch.tensor(list(itertools.product([0.0, 1.0], repeat=height * width)))
    return bits.reshape(-1, 1, height, width)


@pytest.mark.usefixtures("float64")
class TestDensity:
    def test_it_sums_to_one_over_all_pictures(self):
        made, x = head(3, 3), every(3, 3)
        maps = torch.randn(4, 1, 2, 3, 3)
        log_p = made(maps).log_prob(x)
        assert log_p.shape == (4, 512)
        torch.testing.assert_close(log_p.exp().sum(1), torch.ones(4), rtol=1e-12, atol=1e-12)
        assert float((log_p[0] - log_p[1]).abs().max()) > 0.1

    def test_it_is_the_product_of_the_pixels_given_those_before_them(self):
        """Each factor from pictures whose later pixels are other ones."""
        made = head(3, 3)
        x, maps = every(3, 3)[[17, 300, 511]], torch.randn(3, 2, 3, 3)
        total = 0.0
        for t in range(9):
            later = (torch.arange(9) > t).reshape(1, 3, 3)
            other = torch.where(later, 1 - x, x)
            logit = made(maps).logits(other).flatten(1)[:, t]
            p = torch.sigmoid(logit)
            total = total + torch.where(x.flatten(1)[:, t] == 1, p, 1 - p).log()
        torch.testing.assert_close(made(maps).log_prob(x), total, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("lead", [(), (3,), (2, 3), (2, 1, 3)])
    def test_any_leading_shape_of_codes_and_pictures(self, lead):
        made = head(3, 2)
        x, maps = every(3, 2)[[5, 9, 33]], torch.randn(*lead, 2, 3, 2)
        found = made(maps).log_prob(x)
        want = torch.stack(
            [made(m[None]).log_prob(v[None])[0] for m, v in zip(*_spread(maps, x), strict=True)]
        )
        torch.testing.assert_close(found.flatten(), want, rtol=1e-10, atol=1e-10)
        assert made(maps).log_prob(x[0]).shape == lead

    def test_many_draws_of_a_code_are_scored_in_parts(self, monkeypatch):
        made, x, maps = head(3, 2), every(3, 2)[:5], torch.randn(7, 5, 2, 3, 2)
        whole = made(maps).log_prob(x)
        monkeypatch.setattr(autoregressive, "PIXELS", 4 * 6)
        with torch.no_grad():
            torch.testing.assert_close(made(maps).log_prob(x), whole, rtol=1e-12, atol=1e-12)

    def test_known_features_change_nothing(self):
        made, x, maps = head(3, 3), every(3, 3)[:7], torch.randn(2, 7, 2, 3, 3)
        inner = made.inner(x)
        assert inner[-1].shape == (7, *made.inner_shape)
        torch.testing.assert_close(
            made(maps).log_prob(x, inner), made(maps).log_prob(x), rtol=0, atol=0
        )
        assert made.inner(x[None])[-1].shape == (1, 7, *made.inner_shape)


def _spread(maps, x):
    lead = torch.broadcast_shapes(maps.shape[:-3], x.shape[:-3])
    return (a.expand(*lead, *a.shape[-3:]).reshape(-1, *a.shape[-3:]) for a in (maps, x))


class TestDraws:
    @pytest.mark.usefixtures("float64")
    @pytest.mark.parametrize("size", [(2, 2), (3, 3)])
    def test_frequencies_are_the_probabilities(self, size):
        """Counts of every picture of 2x2; single pixels, products of pairs and three statistics of
        3x3."""
        made, n = head(*size), 20_000
        maps = torch.randn(1, 2, *size)
        drawn = made(maps).sample(n)[:, 0]
        assert drawn.shape == (n, 1, *size)
        x = every(*size)
        p = made(maps).log_prob(x).exp()
        flat, all_ = drawn.flatten(1), x.flatten(1)
        if size == (2, 2):
            code = (flat @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
            assert_mean(torch.nn.functional.one_hot(code, 16).double(), p, "pictures")
        pairs = lambda b: (b[:, :, None] * b[:, None, :]).flatten(1)
        assert_mean(pairs(flat), p @ pairs(all_), "pairs")
        three = lambda b: torch.stack(
            [b.sum(1) == 0, b.sum(1) > 3, b[:, 0] == b[:, -1]], 1
        ).double()
        assert_mean(three(flat), p @ three(all_), "statistics")
        assert_mean(made(maps).log_prob(drawn), (p * p.log()).sum(), "entropy")

    def test_draws_are_pictures_of_the_leading_shape_and_repeat(self):
        made = FEW.head(Binary(1, 3, 4))
        dist = made(torch.randn(2, 5, 2, 3, 4))
        torch.manual_seed(7)
        first = dist.sample(3)
        torch.manual_seed(7)
        assert torch.equal(first, dist.sample(3))
        assert first.shape == (3, 2, 5, 1, 3, 4)
        assert set(first.unique().tolist()) <= {0.0, 1.0}
        assert torch.equal(dist.exact(torch.zeros(2, 5, 1, 3, 4)), torch.ones(2, 5, 1, 3, 4))

    def test_there_is_no_mean_and_no_draw_with_a_gradient(self):
        dist = FEW.head(Binary(1, 3, 3))(torch.zeros(2, 2, 3, 3))
        assert isinstance(dist, Pixels)
        with pytest.raises(LawError, match=r"no mean in closed form; draw them with sample=True"):
            dist.mean
        with pytest.raises(LawError, match="no draw that gradients pass through"):
            dist.rsample(torch.rand(2, 1, 3, 3))


LAWS = {"elbo": ("q(x) q(z|x)", "p(z) p(x|z)"), "features": ("q(x) q(z|x) q(s|x)", "p(z)")}


def model(s: int = 4, of: str = "p(x|z)", decoder=FEW, laws=None):
    return wyner.Model(
        observed={"x": Binary(1, 4, 4)},
        latent={"z": Real(2), "s": Real(s, 4, 4)},
        laws=laws or LAWS,
        objective=wyner.KL("elbo") + 0.5 * wyner.Redundancy("z;s", under="features"),
        networks=MLPs(()),
        families={"p(x|z)": decoder, "q(s|x)": FeatureOf(of)},
    )


class TestFeatureOf:
    def test_the_feature_is_that_of_the_decoder_and_has_no_weights(self):
        made = model().eval()
        x = (torch.rand(5, 1, 4, 4) < 0.5).float()
        decoder = made.factors["p(x|z)"].head.network
        assert torch.equal(
            made.factors["q(s|x)"](decoder.features(x)).mean, decoder.features(x)[-1]
        )
        assert not list(made.factors["q(s|x)"].parameters())
        assert not [k for k in made.state_dict() if "q(s|x)" in k]

    def test_it_is_computed_once_in_a_step(self):
        made = model()
        plan = made.objective.plan
        inner = [i for i, op in enumerate(plan.ops) if op.kind == "inner"]
        assert len(inner) == 1
        users = [op.kind for op in plan.ops if inner[0] in op.args]
        assert sorted(users) == ["dist", "nll"]
        passes = []
        decoder = made.factors["p(x|z)"].head.network
        decoder.lower.register_forward_hook(lambda *_: passes.append(1))
        x = (torch.rand(5, 1, 4, 4) < 0.5).float()
        made.objective({"x": x}, made.objective.noise((5,), x), torch.tensor([1.0, 0.5]))
        assert len(passes) == 1
        made.objective.critic_loss({"x": x}, made.objective.noise((5,), x))
        assert len(passes) == 2

    def test_critics_do_not_pay_for_the_upper_half(self):
        made, passes = model(), []
        made.factors["p(x|z)"].head.network.upper.register_forward_hook(lambda *_: passes.append(1))
        x = (torch.rand(5, 1, 4, 4) < 0.5).float()
        made.objective.critic_loss({"x": x}, made.objective.noise((5,), x))
        assert passes == []

    def test_the_price_on_what_z_and_s_share_moves_the_lower_half_and_the_encoder_only(self):
        """The gradient of R(z;s) alone: weight 0 for the bound."""
        torch.manual_seed(1)
        made = model()
        x = (torch.rand(16, 1, 4, 4) < 0.5).float()
        loss, _ = made.objective({"x": x}, made.objective.noise((16,), x), torch.tensor([0.0, 1.0]))
        loss.backward()
        moved = {
            k
            for k, p in made.factors.named_parameters()
            if p.grad is not None and float(p.grad.abs().max()) > 0
        }
        upper = {k for k in moved if "upper" in k or ".last" in k or k.startswith("p(x|z).network")}
        lower = {k for k, _ in made.factors.named_parameters() if "network.lower" in k}
        assert not upper
        biases = {
            k for k in lower if k.endswith(("conv.bias", "narrow.bias", "widen.bias"))
        }  # undone by the normalisation
        assert lower - biases <= moved
        assert any(k.startswith("q(z|x)") for k in moved)

    def test_a_phase_that_reads_s_alone_trains_its_owner(self):
        made = model()
        program = made.program(wyner.Redundancy("z;s", under="features"))
        assert "p(x|z)" in program.used

    def test_the_latent_that_is_computed_is_not_inferred(self):
        x = (torch.rand(5, 1, 4, 4) < 0.5).float()
        assert set(model().encode(x=x)) == {"z"}

    def test_what_cannot_be_a_feature_is_refused(self):
        with pytest.raises(
            ShapeError,
            match=r"feature of p\(x\|z\) has shape \(4, 4, 4\), the variable \(3, 4, 4\)",
        ):
            model(s=3)
        with pytest.raises(
            LawError, match=r"q\(s\|x\): expected a factor of x to be a feature of, got p\(z\)"
        ):
            model(of="p(z)")
        with pytest.raises(LawError, match=r"p\(x\|z\) computes no feature that it could be"):
            model(decoder=Bernoulli())


@pytest.mark.parametrize("space", [Real(4), Image(1, 4, 4), Binary(4), Binary(3, 4, 4)])
def test_other_spaces_are_refused(space):
    with pytest.raises(OptionError, match=r"expected Binary\(1, height, width\), got"):
        FEW.head(space)
