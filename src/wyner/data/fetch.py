"""Where files of data come from: a folder of the user's, the cache, or a download that is verified
and can be interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wyner.errors import DataError

BLOCK = 1 << 16


def root() -> Path | None:
    """The folder named by WYNER_DATA_DIR, if any."""
    found = os.environ.get("WYNER_DATA_DIR")
    return Path(found) if found else None


def cache(*parts: str) -> Path:
    """A folder below the package's cache: `$WYNER_CACHE_DIR`, or `wyner` in the user's cache. It
    need not exist.
    """
    chosen = os.environ.get("WYNER_CACHE_DIR")
    if chosen:
        return Path(chosen, *parts)
    try:
        import pooch
    except ImportError:  # training needs no downloads
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "wyner", *parts)
    return Path(pooch.os_cache("wyner"), *parts)


def places(folder: str, names: Sequence[str]) -> list[Path]:
    """Where files of these names may lie: `$WYNER_DATA_DIR/folder`, `$WYNER_DATA_DIR`, the cache;
    in this order.
    """
    above = [root() / folder, root(), cache(folder)] if root() else [cache(folder)]  # type: ignore[operator]
    return [Path(place) / name for place in above for name in names if place is not None]


def local(folder: str, *names: str) -> Path | None:
    """The first of the places that exists."""
    return next((p for p in places(folder, names) if p.exists()), None)


def fetch(url: str, known_hash: str, folder: str) -> Path:
    """A file in the cache, downloaded if it is not there or not what it should be.

    What an interrupted download has brought lies beside its place, named `.part`, and the next one
    goes on from there.

    Args:
        url: of the file; its last part is the file's name.
        known_hash: "md5:..." or "sha256:...".
        folder: below the cache.

    Raises:
        Exception: whatever the download raises; a file with another hash is not kept.
    """
    import pooch

    name, where = url.rsplit("/", 1)[-1], cache(folder)
    return Path(
        pooch.retrieve(
            url, known_hash, fname=name, path=where, downloader=Resuming(where / f"{name}.part")
        )
    )


class Resuming:
    """A downloader for pooch that goes on where an earlier one stopped.

    Args:
        part: the file of what has come so far; moved away when it is complete.
    """

    def __init__(self, part: Path) -> None:
        self.part = part

    def __call__(self, url: str, output: str | Path, pooch: Any, check_only: bool = False) -> None:
        """Downloads `url` to `output`. Raises what `requests` raises; the part that came is
        kept.
        """
        import requests

        done = self.part.stat().st_size if self.part.exists() else 0
        ask = {"Range": f"bytes={done}-"} if done else {}
        with requests.get(url, headers=ask, stream=True, timeout=30) as answer:
            if answer.status_code != 416:  # 416: the part was the whole file
                answer.raise_for_status()
                with self.part.open("ab" if answer.status_code == 206 else "wb") as f:
                    for block in answer.iter_content(BLOCK):
                        f.write(block)
        os.replace(self.part, output)


def get(folder: str, name: str, url: str, known_hash: str, remedy: str) -> Path:
    """A file from a folder of the user's or from the cache, else downloaded.

    Args:
        folder: below `$WYNER_DATA_DIR` and below the cache.
        name: of the file; one that ends in `.gz` may also lie there unpacked.
        url, known_hash: as in `fetch`. Files in the user's folder are not verified.
        remedy: what to do if it cannot be had, for the error; `{where}` is the folder to put files
            into.

    Raises:
        DataError: it is nowhere and cannot be fetched.
    """
    above = root()
    if above is not None:
        for path in (above / folder / name, above / folder / name.removesuffix(".gz")):
            if path.exists():
                return path
    try:
        return fetch(url, known_hash, folder)
    except Exception as e:  # pooch and requests pass on many kinds
        raise DataError(f"cannot get {name}: {e}. {remedy.format(where=asked_for(folder))}") from e


def asked_for(folder: str) -> str:
    """The folder that a user should put files into, in words."""
    return f"{root()}/{folder}" if root() else f"a folder named by WYNER_DATA_DIR, under {folder}/"
