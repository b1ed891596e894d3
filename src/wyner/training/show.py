"""Progress that a person can follow, and a keyboard that is listened to."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, final


class Display(Protocol):
    """Where the progress of a training is shown."""

    def advance(self, done: int, loss: float, text: str) -> None:
        """Called after a few steps."""

    def close(self) -> None:
        """Called at the end, however it comes."""


@final
class Silent:
    """Shows nothing."""

    def advance(self, done: int, loss: float, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


@final
class Lines:
    """A line on standard error about every ten seconds and at the end; for logs and pipes."""

    def __init__(self, total: int, done: int = 0) -> None:
        self.total, self.first, self.start, self.last = total, done, time.monotonic(), 0.0

    def advance(self, done: int, loss: float, text: str) -> None:
        now = time.monotonic()
        if now - self.last > 10 or done == self.total:
            self.last = now
            left = (now - self.start) / max(1, done - self.first) * (self.total - done)
            text = f"{text}  step {done}/{self.total}  loss {loss:.3f}  {left:.0f} s left"
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing."""


@final
class Bar:
    """A bar with loss, speed and time left."""

    def __init__(self, total: int, done: int = 0) -> None:
        from rich import progress as rich
        from rich.console import Console

        columns = (
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            rich.TextColumn("loss {task.fields[loss]}"),
            rich.TimeElapsedColumn(),
            rich.TextColumn("left"),
            rich.TimeRemainingColumn(),
        )
        self.bar = rich.Progress(*columns, console=Console(stderr=True), transient=True)
        self.task: Any = self.bar.add_task("training", total=total, completed=done, loss="")
        self.bar.start()

    def advance(self, done: int, loss: float, text: str) -> None:
        self.bar.update(self.task, completed=done, loss=f"{loss:.3f}", description=text)

    def close(self) -> None:
        self.bar.stop()


def progress(on: bool, total: int, done: int) -> Display:
    """The display that suits where standard error goes."""
    if not on:
        return Silent()
    return Bar(total, done) if sys.stderr.isatty() else Lines(total, done)


@final
class Interrupt:
    """Notes the first Ctrl-C, so that a step can end and be saved; a second one stops at once."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Listens meanwhile, in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)

        def ask(number: int, frame: Any) -> None:
            self.asked = True
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
