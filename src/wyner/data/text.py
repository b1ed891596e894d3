"""Numbers in text files: what separates cells, which comma is a decimal one, and which cells are
blank.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from wyner.errors import DataError

BLANK = frozenset(["", "na", "n/a", "nan", "null", "none", ".", "-", "#n/a"])
"""What stands in a cell without a value, in small letters."""


def lines_of(path: Path, comment: str = "", what: str = "cells") -> dict[int, list[str]]:
    """Cells of a text file by the number of their line, stripped; empty lines are left out.

    Cells are separated by tabs, semicolons, commas or blanks: the first of these that the first
    line has.

    Args:
        path: of the file; a byte-order mark at its start is no part of the text.
        comment: lines that start with it are left out.
        what: to call cells in messages.

    Raises:
        DataError: no such file, not text, or lines of other lengths than the first.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as e:
        reason = f"there is no file {path}" if not path.exists() else f"cannot read {path}: {e}"
        raise DataError(reason) from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: expected text in UTF-8; save it again in that encoding") from None
    found = {n: t for n, t in enumerate(text.splitlines(), 1) if t.strip()}
    if comment:
        found = {n: t for n, t in found.items() if not t.startswith(comment)}
    lines = list(found.values())
    if not lines:
        raise DataError(f"{path} holds no numbers")
    mark = next((m for m in "\t;, " if m in lines[0].strip(" ")), ",")
    cells = (
        [line.split() for line in lines]
        if mark == " "
        else [[c.strip() for c in row] for row in csv.reader(lines, delimiter=mark)]
    )
    for number, row in zip(found, cells):
        if len(row) != len(cells[0]):
            raise DataError(
                f"{path}, line {number}: expected {len(cells[0])} {what} as in the first row, got"
                f" {len(row)}"
            )
    return dict(zip(found, cells))


def number_of(cell: str) -> float | None:
    """The number in a cell, with a decimal point or comma; None for anything else."""
    text = cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def _check_commas(cells: Iterable[str], where: str) -> None:
    """Refuses 1,234 unless other cells show that the comma is a decimal one."""
    found = [c for c in cells if "," in c]
    if found and all(re.fullmatch(r"-?[1-9]\d{0,2},\d{3}", c) for c in found):
        raise DataError(
            f"{where}: {found[0]!r} may be a thousand and more, or a number with a decimal comma;"
            " write decimal points, and no commas between thousands"
        )


def column_of(cells: Sequence[str], name: str) -> np.ndarray:
    """A column as numbers, NaN where a cell is blank; as texts if most cells are no numbers.

    Raises:
        DataError: some numbers and some texts, with the first of these.
    """
    blank = np.array([c.lower() in BLANK for c in cells])
    values = [None if b else number_of(c) for c, b in zip(cells, blank, strict=True)]
    wrong = [i for i, v in enumerate(values) if v is None and not blank[i]]
    numbers = len(cells) - int(blank.sum()) - len(wrong)
    if wrong and numbers > len(wrong):
        raise DataError(
            f"column {name}: {numbers} numbers, but {cells[wrong[0]]!r} in row {wrong[0] + 1} below"
            " the names; expected numbers, or a blank where there is none"
        )
    if not wrong:
        _check_commas(cells, f"column {name}")
    if wrong or not numbers:
        return np.array(["" if b else c for c, b in zip(cells, blank, strict=True)])
    return np.array([np.nan if v is None else v for v in values])


def columns_of(path: Path) -> dict[str, np.ndarray]:
    """The columns of a text file by the names in its first line.

    Raises:
        DataError: no names, names that stand twice, or columns of numbers and texts.
    """
    names, *rows = lines_of(path).values()
    if all(number_of(c) is not None for c in names):
        raise DataError(
            f"{path}: expected the names of the columns in the first line, got {names[0]}, ..."
        )
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise DataError(f"{path}: two columns are called {twice[0]!r}; rename one of them")
    if not rows:
        raise DataError(f"{path} holds no rows below the names of its columns")
    cells = zip(*rows, strict=True)
    return {name: column_of(column, name) for name, column in zip(names, cells, strict=True)}


def matrix_of(path: Path) -> np.ndarray:
    """A table of numbers without names, `(rows, columns)`; lines that start with # are left out.

    Raises:
        DataError: blanks, or anything that is no number.
    """
    rows, lines = [], lines_of(path, "#", "numbers")
    _check_commas((c for line in lines.values() for c in line), str(path))
    for number, line in lines.items():
        for cell in line:
            if number_of(cell) is None:
                what = "a blank" if cell.lower() in BLANK else repr(",".join(line)[:40])
                raise DataError(
                    f"{path}, line {number}: expected numbers only, got {what}; drop headers and"
                    " labels, and write 0 where nothing was counted"
                )
        rows.append([number_of(cell) for cell in line])
    return np.array(rows, np.float64)
