"""Retrieval: how high relevant items of a gallery rank for a query. Metrics, section 3.

With rel_r in {0, 1} the relevance of rank r = 1..N, R their sum, P(r) = (rel_1 + ... + rel_r) / r:

    P@K              P(K)
    AP               sum_r rel_r P(r) / R                    over all ranks; its mean is mAP@all
    AP interpolated  sum_r rel_r max_{r' >= r} P(r') / R     public code of the variational Wyner
                                                             paper
    mAP@K            sum_{r <= K} rel_r P(r) / K             by K, not by R (IIAE's split 2)

A query without a relevant item has AP 0. Ties keep the order of the gallery.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wyner.errors import DataError, OptionError, ShapeError, refuse_unknown
from wyner.metrics.checks import classes, finite
from wyner.tasks.retrieval.search import DISTANCES, unit_rows


def precision_at(relevant: Tensor, k: int) -> Tensor:
    """P@K of every query, `(Q,)`, float64, in [0, 1].

    Args:
        relevant: `(Q, N)`, whether the item at each rank is relevant, best rank first.
        k: K, from 1 to N.

    Raises:
        OptionError: a K that the ranking does not have. ShapeError: no ranking.

    Example:
        >>> precision_at(torch.tensor([[True, False, True, True]]), 3).item()
        0.6666666666666666
    """
    _check(relevant, k)
    return relevant[:, :k].double().mean(1)


def average_precision(relevant: Tensor, interpolated: bool = False) -> Tensor:
    """AP of every query over all ranks, `(Q,)`, float64, in [0, 1]; their mean is mAP@all.

    Args:
        relevant: as in `precision_at`.
        interpolated: the running maximum of P(r) from the right in place of P(r).

    Example:
        >>> ranked = torch.tensor([[False, True, True, False]])
        >>> [round(average_precision(ranked, how).item(), 4) for how in (False, True)]
        [0.5833, 0.6667]
    """
    _check(relevant, 1)
    precision = _precisions(relevant)
    if interpolated:
        precision = precision.flip(1).cummax(1).values.flip(1)
    return (relevant * precision).sum(1) / relevant.sum(1).clamp(min=1)


def average_precision_at(relevant: Tensor, k: int) -> Tensor:
    """The sum of P(r) over the relevant ranks up to K, divided by K: `(Q,)`, float64, in [0, 1]."""
    _check(relevant, k)
    return (relevant[:, :k] * _precisions(relevant[:, :k])).sum(1) / k


def ranked_relevance(
    queries: Any, gallery: Any, query_labels: Any, gallery_labels: Any, distance: str = "cosine"
) -> Tensor:
    """Whether the gallery item at each rank has the query's label, bool `(Q, N)`, best first.

    Args:
        queries, gallery: codes `(Q, d)` and `(N, d)`, arrays or tensors.
        query_labels, gallery_labels: `(Q,)` and `(N,)`, of any kind; compared exactly.
        distance: "cosine" or "euclidean".

    Raises:
        ShapeError: bad shapes. DataError: codes that are not finite.
    """
    return _ranked(*_sides(queries, gallery, query_labels, gallery_labels), distance)


def _ranked(a: Tensor, b: Tensor, la: Tensor, lb: Tensor, distance: str) -> Tensor:
    order = similarity(a, b, distance).argsort(dim=1, descending=True, stable=True)
    return lb[order] == la[:, None]


def similarity(a: Tensor, b: Tensor, distance: str = "cosine") -> Tensor:
    """What ranks b for a, `(Q, N)`, larger is nearer: cosine, or minus the squared distance.

    A code of zeros has cosine 0 with everything.
    """
    refuse_unknown("distance", distance, DISTANCES)
    if distance == "cosine":
        return unit_rows(a) @ unit_rows(b).T
    return 2 * a @ b.T - (a * a).sum(1)[:, None] - (b * b).sum(1)


def retrieval_scores(
    queries: Any,
    gallery: Any,
    query_labels: Any,
    gallery_labels: Any,
    *,
    k: int = 100,
    distance: str = "cosine",
    block: int = 256,
) -> dict[str, float]:
    """Means over queries of all the numbers above; the ranking is made in blocks of queries.

    Args:
        queries, gallery, query_labels, gallery_labels, distance: as in `ranked_relevance`.
        k: K of P@K and mAP@K.
        block: queries at a time; memory is about 40 bytes times block times N.

    Returns:
        `{"precision": P@K, "precision_1": P@1, "map": ..., "map_interpolated": ..., "map_k": ...}`,
        in [0, 1], and `precision_se`, `map_se`, standard errors over the queries.

    Raises:
        DataError: a query whose label the gallery does not have, or codes that are not finite.
            OptionError: K larger than the gallery. ShapeError: bad shapes.

    Example:
        >>> gallery = [[0.0, 1.0], [1.0, 0.1], [1.0, 1.0]]
        >>> found = retrieval_scores([[1.0, 0.0]], gallery, [5], [5, 4, 5], k=2)
        >>> round(found["precision"], 2), round(found["map"], 4)
        (0.5, 0.5833)
    """
    a, b, la, lb = _sides(queries, gallery, query_labels, gallery_labels)
    if bool((lost := ~torch.isin(la, lb)).any()):
        label = query_labels[int(lost.nonzero()[0, 0])]
        raise DataError(
            f"the gallery has no item with label {getattr(label, 'item', lambda: label)()}, which"
            " a query has: nothing can be relevant"
        )
    _in_range(k, len(b))
    parts: dict[str, list[Tensor]] = {}
    for own, label in zip(a.split(block), la.split(block), strict=True):
        ranked = _ranked(own, b, label, lb, distance)
        found = {
            "precision": precision_at(ranked, k),
            "precision_1": precision_at(ranked, 1),
            "map": average_precision(ranked),
            "map_interpolated": average_precision(ranked, True),
            "map_k": average_precision_at(ranked, k),
        }
        for name, values in found.items():
            parts.setdefault(name, []).append(values)
    each = {name: torch.cat(values) for name, values in parts.items()}
    error = lambda v: float(v.std()) / len(a) ** 0.5 if len(a) > 1 else 0.0
    errors = {f"{n}_se": error(each[n]) for n in ("precision", "map")}
    return {name: float(values.mean()) for name, values in each.items()} | errors


def both_ways(
    a: Any, b: Any, a_labels: Any, b_labels: Any, ks: tuple[int, ...], distance: str
) -> dict[str, float]:
    """`retrieval_scores` of b searched by a at several K, and of a searched by b (`_back`).

    Returns:
        `{"precision_K", "map_at_K", "map", ..., "map_back", "precision_1_back"}`; what more items
        than there are would say is left out.
    """
    out: dict[str, float] = {}
    for k in (k for k in ks if k <= len(b)):
        found = retrieval_scores(a, b, a_labels, b_labels, k=k, distance=distance)
        out |= {f"precision_{k}": found.pop("precision"), f"map_at_{k}": found.pop("map_k")} | found
    back = retrieval_scores(b, a, b_labels, a_labels, k=1, distance=distance)
    return out | {"map_back": back["map"], "precision_1_back": back["precision_1"]}


def chance_scores(query_labels: Any, gallery_labels: Any, *, k: int = 100) -> dict[str, float]:
    """What a random order of the gallery has on average: exact, by the names of `retrieval_scores`.

        E P@K = R/N,    E AP = ( H_N + (R-1)/(N-1) (N - H_N) ) / N,
        E AP@K = R/(N K) ( H_K + (R-1)/(N-1) (K - H_K) )

    with R relevant items among N and H_n = 1 + 1/2 + ... + 1/n, averaged over the queries. The
    interpolated AP has no such form.

    Example:
        >>> round(chance_scores([0], [0, 1, 1, 1], k=2)["precision"], 2)
        0.25
    """
    la, lb = classes(query_labels, gallery_labels)
    n = len(lb)
    _in_range(k, n)
    r = (la[:, None] == lb).sum(1).double()
    harmonic = lambda m: float((1 / torch.arange(1, m + 1, dtype=torch.float64)).sum())
    other = (r - 1) / max(
        1, n - 1
    )  # share of relevant items among the others, given a relevant one
    upto = lambda m: harmonic(m) + other * (m - harmonic(m))
    ap = torch.where(r > 0, upto(n) / n, 0.0)
    ap_k = torch.where(r > 0, r / (n * k) * upto(k), 0.0)
    share = float((r / n).mean())
    found = {"map": float(ap.mean()), "map_k": float(ap_k.mean())}
    return {"precision": share, "precision_1": share, **found}


def paired_top1(
    queries: Any, gallery: Any, distance: str = "euclidean", block: int = 1024
) -> float:
    """Share of queries whose nearest gallery item is that of the same row, in [0, 1].

    The paired retrieval of IIAE's Table 9. Between equally near items the first counts.

    Args:
        queries, gallery: codes `(N, d)`, row i of one beside row i of the other.
        distance: "euclidean" as in the paper, or "cosine".
        block: queries at a time.

    Raises:
        ShapeError: other numbers of rows, or codes of other lengths. DataError: codes that are not
            finite.
    """
    a, b = _codes(queries, "queries"), _codes(gallery, "gallery")
    if a.shape != b.shape:
        raise ShapeError(
            f"expected a partner for every query, got codes {tuple(a.shape)} and {tuple(b.shape)}"
        )
    right, rows = 0, torch.arange(len(a), device=a.device)
    for own, row in zip(a.split(block), rows.split(block), strict=True):
        near = similarity(own, b, distance)
        first = (near == near.max(1, keepdim=True).values).int().argmax(1)  # of the largest
        right += int((first == row).sum())
    return right / len(a)


def _precisions(relevant: Tensor) -> Tensor:
    """P(r) at every rank, `(Q, N)`, float64."""
    ranks = torch.arange(1, relevant.shape[1] + 1, dtype=torch.float64, device=relevant.device)
    return relevant.double().cumsum(1) / ranks


def _check(relevant: Tensor, k: int) -> None:
    if relevant.ndim != 2 or relevant.dtype is not torch.bool or not relevant.numel():
        raise ShapeError(
            f"expected relevance by rank, bool (Q, N), got {relevant.dtype} {tuple(relevant.shape)}"
        )
    _in_range(k, relevant.shape[1])


def _in_range(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise OptionError(f"k: expected a number from 1 to the {n} items of the gallery, got {k}")


def _codes(values: Any, what: str) -> Tensor:
    found = torch.as_tensor(values)
    if found.ndim != 2 or not found.numel():
        raise ShapeError(
            f"{what}: expected codes (rows, d) with at least one row, got {tuple(found.shape)}"
        )
    return finite(found if found.is_floating_point() else found.double(), what)


def _sides(
    queries: Any, gallery: Any, query_labels: Any, gallery_labels: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Codes of both sides and their labels as numbers, checked."""
    a, b = _codes(queries, "queries"), _codes(gallery, "gallery")
    if a.shape[1] != b.shape[1]:
        raise ShapeError(
            f"expected codes of one length, got {a.shape[1]} of queries and {b.shape[1]} of the"
            " gallery"
        )
    la, lb = classes(query_labels, gallery_labels, rows=(len(a), len(b)))
    return a, b, la.to(a.device), lb.to(b.device)
