"""A user's own pictures: two folders (or zip archives), matched by name, by a table of pairs, or by
labels.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wyner.data.dataset import Dataset
from wyner.data.pairing import matched, one_label
from wyner.data.photos import Album, decoded
from wyner.errors import DataError, OptionError
from wyner.seeds import DATA, mix
from wyner.variables import Image


def image_pairs(
    x: str,
    y: str,
    table: str | None = None,
    size: int = 64,
    crop: int | None = None,
    channels: int | Mapping[str, int] = 3,
    pairs: int | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Pairs of pictures from two folders or zip archives, matched by name or by a table; uint8,
    decoded once into the cache.

    Without a table, pictures with the same path but for its ending are a pair. A table is a CSV
    file: with columns `x,y` it lists the pairs; with columns `file,label` it gives the label of
    every picture of both folders, and pairs share their label: x uniform, y uniform in its class.
    Each part has pictures of its own where the table gives labels; listed pairs may share pictures.

    Args:
        x, y: folders or archives; they may be the same one if a table is given.
        table: path of the CSV file.
        size: pixels of a side after the central square was cut out and resized.
        crop: side of that square; the largest by default.
        channels: 1 for grey, 3 for colours; or by side, `{"x": 1, "y": 3}`.
        pairs: of the training part, where labels make them; by default one for every picture of x.
        validation, test: shares to set aside, drawn once with `seed`.
        seed: of that choice and of the pairing.

    Raises:
        DataError: folders without pictures, files that match nothing, a malformed table.
    """
    if not (0 <= validation < 1 and 0 < test < 1 and validation + test < 1):
        raise OptionError(
            "image-pairs: expected shares validation + test below 1 and test above 0, got"
            f" {validation}, {test}"
        )
    depth = {"x": channels, "y": channels} if isinstance(channels, int) else dict(channels)
    if set(depth) != {"x", "y"} or not set(depth.values()) <= {1, 3}:
        raise OptionError(f"image-pairs: expected channels 1 or 3, for x and y, got {channels!r}")
    albums = {"x": Album(x), "y": Album(y)}
    rng = np.random.default_rng(mix(seed, DATA))
    columns, rows = ([], []) if table is None else _read(Path(table))
    labels: dict[str, str] = {}
    if table is None:
        found = _by_name(albums)
    elif columns == ["x", "y"]:
        found = [(row[0], row[1]) for row in rows]
        _known(albums["x"], [a for a, _ in found], table)
        _known(albums["y"], [b for _, b in found], table)
    else:
        found, labels = [], {row[0]: row[1] for row in rows}
    shares = (validation, test)
    if labels:
        rule, parts = "the same label", _labelled(albums, labels, rng, shares, pairs)
    else:
        rule = "the same name" if table is None else f"the table {Path(table).name}"
        parts = _listed(found, rng, shares)
    made: dict[str, dict[str, np.ndarray]] = {k: {} for k in parts}
    for n, k in enumerate("xy"):
        used = sorted({pair[n] for names, _ in parts.values() for pair in names})
        images, place = (
            decoded(albums[k], used, size, crop, depth[k]),
            {v: i for i, v in enumerate(used)},
        )
        for part, (names, _) in parts.items():
            if names:
                made[part][k] = images[[place[pair[n]] for pair in names]]
    for part, (names, label) in parts.items():
        if names and label is not None:
            made[part]["label"] = label
    source: dict[str, Any] = dict(name="image-pairs", x=_absolute(x), y=_absolute(y))
    source |= dict(table=_absolute(table), size=size, crop=crop, channels=depth, pairs=pairs)
    source |= dict(validation=validation, test=test, seed=seed)
    return Dataset.of(
        {k: v for k, v in source.items() if v is not None},
        made,
        {k: Image(depth[k], size, size) for k in "xy"},
        truth=one_label(made["train"]["label"]) if labels else {},
        notes=(f"Pictures matched by {rule}.",),
        kind="image",
    )


