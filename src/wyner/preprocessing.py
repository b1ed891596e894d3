"""What is done to a user's columns before a model sees them, and how it is undone.

A trained model takes and gives values in the user's own units; what its networks see are

    z_j = (f_j(x_j) - mean_j) / deviation_j,        f_j(x) = x  or  log(1 + x)

with mean and deviation of the training rows. A density of x is that of z times the Jacobian.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner.arrays import frame_columns, frame_table, is_frame
from wyner.errors import DataError, OptionError, unknown
from wyner.files import read_tensors, write_tensors
from wyner.kinds import ColumnKind, Kinds
from wyner.sparse import SparseRows

FILE = "preprocessing.safetensors"
"""Its place in the folder of a run."""
STEPS = ("standardise", "log1p", "none")
"""What may be asked for a modality: log1p is standardised as well."""
CONSTANT = 1e-12
"""A column that changes by no more than this share of its largest number never changes."""
ARRAYS = ("mean", "deviation", "log")


@dataclass(frozen=True, eq=False)
class Scaling:
    """The map of the columns of one modality.

    Attributes:
        mean, deviation: of f(x) in training rows, float64 `(*event)`; 0 and 1 for columns that stay
            as they are.
        log: columns whose f is log(1 + x), bool `(*event)`.
    """

    mean: np.ndarray
    deviation: np.ndarray
    log: np.ndarray

    @classmethod
    def fitted(cls, rows: Any, log: bool = False, columns: np.ndarray | None = None) -> Any:
        """Mean and deviation of each column of `(N, *event)`; a column that never changes keeps its
        size.

        Args:
            rows: to train on, an array or `SparseRows`.
            log: whether log(1 + x) comes first.
            columns: those that are scaled, bool `(*event)`; all by default.

        Raises:
            DataError: a number below 0 where its logarithm is asked for.
        """
        used = np.ones(rows.shape[1:], bool) if columns is None else columns
        logs = used & log
        if isinstance(rows, SparseRows):
            _check_logarithm(rows.matrix.data if log else [], "log1p")
            mean, deviation = rows.moments(logs)
            return cls(mean, np.where(deviation > CONSTANT * np.abs(mean), deviation, 1.0), logs)
        values = _logarithm(np.asarray(rows, np.float64), logs)
        largest = np.abs(values).max(0)
        # squares of such numbers are no doubles any more
        unit = np.where((largest > 1e150) | ((largest < 1e-150) & (largest > 0)), largest, 1.0)
        deviation = (values / unit).std(0)
        constant = deviation <= CONSTANT * largest / unit
        deviation = np.where(constant | ~used, 1.0, deviation * unit)
        return cls(np.where(used, (values / unit).mean(0) * unit, 0.0), deviation, logs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scaling) and all(
            np.array_equal(getattr(self, k), getattr(other, k)) for k in ARRAYS
        )

    def apply(self, value: Tensor) -> Tensor:
        """Values as the networks see them, float64 `(*leading, *event)`."""
        x, (mean, deviation, log) = value.double(), self._on(value)
        x = torch.where(log, torch.log1p(x), x) if self.log.any() else x
        return (x - mean) / deviation

    def invert(self, value: Tensor) -> Tensor:
        """Values in the user's units, float64; for log(1 + x) a mean becomes a median."""
        z, (mean, deviation, log) = value.double(), self._on(value)
        x = z * deviation + mean
        return torch.where(log, torch.expm1(x), x) if self.log.any() else x

    def log_jacobian(self, value: Tensor) -> Tensor:
        """Log |dz/dx| at values x in the user's units, `(*leading, *event)`: `(*leading)`, nats."""
        x, (_, deviation, log) = value.double(), self._on(value)
        each = -torch.log(deviation) - torch.where(log, torch.log1p(x), torch.zeros_like(x))
        return each.flatten(x.ndim - self.mean.ndim).sum(-1)

    def _on(self, value: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.as_tensor(getattr(self, k), device=value.device) for k in ARRAYS)


