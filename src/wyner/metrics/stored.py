"""Networks that metrics train for themselves and keep in the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from wyner.errors import WynerError
from wyner.files import read_tensors, write_tensors

Meta = Mapping[str, Any]


def stored(
    path: Path,
    network: Callable[[Meta], nn.Module],
    score: str,
    train: Callable[[], tuple[nn.Module, Meta]],
) -> tuple[nn.Module, float]:
    """A network in evaluation mode with the weights of a file, and how good it was found.

    Args:
        path: of the file; where it is missing or damaged, the network is trained and written.
        network: makes the network from the file's metadata.
        score: name of the number in the metadata that says how good it is.
        train: the trained network and its metadata.
    """
    try:
        weights, meta = read_tensors(path)
        made = network(meta)
        made.load_state_dict(weights)
        return made.eval(), float(meta[score])
    except (WynerError, OSError, KeyError, RuntimeError):
        made, found = train()
        write_tensors(path, made.state_dict(), dict(found))
        return made, float(found[score])
