"""What can go wrong: every message says what was expected, what came, what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WynerError(ValueError):
    """Base of all errors that a user can cause."""


class LawError(WynerError):
    """A law or an objective that does not define what it should."""


class ShapeError(WynerError):
    """An array or a network output of the wrong shape or type."""


class DataError(WynerError):
    """Data that cannot be trained on."""


class OptionError(WynerError):
    """An unknown name or an impossible setting."""


class TaskError(WynerError):
    """A question that this model has no law to answer."""


class RunError(WynerError):
    """A run folder that cannot be read, written or resumed."""


class Diverged(WynerError):
    """A loss that stopped being a number."""


class TrainingWarning(UserWarning):
    """A training that goes on, but not well."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that does not exist, with the nearest one that does."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {kind} {name!r}: {hint}There are: {', '.join(names) or 'none'}"


def refuse_unknown(
    kind: str,
    names: str | Iterable[str],
    known: Iterable[str],
    where: str = "",
    error: type[WynerError] = OptionError,
) -> None:
    """Raises `error` for the first name that does not exist, with the nearest one that does."""
    there = list(known)
    for name in [names] if isinstance(names, str) or not isinstance(names, Iterable) else names:
        if name not in there:
            raise error(f"{where}: " * bool(where) + unknown(kind, name, there))
