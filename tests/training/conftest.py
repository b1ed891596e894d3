"""What several tests of training share."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence

import pytest


def until_done(start: Callable[[], subprocess.Popen], pauses: Sequence[float]) -> int:
    """Starts a script that says "ready" and at its end "done" until it has ended, killed after each
    pause; returns how often it died."""
    died = 0
    while True:
        process = start()
        assert process.stdout is not None
        process.stdout.readline()
        if died < len(pauses):
            time.sleep(pauses[died])
            process.send_signal(signal.SIGKILL)
        text = process.stdout.read()
        process.wait()
        if "done" in text:
            return died
        died += 1
        assert died <= len(pauses), "the script failed by itself"


@pytest.fixture(name="until_done")
def _until_done() -> Callable[[Callable[[], subprocess.Popen], Sequence[float]], int]:
    return until_done
