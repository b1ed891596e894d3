"""Runs on disk: folders with everything that a trained model needs."""

from wyner.runs.folder import (
    CHECKPOINT,
    CONFIG,
    GRID,
    METRICS,
    WEIGHTS,
    RunFolder,
    occupied,
    read_config,
    read_history,
    save_model,
)
from wyner.runs.origin import command, device_name, versions

__all__ = [
    "CHECKPOINT",
    "CONFIG",
    "GRID",
    "METRICS",
    "WEIGHTS",
    "RunFolder",
    "command",
    "device_name",
    "occupied",
    "read_config",
    "read_history",
    "save_model",
    "versions",
]
