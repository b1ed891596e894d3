"""The command `wyner retrieve`: pictures or arrays in, a table and a sheet of pictures out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wyner.data.files import is_file, rows_of_files
from wyner.data.photos import Album
from wyner.data.tables import all_rows
from wyner.errors import DataError, OptionError, RunError, TaskError, refuse_unknown
from wyner.experiments.runner import scaled_model
from wyner.files import write_bytes, write_json
from wyner.models import Model
from wyner.runs import read_config
from wyner.tasks.retrieval import Hits, Index, searchable
from wyner.variables import Image, Space

BLOCK, ROWS, COLUMNS = 256, 12, 10
"""Pictures to decode at a time; queries and hits on the sheet."""


@dataclass(frozen=True)
class Items:
    """What stands in a folder, an archive or a file of arrays.

    Attributes:
        path: where it is.
        names: of pictures by their paths inside it, of rows by their numbers.
        space: in which the model has them.
        array: the rows, of a file of arrays.
        album: the pictures, of a folder or archive.
    """

    path: Path
    names: Sequence[str]
    space: Space
    array: np.ndarray | None = None
    album: Album | None = None

    @classmethod
    def of(cls, path: Path, modality: str, model: Model, source: Mapping[str, Any]) -> Items:
        """Reads what is there, but for the pictures themselves.

        Raises:
            DataError: nothing there, nothing in it, or not what the model takes for this modality.
        """
        space = model.observed[modality]
        if is_file(str(path)):
            array = _array(path, modality, model, source)
            return cls(path, [str(i) for i in range(len(array))], space, array)
        if not isinstance(space, Image):
            raise DataError(
                f"{path}: the model takes {space!r} for {modality}, not pictures; give a file of"
                " such rows, .npz or .csv"
            )
        if space.shape[1] != space.shape[2] or space.shape[0] not in (1, 3):
            raise DataError(
                f"{path}: pictures are read as grey or coloured squares, but {modality} is"
                f" {space!r}; give an .npz file"
            )
        album = Album(path)
        return cls(path, album.names, space, None, album)

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows, some at a time."""
        for i in range(0, len(self.names), BLOCK):
            yield self.some(range(i, min(i + BLOCK, len(self.names))))

    def some(self, index: Sequence[int]) -> np.ndarray:
        """Rows by number."""
        if self.array is not None:
            return np.array(self.array[list(index)])
        assert self.album is not None
        channels, _, size = self.space.event_shape
        return np.stack([self.album.picture(self.names[i], size, None, channels) for i in index])


