"""Folders and archives of pictures, decoded once into an 8-bit array on disk that is memory-mapped
afterwards.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wyner.data.fetch import cache
from wyner.errors import DataError
from wyner.files import replacing

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif")


class Album:
    """Pictures in a folder, its subfolders, or a zip archive, by their paths inside it.

    Args:
        path: of the folder or archive.

    Raises:
        DataError: neither, or one without pictures.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            self.zip = None
            files = (p for p in self.path.rglob("*") if p.suffix.lower() in ENDINGS)
            sizes = {str(p.relative_to(self.path)): p.stat().st_size for p in files}
        else:
            try:
                self.zip = zipfile.ZipFile(self.path)
            except FileNotFoundError:
                raise DataError(f"there is no folder or archive {self.path}") from None
            except (OSError, zipfile.BadZipFile) as e:
                raise DataError(
                    f"cannot read {self.path}: {e}; expected a folder of pictures or a zip archive"
                ) from e
            infos = self.zip.infolist()
            sizes = {i.filename: i.file_size for i in infos if i.filename.lower().endswith(ENDINGS)}
        if not sizes:
            raise DataError(f"{self.path} holds no pictures ({', '.join(ENDINGS)})")
        self.names = sorted(sizes)
        self.sizes = sizes

    def fingerprint(self, names: Sequence[str]) -> str:
        """A short hash of the place, the names and the sizes of some of the files."""
        found = [str(self.path.resolve()), *([n, self.sizes[n]] for n in names)]
        return hashlib.blake2b(json.dumps(found).encode(), digest_size=8).hexdigest()

    def picture(self, name: str, size: int, crop: int | None, channels: int) -> np.ndarray:
        """One picture, uint8 `(channels, size, size)`: its central square of `crop` pixels (the
        largest by default), resized.

        Raises:
            DataError: a file that is no picture, or one smaller than the crop.
        """
        from PIL import Image

        try:
            content = (self.path / name).read_bytes() if self.zip is None else self.zip.read(name)
            with Image.open(io.BytesIO(content)) as opened:
                opened.seek(0)
                found = opened.convert("L" if channels == 1 else "RGB")
        except Exception as e:  # Pillow and zipfile raise many kinds
            raise DataError(f"{self.path}: cannot read the picture {name}: {e}") from e
        side = min(found.size) if crop is None else crop
        if side > min(found.size):
            raise DataError(
                f"{self.path}: {name} has {found.width}x{found.height} pixels, too few for a crop"
                f" of {side}"
            )
        left, top = (found.width - side) // 2, (found.height - side) // 2
        # cropped first: resize(box=...) would look beyond the box
        square = found.crop((left, top, left + side, top + side))
        array = np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))
        return array[None] if channels == 1 else array.transpose(2, 0, 1)


def decoded(
    album: Album,
    names: Sequence[str],
    size: int,
    crop: int | None,
    channels: int,
    label: str = "pictures",
) -> np.ndarray:
    """Pictures uint8 `(N, channels, size, size)`, memory-mapped from the cache; decoded into it the
    first time.

    Args:
        album: where they are.
        names: which, in order.
        size: pixels of a side.
        crop: as in `Album.picture`.
        channels: 1 for grey, 3 for colours.
        label: of the folder below the cache.

    Raises:
        DataError: a picture that cannot be read, or a full disk; nothing half-written is left.
    """
    path = cache(label) / f"{album.fingerprint(names)}-{size}-{crop or 'square'}-{channels}.npy"
    shape = (len(names), channels, size, size)
    if (found := _mapped(path, shape)) is not None:
        return found
    try:
        with replacing(path) as temporary:
            out = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
            for i, name in enumerate(names):
                out[i] = album.picture(name, size, crop, channels)
            out.flush()
            del out
    except OSError as e:
        raise DataError(
            f"cannot write {path}: {e.strerror or e}; set WYNER_CACHE_DIR to a folder with space"
        ) from e
    again = _mapped(path, shape)
    if again is None:
        raise DataError(f"cannot read {path} back; remove it and try again")
    return again


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The array in a file, on disk until it is used; None if there is none, or another one."""
    try:
        # "c": tensors want what may be written to
        found = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.dtype == np.uint8 and found.shape == shape else None
