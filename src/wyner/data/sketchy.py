"""Sketchy (Sangkloy et al. 2016): sketches beside photographs of the same class, for zero-shot
retrieval. Nothing of it is in the package.

The photographs are from ImageNet: for research only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wyner.data.dataset import PARTS, Dataset
from wyner.data.fetch import asked_for, cache, root
from wyner.data.pairing import one_label
from wyner.data.photos import Album, decoded
from wyner.data.zero_shot import Sides, Split, held_out
from wyner.errors import DataError, OptionError, unknown
from wyner.variables import Image

CREDIT = (
    "Sketches and photographs: Sketchy, P. Sangkloy et al. 2016, photographs from ImageNet, for"
    " research only."
)
SPLITS = ("1", "2", "random")
SPLIT_2 = tuple(
    [
        "bat",
        "cabin",
        "cow",
        "dolphin",
        "door",
        "giraffe",
        "helicopter",
        "mouse",
        "pear",
        "raccoon",
        "rhinoceros",
        "saw",
        "scissors",
        "seagull",
        "skyscraper",
        "songbird",
        "sword",
        "tree",
        "wheelchair",
        "windmill",
        "window",
    ]
)
"""The 21 test classes of Yelamarthi et al. (ECCV 2018)."""


@dataclass(frozen=True)
class Pictures:
    """One side: a folder of classes, each with its pictures.

    Attributes:
        album: where they are.
        names: of the files, class by class.
        classes: of each file.
    """

    album: Album
    names: tuple[str, ...]
    classes: tuple[str, ...]


def sketchy(
    folder: str | None = None,
    split: str = "1",
    size: int = 64,
    rounds: int = 8,
    validation: float = 0.15,
    invert: bool = False,
    seed: int = 0,
) -> Dataset:
    """Pairs of a sketch x and a photograph y of the same class, `Image(1, size, size)` and
    `Image(3, size, size)`, uint8; zero-shot.

    Test classes are none of the training classes, and validation classes are held-out training
    classes.

    Args:
        folder: a folder or zip archive with `sketch/CLASS/*` and `photo/CLASS/*`; by default the
            first such in `$WYNER_DATA_DIR/sketchy` or `sketchy` in the cache. Any two folders of
            classes will do.
        split: "1" (100 and 25 classes, drawn as in the public code of the variational Wyner paper),
            "2" (104 and 21 classes of Yelamarthi et al. 2018), or "random" (a fifth of the classes
            to test, drawn with `seed`).
        size: pixels of a side.
        rounds: random partners of each training picture.
        validation: share of the training classes that is held out.
        invert: white lines on black.
        seed: of the pairing, the held-out classes, and the random split.

    Raises:
        DataError: folders or classes that are missing. OptionError: an unknown split.
    """
    where = place(folder)
    chosen = split_of(classes_of(where), split, validation, seed)
    every = sides(where, size, invert)
    parts: dict[str, dict[str, np.ndarray]] = {}
    for part in PARTS:
        index = chosen.indices(every.classes, part)
        parts[part] = every.of(index).pairs(rounds if part == "train" else 1, seed) if index else {}
    source: dict[str, Any] = dict(name="sketchy", split=split, size=size, rounds=rounds)
    source |= dict(validation=validation, invert=invert, seed=seed)
    if folder is not None:
        source["folder"] = str(where.resolve())
    counts = (
        f"{len(chosen.train)} classes to train, {len(chosen.validation)} held out of them,"
        f" {len(chosen.test)} others to test."
    )
    spaces, truth = {"x": Image(1, size, size), "y": Image(3, size, size)}, parts["train"]["label"]
    more = dict(truth=one_label(truth), notes=(counts, CREDIT), kind="image")
    return Dataset.of(source, parts, spaces, **more)


def place(folder: str | None = None) -> Path:
    """The folder or archive of Sketchy.

    Raises:
        DataError: it is nowhere.
    """
    if folder is not None:
        if not Path(folder).exists():
            raise DataError(f"there is no folder or archive {folder}")
        return Path(folder)
    above = root()
    for where in ([above / "sketchy"] if above else []) + [cache("sketchy")]:
        if (where / "photo").is_dir() and (where / "sketch").is_dir():
            return where
        if archives := sorted(where.glob("*.zip")):
            return archives[0]
    raise DataError(
        "Sketchy is not downloaded: put a zip archive with sketch/CLASS/* and photo/CLASS/*, or"
        f" these folders, into {asked_for('sketchy')}, or give folder="
    )


def pictures(where: Path, side: str) -> Pictures:
    """The pictures of "sketch" or "photo" with their classes, in the order of their paths.

    Raises:
        DataError: no pictures in folders of classes below a folder of that name.
    """
    album = Album(where)
    found = [(n, p[-2]) for n in album.names if len(p := n.split("/")) >= 3 and p[-3] == side]
    if not found:
        raise DataError(f"{where} holds no {side}/CLASS/* with pictures")
    return Pictures(album, tuple(n for n, _ in found), tuple(c for _, c in found))


def classes_of(where: Path) -> tuple[str, ...]:
    """Names of the classes that have pictures on both sides, in order."""
    found = sorted(set(pictures(where, "sketch").classes) & set(pictures(where, "photo").classes))
    if len(found) < 3:
        raise DataError(
            f"{where}: expected at least 3 classes with sketches and photographs, got {len(found)}"
        )
    return tuple(found)


def sides(where: Path, size: int, invert: bool = False) -> Sides:
    """All sketches and photographs as uint8 `(N, 1, size, size)` and `(M, 3, size, size)`, decoded
    once into the cache.
    """
    classes = classes_of(where)
    code = {c: i for i, c in enumerate(classes)}
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for side, channels in (("sketch", 1), ("photo", 3)):
        made = pictures(where, side)
        kept = [i for i, c in enumerate(made.classes) if c in code]
        images = decoded(made.album, [made.names[i] for i in kept], size, None, channels, "sketchy")
        found[side] = images, np.array([code[made.classes[i]] for i in kept], np.int64)
    x = 255 - found["sketch"][0] if invert else found["sketch"][0]
    return Sides(x, found["photo"][0], found["sketch"][1], found["photo"][1], classes)


def split_of(
    classes: Sequence[str], split: str = "1", validation: float = 0.15, seed: int = 0
) -> Split:
    """A zero-shot split of classes, in sorted order.

    Args:
        classes: names.
        split: "1", "2" or "random"; see `sketchy`.
        validation: share of the training classes to hold out.
        seed: of the held-out classes, and of the random split.

    Raises:
        OptionError: an unknown split. DataError: one that these classes do not allow.
    """
    if split not in SPLITS:
        raise OptionError(f"sketchy: {unknown('split', str(split), SPLITS)}")
    names = sorted(classes)
    if split == "2":
        if missing := [c for c in SPLIT_2 if c not in names]:
            raise DataError(f"split 2 needs the class {missing[0]}, which the data do not have")
        test = set(SPLIT_2)
    else:
        # numpy's old generator and its seed are what makes the published list
        rng = np.random.RandomState(0 if split == "1" else seed)
        test = set(names) - set(rng.choice(names, int(0.8 * len(names)), replace=False).tolist())
    return held_out(
        [c for c in names if c not in test], [c for c in names if c in test], validation, seed
    )
