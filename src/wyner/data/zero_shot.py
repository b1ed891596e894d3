"""Zero-shot data: two sides with labels, whose test classes are none of the training classes. Pairs
share their label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wyner.data.pairing import in_rounds
from wyner.errors import DataError, OptionError
from wyner.seeds import DATA, mix


@dataclass(frozen=True)
class Sides:
    """Rows of both sides with their labels; how many a class has may differ between the sides.

    Attributes:
        x, y: `(N, *event)` and `(M, *event)`.
        x_labels, y_labels: int64 `(N,)` and `(M,)`, places in `classes`.
        classes: names.
    """

    x: np.ndarray
    y: np.ndarray
    x_labels: np.ndarray
    y_labels: np.ndarray
    classes: tuple[str, ...]

    def of(self, chosen: Sequence[int]) -> Sides:
        """The rows of some classes; labels stay what they are."""
        a, b = np.isin(self.x_labels, chosen), np.isin(self.y_labels, chosen)
        return Sides(self.x[a], self.y[b], self.x_labels[a], self.y_labels[b], self.classes)

    def pairs(self, rounds: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Rows `{"x": ..., "y": ..., "label": ...}` that share a label: every picture with `rounds`
        random partners of its class.

        The smaller side of a class says how many; the rest of the larger side is left out.

        Args:
            rounds: partners of each row.
            seed: of the choice.
        """
        if rounds < 1:
            raise OptionError(f"rounds: expected a positive number of partners, got {rounds}")
        rng = np.random.default_rng(mix(seed, DATA))
        i, j = in_rounds(
            self.x_labels, self.y_labels, rounds, rng, classes=len(self.classes), cap=10**9
        )
        return {"x": self.x[i], "y": self.y[j], "label": self.x_labels[i]}


@dataclass(frozen=True)
class Split:
    """Names of classes to train on, to choose settings on, and to test on; none is in two of
    them.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        every = [*self.train, *self.validation, *self.test]
        if len(set(every)) < len(every) or not self.train or not self.test:
            raise OptionError(
                "split: expected training and test classes, and no class in two parts"
            )

    def indices(self, classes: Sequence[str], part: str) -> list[int]:
        """Places of a part's classes among all of them.

        Raises:
            DataError: a class that the data do not have.
        """
        place = {c: i for i, c in enumerate(classes)}
        if missing := [c for c in getattr(self, part) if c not in place]:
            raise DataError(
                f"the data have no class {missing[0]}, which the split has in its {part} part"
            )
        return [place[c] for c in getattr(self, part)]


def held_out(train: Sequence[str], test: Sequence[str], validation: float, seed: int = 0) -> Split:
    """A split whose validation classes are a share of the training classes, drawn with the seed.

    Args:
        train, test: names of classes.
        validation: share of the training classes that are not trained on.
        seed: of the choice.

    Example:
        >>> held_out(["a", "b", "c", "d"], ["e"], 0.25).validation
        ('b',)
    """
    if not 0 <= validation < 1:
        raise OptionError(
            f"validation: expected a share of the training classes in [0, 1), got {validation}"
        )
    order = np.random.default_rng(mix(seed, DATA)).permutation(len(train))
    cut = round(validation * len(train))
    chosen = set(order[:cut].tolist())
    return Split(
        tuple(c for i, c in enumerate(train) if i not in chosen),
        tuple(c for i, c in enumerate(train) if i in chosen),
        tuple(test),
    )
