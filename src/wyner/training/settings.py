"""Settings of a training, checked when they are made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from wyner.errors import OptionError, unknown
from wyner.schedules import Schedule, learning_rate

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true")


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        epochs: passes over the data of the main phase; other phases add theirs.
        steps: steps of the main phase, rounded up to whole epochs, instead of `epochs`; for small
            tables.
        batch_size: rows per step, over all devices together; an incomplete last batch is left out,
            differently in every epoch.
        lr: highest learning rate of Adam.
        schedule: of the learning rate: "constant", "one-cycle", "cosine", "linear", or a `Schedule`
            that multiplies `lr`.
        seed: of data order and noise; equal seeds give bit-identical runs on a CPU.
        samples: latent draws per row in the loss.
        freeze: factors (`"q(z|x)"`) that keep the weights they start with, in every phase; of
            encoders that share features of an observed variable (`"x"`), these too if they are
            named.
        clip: largest norm of the gradient; None for no limit.
        weight_decay, betas, amsgrad: of Adam (decoupled decay, AdamW).
        ema: decay of an exponential average of the weights, which then is what is validated, probed
            and kept; None for none.
        patience: epochs without improvement on the validation rows before the phase ends; None to
            go on to the end.
        keep_best: return to the weights with the best validation loss when a phase ends (only with
            validation rows).
        compile: compile the step; costs 10 to 60 seconds at the start.
        accumulate: parts into which a batch is cut, one after another, to save memory; a step is
            still one batch. The result is the same but for rounding, unless networks look at the
            whole batch (batch normalisation sees a part) or rows miss data (each part is averaged
            by itself).
        channels_last: keep the weights of convolutions with the channels innermost in memory, and
            so all that passes through them; GPUs and bf16 prefer it. The result is the same but for
            rounding.
        precision: "32-true", "bf16-mixed", ... as Lightning Fabric names them.
        accelerator, devices, strategy: as Lightning Fabric names them; "auto", 1, "auto" by
            default.
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
        object.__setattr__(self, "betas", tuple(self.betas))
        object.__setattr__(
            self, "freeze", (self.freeze,) if isinstance(self.freeze, str) else tuple(self.freeze)
        )
        for name in ("epochs", "batch_size", "samples", "accumulate", "devices"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise OptionError(f"{name}: expected a positive whole number, got {value!r}")
        if self.batch_size % self.accumulate:
            raise OptionError(
                f"accumulate: expected a divisor of batch_size = {self.batch_size}, so that all"
                f" parts are equal, got {self.accumulate}"
            )
        if self.steps is not None and self.steps < 1:
            raise OptionError(
                f"steps: expected a positive whole number or None, got {self.steps!r}"
            )
        if not self.lr > 0:
            raise OptionError(f"lr: expected a positive number, got {self.lr!r}")
        if self.clip is not None and not self.clip > 0:
            raise OptionError(f"clip: expected a positive number or None, got {self.clip!r}")
        if self.patience is not None and self.patience < 1:
            raise OptionError(
                f"patience: expected a positive number of epochs or None, got {self.patience!r}"
            )
        if self.ema is not None and not 0 < self.ema < 1:
            raise OptionError(f"ema: expected a decay between 0 and 1 or None, got {self.ema!r}")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise OptionError(f"seed: expected a whole number from 0 up, got {self.seed!r}")
        if self.precision not in PRECISIONS:
            raise OptionError(unknown("precision", self.precision, PRECISIONS))
        learning_rate(self.schedule)

    @classmethod
    def of(cls, options: dict[str, Any]) -> Settings:
        """Settings from options by name; unknown names are errors with the nearest known one."""
        known = {f.name for f in dataclasses.fields(cls)}
        for name in options:
            if name not in known:
                raise OptionError(unknown("setting", name, known))
        try:
            return cls(**options)
        except TypeError as e:
            raise OptionError(f"settings: {e}") from e
