"""CelebA (Liu et al. 2015): 40 attributes beside a face. For non-commercial research only; nothing
of it is in the package.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from wyner.data.dataset import PARTS, Dataset
from wyner.data.fetch import asked_for, cache, root
from wyner.data.photos import Album, decoded
from wyner.errors import DataError, OptionError
from wyner.variables import Binary, Image

CREDIT = (
    "Faces: CelebA, Z. Liu et al. 2015, non-commercial research only. These are photographs of real"
    " people."
)


def celeba(
    folder: str | None = None,
    size: int = 64,
    crop: int = 148,
    validation: int | None = None,
    test: int | None = None,
) -> Dataset:
    """Attributes x and faces y from CelebA: `Binary(40)` with a Bernoulli decoder, `Image(3, 64,
    64)` uint8, memory-mapped.

    Needs `list_attr_celeba*.txt` and, beside it, the aligned pictures as a folder or zip archive
    `img_align_celeba*`. Faces are decoded once into the cache (12 KB each). The attributes are a
    function of the face, so C_GK = I = J = H(X). Parts are in the order of the list: training,
    validation, test; the same person may be in two of them.

    Args:
        folder: with the two; by default `$WYNER_DATA_DIR/celeba`, or `celeba` in the cache.
        size: pixels of a side; 64 in the paper.
        crop: side of the central square of the 178x218 pictures that is kept (our choice).
        validation, test: faces to set aside; 5,000 each, less from lists below 50,000 (a tenth, a
            fifth).

    Raises:
        DataError: files that are missing or damaged.
    """
    where = _folder(folder)
    lists, pictures = sorted(where.glob("list_attr_celeba*.txt")), _pictures(where)
    if not lists or pictures is None:
        faces_of = "img_align_celeba*, a folder or zip archive of .jpg files"
        missing = faces_of if lists else "list_attr_celeba*.txt"
        raise DataError(
            f"{where} has no {missing}; put the attributes and the aligned faces of CelebA there"
        )
    attributes, names, bits = read_attributes(lists[0])
    album = Album(pictures)
    place = {Path(n).name: n for n in album.names}
    kept = [i for i, n in enumerate(names) if n in place]
    if not kept:
        raise DataError(
            f"{pictures} holds none of the pictures that {lists[0].name} lists, such as {names[0]}"
        )
    n = len(kept)
    tested = (5000 if n >= 50_000 else n // 5) if test is None else test
    held = (5000 if n >= 50_000 else n // 10) if validation is None else validation
    if tested < 1 or held < 0 or held + tested >= n:
        raise OptionError(
            f"celeba: expected validation + test below the {n} faces and test above 0, got {held}"
            f" and {tested}"
        )
    faces = decoded(album, [place[names[i]] for i in kept], size, crop, 3, "celeba")
    ends = [0, n - held - tested, n - tested, n]
    cuts = [slice(a, b) for a, b in pairwise(ends)]
    parts = {
        k: {"x": bits[kept][c], "y": faces[c]} for k, c in zip(PARTS, cuts) if c.start < c.stop
    }
    source = dict(name="celeba", size=size, crop=crop, validation=held, test=tested)
    if folder is not None:
        source["folder"] = str(where.resolve())
    notes = [CREDIT, "Attributes: " + ", ".join(attributes) + "."]
    if n < len(names):
        notes.append(f"{len(names) - n} faces of the list have no picture and are left out.")
    spaces = {"x": Binary(len(attributes)), "y": Image(3, size, size)}
    more = dict(notes=tuple(notes), names={"x": tuple(attributes)})
    return Dataset.of(source, parts, spaces, **more)


def read_attributes(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Names of the attributes, names of the pictures, and bits float32 `(N, attributes)`: 1 for 1,
    0 for -1.

    Raises:
        DataError: not a list in CelebA's format, with the line.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"cannot read {path}: {e}") from e
    if len(lines) < 3 or not lines[0].strip().isdigit():
        raise DataError(
            f"{path}: expected the number of faces in line 1, the attributes in line 2, then a line"
            " a face"
        )
    attributes, rows = lines[1].split(), [line.split() for line in lines[2:] if line.strip()]
    for k, row in enumerate(rows):
        if len(row) != 1 + len(attributes) or not set(row[1:]) <= {"-1", "1"}:
            raise DataError(
                f"{path}, line {k + 3}: expected the name of a picture and {len(attributes)}"
                " numbers -1 or 1"
            )
    if int(lines[0]) != len(rows):
        raise DataError(
            f"{path} is cut off: line 1 says {int(lines[0])} faces, it lists {len(rows)}"
        )
    bits = np.array([[value == "1" for value in row[1:]] for row in rows], np.float32)
    return attributes, [row[0] for row in rows], bits


def _folder(folder: str | None) -> Path:
    if folder is not None:
        if not Path(folder).is_dir():
            raise DataError(f"there is no folder {folder}")
        return Path(folder)
    above = root()
    for place in ([above / "celeba"] if above else []) + [cache("celeba")]:
        if place.is_dir() and any(place.glob("list_attr_celeba*.txt")):
            return place
    raise DataError(
        "CelebA is not downloaded: put list_attr_celeba.txt and img_align_celeba.zip into"
        f" {asked_for('celeba')}, or give folder="
    )


def _pictures(where: Path) -> Path | None:
    found = sorted(p for p in where.glob("img_align_celeba*") if p.is_dir() or p.suffix == ".zip")
    return found[0] if found else None
