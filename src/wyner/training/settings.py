"""Settings of a training, checked when they are made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from wyner.errors import OptionError, refuse_unknown
from wyner.schedules import Schedule, learning_rate

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "64-true")
SHORT = ("bf16-true", "16-true")
"""Precisions of Fabric in which weights and densities would be short numbers."""


class SettingsDict(TypedDict, total=False):
    """The fields of `Settings` as keyword arguments."""

    epochs: int
    steps: int | None
    batch_size: int
    lr: float
    schedule: str | Schedule
    seed: int
    samples: int
    freeze: str | tuple[str, ...]
    clip: float | None
    weight_decay: float
    betas: tuple[float, float]
    amsgrad: bool
    ema: float | None
    patience: int | None
    keep_best: bool
    keep: str | None
    compile: bool
    accumulate: int
    channels_last: bool
    precision: str
    accelerator: str
    devices: int
    strategy: str
    log_every: int
    checkpoint_seconds: float


def _count(v: Any) -> bool:
    return isinstance(v, int) and not isinstance(v, bool) and v >= 1


def _name(v: Any) -> bool:
    return v is None or (isinstance(v, str) and v.strip("-") != "")


Check = tuple[str, Callable[[Any], bool], str]
CHECKS: tuple[Check, ...] = (
    ("epochs batch_size samples accumulate devices", _count, "a positive whole number"),
    ("steps", lambda v: v is None or v >= 1, "a positive whole number or None"),
    ("lr", lambda v: v > 0, "a positive number"),
    ("clip", lambda v: v is None or v > 0, "a positive number or None"),
    ("patience", lambda v: v is None or v >= 1, "a positive number of epochs or None"),
    ("ema", lambda v: v is None or 0 < v < 1, "a decay between 0 and 1 or None"),
    ("seed", lambda v: isinstance(v, int) and v >= 0, "a whole number from 0 up"),
    ("keep", _name, "the name of a number of the probe (after a - if lower is better) or None"),
)
"""Settings by name, what must hold of them, and how to say it."""


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        epochs: passes over the data of the main phase; other phases add theirs.
        steps: steps of the main phase instead of `epochs`, rounded up to whole epochs.
        batch_size: rows per step, over all devices together; an incomplete last batch is left out,
            differently in every epoch.
        lr: highest learning rate of Adam.
        schedule: of the learning rate: "constant", "one-cycle", "cosine", "linear", or a `Schedule`
            that multiplies `lr`.
        seed: of data order and noise; equal seeds give bit-identical runs on a CPU.
        samples: latent draws per row in the loss.
        freeze: factors (`"q(z|x)"`) that keep the weights they start with, in every phase; of
            encoders that share features of an observed variable (`"x"`), these too if named.
        clip: largest norm of the gradient; None for no limit.
        weight_decay, betas, amsgrad: of Adam (decoupled decay, AdamW).
        ema: decay of an exponential average of the weights, which then is what is validated, probed
            and kept; None for none.
        patience: epochs without improvement on the validation rows before the phase ends; None to
            go on to the end.
        keep_best: return to the weights with the best validation loss when a phase ends (only with
            validation rows).
        keep: name of one of the probe's numbers: the main phase ends with the weights with which
            it was highest (`"map"`), or lowest (`"-nll"`), instead of those of `keep_best`.
        compile: compile the step; costs 10 to 60 seconds at the start.
        accumulate: parts into which a batch is cut, one after another, to save memory. The result
            is the same but for rounding, unless networks look at the whole batch (batch
            normalisation sees a part) or rows miss data (each part is averaged by itself).
        channels_last: keep the channels of convolutions innermost in memory, which GPUs and bf16
            prefer; the result is the same but for rounding.
        precision, accelerator, devices, strategy: as Lightning Fabric names them.
        log_every: steps between logged rows; 0 for one row per epoch.
        checkpoint_seconds: time between checkpoints, besides the one at the end of each epoch that
            is older than this.
    """

    epochs: int = 50
    steps: int | None = None
    batch_size: int = 100
    lr: float = 1e-3
    schedule: str | Schedule = "constant"
    seed: int = 0
    samples: int = 1
    freeze: tuple[str, ...] = ()
    clip: float | None = None
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    amsgrad: bool = False
    ema: float | None = None
    patience: int | None = None
    keep_best: bool = True
    keep: str | None = None
    compile: bool = False
    accumulate: int = 1
    channels_last: bool = False
    precision: str = "32-true"
    accelerator: str = "auto"
    devices: int = 1
    strategy: str = "auto"
    log_every: int = 0
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            if isinstance(value := getattr(self, f.name), np.generic):
                object.__setattr__(self, f.name, value.item())
        freeze = (self.freeze,) if isinstance(self.freeze, str) else tuple(self.freeze)
        object.__setattr__(self, "freeze", freeze)
        object.__setattr__(self, "betas", tuple(self.betas))
        for names, holds, expected in CHECKS:
            for name in names.split():
                if not holds(value := getattr(self, name)):
                    raise OptionError(f"{name}: expected {expected}, got {value!r}")
        if self.batch_size % self.accumulate:
            raise OptionError(
                f"accumulate: expected a divisor of batch_size = {self.batch_size}, so that all"
                f" parts are equal, got {self.accumulate}"
            )
        if self.precision in SHORT:
            raise OptionError(
                f"precision: {self.precision!r} keeps weights and densities in numbers of three"
                f" digits; expected '{self.precision.replace('true', 'mixed')}', which is as fast"
            )
        refuse_unknown("precision", self.precision, PRECISIONS)
        learning_rate(self.schedule)

    @classmethod
    def of(cls, options: dict[str, Any]) -> Settings:
        """Settings from options by name; unknown names are errors with the nearest known one."""
        known = {f.name for f in dataclasses.fields(cls)}
        refuse_unknown("setting", options, known)
        try:
            return cls(**options)
        except TypeError as e:
            raise OptionError(f"settings: {e}") from e
