"""A named data set: arrays in three parts, the spaces they live in, and exact answers where they
exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wyner.preprocessing import Preprocessing
from wyner.sparse import SparseRows
from wyner.variables import Image, Space

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Dataset:
    """Paired data.

    Attributes:
        name: how it is called.
        train, validation, test: arrays by name; the modalities as float32 `(N, *event)`, large sets
            of pictures as uint8 (0..255 for [0, 1], possibly memory-mapped), labels as int64
            `(N,)`.
        spaces: where each modality lives.
        truth: exact values by name, in nats, where they are known; functions of rows are under
            their own names.
        source: what makes the same data again: the name and every option.
        families: families of the decoders that suit the data, by modality.
        notes: what a reader of a report should know.
        kind: how to show it: "vector", "image" or "halves" (two halves of one picture).
        preprocessing: what a model does to a user's table, fitted to its training rows; the arrays
            here are in the user's own units.
        about: what a run should keep besides `source`: how raw files became rows.
        names: of the coordinates of a modality, where they have names: attributes, columns.
        sides: what rows are taken from, by part: both sides of classes that no training has seen
            and that are searched, `shown` those of the test as pictures; or whole recordings.
    """

    name: str
    train: dict[str, np.ndarray]
    validation: dict[str, np.ndarray]
    test: dict[str, np.ndarray]
    spaces: dict[str, Space]
    truth: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    families: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    kind: str = "vector"
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    sides: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        source: Mapping[str, Any],
        parts: Mapping[str, Any],
        spaces: Mapping[str, Space],
        **more: Any,
    ) -> Dataset:
        """A set called what its source says, from its parts by name; `more` are further fields."""
        train, validation, test = (parts.get(k, {}) for k in PARTS)
        name, source = source["name"], dict(source)
        return cls(name, train, validation, test, dict(spaces), source=source, **more)

    @property
    def modalities(self) -> list[str]:
        """Names of the paired arrays, in order."""
        return list(self.spaces)

    def pairs(self, part: str = "test", rows: int | None = None) -> dict[str, np.ndarray]:
        """The modalities of one part, without labels; the first `rows` of them. Pictures as float32
        in [0, 1].
        """
        return {
            k: _unit(v[:rows], self.spaces[k])
            for k, v in getattr(self, part).items()
            if k in self.spaces
        }

    def fingerprint(self) -> str:
        """A short hash of all arrays, so that a file that has changed is known."""
        h = hashlib.blake2b(digest_size=8)
        for part in PARTS:
            for name, value in sorted(getattr(self, part).items()):
                h.update(f"{part} {name} {value.shape}".encode())
                sparse = isinstance(value, SparseRows)
                h.update(value.bytes() if sparse else np.ascontiguousarray(value).tobytes())
        return h.hexdigest()

    @property
    def scale(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Mean and deviation of the columns that a model standardises, by modality."""
        return {k: (s.mean, s.deviation) for k, s in self.preprocessing.scalings.items()}

    def complete(
        self, names: Collection[str], part: str = "test", rows: int | None = None
    ) -> dict[str, np.ndarray]:
        """The first `rows` rows of one part that have all of these modalities (`x_mask` is 1)."""
        arrays = getattr(self, part)
        masks = [np.asarray(arrays[m]).ravel() > 0 for k in names if (m := f"{k}_mask") in arrays]
        if not masks or np.all(masks):
            return {k: v for k, v in self.pairs(part, rows).items() if k in names}
        kept = np.flatnonzero(np.all(masks, 0))[:rows]
        return {k: _unit(v[kept], self.spaces[k]) for k, v in arrays.items() if k in names}

    def __str__(self) -> str:
        sizes = ", ".join(f"{_rows(getattr(self, k))} {k}" for k in PARTS)
        return f"{self.name}: {', '.join(f'{k}: {v!r}' for k, v in self.spaces.items())}; {sizes}"


def _unit(array: np.ndarray, space: Space) -> np.ndarray:
    is_picture = array.dtype == np.uint8 and isinstance(space, Image)
    return array.astype(np.float32) / 255 if is_picture else array


def _rows(part: Mapping[str, np.ndarray]) -> int:
    return len(next(iter(part.values()))) if part else 0
