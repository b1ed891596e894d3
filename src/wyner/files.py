"""Files that are whole or absent: written beside their place, flushed, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from wyner.errors import RunError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file to write to, which takes the place of `path` if the block ends without failing.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("r+b") as f:
            os.fsync(f.fileno())
        temporary.chmod(0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file atomically; on failure the old file, or none, is what remains.

    Raises:
        RunError: the folder cannot be written to, or the disk is full.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as e:
        raise RunError(
            f"cannot write {path}: {e.strerror or e}; nothing half-written was left"
        ) from e


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON atomically."""
    write_bytes(path, (json.dumps(value, indent=1, allow_nan=True) + "\n").encode())


def read_json(path: Path) -> Any:
    """Reads JSON.

    Raises:
        RunError: no such file, or not JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise RunError(f"{path.parent} is not a run: it has no {path.name}") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as e:
        raise RunError(f"cannot read {path}: {e}; the file is damaged") from e


def append_line(path: Path, value: Any) -> None:
    """Adds a line of JSON; if the disk is full, the file stays as it was."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("a") as f:
            f.write(json.dumps(value) + "\n")
            f.flush()
    except OSError as e:
        if path.exists():
            os.truncate(path, size)
        raise RunError(f"cannot write {path}: {e.strerror or e}") from e


def _digest(tensors: Mapping[str, Tensor]) -> str:
    h = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        h.update(name.encode())
        h.update(tensors[name].flatten().view(torch.uint8).numpy().tobytes())
    return h.hexdigest()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Writes tensors, JSON metadata and a checksum to one safetensors file, atomically."""
    flat = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    write_bytes(path, to_bytes(flat, {"meta": json.dumps(dict(meta)), "checksum": _digest(flat)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a file that `write_tensors` wrote.

    Raises:
        RunError: no such file, or damaged contents.
    """
    if not path.exists():
        raise RunError(f"{path} does not exist")
    try:
        with safe_open(str(path), "pt") as f:
            about = f.metadata() or {}
            tensors = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 - not a mapping
        meta = json.loads(about.get("meta", "{}"))
    except (SafetensorError, OSError, ValueError) as e:
        raise RunError(f"cannot read {path}: {e}; the file is damaged") from e
    if about.get("checksum") != _digest(tensors):
        raise RunError(
            f"cannot read {path}: its checksum does not match its contents; the file is damaged"
        )
    return tensors, meta
