"""Seeds: every use of random numbers gets a stream of its own, so that no two coincide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

ROWS, NOISE, HELD_NOISE, SPLIT, GLOBAL, TASK, DATA, INITIAL, RIVAL = range(9)
"""What a seed is used for; part of every mix."""


def mix(*numbers: int) -> int:
    """A well-spread 63-bit seed from a few whole numbers (the splitmix64 finaliser)."""
    state = 0x9E3779B97F4A7C15
    for n in numbers:
        state = (state + n + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state & (2**63 - 1)


@contextmanager
def forked(seed: int) -> Iterator[None]:
    """A random state of its own, so that the caller's stream is untouched."""
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
