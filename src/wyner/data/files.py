"""Names of files as a user writes them on a command line: `data.csv`, or `x=a.csv,y=b.csv`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wyner.data.readers import READERS, read_known
from wyner.data.table import Table
from wyner.errors import OptionError
from wyner.laws import System


def is_file(text: str) -> bool:
    """Whether a name of data is that of a file, or of one for each view."""
    return all(Path(part).suffix.lower() in READERS for part in text.split(",") if part) and any(
        text
    )


def of_user(source: Mapping[str, Any]) -> bool:
    """Whether data come from a user's own files."""
    name = source.get("name", "")
    return bool(name) and (name == "tables" or is_file(name))


def source_of(text: str) -> dict[str, Any]:
    """The name, or the files by view, as a data set is loaded by."""
    if "=" not in text:
        return {"name": text}
    files = {}
    for part in filter(None, text.split(",")):
        view, found, path = part.partition("=")
        if not found or not view or not path or view in files:
            raise OptionError(f"expected a file for each view, such as x=a.csv,y=b.csv, got {text}")
        files[view] = path
    return {"name": "tables", "files": files}


def rows_of_files(text: str, model: System, source: Mapping[str, Any]) -> Table:
    """The rows of files in which at least one modality of a trained model stands.

    Args:
        text: the files.
        model: trained.
        source: what the model was trained on, for the names of other columns.

    Raises:
        DataError: files that cannot be read, or without a modality of the model.
    """
    found = source_of(text)
    known = {k: model.preprocessing.columns.get(k, ()) for k in model.observed}
    roles = {k: v for k, v in source.items() if k in ("label", "covariates", "ids", "layer")}
    name = Path(text).stem if "files" not in found else "files"
    return read_known(found.get("files", found["name"]), known, **roles, name=name)
