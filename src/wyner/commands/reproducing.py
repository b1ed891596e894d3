"""Tables of the papers, trained again: the command `wyner reproduce`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wyner.experiments import grammar
from wyner.experiments.reproduce import redraw, reproduce


def reproduced(
    experiment: str, protocol: str, asked: Mapping[str, Any], on: str = "test", **where: Any
) -> Path:
    """Trains what is missing of a table and writes it.

    Args:
        experiment, protocol: by name, or a file.
        asked: `rows` (slugs), `seeds`, `epochs`, `samples`, `test_rows`, `data`; None for the
            study's own.
        on: the part that is measured, "test" or "validation".
        where: `out`, `runs`, `figures`, `progress`.

    Returns:
        The file of the table.

    Raises:
        OptionError: an unknown experiment or protocol, or an option that the study does not take.
    """
    given = {**asked, "rows": asked.get("rows") or ()}
    return reproduce(grammar.read(experiment, protocol), on=on, **given, **where)


def redrawn(experiment: str, protocol: str, out: Path) -> list[Path]:
    """Draws a table, or all, again from what its JSON holds."""
    return redraw(experiment, protocol, out)
