"""Networks of sequences: a padded row is what it would be alone; gradients reach every
parameter."""

from __future__ import annotations

import pytest
import torch

from wyner.errors import OptionError, ShapeError
from wyner.networks import SequenceCritics, Sequences
from wyner.variables import Real, Sequence

SMALL = Sequences(frame=(6,), lstm=5, rnn=4, decoder=(7,))
X, Z, S = Sequence(12, 3), Real(2), Sequence(12, 2)


def _network(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return {
        "q(z|x)": lambda: SMALL.factor(Z, [(12, 3)], (4,), False),
        "q(s|x,z)": lambda: SMALL.factor(S, [(12, 3), (2,)], (24, 2), False),
        "q(s|x)": lambda: SMALL.factor(S, [(12, 3)], (24, 2), False),
        "p(x|s,z)": lambda: SMALL.factor(X, [(12, 3), (2,)], (12, 3), True),
        "frames": lambda: SMALL.features(X),
    }[kind]()


KINDS = ("q(z|x)", "q(s|x,z)", "q(s|x)", "p(x|s,z)", "frames")


def _inputs(kind: str, x: torch.Tensor, z: torch.Tensor) -> list[torch.Tensor]:
    return [x] if kind in ("q(z|x)", "q(s|x)", "frames") else [x, z]


@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_row_is_the_row_alone(kind):
    network, x, z = _network(kind), torch.randn(4, 12, 3), torch.randn(4, 2)
    x[1, 5:], x[3, 1:] = float("nan"), float("nan")
    whole = network(*_inputs(kind, x, z))
    for row, steps in ((0, 12), (1, 5), (3, 1)):
        alone = network(*_inputs(kind, x[row : row + 1, :steps], z[row : row + 1]))[0]
        if kind == "q(z|x)":
            torch.testing.assert_close(whole[row], alone)
            continue
        parts = zip(whole[row].split(12), alone.split(steps), strict=True)
        for found, own in parts:
            torch.testing.assert_close(found[:steps], own)
            assert torch.isnan(found[steps:]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_parameter_and_are_finite(kind):
    network, x, z = _network(kind), torch.randn(4, 12, 3), torch.randn(4, 2)
    x[1, 5:] = float("nan")
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.3)
    out = network(*_inputs(kind, x, z))
    out[~torch.isnan(out)].square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_the_posterior_looks_ahead_and_the_factorised_one_does_not():
    x, z = torch.randn(2, 12, 3), torch.randn(2, 2)
    later = x.clone()
    later[:, 9] += 1
    full, single = _network("q(s|x,z)"), _network("q(s|x)")
    assert (full(x, z)[:, 0] - full(later, z)[:, 0]).abs().max() > 0
    assert torch.equal(single(x)[:, 0], single(later)[:, 0])


def test_scales_start_at_one():
    for kind in ("q(s|x,z)", "q(s|x)"):
        parents = _inputs(kind, torch.randn(4, 12, 3), torch.randn(4, 2))
        assert (_network(kind)(*parents)[:, 12:] == 0).all()


@pytest.mark.parametrize("steps", [12, 8, 5, 1])
def test_critic_of_a_padded_row_is_that_of_the_row_alone(steps):
    torch.manual_seed(0)
    critic = SequenceCritics(channels=8).head(0, [Z, S]).eval()
    z, s = torch.randn(3, 2), torch.randn(3, 12, 2)
    s[1, steps:] = float("nan")
    torch.testing.assert_close(critic(None, z, s)[1:2], critic(None, z[1:2], s[1:2, :steps]))
    assert critic(None, z, s).abs().max() <= 5.0


def test_critic_of_twenty_steps_is_the_listing():
    """Convolutions 20 -> 10 -> 5 -> 2 steps, mean, cosine with z."""
    torch.manual_seed(0)
    critic = SequenceCritics(channels=8, scale=2.0).head(0, [Z, Sequence(20, 2)])
    z, s = torch.randn(6, 2), torch.randn(6, 20, 2)
    h = s.transpose(1, 2)
    for k, convolve in enumerate(critic.convolve):
        h = convolve(h)
        if k < 2:
            h = torch.relu(torch.nn.functional.batch_norm(h, None, None, training=True))
    assert h.shape == (6, 2, 2)
    expected = 2.0 * torch.nn.functional.cosine_similarity(h.mean(2), z, dim=-1)
    torch.testing.assert_close(critic.train()(None, z, s), expected, rtol=1e-4, atol=1e-5)


def test_batch_norm_of_the_critic_counts_the_steps_that_exist():
    torch.manual_seed(0)
    critic = SequenceCritics(channels=4).head(0, [Z, S])
    s = torch.randn(5, 12, 2)
    s[2, 6:] = float("nan")
    critic(None, torch.randn(5, 2), s)
    alone = critic.convolve[0](torch.nan_to_num(s).transpose(1, 2)).transpose(
        1, 2
    )  # six steps from twelve, three from six
    kept = torch.cat([alone[:2].flatten(0, 1), alone[2, :3], alone[3:].flatten(0, 1)])
    torch.testing.assert_close(critic.norms[0].running_mean, 0.1 * kept.mean(0))


def test_what_is_refused():
    with pytest.raises(OptionError, match="positive sizes"):
        Sequences(lstm=0)
    with pytest.raises(ShapeError, match="inferred from one sequence"):
        SMALL.factor(Z, [(12, 3), (2,)], (4,), False)
    with pytest.raises(ShapeError, match="a sequence among its parents"):
        SMALL.factor(S, [(2,)], (24, 2), False)
