"""Networks by name, and those that suit the data where none are named."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from wyner import codec
from wyner.errors import refuse_unknown
from wyner.networks.builders import Builder
from wyner.variables import Image, Sequence, Space


def usual(spaces: Mapping[str, Space], options: Mapping[str, Any]) -> Builder:
    """Networks of a `kind` and its arguments; what is missing suits the spaces.

    Raises:
        OptionError: an unknown kind or argument.
    """
    given = dict(options)
    size = [s.shape[1:] for s in spaces.values() if isinstance(s, Image)]
    convolve = len(size) == len(spaces) and all(h % 8 == w % 8 == 0 for h, w in size)
    fit = "convolutional" if convolve and not given else "mlps"
    if any(isinstance(s, Sequence) for s in spaces.values()):
        fit = "sequences"
    kind = codec.named(given.pop("kind", fit), Builder, "networks")
    known = inspect.signature(kind).parameters
    refuse_unknown("argument", given, known, f"networks {kind.__name__}")
    if not given and codec.name_of(kind) == "convolutional":
        given = {"width": 8, "blocks": 1, "hidden": (256,)}
    return kind(**given)
