"""Small data sets of pictures that tests share."""

from __future__ import annotations

import numpy as np

from wyner.data import Dataset
from wyner.variables import Binary, Image


def faces(rows: int = 40) -> Dataset:
    """Pictures of noise, with six attributes that hold by chance."""
    rng = np.random.default_rng(0)
    bits = (rng.random((rows, 6)) < 0.7).astype(np.float32)
    part = {"x": bits, "y": rng.integers(0, 256, (rows, 3, 16, 16), dtype=np.uint8)}
    spaces = {"x": Binary(6), "y": Image(3, 16, 16)}
    names = {"x": ("Male", "Smiling", "Young", "Bangs", "Hat", "Pale")}
    return Dataset("faces", part, {}, part, spaces, names=names)
