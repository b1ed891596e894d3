"""One thread for small matrices: more of them cost several times the CPU time and save none."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Within it the libraries behind NumPy and SciPy use one thread; then as many as before."""
    return _libraries().limit(limits=1)


@functools.cache
def _libraries() -> ThreadpoolController:
    """What is loaded; looked up once, as it takes some milliseconds."""
    return ThreadpoolController()
