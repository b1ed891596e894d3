"""Fashion-MNIST (Xiao et al. 2017) as pairs: two pieces of the same class or of neighbouring ones,
or a piece and its class.
"""

from __future__ import annotations

import os

import numpy as np

from wyner.data.dataset import Dataset
from wyner.data.fetch import get
from wyner.data.mnist import Digits, digits_of, read_idx
from wyner.data.pairing import matched, one_label
from wyner.errors import OptionError, unknown
from wyner.seeds import DATA, mix
from wyner.variables import Categorical, Image, Space

MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
"""Canonical checksums of the four files."""

MIRROR = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
"""Where the files are fetched from unless WYNER_FASHION_MNIST_URL says otherwise."""

CREDIT = (
    "Fashion-MNIST, Zalando SE, MIT licence. Classes: T-shirt/top, Trouser, Pullover, Dress, Coat,"
    " Sandal, Shirt, Sneaker, Bag, Ankle boot."
)
RULES = {"same": 0, "add1": 1}
"""Pairings of two pictures, and what is added to the label."""


def fashion() -> Digits:
    """All 60,000 + 10,000 pictures: from `$WYNER_DATA_DIR/fashion-mnist` if it is there, else from
    a verified download.

    Raises:
        DataError: the files are not there and cannot be fetched, or are not what they should be.
    """
    mirror = os.environ.get("WYNER_FASHION_MNIST_URL", MIRROR).rstrip("/")
    remedy = "Put the four Fashion-MNIST files into {where}"
    find = lambda name: get("fashion-mnist", name, f"{mirror}/{name}", f"md5:{MD5[name]}", remedy)
    return digits_of("Fashion-MNIST", {name: read_idx(find(name)) for name in MD5})


def pairs(
    pairing: str = "same",
    train: int | None = None,
    validation: int | None = None,
    test: int | None = None,
    pad: int = 2,
    seed: int = 0,
) -> Dataset:
    """Pieces of clothing from Fashion-MNIST: two of one class, of neighbouring classes, or one and
    its class; pictures uint8.

    Two pictures share only the class: C_GK = I = J = H(label), nearly log 10 = 2.3026 nats.

    Args:
        pairing: "same": label(y) = label(x); "add1": label(y) = label(x) + 1 mod 10; "label": x the
            picture, y its class.
        train, validation, test: numbers of pairs; 50,000, 1,000 and 1,000 by default, all pictures
            (a twelfth to validate on) for "label". Validation pairs are drawn from training
            pictures of their own.
        pad: zeros around each picture; 2 makes 32x32.
        seed: of the pairing.

    Raises:
        OptionError: an unknown pairing. DataError: as `fashion`.
    """
    if pairing not in ("label", *RULES):
        raise OptionError(unknown("pairing", pairing, ("label", *RULES)))
    pictures, rng = fashion(), np.random.default_rng(mix(seed, DATA))
    images, labels = pictures.train_images, pictures.train_labels
    cut = len(images) // 12
    parts = {
        "train": (images[cut:], labels[cut:]),
        "validation": (images[:cut], labels[:cut]),
        "test": (pictures.test_images, pictures.test_labels),
    }
    given = {"train": train, "validation": validation, "test": test}
    usual = {"train": 50_000, "validation": 1000, "test": 1000}
    sizes = {
        k: (len(parts[k][1]) if pairing == "label" else usual[k]) if n is None else n
        for k, n in given.items()
    }
    if min(sizes["train"], sizes["test"]) < 1 or sizes["validation"] < 0:
        raise OptionError("fashion-mnist: expected positive numbers of pairs")
    border = ((0, 0), (pad, pad), (pad, pad))

    def made(part: str) -> dict[str, np.ndarray]:
        found, label = parts[part]
        enlarged = lambda index: np.pad(found[index], border)[:, None]
        if pairing == "label":
            i = np.sort(rng.permutation(len(label))[: sizes[part]])
            return {"x": enlarged(i), "y": label[i], "label": label[i]}
        i, j = matched(label, label, sizes[part], rng, RULES[pairing])
        return {"x": enlarged(i), "y": enlarged(j), "label": label[i]}

    order = ("validation", "train", "test")  # of the draws
    made_parts = {part: made(part) for part in order if sizes[part]}
    picture: Space = Image(1, 28 + 2 * pad, 28 + 2 * pad)
    spaces = {"x": picture, "y": Categorical(1, 10) if pairing == "label" else picture}
    source = dict(name="fashion-mnist", pairing=pairing, **sizes, pad=pad, seed=seed)
    truth, kind = made_parts["train"]["label"], "vector" if pairing == "label" else "image"
    more = dict(truth=one_label(truth), notes=(CREDIT,), kind=kind)
    return Dataset.of(source, made_parts, spaces, **more)
