"""MNIST from its four IDX files: from a folder of the user's, or downloaded once and verified; and
its static binarisation.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wyner.data.fetch import asked_for, get, local, root
from wyner.errors import DataError

MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
"""Canonical checksums of the four files."""

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
"""Where the files are fetched from unless WYNER_MNIST_URL says otherwise."""


STATIC = {
    "train": (50_000, "binarized_mnist_train.amat"),
    "validation": (10_000, "binarized_mnist_valid.amat"),
    "test": (10_000, "binarized_mnist_test.amat"),
}
"""Rows and files of the static binarisation (Larochelle and Murray 2011): a row of 784 zeros and
ones a picture, no labels."""


@dataclass(frozen=True)
class Digits:
    """Images uint8 `(N, 28, 28)` and labels int64 `(N,)`, to train and to test."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def mnist() -> Digits:
    """All 60,000 + 10,000 digits: from `$WYNER_DATA_DIR/mnist` if it is there, else from a verified
    download.

    Raises:
        DataError: the files are not there and cannot be fetched, or are not what they should be.
    """
    return digits_of("MNIST", {name: read_idx(find(name)) for name in MD5})


def digits_of(title: str, files: Mapping[str, np.ndarray]) -> Digits:
    """Images and labels from the contents of four IDX files, by their usual names.

    Raises:
        DataError: other shapes than 28x28, or other numbers of labels than of images.
    """
    a, b, c, d = (files[n] for n in MD5)
    if a.shape[1:] != (28, 28) or c.shape[1:] != (28, 28) or len(a) != len(b) or len(c) != len(d):
        raise DataError(
            f"{title}: expected 28x28 images with as many labels, got {a.shape}, {b.shape},"
            f" {c.shape}, {d.shape}"
        )
    return Digits(a, b.astype(np.int64), c, d.astype(np.int64))


def find(name: str) -> Path:
    """The path of one of the four files; downloads it into the cache if no folder has it."""
    if (above := root()) is not None and (above / name).exists():
        return above / name
    url = os.environ.get("WYNER_MNIST_URL", MIRROR).rstrip("/") + "/" + name
    remedy = (
        "Put the four MNIST files into {where}, or use the embedded digits (digits-halves,"
        " digits-add1)"
    )
    return get("mnist", name, url, f"md5:{MD5[name]}", remedy)


def static() -> dict[str, np.ndarray]:
    """The statically binarised digits, uint8 `(N, 28, 28)` of zeros and ones by part; never
    downloaded.

    Raises:
        DataError: a file is not there, or is not what it should be.
    """
    return {part: _amat(_place(name), rows) for part, (rows, name) in STATIC.items()}


def _place(name: str) -> Path:
    if (found := local("mnist", name)) is not None:
        return found
    files = ", ".join(n for _, n in STATIC.values())
    raise DataError(
        f"there is no {name}: put {files} into {asked_for('mnist')}, or leave out"
        " binarisation='static'"
    )


def _amat(path: Path, rows: int) -> np.ndarray:
    try:
        found = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as e:
        raise DataError(f"cannot read {path}: {e}") from e
    bits = found[(found != ord(" ")) & (found != ord("\n")) & (found != ord("\r"))] - ord("0")
    if bits.size != rows * 784 or bits.max(initial=0) > 1:
        raise DataError(
            f"{path}: expected {rows} rows of 784 zeros and ones, got {bits.size} characters"
        )
    return bits.reshape(rows, 28, 28)


def read_idx(path: Path) -> np.ndarray:
    """An array from an IDX file, gzipped or not.

    Raises:
        DataError: not an IDX file of bytes, or one that is cut off.
    """
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as e:
        raise DataError(f"cannot read {path}: {e}") from e
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise DataError(f"{path} is not an IDX file of bytes: it starts with {raw[:4]!r}")
    rank = raw[3]
    shape = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
    body = np.frombuffer(raw, np.uint8, offset=4 + 4 * rank)
    if body.size != int(np.prod(shape)):
        raise DataError(f"{path} is cut off: its header says {shape}, it holds {body.size} bytes")
    return body.reshape(shape)
