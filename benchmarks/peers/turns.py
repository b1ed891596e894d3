"""Timing in turns: trainings that run by themselves, each stopped after a window of optimiser steps
until its next turn.

Every contender is a complete training, called as a user calls it, in a thread of its own. A hook
after the step of any optimiser counts; only one contender runs at a time. So drift of the machine
and busy neighbours hit all alike, and no loop is written twice for the benchmark.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook


@dataclass
class Windows:
    """Milliseconds per unit (a step of one model, an evaluation), one entry a window."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def measure(self, work: Callable[[], Any], units: int) -> None:
        """Adds one window: this process's CPU time, and wall time."""
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        self.wall.append(1e3 * (time.perf_counter() - wall) / units)
        self.cpu.append(1e3 * (time.process_time() - cpu) / units)

    def summary(self) -> dict[str, Any]:
        """Median, smallest, largest and mean of both clocks."""
        show = lambda v: {
            "median": round(statistics.median(v), 4),
            "min": round(min(v), 4),
            "max": round(max(v), 4),
            "mean": round(statistics.fmean(v), 4),
        }
        return {"windows": len(self.cpu), "cpu_ms": show(self.cpu), "wall_ms": show(self.wall)}


def ratio(slow: Sequence[float], fast: Sequence[float]) -> dict[str, float]:
    """Median over windows of slow / fast, its quartiles and extremes."""
    each = sorted(a / b for a, b in zip(slow, fast, strict=True))
    at = lambda share: round(each[round(share * (len(each) - 1))], 4)
    return {
        "median": round(statistics.median(each), 4),
        "low": at(0.25),
        "high": at(0.75),
        "min": at(0),
        "max": at(1),
    }


class Stop(BaseException):
    """Ends a training from inside."""


class Contender:
    """A training in a thread of its own.

    Args:
        train: the whole training; it takes optimiser steps until `Stop` comes out of one.
        steps: optimiser steps in a window.
        models: trained by one step; times are per model.
    """

    def __init__(self, train: Callable[[], None], steps: int, models: int = 1) -> None:
        self.train, self.steps, self.models = train, steps, models
        self.left, self.stopping = 0, False
        self.error: BaseException | None = None
        self.go, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.go.acquire()
        torch.set_num_threads(1)
        _CONTENDERS[threading.get_ident()] = self
        try:
            if not self.stopping:
                self.train()
                self.error = RuntimeError("the training ended by itself")
        except Stop:
            pass
        except BaseException as e:
            self.error = e
        finally:
            _CONTENDERS.pop(threading.get_ident(), None)
            self.done.release()

    def stepped(self) -> None:
        """Called in the training after each step of its optimiser."""
        self.left -= 1
        if self.left == 0:
            self.done.release()
            self.go.acquire()
            if self.stopping:
                raise Stop

    def turn(self) -> None:
        """Lets the training take one window of steps.

        Raises:
            RuntimeError: the training failed or ended; with its error as the cause.
        """
        self.left = self.steps
        self.go.release()
        self.done.acquire()
        if self.error is not None:
            raise RuntimeError("a training failed during the measurement") from self.error

    def stop(self) -> None:
        """Ends the training and waits for it."""
        self.stopping = True
        self.go.release()
        self.thread.join()


_CONTENDERS: dict[int, Contender] = {}


def _after_step(*_: Any) -> None:
    contender = _CONTENDERS.get(threading.get_ident())
    if contender is not None:
        contender.stepped()


def race(contenders: Mapping[str, Contender], rounds: int) -> dict[str, Windows]:
    """Windows of all contenders in turn, back and forth; the first window of each, in which it
    starts, does not count."""
    hook = register_optimizer_step_post_hook(_after_step)
    found = {name: Windows() for name in contenders}
    try:
        for c in contenders.values():
            c.turn()
            c.turn()
        for names in _orders(list(contenders), rounds):
            for name in names:
                c = contenders[name]
                found[name].measure(c.turn, c.steps * c.models)
    finally:
        for c in contenders.values():
            c.stop()
        hook.remove()
    return found


def repeat(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Windows]:
    """The same for functions that simply return."""
    found = {name: Windows() for name in calls}
    for call in calls.values():
        call()
    for names in _orders(list(calls), rounds):
        for name in names:
            found[name].measure(calls[name], 1)
    return found


def _orders(names: list[str], rounds: int) -> Sequence[list[str]]:
    return [names if r % 2 == 0 else names[::-1] for r in range(rounds)]
