"""Points of a grid: which there are, and how the model of each is made."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wyner import codec
from wyner.errors import OptionError, RunError, unknown
from wyner.models.base import Model
from wyner.seeds import INITIAL, forked, mix
from wyner.training.settings import Settings
from wyner.training.start import Start, begin

Grid = Mapping[str, Iterable[Any]] | Sequence[Mapping[str, Any]]
Point = dict[str, Any]
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def points_of(grid: Grid) -> list[Point]:
    """The points of a grid: all combinations of the lists, the last one fastest, or those listed.

    Raises:
        OptionError: neither, or no point at all.

    Example:
        >>> points_of({"seed": range(2), "lam": [0.0, 0.5]})[:3]
        [{'seed': 0, 'lam': 0.0}, {'seed': 0, 'lam': 0.5}, {'seed': 1, 'lam': 0.0}]
    """
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
                raise OptionError(f"grid: {name}: expected a list of values, got {values!r}")
        found = [dict(zip(grid, v, strict=True)) for v in itertools.product(*grid.values())]
    elif isinstance(grid, Sequence) and all(isinstance(p, Mapping) for p in grid):
        found = [dict(p) for p in grid]
    else:
        raise OptionError(f"grid: expected {{name: values}} or a list of points, got {grid!r}")
    if not found or not any(found):
        raise OptionError("grid: expected at least one point, got none")
    return [{k: v.item() if isinstance(v, np.generic) else v for k, v in p.items()} for p in found]


@dataclass(frozen=True)
class ModelFactory:
    """How the model of each point is made, and how it is trained."""

    make: Callable[..., Model]
    arguments: list[Point]
    points: list[Point]
    settings: list[Settings]
    start: Start | None = None

    @classmethod
    def of(
        cls,
        model: Model | Callable[..., Model],
        points: list[Point],
        options: dict[str, Any],
        start: Start | None = None,
    ) -> ModelFactory:
        """Sorts the names of the points into settings and arguments of the model.

        Raises:
            OptionError: a name that is neither, or a model that cannot be made again.
        """
        again = isinstance(model, Model)
        if not again and not callable(model):
            raise OptionError(
                "model: expected a wyner.Model or a function that makes one, got"
                f" {type(model).__name__}"
            )
        make: Callable[..., Model] = type(model) if isinstance(model, Model) else model
        common = _arguments(model) if isinstance(model, Model) else {}
        kinds = {n: p.kind for n, p in inspect.signature(make).parameters.items()}
        free = inspect.Parameter.VAR_KEYWORD in kinds.values()
        names = {n for n, kind in kinds.items() if kind in NAMED}
        fields = {f.name for f in dataclasses.fields(Settings)}
        for name in dict.fromkeys(k for p in points for k in p):
            if name not in fields | names and not free:
                what = unknown("setting or argument of the model", name, fields | names)
                raise OptionError(f"grid: {what}")
            if name in fields & names and again:
                raise OptionError(
                    f"grid: {name} is a setting and an argument of {type(model).__name__}; pass a"
                    " function of the point that makes the model"
                )
        takes = lambda k: k not in fields if again else free or k in names
        arguments = [common | {k: v for k, v in p.items() if takes(k)} for p in points]
        own = [options | {k: v for k, v in p.items() if k in fields} for p in points]
        return cls(make, arguments, points, [Settings.of(o) for o in own], start)

    def build(self, i: int) -> Model:
        """The model of a point, with fresh weights that are a function of its seed."""
        try:
            inspect.signature(self.make).bind(**self.arguments[i])
        except TypeError as e:
            raise OptionError(
                f"grid: the model of point {self.points[i]} cannot be made: {e}"
            ) from None
        with forked(mix(self.settings[i].seed, INITIAL)):
            model = self.make(**self.arguments[i])
        if not isinstance(model, Model):
            raise OptionError(
                f"grid: the function must return a wyner.Model, got {type(model).__name__}"
            )
        if self.start is not None:
            begin(model, self.start, self.settings[i].freeze, dict(self.points[i]))
        return model


def _arguments(model: Model) -> dict[str, Any]:
    """The arguments that a model was made with."""
    try:
        found = codec.decode(model.config["arguments"])
    except RunError:
        raise OptionError(
            f"grid: {model.title} has a network or family of your own, which cannot be made again"
            " for every point; pass a function that makes the model: wyner.fit(lambda **point:"
            " ..., data, grid=...)"
        ) from None
    for name, p in inspect.signature(type(model)).parameters.items():
        if p.kind is p.VAR_KEYWORD:
            found |= found.pop(name, {})
    return found
