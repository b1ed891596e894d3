"""What relaxed common information is asked with, and what its Lagrangian answers."""

from __future__ import annotations

from dataclasses import dataclass

from wyner.errors import OptionError


@dataclass(frozen=True)
class Lagrangian:
    """Minimum over Z of I(X;Y|Z) + lam I(X,Y;Z).

    Attributes:
        value: the minimum; what a Wyner VAE's loss reaches above h(X,Y).
        residual: I(X;Y|Z) at the minimum.
        rate: I(X,Y;Z) at the minimum; what I41 of a trained model should be.
    """

    value: float
    residual: float
    rate: float


def check_gamma(gamma: float, unit: str = "nats") -> None:
    """Refuses what is no residual information."""
    if not gamma >= 0:
        raise OptionError(f"gamma: expected a number of {unit} from 0 up, got {gamma}")


def check_lam(lam: float) -> None:
    """Refuses what is no price of information."""
    if not lam > 0:
        raise OptionError(
            f"lam: expected a positive number (at 0 the rate is not identified), got {lam}"
        )
