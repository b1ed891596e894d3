"""What protocol files of all experiments have in common: TOML with known keys, rows by slug."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from importlib import resources
from typing import Any, Protocol, TypeVar

from wyner.errors import OptionError, unknown


class Slugged(Protocol):
    """A row with a name for folders and `--rows`."""

    @property
    def slug(self) -> str: ...


R = TypeVar("R", bound=Slugged)


def shipped(package: str) -> list[str]:
    """Names of the protocol files of a package, in order."""
    return sorted(
        p.name.removesuffix(".toml")
        for p in resources.files(package).iterdir()
        if p.name.endswith(".toml")
    )


def text_of(package: str, name: str) -> str:
    """The text of a protocol file."""
    return resources.files(package).joinpath(f"{name}.toml").read_text()


def by_experiment(package: str) -> dict[str, list[str]]:
    """Protocols by experiment, of a package whose files are called EXPERIMENT-PROTOCOL.toml."""
    found: dict[str, list[str]] = {}
    for name in shipped(package):
        experiment, _, protocol = name.rpartition("-")
        found.setdefault(experiment, []).append(protocol)
    return found


def text_for(package: str, experiment: str, protocol: str, what: str) -> str:
    """The text of a protocol of an experiment.

    Args:
        package: as for `by_experiment`.
        experiment, protocol: by name.
        what: its experiments are, for errors.

    Raises:
        OptionError: an unknown experiment or protocol.
    """
    known = by_experiment(package)
    if experiment not in known:
        raise OptionError(unknown(what, experiment, known))
    if protocol not in known[experiment]:
        raise OptionError(unknown(f"protocol of {experiment}", protocol, known[experiment]))
    return text_of(package, f"{experiment}-{protocol}")


def parsed(text: str, where: str, keys: Sequence[str], needed: Collection[str]) -> dict[str, Any]:
    """The content of a protocol file.

    Args:
        text: of the file.
        where: its name, for errors.
        keys: that it may have.
        needed: those that it must have.

    Raises:
        OptionError: not TOML, or unknown or missing keys.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise OptionError(f"{where} is not TOML: {e}") from e
    check_keys(found, keys, f"{where}: key")
    if missing := sorted(set(needed) - set(found)):
        raise OptionError(f"{where}: expected {', '.join(missing)}")
    return found


def check_keys(found: Mapping[str, Any], keys: Sequence[str], what: str) -> None:
    """Raises `OptionError` for the first key that is not known."""
    for key in found:
        if key not in keys:
            raise OptionError(unknown(what, key, keys))


def slugs_of(rows: Sequence[R], where: str) -> list[str]:
    """The slugs of all rows.

    Raises:
        OptionError: two rows have the same.
    """
    slugs = [r.slug for r in rows]
    if len(set(slugs)) < len(slugs):
        raise OptionError(f"{where}: expected rows of different names, got {', '.join(slugs)}")
    return slugs


def picked(rows: Sequence[R], slugs: Sequence[str]) -> tuple[R, ...]:
    """Rows by slug, in the order of the table; all if none is named.

    Raises:
        OptionError: an unknown one.
    """
    known = {r.slug: r for r in rows}
    for slug in slugs:
        if slug not in known:
            raise OptionError(unknown("row", slug, known))
    return tuple(r for r in rows if not slugs or r.slug in slugs)
