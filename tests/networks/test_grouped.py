"""Encoders that tell many values apart: sums of probabilities, and merging against brute force."""

from __future__ import annotations

import pytest
import torch

from wyner.errors import OptionError
from wyner.networks import MLP, Grouped, merged

LAWS = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])


def information(table: torch.Tensor) -> float:
    product = table.sum(1, keepdim=True) * table.sum(0)
    return float(torch.special.xlogy(table, table / product).sum())


def test_probabilities_of_groups_are_sums():
    torch.manual_seed(0)
    net = Grouped([(3,)], (1, 2), (4,), fine=5)
    assert not net.found
    net.regroup(torch.tensor([0, 1, 1, 0, 0]))
    assert net.found
    x = torch.randn(7, 3)
    p = torch.softmax(MLP.forward(net, x), -1)[:, 0]
    q = torch.softmax(net(x), -1)[:, 0]
    torch.testing.assert_close(q[:, 0], p[:, 0] + p[:, 3] + p[:, 4], rtol=1e-5, atol=1e-6)
    assert net(torch.randn(2, 7, 3)).shape == (2, 7, 1, 2)


@pytest.mark.parametrize("output", [(1, 6), (2, 3)])
def test_fewer_values_than_groups_are_refused(output):
    with pytest.raises(OptionError, match="fine: expected a latent of one categorical variable"):
        Grouped([(3,)], output, fine=5)


def test_merging_finds_rows_that_say_the_same():
    label = torch.tensor([0, 1, 2, 1, 0, 0, 2])
    share = torch.tensor([0.05, 0.1, 0.3, 0.15, 0.2, 0.1, 0.1])
    found = merged(share[:, None] * LAWS[label], 3)
    # shares 0.35, 0.25, 0.4: the most probable group is number 0
    assert found.tolist() == [{0: 1, 1: 2, 2: 0}[int(k)] for k in label]


def test_merging_takes_the_pair_that_costs_least():
    table = torch.rand(5, 4, generator=torch.Generator().manual_seed(1)).double()
    table /= table.sum()
    left = []
    for i in range(5):
        for j in range(i):
            other = table.clone()
            other[j] += other[i]
            left.append(information(torch.cat([other[:i], other[i + 1 :]])))
    groups = merged(table, 4)
    kept = torch.zeros(4, 4, dtype=torch.double).index_add_(0, groups, table)
    assert information(kept) == pytest.approx(max(left), abs=1e-12)


def test_a_row_without_probability_costs_nothing():
    table = torch.tensor([[0.25, 0.25], [0.5, 0.0], [0.0, 0.0]])
    found = merged(table, 2)
    assert found[0] != found[1]
