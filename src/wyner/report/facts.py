"""What a table says of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wyner.data import Dataset


@dataclass(frozen=True)
class Facts:
    """What a table says of a data set.

    Attributes:
        name, source, notes: as of the data set.
        sizes: rows by part.
        coordinates: by modality.
        truth: exact numbers by name.
        text: in place of name and sizes, where a data set has its own words.
    """

    name: str
    source: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    coordinates: Mapping[str, int] = field(default_factory=dict)
    truth: Mapping[str, float] = field(default_factory=dict)
    text: str = ""

    @classmethod
    def of(cls, data: Dataset, known: Mapping[str, float] | None = None) -> Facts:
        """The facts of a data set, and further exact numbers."""
        truth = {k: float(v) for k, v in data.truth.items() if isinstance(v, (int, float))}
        parts = {"training": data.train, "validation": data.validation, "test": data.test}
        return cls(
            data.name,
            data.source,
            {k: len(next(iter(v.values()))) for k, v in parts.items() if v},
            tuple(data.notes),
            {k: s.size for k, s in data.spaces.items()},
            truth | dict(known or {}),
            str(data.about.get("text", "")),
        )

    def __str__(self) -> str:
        how = self.source.get("binarisation")
        options = "" if how is None else f" (binarisation = {how})"
        sizes = ", ".join(f"{n} {part}" for part, n in self.sizes.items())
        return self.text or f"`{self.name}`{options}, {sizes} rows."
