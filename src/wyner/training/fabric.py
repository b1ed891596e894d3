"""Devices, precision and processes, through Lightning Fabric."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wyner.training.settings import Settings

if TYPE_CHECKING:
    from wyner.runs import RunFolder


def launch(settings: Settings, loggers: Sequence[Any] | None, folder: RunFolder | None) -> Any:
    """A launched Fabric with the run's loggers."""
    try:
        from lightning_fabric import Fabric
    except ImportError:  # the full Lightning package carries the same class
        from lightning.fabric import Fabric  # type: ignore[no-redef]
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if loggers is None:
        loggers = [] if folder is None else _tensorboard(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fabric = Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy=settings.strategy,
            precision=settings.precision,  # type: ignore[arg-type]
            loggers=list(loggers),
        )
        fabric.launch()
    return fabric


def _tensorboard(folder: RunFolder) -> list[Any]:
    try:
        try:
            from lightning_fabric.loggers import TensorBoardLogger
        except ImportError:
            from lightning.fabric.loggers import TensorBoardLogger  # type: ignore[no-redef]
        return [TensorBoardLogger(root_dir=folder.path, name="tensorboard", version="")]
    except ImportError:
        return []
