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
    lightning: Any = import_module("lightning_fabric")  # takes a second, and has types of its own
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if loggers is None:
        loggers = [] if folder is None else _tensorboard(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fabric = lightning.Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy=settings.strategy,
            precision=settings.precision,
            loggers=list(loggers),
        )
        fabric.launch()
    return fabric


def _tensorboard(folder: RunFolder) -> list[Any]:
    logger: Any = import_module("lightning_fabric.loggers").TensorBoardLogger
    try:
        return [logger(root_dir=folder.path, name="tensorboard", version="")]
    except ImportError:
        return []
