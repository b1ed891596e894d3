"""Progress that a person can follow: a bar with loss and time left on a terminal, a line now and
then elsewhere.
"""

from __future__ import annotations

import sys
import time
from typing import Any


class Silent:
    """Shows nothing."""

    def advance(self, done: int, loss: float, text: str) -> None:
        """Called after a few steps."""

    def epoch(self, text: str) -> None:
        """Called after every epoch."""

    def close(self) -> None:
        """Called at the end, however it comes."""


class Lines(Silent):
    """A line on standard error about every ten seconds and at the end; for logs and pipes."""

    def __init__(self, total: int, done: int = 0) -> None:
        self.total, self.start, self.first, self.last, self.text = (
            total,
            time.monotonic(),
            done,
            0.0,
            "",
        )

    def advance(self, done: int, loss: float, text: str) -> None:
        now = time.monotonic()
        left = (now - self.start) / max(1, done - self.first) * (self.total - done)
        self.text = f"{text}  step {done}/{self.total}  loss {loss:.3f}  {left:.0f} s left"
        if now - self.last > 10 or done == self.total:
            self.last = now
            print(self.text, file=sys.stderr, flush=True)


class Bar(Silent):
    """A bar with loss, speed and time left."""

    def __init__(self, total: int, done: int = 0) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self.task: Any = self.bar.add_task("training", total=total, completed=done, loss="")
        self.bar.start()

    def advance(self, done: int, loss: float, text: str) -> None:
        self.bar.update(self.task, completed=done, loss=f"{loss:.3f}", description=text)

    def epoch(self, text: str) -> None:
        """Nothing: the bar says it."""

    def close(self) -> None:
        self.bar.stop()


def progress(on: bool, total: int, done: int) -> Silent:
    """The display that suits where standard error goes."""
    if not on:
        return Silent()
    return Bar(total, done) if sys.stderr.isatty() else Lines(total, done)
