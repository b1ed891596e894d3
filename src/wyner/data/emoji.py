"""Emoji as line drawings (OpenMoji) beside the same emoji in colour, in the styles of OpenMoji,
Google and Twitter; zero-shot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wyner.data.dataset import PARTS, Dataset
from wyner.data.fetch import asked_for, local
from wyner.data.mnist_svhn import resized
from wyner.data.zero_shot import Sides, Split, held_out
from wyner.errors import DataError, OptionError, unknown
from wyner.seeds import DATA, mix
from wyner.variables import Image

CREDIT = (
    "Line drawings and one style: OpenMoji, CC BY-SA 4.0; others: Google Noto, Apache 2.0, and"
    " Twemoji, CC BY 4.0."
)
FILE, STYLES, BY = "emoji_64px.npz", ("openmoji", "google", "twitter"), ("emoji", "subgroup")


@dataclass(frozen=True)
class Emoji:
    """Emoji whose line drawing is like no other.

    Attributes:
        line: uint8 `(N, 1, size, size)`, black on white.
        styles: by name, uint8 `(N, 3, size, size)`.
        names, subgroups: what each shows.
    """

    line: np.ndarray
    styles: dict[str, np.ndarray]
    names: np.ndarray
    subgroups: np.ndarray

    def sides(self, index: np.ndarray, styles: Sequence[str]) -> Sides:
        """Some of them, line drawings to ask with and all styles to search; each its own class."""
        labels, pictures = np.arange(len(index)), [self.styles[s][index] for s in styles]
        names = tuple(self.names[index].tolist())
        colour = np.concatenate(pictures)
        return Sides(self.line[index], colour, labels, np.tile(labels, len(styles)), names)

    def resized(self, size: int) -> Emoji:
        """The same pictures at another size.

        Raises:
            OptionError: fewer than 8 pixels, or more than there are.
        """
        if not 8 <= size <= self.line.shape[-1]:
            raise OptionError(f"emoji: expected a size from 8 to 64 pixels, got {size}")
        styles = {k: shrunk(v, size) for k, v in self.styles.items()}
        return replace(self, line=shrunk(self.line, size), styles=styles)


def emoji(
    folder: str | None = None,
    by: str = "emoji",
    styles: tuple[str, ...] | list[str] = STYLES,
    size: int = 64,
    validation: float = 0.1,
    test: float = 0.25,
    seed: int = 0,
) -> Dataset:
    """Pairs of a line drawing x and the same emoji in colour y, `Image(1, size, size)` and
    `Image(3, size, size)`, uint8; zero-shot.

    Each emoji stands beside all of its styles in training; validation and test have one row an
    emoji and style. `label` numbers the emoji. The drawing is nearly a function of the picture, and
    the style is private to y.

    Args:
        folder: with `emoji_64px.npz`; by default `$WYNER_DATA_DIR/emoji` or `emoji` in the cache.
        by: what is new in the test: "emoji" (other emoji), or "subgroup" (of whole subgroups, such
            as "face-smiling", none in training).
        styles: of y.
        size: pixels of a side, at most 64.
        validation, test: shares of the emoji, or of the subgroups.
        seed: of that choice.

    Raises:
        DataError: the file is missing or damaged. OptionError: unknown styles or shares that leave
            nothing.
    """
    for style in styles:
        if style not in STYLES:
            raise OptionError(f"emoji: {unknown('style', style, STYLES)}")
    if not styles:
        raise OptionError(f"emoji: expected at least one style of {', '.join(STYLES)}")
    large = read(folder)
    found = large.resized(size)
    index = divided(found, by, validation, test, seed)
    parts: dict[str, dict[str, np.ndarray]] = {}
    for part, rows in index.items():
        if len(rows):
            y = np.concatenate([found.styles[s][rows] for s in styles])
            x, label = (np.concatenate([v] * len(styles)) for v in (found.line[rows], rows))
            parts[part] = {"x": x, "y": y, "label": label}
    shares = {"validation": validation, "test": test}
    source = dict(name="emoji", by=by, styles=list(styles), size=size, **shares, seed=seed)
    if folder is not None:
        source["folder"] = str(Path(folder).resolve())
    counts = ", ".join(f"{len(index[p])} {p}" for p in PARTS)
    text = f"Emoji with a line drawing of their own: {counts}; in the styles {', '.join(styles)}."
    gallery = (
        f"{size} x {size} pixels; a gallery of {len(index['test']) * len(styles)} pictures,"
        f" {len(styles)} of each emoji."
    )
    spaces = {"x": Image(1, size, size), "y": Image(3, size, size)}
    sides = {part: found.sides(index[part], styles) for part in PARTS[1:]}
    sides["shown"] = large.sides(index["test"], styles)
    more = dict(notes=(CREDIT, gallery), kind="image", sides=sides)
    return Dataset.of(source, parts, spaces, about={"text": text, "free": True}, **more)


def read(folder: str | None = None) -> Emoji:
    """All emoji whose drawing is like no other (`line_ok` of the file).

    Raises:
        DataError: no such file, or a damaged one.
    """
    path = Path(folder) / FILE if folder is not None else local("emoji", FILE)
    if path is None or not path.exists():
        raise DataError(f"there is no {FILE}: put it into {folder or asked_for('emoji')}")
    try:
        with np.load(path, allow_pickle=False) as z:
            kept = z["line_ok"]
            line = z["line"][kept][:, None]
            styles = {s: np.ascontiguousarray(np.moveaxis(z[s][kept], -1, 1)) for s in STYLES}
            names, subgroups = z["annotation"][kept], z["subgroup"][kept]
    except Exception as e:  # zipfile and zlib raise their own kinds
        raise DataError(
            f"cannot read {path}: {e}; expected the arrays line, line_ok, annotation, subgroup,"
            f" {', '.join(STYLES)}"
        ) from e
    return Emoji(line, styles, names, subgroups)


def shrunk(images: np.ndarray, size: int) -> np.ndarray:
    """Pictures uint8 at a smaller size: means over areas where the sizes divide each other, else
    bilinear.
    """
    if images.shape[-1] == size:
        return images
    if images.shape[-1] % size:
        return resized(images, size)
    n = images.shape[-1] // size
    blocks = images.reshape(*images.shape[:2], size, n, size, n)
    return blocks.mean((3, 5)).round().astype(np.uint8)


def divided(
    found: Emoji, by: str, validation: float, test: float, seed: int
) -> dict[str, np.ndarray]:
    """Places of the emoji of each part.

    Raises:
        OptionError: an unknown `by`, or shares that leave nothing.
    """
    if by not in BY:
        raise OptionError(f"emoji: {unknown('way to split', by, BY)}")
    if not (0 <= validation < 1 and 0 < test < 1 and validation + test < 1):
        raise OptionError(
            f"emoji: expected shares validation + test below 1 and test above 0, got {validation},"
            f" {test}"
        )
    groups = found.subgroups if by == "subgroup" else np.arange(len(found.names)).astype(str)
    kinds = np.unique(groups)
    order = np.random.default_rng(mix(seed, DATA)).permutation(kinds)
    cut = max(1, round(test * len(kinds)))
    rest, tested = sorted(order[cut:].tolist()), sorted(order[:cut].tolist())
    split: Split = held_out(rest, tested, validation / (1 - test), seed)
    return {part: np.flatnonzero(np.isin(groups, getattr(split, part))) for part in PARTS}
