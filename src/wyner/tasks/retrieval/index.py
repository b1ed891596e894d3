"""An index: a gallery of one modality, encoded once, that any modality can search.

FOLDER/index.json          what was encoded, by which model
FOLDER/codes.safetensors   the codes, float32 (N, d)
FOLDER/names.json          of the items, if they have any
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyner import codec
from wyner.arrays import Array
from wyner.errors import DataError, OptionError, RunError, refuse_unknown
from wyner.files import read_json, write_json
from wyner.laws import System
from wyner.tasks.retrieval.codes import common_codes, fingerprint, one_modality, searchable
from wyner.tasks.retrieval.search import DISTANCES, Hits, named, nearest, unit_rows
from wyner.tasks.retrieval.store import read_codes, write_codes

FORMAT = 1
ABOUT, CODES, NAMES = "index.json", "codes.safetensors", "names.json"


@dataclass(frozen=True, repr=False)
class Index:
    """Codes of a gallery, and the model that made them. Made by `model.index(...)` or
    `Index.load(folder, model)`.

    Attributes:
        model: encodes what is searched for.
        modality: of the gallery.
        codes: float32 `(N, d)`, of length 1 for cosines, possibly memory-mapped.
        names: of the items, or None.
        distance: "cosine" or "euclidean".
        source: where the items lie, a folder or file; None if nobody said.
    """

    model: System
    modality: str
    codes: np.ndarray
    names: Sequence[str] | None = None
    distance: str = "cosine"
    source: str | None = None

    def __post_init__(self) -> None:
        if self.names is not None and len(self.names) != len(self.codes):
            raise DataError(
                f"index: expected a name for each of the {len(self.codes)} items, got"
                f" {len(self.names)}"
            )

    def __len__(self) -> int:
        return len(self.codes)

    def __repr__(self) -> str:
        return (
            f"Index({len(self)} items of {self.modality}, {self.codes.shape[1]} numbers each,"
            f" {self.distance})"
        )

    def search(self, *, k: int = 10, engine: str = "auto", **query: Array) -> Hits:
        """The k nearest items for rows of one modality, `x=rows` or `y=rows`; that of the gallery
        is as good as another.

        Args:
            k: how many, at most the size of the gallery.
            engine: as in `nearest`.
            **query: rows `(Q, *event)` by modality.

        Raises:
            TaskError: a modality that the model does not have or cannot encode alone. OptionError:
                k too large.
        """
        modality, rows = one_modality(self.model, query, "search")
        searchable(self.model, modality)
        if not 1 <= k <= len(self):
            raise OptionError(
                f"k: expected a number from 1 to the {len(self)} items of the gallery, got {k}"
            )
        codes = torch.cat(list(_scaled(common_codes(self.model, modality, rows), self.distance)))
        return named(nearest(codes, self.codes, k, self.distance, engine), self.names)

    def save(self, folder: str | Path) -> Path:
        """Writes the index into a new or empty folder.

        Raises:
            RunError: the folder holds something, or cannot be written to.
        """
        folder = _free(Path(folder))
        blocks = (
            torch.from_numpy(np.array(self.codes[i : i + (1 << 16)]))
            for i in range(0, len(self), 1 << 16)
        )
        written = write_codes(folder / CODES, blocks)
        _describe(
            folder, self.model, self.names, written, self.modality, self.distance, self.source
        )
        return folder

    @classmethod
    def load(cls, folder: str | Path, model: System, check: bool = True) -> Index:
        """An index from disk; its codes stay there until they are searched.

        Args:
            folder: where `save` or `model.index(..., out=folder)` wrote it.
            model: the one that encoded the gallery.
            check: read all codes once and compare their checksum.

        Raises:
            RunError: no index, a damaged one, or one of another model.
        """
        folder = Path(folder)
        if not (folder / ABOUT).is_file():
            raise RunError(f"{folder} is not an index: it has no {ABOUT}")
        about = read_json(folder / ABOUT)
        try:
            if about["format"] != FORMAT:
                raise RunError(
                    f"{folder} was written in format {about['format']}; this version reads format"
                    f" {FORMAT}"
                )
            shape, digest = (int(about["rows"]), int(about["size"])), about["digest"]
            if about["model"] != fingerprint(model):
                raise RunError(
                    f"{folder} holds codes of another model ({about['title']}) or of other weights;"
                    " load that model, or index the gallery again"
                )
            names = read_json(folder / NAMES) if about["named"] else None
            codes = read_codes(folder / CODES, *shape, digest if check else None)
            return cls(model, about["modality"], codes, names, about["distance"], about["source"])
        except (KeyError, TypeError) as e:
            raise RunError(
                f"{folder / ABOUT} does not describe an index; the file is damaged"
            ) from e


def index(
    model: System,
    gallery: dict[str, Array | Iterable[Array]] | None = None,
    *,
    names: Sequence[str] | None = None,
    distance: str = "cosine",
    block: int | None = None,
    out: str | Path | None = None,
    source: str | None = None,
    **arrays: Any,
) -> Index:
    """Encodes a gallery of one modality, to be searched by any.

    Codes are means of q(z|x) with z the common latents; specification of metrics, section 3.

    Args:
        model: with common latents and an encoder of the modality alone.
        gallery: `{modality: rows}`, rows an array `(N, *event)`, perhaps memory-mapped, or arrays
            one after another: a generator of blocks serves galleries larger than memory, with
            `out`.
        names: of the items, `(N,)`.
        distance: "cosine" or "euclidean".
        block: rows to encode at a time.
        out: a new or empty folder; codes go there as they come, and are memory-mapped afterwards.
            None to keep them in memory.
        source: where the items lie; kept with the index.
        arrays: more of `gallery`, by keyword: `x=...`.

    Raises:
        TaskError: no common latent, an unknown modality, or no encoder of it alone. DataError: no
            rows, or not as many names.
        RunError: the folder holds something, or cannot be written to.
    """
    gallery = {**(gallery or {}), **arrays}
    names = None if names is None else codec.encode(list(names))
    modality, rows = one_modality(model, gallery, "index")
    refuse_unknown("distance", distance, DISTANCES)
    searchable(model, modality)
    blocks = _scaled(common_codes(model, modality, rows, block), distance)
    if out is None:
        found = list(blocks)
        if not found:
            raise DataError("index: the gallery has no rows")
        return Index(model, modality, torch.cat(found).numpy(), names, distance, source)
    folder = _free(Path(out))
    written = write_codes(folder / CODES, blocks)
    if names is not None and len(names) != written[0]:
        (folder / CODES).unlink()
        raise DataError(
            f"index: expected a name for each of the {written[0]} items, got {len(names)}"
        )
    _describe(folder, model, names, written, modality, distance, source)
    return Index.load(folder, model, check=False)


def _scaled(blocks: Iterable[Tensor], distance: str) -> Iterator[Tensor]:
    return map(unit_rows, blocks) if distance == "cosine" else iter(blocks)


def _describe(
    folder: Path,
    model: System,
    names: Sequence[str] | None,
    written: tuple[int, int, str],
    modality: str,
    distance: str,
    source: str | None,
) -> None:
    """The names, then the description, whose presence says that the index is whole."""
    if names is not None:
        write_json(folder / NAMES, list(names))
    rows, size, digest = written
    about: dict[str, Any] = {
        "format": FORMAT,
        "modality": modality,
        "distance": distance,
        "rows": rows,
        "size": size,
        "digest": digest,
        "named": names is not None,
        "source": source,
        "model": fingerprint(model),
        "title": model.title,
    }
    write_json(folder / ABOUT, about)


def _free(folder: Path) -> Path:
    if folder.exists() and (
        not folder.is_dir() or any(not p.name.startswith(f".{CODES}.") for p in folder.iterdir())
    ):
        raise RunError(f"{folder} is not empty; choose a new folder for the index")
    return folder
