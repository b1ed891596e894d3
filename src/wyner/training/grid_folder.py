"""`grid.json`: the points of a grid, their folders, which train together, and how far each is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, final

from wyner import codec
from wyner.errors import OptionError, RunError
from wyner.files import read_json, write_json
from wyner.runs import GRID, RunFolder, command, occupied, versions
from wyner.training.grid_points import Point


@final
class GridFolder:
    """The files of a grid while it is being written.

    Args:
        path: of the grid; None to keep everything in memory.
        points: of the grid.
    """

    def __init__(self, path: Path | None, points: Sequence[Point]) -> None:
        self.path = path
        width = max(3, len(str(len(points) - 1)))
        self.members: list[dict[str, Any]] = [
            {
                "folder": f"{i:0{width}}{_label(p)}",
                "point": {k: _plain(v) for k, v in p.items()},
                "state": "waiting",
                "reason": "",
            }
            for i, p in enumerate(points)
        ]
        self.batches: list[list[int]] = []
        self.fingerprint = ""

    def open(self, fingerprint: str, resume: bool) -> None:
        """Starts a new grid, or goes on with an old one.

        Raises:
            RunError: the folder is not empty, or holds another grid.
        """
        self.fingerprint = fingerprint
        if self.path is None:
            if resume:
                raise OptionError("resume: expected out= with the folder of the grid to continue")
            return
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path} is a file; expected a new or empty folder")
        if not (self.path / GRID).exists():
            if occupied(self.path):
                raise RunError(
                    f"{self.path} is not empty and holds no {GRID}; choose another folder"
                )
            return
        if not resume:
            raise RunError(
                f"{self.path} is not empty; continue it with resume=True, or choose another folder"
            )
        old, new = read_json(self.path / GRID), json.loads(json.dumps(self.members))
        before, now = (codec.current([m["point"] for m in ms]) for ms in (old["members"], new))
        if before != now:
            raise RunError(
                f"{self.path} holds a grid of other points; use the old ones or another folder"
            )
        if old["fingerprint"] != fingerprint:
            raise RunError(
                f"{self.path} was trained on other data; give the same arrays to continue it, or"
                " another folder"
            )
        self.members, self.batches = old["members"], old["batches"]

    def mark(self, indices: Iterable[int], state: str, reason: str = "") -> None:
        """Notes how far some members are: waiting, training, finished or diverged."""
        for i in indices:
            self.members[i] |= {"state": state, "reason": reason}
        self.write()

    def write(self) -> None:
        """Replaces `grid.json`."""
        if self.path is not None:
            about = {"format": 1, "fingerprint": self.fingerprint, "batches": self.batches}
            about |= {"members": self.members, "versions": versions(), "command": command()}
            write_json(self.path / GRID, about)

    def run(self, i: int) -> RunFolder | None:
        """The run of a member."""
        return None if (path := self.out(i)) is None else RunFolder(path)

    def out(self, i: int) -> Path | None:
        """The folder of a member."""
        return None if self.path is None else self.path / self.members[i]["folder"]

    def waiting(self, indices: Iterable[int]) -> bool:
        """Whether some of these members are not at their end."""
        return any(self.members[i]["state"] in ("waiting", "training") for i in indices)


def _plain(value: Any) -> Any:
    try:
        return codec.encode(value)
    except RunError:
        return repr(value)


def _label(point: Point) -> str:
    """The point in the name of a folder, without what file systems dislike."""
    text = "".join(f"-{k}={v}" for k, v in point.items())
    return re.sub(r"[^A-Za-z0-9._+=-]+", "_", text)[:80].rstrip("_")
