"""Retrieval metrics against loops over ranks, against torchmetrics where its definitions agree, and
against chance."""

from __future__ import annotations

import math

import pytest
import torch

from wyner import metrics
from wyner.errors import DataError, OptionError, ShapeError


def draws(q: int = 40, n: int = 60, d: int = 3, classes: int = 5, seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    a, b = (
        torch.randn(q, d, generator=g, dtype=torch.float64),
        torch.randn(n, d, generator=g, dtype=torch.float64),
    )
    la, lb = torch.randint(0, classes, (q,), generator=g), torch.arange(n) % classes
    return a, b, la, lb


def by_hand(relevant: list[bool], k: int) -> dict[str, float]:
    """Every number of one query, rank by rank."""
    hits, precision = 0, []
    for rank, yes in enumerate(relevant, 1):
        hits += yes
        precision.append(hits / rank)
    total = sum(relevant)
    best = [max(precision[r:]) for r in range(len(precision))]
    return {
        "precision": sum(relevant[:k]) / k,
        "map": sum(p for p, yes in zip(precision, relevant) if yes) / total,
        "map_interpolated": sum(p for p, yes in zip(best, relevant) if yes) / total,
        "map_k": sum(p for p, yes in zip(precision[:k], relevant[:k]) if yes) / k,
    }


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 7, 60])
def test_scores_are_those_of_a_loop_over_ranks(distance, k):
    a, b, la, lb = draws()
    found = metrics.retrieval_scores(a, b, la, lb, k=k, distance=distance, block=7)
    want: dict[str, list[float]] = {}
    for query, label in zip(a, la):
        if distance == "cosine":
            near = [
                float(query @ item) / math.sqrt(float(query @ query) * float(item @ item))
                for item in b
            ]
        else:
            near = [-float(((query - item) ** 2).sum()) for item in b]
        order = sorted(range(len(b)), key=lambda i: (-near[i], i))
        for name, value in by_hand([bool(lb[i] == label) for i in order], k).items():
            want.setdefault(name, []).append(value)
    for name, values in want.items():
        mean = sum(values) / len(values)
        assert found[name] == pytest.approx(mean, rel=1e-12)
        if name in ("precision", "map"):
            variance = sum((v - mean) ** 2 for v in values) / (len(values) - 1)
            error = math.sqrt(variance / len(values))
            assert found[f"{name}_se"] == pytest.approx(error, rel=1e-9, abs=1e-15)


def test_agrees_with_torchmetrics_where_the_definitions_do():
    retrieval = pytest.importorskip("torchmetrics.retrieval")
    a, b, la, lb = draws(seed=1)
    near = (
        2 + torch.nn.functional.normalize(a) @ torch.nn.functional.normalize(b).T
    )  # it drops what scores below 0
    index = torch.arange(len(a))[:, None].expand_as(near).flatten()
    target = (la[:, None] == lb).flatten()
    found = metrics.retrieval_scores(a, b, la, lb, k=10)
    whole = retrieval.RetrievalMAP()(near.flatten(), target, indexes=index)
    top = retrieval.RetrievalPrecision(top_k=10)(near.flatten(), target, indexes=index)
    assert found["map"] == pytest.approx(float(whole), rel=1e-6)
    assert found["precision"] == pytest.approx(float(top), rel=1e-6)


def test_known_rankings():
    perfect = torch.tensor([[True] * 4 + [False] * 6])
    worst = perfect.flip(1)
    assert metrics.precision_at(perfect, 4).item() == metrics.average_precision(perfect).item() == 1
    assert (
        metrics.average_precision_at(perfect, 8).item() == 0.5
    )  # divided by K, not by the 4 relevant ones
    assert metrics.average_precision(worst).item() == pytest.approx(
        (1 / 7 + 2 / 8 + 3 / 9 + 4 / 10) / 4
    )
    assert metrics.average_precision(worst, interpolated=True).item() == pytest.approx(0.4)
    assert metrics.average_precision(torch.zeros(1, 3, dtype=torch.bool)).item() == 0


def test_ties_keep_the_order_of_the_gallery():
    a, b = torch.ones(1, 2), torch.ones(6, 2)
    labels = torch.tensor([1, 0, 1, 0, 0, 1])
    for distance in ("cosine", "euclidean"):
        assert (
            metrics.ranked_relevance(a, b, [1], labels, distance)[0].tolist()
            == (labels == 1).tolist()
        )
    assert (
        metrics.paired_top1(torch.ones(4, 2), torch.ones(4, 2)) == 0.25
    )  # the first of four equal ones
    assert metrics.ranked_relevance(
        torch.zeros(1, 2), torch.randn(3, 2), [0], [0, 1, 0]
    ).tolist() == [[True, False, True]]


def test_chance_is_the_mean_over_random_orders():
    """Specification, section 7: a random ranking has about the share of relevant items."""
    g = torch.Generator().manual_seed(3)
    labels, k, rounds = torch.arange(40) % 4, 12, 4000
    relevant = torch.stack([(labels == 0)[torch.randperm(40, generator=g)] for _ in range(rounds)])
    want = metrics.chance_scores([0], labels, k=k)
    drawn = {
        "precision": metrics.precision_at(relevant, k),
        "map": metrics.average_precision(relevant),
        "map_k": metrics.average_precision_at(relevant, k),
    }
    for name, values in drawn.items():
        z = (float(values.mean()) - want[name]) / (float(values.std()) / math.sqrt(rounds))
        assert abs(z) < 5, (name, z)
    many = metrics.chance_scores(
        torch.arange(25), torch.arange(14_600) % 25, k=100
    )  # the size of Sketchy's split 1
    assert many["precision"] == pytest.approx(0.04)
    assert 0.04 < many["map"] < 0.041


def test_interpolation_adds_little_to_long_rankings():
    """Specification, section 9: 0.001 to 0.002 on rankings of the size of Sketchy."""
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(14_600) % 25
    scores = torch.randn(10, 14_600, generator=g) + 1.5 * (labels == 0)
    ranked = (labels == 0)[scores.argsort(1, descending=True)]
    gain = float(
        (metrics.average_precision(ranked, True) - metrics.average_precision(ranked)).mean()
    )
    assert 0 < gain < 0.004


def test_paired_top1_counts_partners():
    g = torch.Generator().manual_seed(0)
    b = torch.randn(50, 4, generator=g)
    a = b.clone()
    a[[3, 7]] = b[[7, 3]]
    assert metrics.paired_top1(a, b, block=8) == 48 / 50
    assert metrics.paired_top1(a, b, distance="cosine") == 48 / 50


def test_refusals():
    a, b, la, lb = draws()
    with pytest.raises(OptionError, match="k: expected a number from 1 to the 60 items"):
        metrics.retrieval_scores(a, b, la, lb, k=61)
    with pytest.raises(DataError, match="no item with label 9"):
        metrics.retrieval_scores(a, b, la * 0 + 9, lb, k=5)
    with pytest.raises(ShapeError, match="codes of one length"):
        metrics.ranked_relevance(a[:, :2], b, la, lb)
    with pytest.raises(ShapeError, match="one label for each of the 60 rows"):
        metrics.ranked_relevance(a, b, la, lb[:-1])
    with pytest.raises(OptionError, match="unknown distance 'cosinus'"):
        metrics.ranked_relevance(a, b, la, lb, "cosinus")
    with pytest.raises(ShapeError, match="a partner for every query"):
        metrics.paired_top1(a, b)
    with pytest.raises(ShapeError, match="bool"):
        metrics.average_precision(torch.ones(2, 2))
