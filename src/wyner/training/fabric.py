"""Devices, precision and processes, through Lightning Fabric."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from wyner.runs import RunFolder
from wyner.training.settings import Settings


def launch(settings: Settings, loggers: Sequence[Any] | None, folder: RunFolder | None) -> Any:
    """A launched Fabric with the run's loggers."""
    fabric = _lightning("fabric")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if loggers is None:
        loggers = [] if folder is None else _tensorboard(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = fabric.Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy=settings.strategy,
            precision=settings.precision,
            loggers=list(loggers),
        )
        made.launch()
    return made


def _lightning(name: str) -> Any:
    """A module of Lightning Fabric; the full Lightning package carries the same."""
    try:
        return import_module(f"lightning_fabric.{name}")
    except ImportError:
        return import_module(f"lightning.fabric.{name}")


def _tensorboard(folder: RunFolder) -> list[Any]:
    try:
        logger = _lightning("loggers").TensorBoardLogger
        return [logger(root_dir=folder.path, name="tensorboard", version="")]
    except ImportError:
        return []
