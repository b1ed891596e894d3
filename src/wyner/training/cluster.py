"""Points of a grid as tasks of a Ray cluster, each by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wyner.errors import Diverged, OptionError
from wyner.training.grid_points import ModelFactory
from wyner.training.single import Job, train

Trained = tuple[dict[str, np.ndarray], list[dict[str, Any]], str]
"""Weights and history of a point, or why it diverged."""


def ray_module() -> Any:
    """The module of Ray.

    Raises:
        OptionError: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise OptionError(
            "launcher='ray' needs Ray: pip install 'wyner[ray]'; or use 'batched' or 'sequential'"
        ) from None
    return ray


def on_cluster(
    ray: Any, factory: ModelFactory, job: Job, outs: Mapping[int, Path | None]
) -> Iterator[tuple[int, Trained]]:
    """Trains points in their folders; gives each as it ends."""
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    task = ray.remote(num_gpus=1 if torch.cuda.is_available() else 0)(_task)
    quiet = ray.put(dataclasses.replace(job, progress=False))
    waiting = {
        task.remote(factory, quiet, i, None if out is None else out.absolute()): i
        for i, out in outs.items()
    }
    while waiting:
        (ready, *_), _ = ray.wait(list(waiting))
        yield waiting.pop(ready), ray.get(ready)


def _task(factory: ModelFactory, job: Job, i: int, out: Path | None) -> Trained:
    try:
        run = train(factory.build(i), job, factory.settings[i], out, (), factory.points[i])
    except Diverged as e:
        return {}, [], str(e)
    return {k: v.cpu().numpy() for k, v in run.model.state_dict().items()}, run.history, ""
