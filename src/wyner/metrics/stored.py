"""Networks that metrics train for themselves and keep in the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from wyner.errors import WynerError
from wyner.files import read_tensors


def restored(
    path: Path, network: Callable[[Mapping[str, Any]], nn.Module], score: str
) -> tuple[nn.Module, float] | None:
    """A network in evaluation mode with the weights of a file, and how good it was found; None if
    there is no such file, or a damaged one.

    Args:
        path: of a file that `wyner.files.write_tensors` wrote.
        network: makes the network from the file's metadata.
        score: name of the number in the metadata.
    """
    try:
        weights, meta = read_tensors(path)
        made = network(meta)
        made.load_state_dict(weights)
        return made.eval(), float(meta[score])
    except (WynerError, OSError, KeyError, RuntimeError):
        return None
