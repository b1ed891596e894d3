"""Where results come from: versions, the command that was given, and what computed."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from pathlib import Path

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
