"""A handwritten digit beside a house number: the same label, or the next one. Pictures stay 8-bit
until they are used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from wyner.data import digits
from wyner.data.dataset import Dataset
from wyner.data.mnist import Digits, mnist
from wyner.data.pairing import in_rounds, matched, one_label
from wyner.data.svhn import CREDIT, HouseNumbers, svhn
from wyner.data.warp import warped_bytes
from wyner.errors import OptionError, unknown
from wyner.seeds import DATA, mix
from wyner.variables import Image

ENLARGE = ("pad", "resize")
SIZES = (32, 16)


def same(
    train: int = 50_000,
    validation: int = 1000,
    test: int = 1000,
    split: str = "train",
    enlarge: str = "pad",
    size: int = 32,
    seed: int = 0,
    warp: bool = False,
) -> Dataset:
    """Pairs of a handwritten digit x and a house number y with the same label; `Image(1, 32, 32)`,
    `Image(3, 32, 32)`, uint8.

    They share only the label: C_GK = I = J = H(label), nearly log 10 = 2.3026 nats. Wyner VAE
    paper, section 9 of the specification; pairs are drawn once from the seed: x uniform over the
    images, y uniform over its class.

    Args:
        train, validation, test: numbers of pairs; validation pairs are drawn from training pictures
            of their own.
        split: of SVHN to train on, "train" or "extra".
        enlarge: how digits of 28x28 become 32x32: "pad" with zeros, as in the paper, or "resize",
            bilinear.
        size: pixels of a side: 32, or 16 for means of 2x2, a quarter of the work.
        seed: of the pairing.
        warp: turn, zoom, shear and move the house number of every training pair by itself, and make
            half of them negatives, so that few house numbers become as many as there are pairs;
            those to validate and to test on stay as they are.
    """
    if min(train, test) < 1 or validation < 0:
        raise OptionError("mnist-svhn: expected positive numbers of pairs")
    one, other, rng = _sides(enlarge, split, seed)

    def pairs(part: str, n: int) -> dict[str, np.ndarray]:
        (x, a), (y, b) = _part(one, part), _part(other, part)
        i, j = matched(a, b, n, rng)
        return {"x": x[i], "y": y[j], "label": a[i]}

    source = dict(name="mnist-svhn", train=train, validation=validation, test=test, split=split)
    source |= dict(enlarge=enlarge, size=size, seed=seed)
    parts = {"validation": pairs("validation", validation)} if validation else {}
    parts |= {"train": pairs("train", train), "test": pairs("test", test)}
    if warp:
        source["warp"] = True
        parts["train"]["y"] = warped_bytes(parts["train"]["y"], mix(seed, DATA, 1))
    return _dataset(source, parts, other, "label(y) = label(x)")


def add1(
    partners: int = 4, split: str = "extra", enlarge: str = "resize", size: int = 32, seed: int = 0
) -> Dataset:
    """Pairs of a handwritten digit x and a house number y with label(y) = label(x) + 1 mod 10,
    every picture with m partners.

    The protocol of the variational Wyner paper (its code): at most 10,000 pictures a class to train
    and 1,000 to test, each with m random partners. Its pictures are scaled to [-1, 1]; ours stay in
    [0, 1].

    Args:
        partners: m.
        split: of SVHN to train on; "extra" in the paper.
        enlarge: "resize" as in the paper, bilinear, or "pad" with zeros.
        size: pixels of a side: 32, or 16 for means of 2x2, a quarter of the work.
        seed: of the pairing.
    """
    if partners < 1:
        raise OptionError(f"mnist-svhn-add1: expected at least one partner, got {partners}")
    one, other, rng = _sides(enlarge, split, seed)

    def pairs(part: str, cap: int) -> dict[str, np.ndarray]:
        (x, a), (y, b) = _part(one, part), _part(other, part)
        i, j = in_rounds(a, b, partners, rng, shift=1, cap=cap)
        return {"x": x[i], "y": y[j], "label": a[i]}

    source = dict(name="mnist-svhn-add1", partners=partners, split=split, enlarge=enlarge)
    source |= dict(size=size, seed=seed)
    caps = {"validation": 1000, "train": 10_000, "test": 1000}
    parts = {part: pairs(part, cap) for part, cap in caps.items()}
    return _dataset(source, parts, other, "label(y) = label(x) + 1 mod 10")


def _sides(enlarge: str, split: str, seed: int) -> tuple[Digits, HouseNumbers, np.random.Generator]:
    """Digits, house numbers, and where the pairing comes from."""
    return _enlarged(mnist(), enlarge), svhn(split), np.random.default_rng(mix(seed, DATA))


def _dataset(
    source: dict[str, Any], parts: dict[str, dict], numbers: HouseNumbers, rule: str
) -> Dataset:
    size = source["size"]
    if size not in SIZES:
        raise OptionError(f"{source['name']}: expected a size of 32 or 16, got {size!r}")
    if size != 32:
        small = lambda part: {k: v if k == "label" else resized(v, size) for k, v in part.items()}
        parts = {name: small(part) for name, part in parts.items()}
    notes = (
        f"Pairs with {rule}. {digits.CREDIT} {CREDIT}",
        f"House numbers to train on: {numbers.origin}.",
    )
    spaces, truth = {"x": Image(1, size, size), "y": Image(3, size, size)}, parts["train"]["label"]
    return Dataset.of(source, parts, spaces, truth=one_label(truth), notes=notes, kind="image")


def _part(pictures: Digits | HouseNumbers, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and labels; the first twelfth of the training pictures is to validate on."""
    if part == "test":
        return pictures.test_images, pictures.test_labels
    images, labels = pictures.train_images, pictures.train_labels
    cut = len(images) // 12
    return (images[:cut], labels[:cut]) if part == "validation" else (images[cut:], labels[cut:])


def _enlarged(digits: Digits, how: str) -> Digits:
    """Pictures uint8 `(N, 1, 32, 32)` of `(N, 28, 28)`."""
    if how not in ENLARGE:
        raise OptionError(unknown("way to enlarge", how, ENLARGE))

    padded = lambda images: np.pad(images, ((0, 0), (2, 2), (2, 2)))[:, None]
    made = padded if how == "pad" else lambda images: resized(images[:, None], 32)
    one, other = made(digits.train_images), made(digits.test_images)
    return Digits(one, digits.train_labels, other, digits.test_labels)


def resized(images: np.ndarray, size: int, block: int = 5000) -> np.ndarray:
    """Pictures uint8 `(N, C, H, W)` at another size, bilinear between the centres of pixels,
    rounded.
    """
    out = np.empty((*images.shape[:2], size, size), np.uint8)
    for i in range(0, len(images), block):
        part = torch.tensor(images[i : i + block], dtype=torch.float32)
        small = F.interpolate(part, (size, size), mode="bilinear")
        out[i : i + block] = small.round().byte().numpy()
    return out
