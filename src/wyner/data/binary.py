"""One binary picture a row: MNIST, Fashion-MNIST or the embedded digits, cut at one half.
Specification of sequence models, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wyner.data.dataset import Dataset
from wyner.data.digits import CREDIT, embedded
from wyner.data.fashion import CREDIT as CLOTHES
from wyner.data.fashion import fashion
from wyner.data.mnist import Digits, mnist
from wyner.errors import OptionError
from wyner.seeds import DATA, mix
from wyner.variables import Binary

SHARE = 0.2
"""Of the training pictures, to validate on."""
SIZES = (28, 14)


SETS: dict[str, tuple[Callable[[], Digits], str]] = {
    "binary-digits": (embedded, CREDIT),
    "binary-mnist": (mnist, CREDIT),
    "binary-fashion": (fashion, CLOTHES),
}
"""The 7,000 digits inside the package, all of MNIST, pieces of clothing: pictures and credit."""


def binary(
    name: str = "binary-mnist",
    *,
    train: int | None = None,
    validation: int | None = None,
    test: int | None = None,
    size: int = 28,
    seed: int = 0,
) -> Dataset:
    """One picture a row, pixels above 127 are 1: x `Binary(1, 28, 28)`, and the label.

    Args:
        name: of the pictures, from `SETS`.
        train, validation, test: rows, the first of each part; by default all. A fifth of the
            training pictures, chosen by the seed, is set aside to validate on.
        size: 28, or 14: means of 2x2 pixels, cut at one half.
        seed: of the choice and order of the rows.

    Raises:
        OptionError: more rows than there are, or another size. DataError: the files are not there
            and cannot be fetched.
    """
    if size not in SIZES:
        raise OptionError(f"{name}: expected size = 28 or 14, got {size!r}")
    source, credit = SETS[name]
    found = source()
    order = np.random.default_rng(mix(seed, DATA)).permutation(len(found.train_images))
    held = round(SHARE * len(order))
    rows = {
        "train": (found.train_images, found.train_labels, order[held:], train),
        "validation": (found.train_images, found.train_labels, order[:held], validation),
        "test": (found.test_images, found.test_labels, np.arange(len(found.test_images)), test),
    }

    def part(which: str) -> dict[str, np.ndarray]:
        images, labels, index, count = rows[which]
        if count is not None and not 1 <= count <= len(index):
            raise OptionError(f"{name}: {which}: expected 1 to {len(index)} rows, got {count}")
        chosen = index[:count]
        return {"x": bits(images[chosen], size), "label": labels[chosen]}

    parts = {k: part(k) for k in rows}
    sizes = {k: len(p["label"]) for k, p in parts.items()}
    shrunk = "" if size == 28 else f" of {size}x{size} pixels"
    made, notes = (
        dict(name=name, **sizes, size=size, seed=seed),
        (f"Pictures{shrunk} cut at one half. {credit}",),
    )
    return Dataset.of(made, parts, {"x": Binary(1, size, size)}, notes=notes, kind="image")


def bits(images: np.ndarray, size: int = 28) -> np.ndarray:
    """Pictures uint8 `(N, 28, 28)` as float32 zeros and ones `(N, 1, size, size)`: means of equal
    squares, above one half.
    """
    k = images.shape[-1] // size
    means = images.reshape(len(images), size, k, size, k).mean((2, 4)) if k > 1 else images
    return (means > 127.5).astype(np.float32)[:, None]
