"""What is searched: pairs to train on, and both sides of classes that no training has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wyner.data import Dataset, emoji, sketchy
from wyner.data.zero_shot import Sides
from wyner.errors import OptionError, unknown
from wyner.experiments.retrieval.features import features
from wyner.variables import Real


@dataclass(frozen=True)
class Scene:
    """Rows to train on and to search.

    Attributes:
        dataset: training pairs `{"x", "y", "label"}`, and the spaces.
        validation, test: both sides of classes that are not trained on; queries are x, the gallery
            is y.
        shown: the test rows as pictures, for the sheet.
        notes: what a reader should know.
        free: whether the pictures may be shown to others; sheets of others stay with the runs.
    """

    dataset: Dataset
    validation: Sides
    test: Sides
    shown: Sides
    notes: tuple[str, ...]
    free: bool = False


def scene(options: Mapping[str, Any], networks: Sequence[Mapping[str, Any]] = ()) -> Scene:
    """The scene of a protocol: `kind`, and options of that kind.

    Raises:
        OptionError: an unknown kind or option. DataError: files that are missing.
    """
    rest = dict(options)
    kind = rest.pop("kind")
    if kind not in KINDS:
        raise OptionError(unknown("kind of scene", str(kind), KINDS))
    try:
        return KINDS[kind](networks, **rest)
    except TypeError as e:
        raise OptionError(f"[scene] {kind}: {e}") from None


def _sketchy(
    networks: Sequence[Mapping[str, Any]],
    folder: str | None = None,
    split: str = "1",
    pixels: int = 96,
    size: int = 512,
    rounds: int = 8,
    validation: float = 0.15,
    invert: bool = True,
    seed: int = 0,
) -> Scene:
    """Sketches x and photographs y as features; relevant is the same class."""
    every = sketchy.sides(sketchy.place(folder), pixels, invert)
    chosen = sketchy.split_of(every.classes, split, validation, seed)
    part = {name: chosen.indices(every.classes, name) for name in ("train", "validation", "test")}
    coded, how = features(every, part["train"], networks, size)
    train, space = coded.of(part["train"]), Real(size)
    source = {
        "name": "sketchy",
        "split": split,
        "pixels": pixels,
        "size": size,
        "rounds": rounds,
        "validation": validation,
        "invert": invert,
        "seed": seed,
    }
    data = Dataset(
        "sketchy", train.pairs(rounds, seed), {}, {}, {"x": space, "y": space}, {}, source
    )
    counts = {k: (len(s.x), len(s.y)) for k in part if (s := coded.of(part[k]))}
    notes = (
        (
            f"{len(part['train'])} classes to train ({counts['train'][0]} sketches,"
            f" {counts['train'][1]} photographs, every one with {rounds} random partners),"
            f" {len(part['validation'])} held out of them to choose settings and epochs,"
            f" {len(part['test'])} others to test ({counts['test'][0]} queries, a gallery of"
            f" {counts['test'][1]})."
        ),
        f"Features: {how}.",
        sketchy.CREDIT,
    )
    plain = (
        every
        if not invert
        else Sides(255 - every.x, every.y, every.x_labels, every.y_labels, every.classes)
    )
    return Scene(
        data, coded.of(part["validation"]), coded.of(part["test"]), plain.of(part["test"]), notes
    )


def _emoji(
    networks: Sequence[Mapping[str, Any]],
    folder: str | None = None,
    by: str = "emoji",
    styles: Sequence[str] = emoji.STYLES,
    size: int = 32,
    validation: float = 0.1,
    test: float = 0.25,
    seed: int = 0,
) -> Scene:
    """Line drawings x, and the same emoji in every style y, as pixels; relevant is the same
    emoji.
    """
    if networks:
        raise OptionError("emoji is searched from pixels; leave out [[features]]")
    options: dict[str, Any] = {
        "folder": folder,
        "by": by,
        "styles": list(styles),
        "validation": validation,
        "test": test,
        "seed": seed,
    }
    data = emoji.emoji(size=size, **options)
    found = emoji.read(folder, 64)
    index = emoji.divided(found, by, validation, test, seed)
    small = found if size == 64 else emoji.read(folder, size)
    parts = {part: _drawn(small, index[part], styles) for part in ("validation", "test")}
    notes = (
        *data.notes,
        (
            f"{size} x {size} pixels; a gallery of {len(parts['test'].y)} pictures, {len(styles)}"
            " of each emoji."
        ),
    )
    return Scene(
        data,
        parts["validation"],
        parts["test"],
        _drawn(found, index["test"], styles),
        notes,
        free=True,
    )


def _drawn(found: emoji.Emoji, index: np.ndarray, styles: Sequence[str]) -> Sides:
    labels = np.arange(len(index))
    pictures = np.concatenate([found.styles[s][index] for s in styles])
    return Sides(
        found.line[index],
        pictures,
        labels,
        np.tile(labels, len(styles)),
        tuple(found.names[index].tolist()),
    )


KINDS: dict[str, Callable[..., Scene]] = {"sketchy": _sketchy, "emoji": _emoji}
