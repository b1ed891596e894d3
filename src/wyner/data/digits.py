"""Handwritten digits as pairs: two halves of one picture, or two pictures whose labels differ by
one.

The package carries 7,000 digits (the first 6,000 training and 1,000 test images of MNIST; Y. LeCun
and C. Cortes, CC BY-SA 3.0), so that `digits-*` needs no download; `mnist-*` are the same pairs
from all 70,000.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from wyner.data.dataset import Dataset
from wyner.data.mnist import Digits, mnist, static
from wyner.data.pairing import matched, one_label
from wyner.errors import OptionError, unknown
from wyner.seeds import DATA, mix
from wyner.variables import Binary, Image

BINARISATIONS = ("threshold", "static")
CREDIT = "Digits: MNIST, Y. LeCun and C. Cortes, CC BY-SA 3.0."


@cache
def embedded() -> Digits:
    """The digits inside the package: 6,000 to train, 1,000 to test, uint8 `(N, 28, 28)`."""
    with (
        resources.files("wyner.data").joinpath("embedded/digits.npz").open("rb") as f,
        np.load(f) as z,
    ):
        return Digits(
            z["train_images"],
            z["train_labels"].astype(np.int64),
            z["test_images"],
            z["test_labels"].astype(np.int64),
        )


def halves(
    full: bool = False,
    validation: int | None = None,
    seed: int = 0,
    binarisation: str = "threshold",
) -> Dataset:
    """Left and right halves of digits, `Binary(28, 14)` each: x the left, y the right; pixels above
    127 are 1.

    Threshold binarisation is not the sampled static binarisation of the published tables; nll's
    compare within a data set.

    Args:
        full: all of MNIST instead of the embedded digits.
        validation: rows set aside from the training images; a twelfth by default.
        seed: of that choice.
        binarisation: "threshold", or "static" for the split of the published tables (50,000, 10,000
            and 10,000 rows without labels), whose three files
            `binarized_mnist_{train,valid,test}.amat` must be in `$WYNER_DATA_DIR/mnist`; `full`
            only.

    Raises:
        OptionError: an unknown binarisation, or "static" with options of the other. DataError:
            missing files.
    """
    if binarisation not in BINARISATIONS:
        raise OptionError(unknown("binarisation", binarisation, BINARISATIONS))
    if binarisation == "static":
        if not full or validation is not None:
            raise OptionError(
                "binarisation='static' is a split of all of MNIST: use mnist-halves, and leave out"
                " validation"
            )
        found = {name: _cut(bits) for name, bits in static().items()}
        what = "Statically binarised digits (Larochelle and Murray 2011)"
        return _halved(dict(name="mnist-halves", binarisation=binarisation), found, what)
    digits = mnist() if full else embedded()
    count = len(digits.train_images) // 12 if validation is None else validation
    order = np.random.default_rng(mix(seed, DATA)).permutation(len(digits.train_images))

    def part(images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        return {**_cut(images > 127), "label": labels}

    train, held = np.sort(order[count:]), np.sort(order[:count])
    name = "mnist-halves" if full else "digits-halves"
    parts = {
        "train": part(digits.train_images[train], digits.train_labels[train]),
        "validation": part(digits.train_images[held], digits.train_labels[held]),
        "test": part(digits.test_images, digits.test_labels),
    }
    return _halved(
        dict(name=name, validation=count, seed=seed), parts, "Threshold-binarised digits"
    )


def _halved(source: dict[str, Any], parts: dict[str, Any], what: str) -> Dataset:
    spaces = {"x": Binary(28, 14), "y": Binary(28, 14)}
    notes = (f"{what}, x the left half, y the right half. {CREDIT}",)
    return Dataset.of(source, parts, spaces, notes=notes, kind="halves")


def _cut(bits: np.ndarray) -> dict[str, np.ndarray]:
    """Left and right halves of pictures `(N, 28, 28)` of zeros and ones."""
    bits = bits.astype(np.float32)
    return {"x": np.ascontiguousarray(bits[:, :, :14]), "y": np.ascontiguousarray(bits[:, :, 14:])}


def add1(
    full: bool = False,
    train: int | None = None,
    validation: int | None = None,
    test: int = 1000,
    pad: int = 2,
    seed: int = 0,
) -> Dataset:
    """Pairs of digits with label(y) = label(x) + 1 mod 10, otherwise independent; `Image(1, 28 + 2
    pad, 28 + 2 pad)` in [0, 1].

    The pair shares only the label, which can be read from each side: C_GK = I = J = H(label),
    nearly log 10 = 2.3026 nats.

    Args:
        full: all of MNIST (50,000 pairs by default) instead of the embedded digits (6,000).
        train, validation, test: numbers of pairs; validation pairs are drawn from training images
            of their own.
        pad: zeros around each picture; 2 makes 32x32, as in the paper.
        seed: of the pairing: x uniform over the images, y uniform over the partner class.
    """
    digits = mnist() if full else embedded()
    train = train or (50_000 if full else 6_000)
    validation = (1_000 if full else 500) if validation is None else validation
    if min(train, test) < 1 or validation < 0:
        raise OptionError("add1: expected positive numbers of pairs")
    rng = np.random.default_rng(mix(seed, DATA))
    border = ((0, 0), (pad, pad), (pad, pad))

    def pairs(images: np.ndarray, labels: np.ndarray, n: int) -> dict[str, np.ndarray]:
        i, j = matched(labels, labels, n, rng, shift=1)
        scaled = lambda index: np.pad(images[index], border)[:, None].astype(np.float32) / 255
        return {"x": scaled(i), "y": scaled(j), "label": labels[i]}

    cut = len(digits.train_images) // 12
    name, shape = "mnist-add1" if full else "digits-add1", Image(1, 28 + 2 * pad, 28 + 2 * pad)
    parts = {}
    if validation:
        images, labels = digits.train_images[:cut], digits.train_labels[:cut]
        parts["validation"] = pairs(images, labels, validation)
    parts["train"] = pairs(digits.train_images[cut:], digits.train_labels[cut:], train)
    parts["test"] = pairs(digits.test_images, digits.test_labels, test)
    source = dict(name=name, train=train, validation=validation, test=test, pad=pad, seed=seed)
    notes = ("Pairs of digits with label(y) = label(x) + 1 mod 10. " + CREDIT,)
    more = dict(truth=one_label(parts["train"]["label"]), notes=notes, kind="image")
    return Dataset.of(source, parts, {"x": shape, "y": shape}, **more)
