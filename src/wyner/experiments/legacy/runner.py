"""From a protocol to a table: trains what is missing, measures what is new, writes the rest
again.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wyner.data import Dataset
from wyner.errors import Diverged, OptionError
from wyner.experiments.legacy.measure import Ruler
from wyner.experiments.legacy.plan import Protocol
from wyner.experiments.legacy.rows import Member, RowFolder
from wyner.experiments.legacy.table import Found, write_results
from wyner.runs import command


def reproduce(
    protocol: Protocol,
    *,
    rows: Sequence[str] = (),
    seeds: int | None = None,
    epochs: int | None = None,
    samples: int | None = None,
    test_rows: int | None = None,
    data: str | None = None,
    out: str | Path = "results",
    runs: str | Path = Path("runs") / "reproduce",
    figures: bool = True,
    progress: bool = True,
) -> Path:
    """Trains the rows of a table, several seeds each, and writes the table, the numbers and the
    figures.

    What is trained or measured already, by the same settings, is not done again: a second call only
        redraws. Rows that were
    not asked for come into the table if they are finished.

    Args:
        protocol: from `read(experiment, protocol)`.
        rows: slugs of the rows to train; all by default.
        seeds: how many, from 0 up; by default as the protocol says.
        epochs: instead of the protocol's; for a quick look.
        samples, test_rows: importance samples and test rows of the table, instead of the
            protocol's.
        data: one of the protocol's data sets by name, instead of the first whose files are there.
        out: the table goes to `out/EXPERIMENT/PROTOCOL.md`, beside it the numbers and figures.
        runs: the trained models go to `runs/EXPERIMENT-PROTOCOL/ROW`.
        figures: draw them.
        progress: show bars.

    Returns:
        The folder with the results.

    Raises:
        OptionError: unknown rows. RunError: a row that was trained with other settings.
            KeyboardInterrupt: after saving.
    """
    protocol = _changed(protocol, seeds, epochs, samples, test_rows, data)
    picked = {r.slug for r in protocol.pick(rows)}
    dataset, source = protocol.load()
    print(dataset)
    how = protocol.evaluate
    ruler = Ruler.of(
        dataset, "test", how["samples"], how.get("rows"), protocol.offset, protocol.judge
    )
    base = Path(runs) / f"{protocol.experiment}-{protocol.name}"
    folders: dict[str, RowFolder] = {}
    for r in protocol.rows:
        folders[r.slug] = RowFolder(
            base / r.slug, protocol, r, dataset, source, folders.get(r.start)
        )
    folder = Path(out) / protocol.experiment
    found: dict[str, list[Member]] = {
        s: f.members(range(protocol.seeds), ruler, False) for s, f in folders.items()
    }
    try:
        for row in protocol.rows:
            if row.slug in picked:
                found[row.slug] = _row(folders[row.slug], range(protocol.seeds), ruler, progress)
                write_results(folder, _found(protocol, dataset, folders, found))
    except KeyboardInterrupt:
        done = ", ".join(s for s in folders if s in picked and found[s]) or "none"
        raise KeyboardInterrupt(
            f"interrupted and saved (finished rows: {done}); go on with the same command:"
            f" {command()}"
        ) from None
    if figures:
        from wyner.experiments.legacy.figures import draw_all

        draw_all(folder, protocol, dataset, found)
    return folder


def _row(folder: RowFolder, seeds: Sequence[int], ruler: Ruler, progress: bool) -> list[Member]:
    print(f"{folder.row.label}: {len(seeds)} seeds, {folder.path}", flush=True)
    try:
        folder.train(seeds, progress)
    except Diverged as e:
        warnings.warn(f"{folder.row.label} is left out of the table: {e}", stacklevel=2)
    members = folder.members(seeds, ruler)
    for name in ("nll_joint", "nll_conditional"):
        values = [m.metrics[name] for m in members if name in m.metrics]
        if values:
            print(f"  {name}: {sum(values) / len(values):.3f} (mean of {len(values)})", flush=True)
    return members


def _found(
    protocol: Protocol,
    dataset: Dataset,
    folders: dict[str, RowFolder],
    found: dict[str, list[Member]],
) -> Found:
    present = {s: f for s, f in folders.items() if found[s]}
    return Found(
        protocol,
        dataset,
        found,
        command(),
        ", ".join(dict.fromkeys(f.device for f in present.values())),
        {s: f.seconds for s, f in present.items()},
        {s: f.lost for s, f in present.items() if f.lost},
    )


def _changed(
    protocol: Protocol,
    seeds: int | None,
    epochs: int | None,
    samples: int | None,
    test_rows: int | None,
    data: str | None,
) -> Protocol:
    for name, value in {
        "seeds": seeds,
        "epochs": epochs,
        "samples": samples,
        "test rows": test_rows,
    }.items():
        if value is not None and value < 1:
            raise OptionError(f"{name}: expected a positive whole number, got {value}")
    changes: dict[str, Any] = {} if seeds is None else {"seeds": seeds}
    if epochs is not None:
        changes["fit"] = {**protocol.fit, "epochs": epochs}
        changes["rows"] = tuple(
            dataclasses.replace(r, fit={k: v for k, v in r.fit.items() if k != "epochs"})
            for r in protocol.rows
        )
    how = {k: v for k, v in {"samples": samples, "rows": test_rows}.items() if v is not None}
    if how:
        changes["evaluate"] = {**protocol.evaluate, **how}
    if data is not None:
        chosen = tuple(d for d in protocol.data if d["name"] == data)
        if not chosen:
            known = ", ".join(dict.fromkeys(d["name"] for d in protocol.data))
            raise OptionError(f"{protocol.experiment}: expected data from {known}, got {data!r}")
        changes["data"] = chosen
    return dataclasses.replace(protocol, **changes)
