"""Values of options that are texts: numbers, settings, lists of values."""

from __future__ import annotations

import tomllib
from typing import Any

from wyner.errors import OptionError


def widths(text: str, what: str = "--hidden: expected widths such as 256,256") -> list[int]:
    """Whole numbers separated by commas."""
    try:
        return [int(k) for k in text.split(",") if k.strip()]
    except ValueError:
        raise OptionError(f"{what}, got {text!r}") from None


def sections_of(option: list[str] | None) -> dict[str, dict[str, Any]]:
    """Keys of an experiment file by section, from `--set`."""
    from wyner.experiments.spec import SECTIONS

    sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for text in option or []:
        section, key, value = _setting(text)
        if section not in sections:
            raise OptionError(f"--set {text}: expected one of {', '.join(sections)} before the dot")
        sections[section][key] = value
    return sections


def _setting(text: str) -> tuple[str, str, Any]:
    name, _, value = text.partition("=")
    section, _, key = name.strip().partition(".")
    if not key or not value:
        raise OptionError(
            f"--set {text}: expected section.key=value, for example fit.weight_decay=0.01"
        )
    return section, key, _value(value, value.strip())


def _value(text: str, otherwise: Any) -> Any:
    """A value of TOML, or what it is otherwise."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return otherwise


def parse_values(text: str) -> tuple[str, list[Any]]:
    """`key=v1,v2,...` with numbers, truth values, lists or words.

    >>> parse_values("lam=0,0.05")
    ('lam', [0, 0.05])
    """
    key, _, values = text.partition("=")
    if not key.strip() or not values.strip():
        raise OptionError(
            f"--over {text}: expected key=v1,v2,..., for example z=2,5,10 or"
            " networks.hidden=[64],[128,128]"
        )
    return key.strip(), _value(f"[{values}]", [v.strip() for v in values.split(",")])
