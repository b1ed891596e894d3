"""Where results come from: versions, the command that was given, and what computed."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


def versions() -> dict[str, str]:
    """Versions of what made a run."""
    return dict(wyner=version("wyner"), torch=torch.__version__, python=platform.python_version())


def command() -> str:
    """The command that was given, without the folder of the program."""
    return " ".join([Path(sys.argv[0]).name.replace("cli.py", "wyner"), *sys.argv[1:]])


def device_name() -> str:
    """What computes here, in words."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return (
        f"CPU ({platform.machine()}), {torch.get_num_threads()}"
        f" thread{'s' if torch.get_num_threads() > 1 else ''}"
    )


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The first settings that differ, as text; empty if none does."""
    found = [
        f"{section}.{k} was {a.get(k)!r} and is now {b.get(k)!r}"
        for section, b in new.items()
        for a in [old.get(section, {})]
        for k in sorted({*a, *b})
        if a.get(k) != b.get(k)
    ]
    return ", ".join(found[:3])
