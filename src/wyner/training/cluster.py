"""Points of a grid as tasks of a Ray cluster, each by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from wyner.errors import Diverged, OptionError
from wyner.training.grid_points import ModelFactory
from wyner.training.single import Job, train


def on_cluster(
    factory: ModelFactory, job: Job, outs: Mapping[int, Path | None]
) -> Iterator[tuple[int, dict[str, Any], list[dict[str, Any]], str]]:
    """Trains points in their folders; gives number, weights, history and reason of each that ends.

    The reason is why a point diverged, empty if it did not.

    Raises:
        OptionError: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise OptionError(
            "launcher='ray' needs Ray: pip install 'wyner[ray]'; or use 'batched' or 'sequential'"
        ) from None
    if not outs:
        return
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    task: Any = ray.remote(num_gpus=1 if torch.cuda.is_available() else 0)(_task)
    shared = ray.put(dataclasses.replace(job, progress=False))
    places = {i: None if out is None else out.absolute() for i, out in outs.items()}
    waiting = {task.remote(factory, shared, i, out): i for i, out in places.items()}
    while waiting:
        (ready, *_), _ = ray.wait(list(waiting))
        yield waiting.pop(ready), *ray.get(ready)


def _task(
    factory: ModelFactory, job: Job, i: int, out: Path | None
) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    try:
        run = train(factory.build(i), job, factory.settings[i], out, (), factory.points[i], i)
    except Diverged as e:
        return {}, [], str(e)
    return {k: v.cpu().numpy() for k, v in run.model.state_dict().items()}, run.history, ""
