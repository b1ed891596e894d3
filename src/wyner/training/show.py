"""Progress that a person can follow, and a keyboard that is listened to."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Advance = Callable[[int, float, str], None]
"""Shows steps done, loss and a text."""


def silent(done: int, loss: float, text: str) -> None:
    """Shows nothing."""


@contextmanager
def progress(on: bool, total: int, first: int) -> Iterator[Advance]:
    """What shows a training from step `first` of `total`, as it suits where standard error goes."""
    if on and sys.stderr.isatty():
        with _bar(total, first) as advance:
            yield advance
    else:
        yield _lines(total, first) if on else silent


def _lines(total: int, first: int) -> Advance:
    """A line about every ten seconds and at the end; for logs and pipes."""
    start, last = time.monotonic(), 0.0

    def advance(done: int, loss: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 10 or done == total:
            last = now
            left = (now - start) / max(1, done - first) * (total - done)
            text = f"{text}  step {done}/{total}  loss {loss:.3f}  {left:.0f} s left"
            print(text, file=sys.stderr, flush=True)

    return advance


@contextmanager
def _bar(total: int, first: int) -> Iterator[Advance]:
    """A bar with loss, speed and time left."""
    from rich import progress as rich
    from rich.console import Console

    left: Any = ("{task.description}", rich.BarColumn(), rich.MofNCompleteColumn())
    right: Any = (rich.TimeElapsedColumn(), "left", rich.TimeRemainingColumn())
    columns = (*left, "loss {task.fields[loss]}", *right)
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("training", total=total, completed=first, loss="")
        yield lambda done, loss, text: bar.update(
            task, completed=done, loss=f"{loss:.3f}", description=text
        )


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, to end and save a step; a second one stops at once."""
    asked = False
    if threading.current_thread() is not threading.main_thread():
        yield lambda: asked
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
