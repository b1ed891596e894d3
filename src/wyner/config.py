"""Settings as JSON: frozen dataclasses of this package to plain values and back. Nothing is
pickled.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from torch import nn

from wyner import variables
from wyner.errors import RunError

MODULE = "nn.Module"
"""Stands for a user's own network, whose code a configuration cannot hold."""


@cache
def _kinds() -> dict[str, type]:
    """Classes whose objects a configuration may hold, by module and name: those of every module of
    these packages.
    """
    from wyner import families, networks, objectives, schedules
    from wyner.objectives import phases

    packages = (families, networks, objectives)
    inner = [
        m
        for p in packages
        for m in vars(p).values()
        if inspect.ismodule(m) and m.__name__.startswith(f"{p.__name__}.")
    ]
    found: dict[str, type] = {}
    for module in (variables, schedules, phases, *inner):
        prefix = module.__name__.rsplit(".", 1)[-1]
        for name, value in vars(module).items():
            ours = isinstance(value, type) and value.__module__ == module.__name__
            if ours and (dataclasses.is_dataclass(value) or issubclass(value, variables.Space)):
                found[f"{prefix}.{name}"] = value
    return found


def encode(value: Any) -> Any:
    """A JSON value for numbers, texts, lists, dictionaries, spaces, families, builders, schedules
    and phases.

    Raises:
        RunError: a value of another type.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(v) for v in value]
    if isinstance(value, nn.Module):
        return {"kind": MODULE, "text": type(value).__name__}
    for name, kind in _kinds().items():
        if type(value) is kind:
            if isinstance(value, variables.Space):
                return {"kind": name, "shape": list(value.shape)}
            return {
                "kind": name,
                **{f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(kind)},
            }
    from wyner.families import Family
    from wyner.networks import Builder, Critics
    from wyner.schedules import Schedule

    if isinstance(
        value, (Family, Builder, Schedule, Critics)
    ):  # of the user's own class: like a network, its code is not stored
        return {"kind": MODULE, "text": type(value).__name__}
    raise RunError(
        f"cannot store {value!r} of type {type(value).__name__} in a configuration; pass numbers,"
        " texts or objects of wyner"
    )


def decode(value: Any) -> Any:
    """The value that `encode` made this from. Lists stay lists.

    Raises:
        RunError: an unknown kind, or a user's own network.
    """
    if isinstance(value, list):
        return [decode(v) for v in value]
    if not isinstance(value, dict):
        return value
    if "kind" not in value:
        return {k: decode(v) for k, v in value.items()}
    if value["kind"] == MODULE:
        raise RunError(
            f"the model has a network of your own ({value.get('text')}), whose code is not stored;"
            " build the model and pass it: wyner.load(folder, into=model)"
        )
    kind = _kinds().get(value["kind"])
    if kind is None:
        raise RunError(
            f"unknown kind {value['kind']!r} in a configuration; it was written by another version"
        )
    rest = {k: decode(v) for k, v in value.items() if k != "kind"}
    listed = rest.pop("shape" if issubclass(kind, variables.Space) else "members", [])
    return kind(*listed, **rest)