@dataclass(frozen=True)
class Preprocessing:
    """What a model knows of the tables that it was trained on.

    Attributes:
        scalings: by modality; the others stay as they are.
        columns: names of the columns, by modality, where they have names.
        kinds: of the columns of modalities that hold several. Frames have categories as they are;
            arrays have numbers as they are, and codes in place of texts.
    """

    scalings: Mapping[str, Scaling] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: Mapping[str, Kinds] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.scalings or self.columns or self.kinds)

    def values(self, array: Any, name: str) -> Any:
        """The numbers of a frame, its columns in the order of the training, or of an array, with
        codes in place of categories.

        Raises:
            DataError: a frame that lacks columns, or has some that the model does not know; a value
                that is none of the categories.
        """
        kinds, frame = self.kinds.get(name), is_frame(array)
        if kinds is None:
            return frame_columns(array, name, self.columns.get(name)) if frame else array
        if frame:
            return kinds.encode(frame_table(array, name, self.columns.get(name)))
        found = np.array(array, np.float64)
        for c, place in _numeric(kinds, found):
            found[..., place] = (
                Kinds((c,))
                .encode({c.name: found[..., place].reshape(-1)})
                .reshape(found.shape[:-1])
            )
        return found

    def apply(self, name: str, value: Tensor) -> Tensor:
        """Values of a modality as the networks see them.

        Raises:
            DataError: a number without a logarithm.
        """
        scaling = self.scalings.get(name)
        if scaling is None or value.shape[value.ndim - scaling.mean.ndim :] != scaling.mean.shape:
            return value  # whoever takes it says what is wrong with its shape
        if scaling.log.any():
            _check_logarithm(value[..., torch.as_tensor(scaling.log)].cpu().numpy(), name)
        return scaling.apply(value)

    def invert(self, name: str, value: Tensor) -> Tensor:
        """Values of a modality in the user's units, categories that are numbers as these."""
        value = value if name not in self.scalings else self.scalings[name].invert(value)
        if name not in self.kinds:
            return value
        found = value.detach().cpu().double().numpy().copy()
        for c, place in _numeric(self.kinds[name], found):
            found[..., place] = Kinds((c,)).decode(found[..., place, None])[c.name]
        return torch.from_numpy(found).to(value.device)

    def framed(self, name: str, value: np.ndarray) -> dict[str, np.ndarray]:
        """The columns of a modality by name, from what `invert` gave; codes as their texts."""
        columns = dict(zip(self.columns[name], np.moveaxis(value, -1, 0), strict=True))
        for c in self.kinds[name].used if name in self.kinds else ():
            if any(isinstance(v, str) for v in c.categories):
                columns |= Kinds((c,)).decode(columns[c.name][..., None])
        return columns

    def log_jacobian(self, values: Mapping[str, Tensor]) -> Tensor | float:
        """Log |dz/dx| of some modalities in the user's units, `(B,)`, or 0 of none."""
        found = [self.scalings[k].log_jacobian(v) for k, v in values.items() if k in self.scalings]
        return sum(found[1:], start=found[0]) if found else 0.0

    def arrays(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Arrays to train on, float32; masked rows hold zeros."""
        out = dict(arrays)
        for name in dict.fromkeys([*self.scalings, *self.kinds]):
            if name in out:
                if isinstance(out[name], SparseRows):
                    out[name] = out[name].scaled(self.scalings[name].apply)
                    continue
                out[name] = self.values(out[name], name)
                value = torch.as_tensor(np.asarray(out[name], np.float64))
                made = self.apply(name, value).numpy().astype(np.float32)
                if (mask := out.get(f"{name}_mask")) is not None:
                    made[~np.asarray(mask).reshape(-1).astype(bool)] = 0
                out[name] = made
        return out

    def save(self, folder: Path) -> None:
        """Writes the file of a run's folder."""
        tensors = {
            f"{name}/{k}": torch.as_tensor(getattr(scaling, k))
            for name, scaling in self.scalings.items()
            for k in ARRAYS
        }
        kinds = {k: [asdict(c) for c in v.columns] for k, v in self.kinds.items()}
        columns = {k: list(v) for k, v in self.columns.items()}
        write_tensors(folder / FILE, tensors, {"columns": columns, "kinds": kinds})

    @classmethod
    def load(cls, folder: Path) -> Preprocessing | None:
        """What `save` wrote into a folder; None if it has none.

        Raises:
            RunError: a damaged file.
        """
        if not (folder / FILE).exists():
            return None
        tensors, meta = read_tensors(folder / FILE)
        names = dict.fromkeys(k.rpartition("/")[0] for k in tensors)
        scalings = {n: Scaling(*(tensors[f"{n}/{k}"].numpy() for k in ARRAYS)) for n in names}
        columns = {k: tuple(v) for k, v in meta.get("columns", {}).items()}
        told = lambda c: ColumnKind(**{**c, "categories": tuple(c["categories"])})
        kinds = {k: Kinds(tuple(map(told, v))) for k, v in meta.get("kinds", {}).items()}
        return cls(scalings, columns, kinds)


def _numeric(kinds: Kinds, values: np.ndarray) -> list[tuple[ColumnKind, int]]:
    """Columns whose categories are numbers, and their places."""
    if values.shape[-1] != len(kinds.used):
        return []  # whoever takes the values says what is wrong with their shape
    texts = lambda c: any(isinstance(v, str) for v in c.categories)
    return [(c, i) for i, c in enumerate(kinds.used) if c.categories and not texts(c)]


def steps_of(standardise: Any, names: Sequence[str]) -> dict[str, str]:
    """What happens to each modality: one of `STEPS`.

    Args:
        standardise: True, False, a step for all, or steps by modality (the others are
            standardised).
        names: of the modalities.

    Raises:
        OptionError: an unknown step or modality.
    """
    given = standardise if isinstance(standardise, Mapping) else dict.fromkeys(names, standardise)
    for name in given:
        if name not in names:
            raise OptionError(f"standardise: {unknown('modality', name, names)}")
    steps = {True: "standardise", False: "none"}
    found = {k: str(steps.get(given.get(k, True), given.get(k, True))) for k in names}
    for step in found.values():
        if step not in STEPS:
            raise OptionError(f"standardise: {unknown('step', step, STEPS)}")
    return found


def _logarithm(values: np.ndarray, log: np.ndarray) -> np.ndarray:
    if not log.any():
        return values
    _check_logarithm(values[:, log], "log1p")
    return np.where(log, np.log1p(np.where(log, values, 0)), values)


def _check_logarithm(values: Iterable[Any] | np.ndarray, name: str) -> None:
    found = np.asarray(values, np.float64)
    if (found < 0).any():
        raise DataError(
            f"{name}: log(1 + x) needs numbers from 0 up, got {found.min():g}; leave log1p out for"
            " this modality"
        )
