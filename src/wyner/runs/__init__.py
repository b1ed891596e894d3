"""Runs: folders with everything that a trained model needs."""

from wyner.runs.folder import Run, RunFolder, build, load, read_config, read_history, save_model
from wyner.runs.origin import command, device_name, versions

__all__ = [
    "Run",
    "RunFolder",
    "build",
    "command",
    "device_name",
    "load",
    "read_config",
    "read_history",
    "save_model",
    "versions",
]
