"""Tables of the papers, trained again: the command `wyner reproduce`. Which experiment takes which
options, and what trains it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wyner.errors import OptionError
from wyner.experiments import dsae, grammar, pixelcnn
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
    if (runner := _runner(experiment)) is None:
        given = {**asked, "rows": asked.get("rows") or ()}
        return reproduce(grammar.read(experiment, protocol), on=on, **given, **where)
    taken = [n for n in inspect.signature(runner).parameters if n in asked]
    if refused := [n for n, value in asked.items() if value is not None and n not in taken]:
        raise OptionError(f"{experiment} takes {_flags(taken)}; leave out {_flags(refused)}")
    return runner(experiment, protocol, **{n: asked[n] for n in taken}, **where) / f"{protocol}.md"


def redrawn(experiment: str, protocol: str, out: Path) -> list[Path]:
    """Draws a table, or all, again from what its JSON holds."""
    return redraw(experiment, protocol, out)


def _flags(names: list[str]) -> str:
    *most, last = ["--" + n.replace("_", "-") for n in names]
    return f"{', '.join(most)} and {last}" if most else last


def _runner(experiment: str) -> Callable[..., Path] | None:
    """What trains an experiment that is no study yet."""
    special: dict[str, Callable[..., Path]] = {dsae.NAME: _dsae, pixelcnn.NAME: _pixelcnn}
    return None if experiment in grammar.names() else special.get(experiment)


def _dsae(
    experiment: str, protocol: str, *, rows: Any, seeds: Any, epochs: Any, data: Any, **where: Any
) -> Path:
    return dsae.reproduce(
        dsae.read(protocol), rows=rows or [], seeds=seeds, epochs=epochs, data=data, **where
    )


def _pixelcnn(
    experiment: str,
    protocol: str,
    *,
    rows: Any,
    seeds: Any,
    epochs: Any,
    test_rows: Any,
    **where: Any,
) -> Path:
    return pixelcnn.reproduce(
        pixelcnn.protocol(protocol).changed(seeds, epochs, test_rows), rows=rows or [], **where
    )
