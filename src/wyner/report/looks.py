"""How pairs are shown: as two halves of a picture, as two pictures, or as bits and a picture."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from wyner.report.panel import beside, blank, centred, coloured
from wyner.report.subject import Subject
from wyner.variables import Binary, Image


@dataclass(frozen=True)
class Look(ABC):
    """Turns arrays of the two modalities into cells.

    Attributes:
        whole: whether the two make one picture.
        names: of the two modalities.
        ranges: values that are black and white, by modality.
        sample: one picture of each modality, for its size.
        note: what tells the model's pictures from true ones; for captions.
    """

    whole: ClassVar[bool]
    names: tuple[str, str]
    ranges: dict[str, tuple[float, float]]
    sample: dict[str, np.ndarray] = field(repr=False)
    note: str

    def cells(self, name: str, values: np.ndarray, drawn: bool = False) -> np.ndarray:
        """One modality by itself, `(N, H, W, 4)`."""
        return coloured(values, drawn, *self.ranges[name])

    def noun(self, name: str) -> str:
        """What a modality is called in captions."""
        return name

    @abstractmethod
    def pair(self, values: dict[str, np.ndarray], drawn: tuple[str, ...] = ()) -> np.ndarray:
        """Both modalities; `drawn` are those that the model drew."""

    @abstractmethod
    def alone(self, name: str, values: np.ndarray) -> np.ndarray:
        """One modality that was given, where it stands."""

    @abstractmethod
    def answer(self, given: str, known: np.ndarray, name: str, drawn: np.ndarray) -> np.ndarray:
        """What the model drew for `name`, with what was given if the two make one picture."""


class Halves(Look):
    """x is the left half of a picture, y the right half."""

    whole = True

    def noun(self, name: str) -> str:
        """The half and its name."""
        return f"{'left' if name == self.names[0] else 'right'} half {name}"

    def pair(self, values: dict[str, np.ndarray], drawn: tuple[str, ...] = ()) -> np.ndarray:
        """The whole picture."""
        a, b = self.names
        return beside(self.cells(a, values[a], a in drawn), self.cells(b, values[b], b in drawn))

    def alone(self, name: str, values: np.ndarray) -> np.ndarray:
        """One half in its place, the other blank."""
        left = name == self.names[0]
        missing = self.names[1] if left else self.names[0]
        known = self.cells(name, values)
        other = blank(self.cells(missing, self.sample[missing])).repeat(len(values), 0)
        return beside(known, other) if left else beside(other, known)

    def answer(self, given: str, known: np.ndarray, name: str, drawn: np.ndarray) -> np.ndarray:
        """The whole picture, half given and half drawn."""
        return self.pair({given: known, name: drawn}, (name,))


class Separate(Look):
    """x and y are pictures of their own."""

    whole = False

    def _size(self) -> tuple[int, int]:
        shapes = [self.cells(k, v).shape for k, v in self.sample.items()]
        return max(s[1] for s in shapes), max(s[2] for s in shapes)

    def pair(self, values: dict[str, np.ndarray], drawn: tuple[str, ...] = ()) -> np.ndarray:
        """One left of the other."""
        a, b = self.names
        return beside(self.alone(a, values[a], a in drawn), self.alone(b, values[b], b in drawn), 1)

    def alone(self, name: str, values: np.ndarray, drawn: bool = False) -> np.ndarray:
        """One of the two, on a ground of the size that all have."""
        return centred(self.cells(name, values, drawn), *self._size())

    def answer(self, given: str, known: np.ndarray, name: str, drawn: np.ndarray) -> np.ndarray:
        """What was drawn, by itself."""
        return self.alone(name, drawn, True)


class Described(Separate):
    """One of the two is a list of bits: a board of squares, white where a bit is 1."""

    def noun(self, name: str) -> str:
        """Which of the two it is, and its name."""
        return f"{'attributes' if self.sample[name].ndim == 2 else 'picture'} {name}"

    def cells(self, name: str, values: np.ndarray, drawn: bool = False) -> np.ndarray:
        """Pictures as they are; bits, or their probabilities, as squares in rows."""
        if values.ndim > 2:
            return super().cells(name, values, drawn)
        other = next(v for v in self.sample.values() if v.ndim > 2)
        return coloured(boards(values, other.shape[-2], other.shape[-1]), drawn)


def boards(bits: np.ndarray, height: int, width: int) -> np.ndarray:
    """Values in [0, 1] as grey squares, `(N, H, W)`: coordinate k in row k // columns; lines
    between them are dark grey.

    Args:
        bits: `(N, d)`.
        height, width: of a board.
    """
    n, d = bits.shape
    columns = max(1, math.ceil(math.sqrt(d * width / height)))
    rows = -(-d // columns)
    side = max(1, min(height // rows, width // columns))
    made = np.full((n, rows, columns, side, side), 0.25, np.float32)
    values = np.full((n, rows * columns), 0.25, np.float32)
    values[:, :d] = np.clip(bits, 0, 1)
    edge = max(0, min(1, side - 2))
    made[..., : side - edge, : side - edge] = values.reshape(n, rows, columns, 1, 1)
    return np.moveaxis(made, 3, 2).reshape(n, rows * side, columns * side)


def look(about: Subject) -> Look | None:
    """How to show a subject's data; None unless they are pictures, or bits and a picture."""
    if len(about.shown) < 2:
        return None
    a, b = about.shown
    arrays = {k: about.arrays[k] for k in (a, b)}
    spaces, sample = (
        [about.dataset.spaces.get(k) for k in (a, b)],
        {k: v[:1] for k, v in arrays.items()},
    )
    if any(isinstance(s, Binary) and len(s.shape) == 1 for s in spaces) and any(
        isinstance(s, Image) for s in spaces
    ):
        note = " Boards of squares are bits, white for 1, in the order of the data; blue where the"
        unit = dict.fromkeys((a, b), (0.0, 1.0))
        return Described((a, b), unit, sample, f"{note} model drew them.")
    if about.dataset.kind not in ("halves", "image") or any(
        v.ndim not in (3, 4) for v in arrays.values()
    ):
        return None
    ranges, grey = {}, []
    for name, value in arrays.items():
        low, high = float(value.min(initial=0.0)), float(value.max(initial=0.0))
        ranges[name] = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
        grey.append(value.ndim == 3 or value.shape[1] < 3)
    note = " Grey pictures are blue where the model drew them." * any(grey)
    note = " What the model drew is blue." if all(grey) else note
    same = arrays[a].shape[-2] == arrays[b].shape[-2]
    kind: type[Look] = Halves if about.dataset.kind == "halves" and same else Separate
    return kind((a, b), ranges, sample, note)