def retrieve(
    run: Path,
    query: Path,
    gallery: Path,
    out: Path,
    *,
    k: int = 10,
    of: str | None = None,
    to: str | None = None,
    distance: str | None = None,
    keep: Path | None = None,
) -> tuple[Hits, list[Path]]:
    """Finds the nearest items of a gallery for each query and writes `hits.json`, `hits.csv`, and
    `hits.png` where there are pictures.

    Args:
        run: folder of a trained model.
        query: a folder or zip archive of pictures, an `.npy` file, or an `.npz` file with an array
            of the modality's name.
        gallery: the same, or the folder of an index.
        out: a new or empty folder.
        k: hits of each query.
        of, to: modalities of the queries and of the gallery; by default the first and the second
            that the model can search.
        distance: "cosine" (None) or "euclidean"; of an index, its own.
        keep: a new folder for the index of the gallery, to be given as the gallery another time.

    Returns:
        The hits, and the files written.

    Raises:
        WynerError: whatever is wrong with these, before anything is written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out} is not empty; choose a new folder with --out")
    model, source = scaled_model(run), read_config(run).get("about", {}).get("data") or {}
    stored = (gallery / "index.json").is_file()
    of, to = _sides(model, of, to)
    asked = Items.of(query, of, model, source)
    if stored:
        if keep is not None:
            raise OptionError(f"--keep: {gallery} is an index already")
        index, shown = _stored(gallery, model, to, source)
        if distance not in (None, index.distance):
            raise OptionError(
                f"--distance: {gallery} was made for {index.distance}; leave it out, or index the"
                " gallery again"
            )
    else:
        shown = Items.of(gallery, to, model, source)
        if not 1 <= k <= len(shown.names):
            raise OptionError(
                f"k: expected a number from 1 to the {len(shown.names)} items of the gallery,"
                f" got {k}"
            )
        index = model.index(
            {to: shown.blocks()},
            names=shown.names,
            distance=distance or "cosine",
            out=keep,
            source=str(gallery.resolve()),
        )
    rows: dict[str, Any] = {of: asked.blocks()}
    hits = index.search(k=k, **rows)
    about = {
        "run": str(run),
        "query": str(query),
        "gallery": str(gallery),
        "of": of,
        "to": to,
        "distance": index.distance,
        "k": k,
    }
    return hits, _write(out, about, asked, shown, hits, index)


def _sides(model: Model, of: str | None, to: str | None) -> tuple[str, str]:
    able = searchable(model)
    for name in (of, to):
        if name is not None:
            searchable(model, name)
    of = of or next((m for m in able if m != to), None)
    to = to or next((m for m in able if m != of), None)
    if of is None or to is None:
        raise TaskError(
            f"{model.title} cannot retrieve one modality by another: it encodes"
            f" {' and '.join(able) or 'none'} alone"
        )
    return of, to


def _stored(
    folder: Path, model: Model, to: str, source: Mapping[str, Any]
) -> tuple[Index, Items | None]:
    """An index, and its items if they still lie where they were."""
    index = Index.load(folder, model)
    if index.modality != to:
        raise OptionError(
            f"{folder} is an index of {index.modality}, not of {to}; leave out --to, or name"
            " another gallery"
        )
    try:
        items = Items.of(Path(index.source or "-"), to, model, source)
    except DataError:
        return index, None
    return index, items if list(items.names) == list(index.names or ()) else None


def _write(
    out: Path, about: dict[str, Any], asked: Items, shown: Items | None, hits: Hits, index: Index
) -> list[Path]:
    names = hits.names or [[str(i) for i in row] for row in hits.index]
    table: list[dict[str, Any]] = [
        {
            "query": asked.names[q],
            "hits": [
                {
                    "rank": r + 1,
                    "item": names[q][r],
                    "index": int(hits.index[q, r]),
                    "score": round(float(hits.score[q, r]), 6),
                }
                for r in range(hits.index.shape[1])
            ],
        }
        for q in range(len(hits.index))
    ]
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["query", "rank", "item", "index", "score"])
    for row in table:
        writer.writerows(
            [row["query"], h["rank"], h["item"], h["index"], h["score"]] for h in row["hits"]
        )
    picture = _sheet(asked, shown, hits)
    write_json(out / "hits.json", {**about, "items": len(index), "queries": table})
    write_bytes(out / "hits.csv", lines.getvalue().encode())
    if picture is not None:
        write_bytes(out / "hits.png", picture)
    return [
        out / name
        for name in ("hits.json", "hits.csv", *(["hits.png"] if picture is not None else []))
    ]


def _sheet(asked: Items, shown: Items | None, hits: Hits) -> bytes | None:
    """The first queries and hits as pictures, if both sides are pictures."""
    if shown is None or not isinstance(asked.space, Image) or not isinstance(shown.space, Image):
        return None
    from wyner.report.hits import sheet

    rows = min(ROWS, len(hits.index))
    return sheet(
        asked.some(range(rows)), [shown.some(hits.index[q, :COLUMNS].tolist()) for q in range(rows)]
    )


def _array(path: Path, modality: str, model: Model, source: Mapping[str, Any]) -> np.ndarray:
    """The rows of an `.npy` file, memory-mapped, or of a table."""
    if path.suffix == ".npy":
        try:
            found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as e:
            reason = f"there is no file {path}" if not path.exists() else f"cannot read {path}: {e}"
            raise DataError(f"{reason}; expected a file written by numpy.save") from e
    else:
        table = rows_of_files(str(path), model, source)
        refuse_unknown("array", modality, table.views, str(path), DataError)
        values = all_rows(table, model.preprocessing)
        if f"{modality}_mask" in values:
            raise DataError(f"{path}: {modality} has missing cells; leave such rows out")
        found = values[modality]
    if not found.ndim or not len(found):
        raise DataError(f"{path}: {modality} has no rows")
    return found
