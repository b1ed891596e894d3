"""Spaces in which variables live: the shape of one event, and what a valid value is.

Every array has the form `(*leading, *event_shape)`; data have one leading axis, the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.codec import stored
from wyner.errors import DataError, OptionError, ShapeError

Shape = tuple[int, ...]
"""Sizes of the axes of one event."""


def as_tuples(record: object, *names: str) -> None:
    """Turns lists that a user gave as fields of a frozen record into tuples; None stays."""
    for name in names:
        value = getattr(record, name)
        if isinstance(value, (int, float)):
            raise OptionError(f"{name}: expected a list such as ({value},), got {value}")
        if value is not None:
            object.__setattr__(record, name, tuple(value))


@dataclass(frozen=True, init=False)
class Space:
    """A set of values of one shape. Abstract: use one of its subclasses.

    What networks read of a value may be something else than the value, `encode`; densities are of
    the value itself.
    """

    shape: Shape

    def __init__(self, *shape: int) -> None:
        if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
            shape = tuple(shape[0])
        shape = tuple(n.item() if isinstance(n, np.integer) else n for n in shape)
        if not shape or any(not isinstance(n, int) or isinstance(n, bool) or n < 1 for n in shape):
            name = type(self).__name__
            raise ShapeError(
                f"{name}{shape}: sizes must be positive whole numbers, for example {name}(10) or"
                f" {name}(28, 14)"
            )
        object.__setattr__(self, "shape", tuple(shape))

    @property
    def event_shape(self) -> Shape:
        """Shape of one value."""
        return self.shape

    @property
    def size(self) -> int:
        """Number of coordinates of one value."""
        return math.prod(self.event_shape)

    @property
    def encoded(self) -> Shape:
        """Shape of what networks read of one value."""
        return self.event_shape

    def encode(self, value: Tensor) -> Tensor:
        """What networks read of values `(*leading, *event_shape)`: here the values themselves."""
        return value

    @property
    def logarithms(self) -> tuple[bool, ...]:
        """Which numbers of a flat encoding are logarithms of numbers of any scale."""
        return (False,) * math.prod(self.encoded)

    # How values stand in a table beside others, `Mixed`.

    @property
    def columns(self) -> int:
        """Number of columns of a table that hold one value."""
        return self.size

    @property
    def fill(self) -> Tensor:
        """What may stand in rows that lack the variable: one number, or one for each column."""
        return torch.zeros(())

    def of_columns(self, value: Tensor) -> Tensor:
        """Values `(*leading, *event_shape)` from the columns of a table `(*leading, columns)`."""
        return value

    def to_columns(self, value: Tensor) -> Tensor:
        """The inverse of `of_columns`."""
        return value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self.shape))})"

    def prepare(self, value: Tensor, name: str = "value") -> Tensor:
        """Values `(*leading, *event_shape)` as floats, checked for shape and finite numbers.

        Raises:
            ShapeError: the trailing axes are not this space's.
            DataError: NaN or infinity, with the first row and column.
        """
        value = self._floats(value, name)
        check_finite(value, name)
        return value

    def store(self, value: Tensor, name: str = "value") -> Tensor:
        """Values as they are kept between steps: as `prepare` makes them, but 8-bit pictures."""
        return self.prepare(value, name)

    def _floats(self, value: Tensor, name: str) -> Tensor:
        value = value if value.is_floating_point() else value.to(torch.get_default_dtype())
        self._check_shape(value, name)
        return value

    def _check_shape(self, value: Tensor, name: str) -> None:
        n = len(self.event_shape)
        if value.ndim < n or tuple(value.shape[value.ndim - n :]) != self.event_shape:
            shown = ", ".join(["..."] + [str(k) for k in self.event_shape])
            raise ShapeError(
                f"{name}: expected shape ({shown}) for {self!r}, got {tuple(value.shape)}"
            )


@stored("real")
class Real(Space):
    """Real vectors or arrays of any rank: `Real(10)`, `Real(3, 4)`."""


@stored("image")
class Image(Space):
    """Images `(channels, height, width)` with values in [0, 1] or standardised: `Image(1, 32, 32)`.

    Arrays of type uint8 are pictures with values 0..255 and mean the same as value / 255.
    """

    def __init__(self, *shape: int) -> None:
        super().__init__(*shape)
        if len(self.shape) != 3:
            raise ShapeError(
                f"Image{self.shape}: expected (channels, height, width), for example Image(1,"
                " 32, 32)"
            )

    def prepare(self, value: Tensor, name: str = "value") -> Tensor:
        return super().prepare(unit(value), name)

    def store(self, value: Tensor, name: str = "value") -> Tensor:
        """8-bit pictures stay as they are and become floats when a batch is taken (`unit`)."""
        if value.dtype is not torch.uint8:
            return self.prepare(value, name)
        self._check_shape(value, name)
        return value


@stored("binary")
class Binary(Space):
    """Zeros and ones, or probabilities between them: `Binary(40)`, `Binary(28, 14)`."""

    def prepare(self, value: Tensor, name: str = "value") -> Tensor:
        value = super().prepare(value, name)
        low, high = _range(value)
        if low < 0 or high > 1:
            raise DataError(
                f"{name}: a Bernoulli decoder needs values in [0, 1], got {low:.4g} to {high:.4g};"
                f" rescale the array (divide pixels by 255) or declare it Real{self.shape}"
            )
        return value


@stored("categorical")
@dataclass(frozen=True, init=False, repr=False)
class Categorical(Space):
    """`n` independent variables with `k` values each, one-hot: values have shape `(n, k)`.

    Data may be given as whole numbers 0..k-1 of shape `(N,)` (n = 1) or `(N, n)`; they become
    one-hot rows. With n = 1 one-hot rows may be `(N, k)`.
    """

    def __init__(self, n: int = 1, k: int = 2) -> None:
        super().__init__(n, k)

    @property
    def n(self) -> int:
        return self.shape[0]

    @property
    def k(self) -> int:
        return self.shape[1]

    def prepare(self, value: Tensor, name: str = "value") -> Tensor:
        codes = value
        if codes.ndim == 1 and self.n == 1:
            codes = codes[:, None]
        if codes.ndim == 2 and self.n == 1 and codes.shape[-1] == self.k > 1:
            value = codes[:, None]  # one-hot rows
        one_hot = value.ndim > 2 and tuple(value.shape[-2:]) == self.shape
        if not one_hot and codes.shape[-1] == self.n:
            self.check_codes(codes, name)
            return torch.nn.functional.one_hot(codes.long(), self.k).to(torch.get_default_dtype())
        return super().prepare(value, name)

    def check_codes(self, codes: Tensor, name: str) -> None:
        """Raises `DataError` unless all are whole numbers from 0 to k - 1."""
        check_finite(codes.float(), name)
        low, high = _range(codes)
        if low < 0 or high >= self.k or bool((codes != codes.round()).any()):
            raise DataError(
                f"{name}: {self!r} needs whole numbers from 0 to {self.k - 1}, got values from"
                f" {low:g} to {high:g}"
            )

    @property
    def columns(self) -> int:
        return self.n

    def of_columns(self, value: Tensor) -> Tensor:
        codes = torch.arange(self.k, device=value.device)
        return (value[..., None].round() == codes).to(value.dtype)

    def to_columns(self, value: Tensor) -> Tensor:
        return value.argmax(-1).to(value.dtype)


@stored("counts")
class Counts(Space):
    """Whole numbers from 0 up, such as molecules, visits or words: `Counts(1000)`.

    Networks read log(1 + x).
    """

    def prepare(self, value: Tensor, name: str = "value") -> Tensor:
        value = super().prepare(value, name)
        wrong = lambda v: (v < 0) | (v != v.round())
        return _only(value, wrong, name, self, "whole numbers from 0 up")

    def encode(self, value: Tensor) -> Tensor:
        return torch.log1p(value.clamp_min(0))

    @property
    def logarithms(self) -> tuple[bool, ...]:
        return (True,) * self.size


@stored("positive")
class Positive(Space):
    """Numbers above 0 whose ratios matter, such as prices, doses or durations: `Positive(3)`.

    Networks read log x.
    """

    def prepare(self, value: Tensor, name: str = "value") -> Tensor:
        value = super().prepare(value, name)
        return _only(value, lambda v: v <= 0, name, self, "numbers above 0")

    def encode(self, value: Tensor) -> Tensor:
        return torch.log(value.clamp_min(torch.finfo(value.dtype).tiny))

    @property
    def logarithms(self) -> tuple[bool, ...]:
        return (True,) * self.size

    @property
    def fill(self) -> Tensor:
        return torch.ones(())


@stored("mixed")
@dataclass(frozen=True, init=False, repr=False)
class Mixed(Space):
    """Columns of several kinds side by side: `Mixed(Real(2), Counts(1), Categorical(1, 3))`.

    Values are `(*leading, columns)`. A categorical column holds its category as a whole number 0 to
    k - 1; networks read it one-hot, and the other columns as their own spaces say.

    Args:
        parts: spaces of consecutive columns, each `Real(n)`, `Positive(n)`, `Counts(n)`,
            `Binary(n)` or `Categorical(n, k)`; one by one or as a list.
    """

    shape: Shape = field(init=False)
    parts: tuple[Space, ...]

    def __init__(self, *parts: Any) -> None:
        given = tuple(parts[0]) if len(parts) == 1 and isinstance(parts[0], Iterable) else parts
        kinds = (Real, Positive, Counts, Binary, Categorical)
        flat = lambda p: isinstance(p, Categorical) or len(p.shape) == 1
        for part in given:
            if not isinstance(part, kinds) or not flat(part):
                raise ShapeError(
                    "Mixed: expected spaces of columns, such as Real(2), Counts(1), Categorical(1,"
                    f" 3), got {part!r}"
                )
        if not given:
            raise ShapeError("Mixed: expected the spaces of its columns, got none")
        super().__init__(sum(p.columns for p in given))
        object.__setattr__(self, "parts", given)

    def __repr__(self) -> str:
        return f"Mixed({', '.join(map(repr, self.parts))})"

    @property
    def places(self) -> list[slice]:
        """Columns of each part."""
        ends = list(accumulate(p.columns for p in self.parts))
        return [slice(b - p.columns, b) for p, b in zip(self.parts, ends, strict=True)]

    def prepare(self, value: Tensor, name: str = "value") -> Tensor:
        value = super().prepare(value, name)
        for part, place in zip(self.parts, self.places, strict=True):
            own = value[..., place]
            last = "" if part.columns == 1 else f" to {place.stop - 1}"
            where = f"{name}, column{'s' * bool(last)} {place.start}{last} (counting from 0)"
            if isinstance(part, Categorical):
                part.check_codes(own, where)
            else:
                part.prepare(own, where)
        return value

    @property
    def encoded(self) -> Shape:
        return (sum(math.prod(p.encoded) for p in self.parts),)

    def encode(self, value: Tensor) -> Tensor:
        read = [
            p.encode(p.of_columns(value[..., place])).flatten(value.ndim - 1)
            for p, place in zip(self.parts, self.places, strict=True)
        ]
        return torch.cat(read, -1)

    @property
    def logarithms(self) -> tuple[bool, ...]:
        return tuple(a for p in self.parts for a in p.logarithms)

    @property
    def fill(self) -> Tensor:
        return torch.cat([p.fill.expand(p.columns) for p in self.parts])


@stored("sequence")
class Sequence(Space):
    """Sequences of up to T real vectors: `Sequence(20, Real(201))`, or `Sequence(20, 201)`.

    Values may have fewer steps, `(*leading, t, d)` with t <= T. Rows of different lengths stand in
    one array, filled up at their ends with NaN: such steps do not exist, count nothing in any
    density, KL or statistic, and no gradient passes them. `wyner.ragged.Ragged` keeps such rows
    without padding.
    """

    def __init__(self, steps: int, frame: int | Real) -> None:
        if isinstance(frame, Space) and (not isinstance(frame, Real) or len(frame.shape) != 1):
            raise ShapeError(
                f"Sequence({steps}, {frame!r}): expected vectors, for example Sequence(20,"
                " Real(201))"
            )
        super().__init__(steps, *(frame.shape if isinstance(frame, Space) else (frame,)))

    @property
    def steps(self) -> int:
        """T, the most steps of one value."""
        return self.shape[0]

    @property
    def frame(self) -> int:
        """Coordinates of one step."""
        return self.shape[1]

    def prepare(self, value: Tensor, name: str = "value") -> Tensor:
        """Values `(*leading, t, d)` as floats; NaN only in whole steps at the end of a row."""
        value = self._floats(value, name)
        if value.numel() and not bool(torch.isfinite(value).all()):
            self._check_padding(value, name)
        return value

    def _check_padding(self, value: Tensor, name: str) -> None:
        missing = torch.isnan(value)
        ends = missing.all(-1)  # (*leading, t)
        early = ends & ~ends.flip(-1).cummin(-1).values.flip(-1)
        early[..., 0] |= ends[..., 0]
        if bool(early.any()):
            *row, step = early.nonzero()[0].tolist()
            raise DataError(
                f"{name}: row {', '.join(map(str, row)) or 0} has no number in step {step}"
                " (counting from 0); NaN marks the steps after the end of a sequence, so it may"
                " stand at the end of a row only, and not from the start"
            )
        check_finite(torch.where(ends[..., None], torch.zeros_like(value), value), name)

    def _check_shape(self, value: Tensor, name: str) -> None:
        there = value.shape[-2] if value.ndim > 1 else 0
        if not 1 <= there <= self.steps or value.shape[-1] != self.frame:
            raise ShapeError(
                f"{name}: expected shape (..., up to {self.steps} steps, {self.frame}) for"
                f" {self!r}, got {tuple(value.shape)}"
            )


def unit(value: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """8-bit pictures as floats value / 255 in [0, 1]; anything else as it is."""
    if value.dtype is not torch.uint8:
        return value
    return value.to(dtype or torch.get_default_dtype()).div_(255)


def laid_out(value: Tensor, space: Space) -> Tensor:
    """Pictures `(N, H, W, C)` or `(N, H, W)` with their channels first; anything else as it is."""
    if not isinstance(space, Image) or tuple(value.shape[1:]) == space.shape:
        return value
    channels, *size = space.shape
    if value.ndim == 4 and list(value.shape[1:]) == [*size, channels]:
        return value.movedim(-1, 1)
    return value[:, None] if channels == 1 and list(value.shape[1:]) == size else value


def within(value: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    """The values, refused if they are too large for the numbers that a model computes with."""
    if (
        value.is_floating_point()
        and (most := torch.finfo(dtype).max) < torch.finfo(value.dtype).max
    ):
        large = (value.abs() > most).nonzero()
        if len(large):
            row, *column = large[0].tolist()
            raise DataError(
                f"{name}: found {float(value[tuple(large[0])]):g} at row {row}"
                + (f", column {', '.join(map(str, column))}" if column else "")
                + f" (counting from 0), too large for {str(dtype)[6:]}; standardise or rescale it"
            )
    return value


def check_finite(value: Tensor, name: str) -> None:
    """Raises `DataError` that names the first row and column with NaN or infinity."""
    if value.numel() == 0 or bool(torch.isfinite(value).all()):
        return
    first = (~torch.isfinite(value)).nonzero()[0].tolist()
    found = float(value[tuple(first)])
    column = f", column {', '.join(map(str, first[1:]))}" if len(first) > 1 else ""
    raise DataError(
        f"{name}: found {found} at row {first[0]}{column} (counting from 0); remove or impute it,"
        " or mark missing"
        f" rows in {name}_mask"
    )


def _only(
    value: Tensor, wrong: Callable[[Tensor], Tensor], name: str, space: Space, needs: str
) -> Tensor:
    """The values, refused with the first one that is wrong."""
    if bool((found := wrong(value)).any()):
        first = found.nonzero()[0].tolist()
        at = f"row {first[0]}" + "".join(f", column {c}" for c in first[1:])
        raise DataError(
            f"{name}: {space!r} needs {needs}, got {float(value[tuple(first)]):g} at {at} (counting"
            f" from 0); declare it Real{space.shape if len(space.shape) > 1 else f'({space.size})'}"
            " otherwise"
        )
    return value


def _range(value: Tensor) -> tuple[float, float]:
    """Smallest and largest number; 0 and 0 of none."""
    return (float(value.min()), float(value.max())) if value.numel() else (0.0, 0.0)
