"""What a training leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wyner.codec import encode
from wyner.models.base import Model
from wyner.training.settings import Settings


@dataclass(frozen=True)
class Run:
    """The trained `model`, the logged rows `history`, and the `folder` (None if in memory).

    Of a grid: the best member's, with all that finished in `members`, each with its `point`.
    """

    model: Model
    history: list[dict[str, Any]]
    folder: Path | None
    members: tuple[Run, ...] = ()
    point: dict[str, Any] = field(default_factory=dict)


def described(
    model: Model, settings: Settings, fingerprint: str, about: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run as its configuration says, and default settings, as `RunFolder.open` takes them."""
    found = {"model": model.config, "fit": _plain(settings), "fingerprint": fingerprint}
    return {**found, "about": dict(about)}, _plain(Settings())


def _plain(settings: Settings) -> dict[str, Any]:
    return encode(dataclasses.asdict(settings) | {"schedule": settings.schedule})
