"""Codes on disk: one safetensors file, written block by block, memory-mapped when read."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from torch import Tensor

from wyner.errors import DataError, RunError
from wyner.files import replacing

HEAD = 512
"""Bytes of the padded head of the file: the number of rows is known at the end."""


def _head(rows: int, size: int) -> bytes:
    about = {"codes": {"dtype": "F32", "shape": [rows, size], "data_offsets": [0, 4 * rows * size]}}
    return struct.pack("<Q", HEAD - 8) + json.dumps(about).encode().ljust(HEAD - 8)


def write_codes(path: Path, blocks: Iterable[Tensor]) -> tuple[int, int, str]:
    """Writes codes `(B, d)` of any number of blocks, whole or not at all; never more than a block
    in memory.

    Returns:
        Rows, d, and a hash of the contents.

    Raises:
        DataError: no rows. RunError: the disk is full, or the folder cannot be written to.
    """
    rows, size, h = 0, 0, hashlib.blake2b(digest_size=16)
    try:
        with replacing(path) as temporary, temporary.open("wb") as f:
            f.write(b" " * HEAD)
            for block in blocks:
                content = block.contiguous().numpy().tobytes()
                f.write(content)
                h.update(content)
                rows, size = rows + len(block), block.shape[1]
            if not rows:
                raise DataError("index: the gallery has no rows")
            f.seek(0)
            f.write(_head(rows, size))
    except OSError as e:
        raise RunError(
            f"cannot write {path}: {e.strerror or e}; nothing half-written was left"
        ) from e
    return rows, size, h.hexdigest()


def read_codes(path: Path, rows: int, size: int, digest: str | None = None) -> np.ndarray:
    """The codes, float32 `(rows, size)`, on disk until they are used.

    Args:
        path: of a file that `write_codes` wrote.
        rows, size: what it must hold.
        digest: hash that its contents must have; None to read nothing but what is searched.

    Raises:
        RunError: no such file, or damaged contents.
    """
    try:
        with path.open("rb") as f:
            whole = (
                f.read(HEAD) == _head(rows, size) and path.stat().st_size == HEAD + 4 * rows * size
            )
        if not whole:
            raise RunError(
                f"cannot read {path}: it does not hold {rows} codes of {size} numbers; the file is"
                " damaged"
            )
        codes = np.memmap(
            path, np.float32, "c", HEAD, (rows, size)
        )  # "c": tensors want what may be written to
    except OSError as e:
        raise RunError(f"cannot read {path}: {e.strerror or e}") from e
    if digest is not None:
        h = hashlib.blake2b(digest_size=16)
        for i in range(0, rows, 1 << 16):
            h.update(codes[i : i + (1 << 16)].tobytes())
        if h.hexdigest() != digest:
            raise RunError(
                f"cannot read {path}: its checksum does not match its contents; the file is damaged"
            )
    return codes
