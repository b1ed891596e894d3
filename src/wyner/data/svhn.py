"""Street View House Numbers, cropped digits (Netzer et al. 2011): the official .mat files, or
pictures in one .npz file.

For non-commercial use only; nothing of it is in the package.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wyner.data.fetch import get, local, root
from wyner.errors import DataError, OptionError, unknown

MD5 = {
    "train": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test": "eb5a983be6a315427106f1b164d9cef3",
    "extra": "a93ce644f1a588dc4d68dda5feec44a7",
}
"""Checksums of `train_32x32.mat` (73,257 pictures), `test_32x32.mat` (26,032) and `extra_32x32.mat`
(531,131)."""

MIRROR = "http://ufldl.stanford.edu/housenumbers/"
"""Where the files are fetched from unless WYNER_SVHN_URL says otherwise."""

CREDIT = "House numbers: SVHN, Y. Netzer et al. 2011, non-commercial use only."


@dataclass(frozen=True)
class HouseNumbers:
    """Pictures uint8 `(N, 3, 32, 32)` and labels int64 `(N,)`, 0-9, to train and to test; and where
    they are from.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    origin: str


def svhn(split: str = "train") -> HouseNumbers:
    """House numbers from `$WYNER_DATA_DIR/svhn`: `train_32x32.mat`, or else the first `.npz` file
    there; else downloaded.

    An `.npz` file holds `images` `(N, 32, 32, 3)` and `labels` `(N,)` (10 or 0 for the digit 0) and
    has no split of its own: the first four fifths are to train, the rest to test.

    Args:
        split: "train", or "extra" (531,131 easier pictures) for the training part; an `.npz` file
            stands for both.

    Raises:
        OptionError: an unknown split. DataError: the files are not there and cannot be fetched, or
            are damaged.
    """
    if split not in ("train", "extra"):
        raise OptionError(unknown("split", split, ("train", "extra")))
    if local("svhn", f"{split}_32x32.mat") is None and (packed := _packed()) is not None:
        images, labels = from_npz(packed)
        cut = len(images) * 4 // 5
        return HouseNumbers(images[:cut], labels[:cut], images[cut:], labels[cut:], packed.name)
    (a, b), (c, d) = from_mat(find(split)), from_mat(find("test"))
    return HouseNumbers(a, b, c, d, f"{split}_32x32.mat")


def find(split: str) -> Path:
    """The path of an official file; downloads it into the cache if no folder has it."""
    name = f"{split}_32x32.mat"
    if (found := local("svhn", name)) is not None:
        return found
    url = os.environ.get("WYNER_SVHN_URL", MIRROR).rstrip("/") + "/" + name
    remedy = (
        "Put train_32x32.mat and test_32x32.mat, or an .npz file with images and labels, into"
        " {where}"
    )
    return get("svhn", name, url, f"md5:{MD5[split]}", remedy)


def _packed() -> Path | None:
    above = root()
    found = sorted((above / "svhn").glob("*.npz")) if above is not None else []
    return found[0] if found else None


def from_mat(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 `(N, 3, 32, 32)` and labels 0-9 of an official file: X `(32, 32, 3, N)`, y
    `(N, 1)` from 1 to 10.

    Raises:
        DataError: not such a file.
    """
    from scipy.io import loadmat  # slow to import, and few need it

    try:
        found = loadmat(path, variable_names=("X", "y"))
        images, labels = found["X"], found["y"]
    except Exception as e:  # SciPy raises many kinds
        raise DataError(
            f"cannot read {path}: {e}; expected the arrays X and y of SVHN's cropped digits"
        ) from e
    if images.ndim != 4:
        raise DataError(f"{path}: expected X of shape (32, 32, 3, N), got {images.shape}")
    return checked(path, images.transpose(3, 0, 1, 2), labels)


def from_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The same from an `.npz` file with `images` `(N, 32, 32, 3)` and `labels` `(N,)`.

    Raises:
        DataError: not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as z:
            return checked(path, z["images"], z["labels"])
    except DataError:
        raise
    except Exception as e:  # zipfile and zlib raise their own kinds
        raise DataError(
            f"cannot read {path}: {e}; expected an .npz file with images and labels"
        ) from e


def checked(path: Path, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Channels first, label 10 as 0; raises `DataError` for other shapes and types."""
    labels = labels.reshape(-1).astype(np.int64)
    if images.dtype != np.uint8 or images.shape[1:] != (32, 32, 3) or len(images) != len(labels):
        raise DataError(
            f"{path}: expected uint8 pictures (N, 32, 32, 3) with as many labels, "
            f"got {images.dtype} {images.shape} and {len(labels)} labels"
        )
    if len(labels) < 10 or labels.min() < 0 or labels.max() > 10:
        raise DataError(
            f"{path}: expected at least 10 labels from 0 (or 1) to 10, got {len(labels)}"
        )
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), labels % 10