def _absolute(path: str | None) -> str | None:
    return None if path is None else str(Path(path).resolve())


Parts = dict[str, tuple[list[tuple[str, str]], np.ndarray | None]]
"""Pairs of names and their labels, by part."""


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="") as f:
            rows = [row for row in csv.reader(f) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise DataError(f"cannot read {path}: {e}") from e
    columns = [c.strip() for c in rows[0]] if rows else []
    if columns not in (["x", "y"], ["file", "label"]):
        raise DataError(
            f"{path}: expected the columns x,y (pairs) or file,label, got"
            f" {','.join(columns) or 'nothing'}"
        )
    for k, row in enumerate(rows[1:]):
        if len(row) != 2:
            raise DataError(f"{path}, line {k + 2}: expected two entries, got {len(row)}")
    if len(rows) < 3:
        raise DataError(
            f"{path}: expected at least 2 lines below the names of the columns, got {len(rows) - 1}"
        )
    return columns, rows[1:]


def _by_name(albums: Mapping[str, Album]) -> list[tuple[str, str]]:
    stems = {
        k: {str(Path(n).with_suffix("")): n for n in album.names} for k, album in albums.items()
    }
    common = sorted(set(stems["x"]) & set(stems["y"]))
    if len(common) < 3:
        raise DataError(
            f"image-pairs: {len(common)} pictures of {albums['x'].path} and {albums['y'].path} have"
            f" the same name, expected at least 3; the first are {albums['x'].names[0]} and"
            f" {albums['y'].names[0]}: rename them, or give a table"
        )
    return [(stems["x"][s], stems["y"][s]) for s in common]


def _known(album: Album, names: list[str], table: str) -> None:
    for name in names:
        if name not in album.sizes:
            raise DataError(f"{table} lists {name}, which {album.path} does not hold")


def _cuts(
    count: int, shares: tuple[float, float], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    order = rng.permutation(count)
    held, tested = round(shares[0] * count), max(1, round(shares[1] * count))
    parts = dict(
        train=order[held + tested :], validation=order[:held], test=order[held : held + tested]
    )
    if len(parts["train"]) < 1:
        raise DataError(f"image-pairs: {count} pictures leave none to train on; set aside less")
    return {k: np.sort(v) for k, v in parts.items()}


def _listed(
    found: list[tuple[str, str]], rng: np.random.Generator, shares: tuple[float, float]
) -> Parts:
    cuts = _cuts(len(found), shares, rng)
    return {k: ([found[i] for i in index], None) for k, index in cuts.items()}


def _labelled(
    albums: Mapping[str, Album],
    labels: Mapping[str, str],
    rng: np.random.Generator,
    shares: tuple[float, float],
    pairs: int | None,
) -> Parts:
    kinds = sorted(set(labels.values()))
    code = {name: kinds.index(label) for name, label in labels.items()}
    names = {k: np.array([n for n in album.names if n in code]) for k, album in albums.items()}
    for k, found in names.items():
        if len(found) < 3:
            raise DataError(
                f"image-pairs: the table labels {len(found)} pictures of {albums[k].path}; expected"
                " at least 3"
            )
    cuts = {k: _cuts(len(found), shares, rng) for k, found in names.items()}
    parts: Parts = {}
    for part in ("train", "validation", "test"):
        a, b = (names[k][cuts[k][part]] for k in "xy")
        if not len(a) or not len(b):
            parts[part] = ([], None)
            continue
        la, lb = (np.array([code[n] for n in side]) for side in (a, b))
        usable = np.isin(la, lb)
        a, la = a[usable], la[usable]
        if not len(a):
            raise DataError(f"image-pairs: no label of x occurs among the {part} pictures of y")
        count = pairs if pairs is not None and part == "train" else len(a)
        i, j = matched(la, lb, count, rng, classes=len(kinds))
        names_of = [(str(a[m]), str(b[n])) for m, n in zip(i, j, strict=True)]
        parts[part] = names_of, la[i].astype(np.int64)
    return parts
