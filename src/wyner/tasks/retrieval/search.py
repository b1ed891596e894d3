"""The k nearest codes of any gallery: exactly, in bounded memory, or by FAISS where installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.errors import OptionError, ShapeError, refuse_unknown

ENGINES = ("auto", "faiss", "torch")
DISTANCES = ("cosine", "euclidean")
GALLERY_BLOCK, QUERY_BLOCK = 1 << 17, 64
"""Codes and queries that are compared at a time: 32 MB of similarities."""


@dataclass(frozen=True)
class Hits:
    """What a search found, nearest first.

    Attributes:
        index: places in the gallery, int64 `(Q, k)`.
        score: cosine, or Euclidean distance, float32 `(Q, k)`.
        names: of the found items, a list for every query; None if the gallery has none.
    """

    index: np.ndarray
    score: np.ndarray
    names: list[list[str]] | None = None


def has_faiss() -> bool:
    """Whether FAISS is installed (`pip install wyner[faiss]`)."""
    return importlib.util.find_spec("faiss") is not None


def nearest(
    queries: Tensor | np.ndarray,
    gallery: Tensor | np.ndarray,
    k: int,
    distance: str = "cosine",
    engine: str = "auto",
) -> Hits:
    """The k nearest rows of the gallery for each query; memory does not grow with the gallery.

    Args:
        queries: `(Q, d)`.
        gallery: `(N, d)`, in memory or memory-mapped. For cosines both must have rows of length 1
            (or 0).
        k: from 1 to N.
        distance: "cosine" or "euclidean".
        engine: "torch" (equally near items in the gallery's order), "faiss" (as exact, faster for
            few queries; equally near items in no order), "auto" for FAISS where it is installed.

    Raises:
        OptionError: a k that the gallery does not have, or an engine that is not there. ShapeError:
            other lengths of codes.

    Example:
        >>> rows = np.eye(2, dtype="float32")
        >>> nearest(rows[:1], rows, 2, engine="torch").index.tolist()
        [[0, 1]]
    """
    refuse_unknown("engine", engine, ENGINES)
    refuse_unknown("distance", distance, DISTANCES)
    if engine == "faiss" and not has_faiss():
        raise OptionError(
            "engine='faiss' needs FAISS, which is not installed: pip install 'wyner[faiss]', or"
            " engine='torch'"
        )
    if queries.ndim != 2 or gallery.ndim != 2 or queries.shape[1] != gallery.shape[1]:
        raise ShapeError(
            f"expected codes (rows, d) of one length, got {tuple(queries.shape)} to search for in"
            f" {tuple(gallery.shape)}"
        )
    if not 1 <= k <= len(gallery):
        raise OptionError(
            f"k: expected a number from 1 to the {len(gallery)} items of the gallery, got {k}"
        )
    asked = np.ascontiguousarray(queries, dtype=np.float32)
    find = _by_faiss if engine == "faiss" or (engine == "auto" and has_faiss()) else _by_torch
    parts = [
        find(asked[i : i + QUERY_BLOCK], gallery, k, distance)
        for i in range(0, len(asked), QUERY_BLOCK)
    ]
    near = torch.cat([score for score, _ in parts]).numpy()
    score = near if distance == "cosine" else np.sqrt(np.maximum(-near, 0))
    return Hits(torch.cat([at for _, at in parts]).numpy(), score)


def unit_rows(codes: Tensor) -> Tensor:
    """Rows of length 1, whose products are cosines; rows of zeros stay."""
    length = codes.norm(dim=1, keepdim=True)
    return codes / length.where(length > 0, torch.ones_like(length))


def _by_torch(queries: np.ndarray, gallery: Any, k: int, distance: str) -> tuple[Tensor, Tensor]:
    """Similarities and places `(Q, k)`; ties in the gallery's order."""
    a = torch.from_numpy(queries)
    best: tuple[Tensor, Tensor] | None = None
    for start in range(0, len(gallery), GALLERY_BLOCK):
        b = _block(gallery, start)
        near = a @ b.T
        if distance == "euclidean":
            near = 2 * near - (a * a).sum(1)[:, None] - (b * b).sum(1)
        best = _merged(best, *_largest(near, min(k, near.shape[1]), start), k)
    assert best is not None
    return best


def _by_faiss(queries: np.ndarray, gallery: Any, k: int, distance: str) -> tuple[Tensor, Tensor]:
    import faiss

    cosine = distance == "cosine"
    metric = faiss.METRIC_INNER_PRODUCT if cosine else faiss.METRIC_L2
    size = (
        len(gallery)
        if isinstance(gallery, (Tensor, np.ndarray)) and not isinstance(gallery, np.memmap)
        else 8 * GALLERY_BLOCK
    )
    best: tuple[Tensor, Tensor] | None = None
    for start in range(0, len(gallery), size):
        b = np.ascontiguousarray(gallery[start : start + size], dtype=np.float32)
        near, at = faiss.knn(queries, b, min(k, len(b)), metric=metric)
        order = np.lexsort((at, -near if cosine else near), axis=1)
        near, at = np.take_along_axis(near, order, 1), np.take_along_axis(at, order, 1)
        best = _merged(
            best, torch.from_numpy(near if cosine else -near), torch.from_numpy(at) + start, k
        )
    assert best is not None
    return best


def _block(gallery: Any, start: int) -> Tensor:
    part = gallery[start : start + GALLERY_BLOCK]
    if isinstance(part, Tensor):
        return part.float()
    # torch wants arrays that may be written to; others are copied, a block at a time
    ready = np.require(part, np.float32, ["C", "W"] if not part.flags.writeable else ["C"])
    return torch.from_numpy(ready)


def _largest(near: Tensor, k: int, start: int) -> tuple[Tensor, Tensor]:
    """The k largest of every row and their places; of equal ones the first, unlike `topk`."""
    value, at = near.topk(k, 1)
    crowded = (near >= value[:, -1:]).sum(1) > k
    if bool(crowded.any()):
        value[crowded], at[crowded] = (
            f[:, :k] for f in near[crowded].sort(dim=1, descending=True, stable=True)
        )
    by_place = at.argsort(1)
    value, at = value.gather(1, by_place), at.gather(1, by_place)
    value, order = value.sort(dim=1, descending=True, stable=True)
    return value, at.gather(1, order) + start


def _merged(
    best: tuple[Tensor, Tensor] | None, value: Tensor, at: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """The k best of what was found before, which has smaller places, and of a new block."""
    if best is None:
        return value, at
    value, at = torch.cat([best[0], value], 1), torch.cat([best[1], at], 1)
    value, order = value.sort(dim=1, descending=True, stable=True)
    return value[:, :k], at.gather(1, order[:, :k])


def named(hits: Hits, names: Sequence[str] | None) -> Hits:
    """The hits with the names of the items."""
    if names is None:
        return hits
    return Hits(hits.index, hits.score, [[names[i] for i in row] for row in hits.index])
