"""From a protocol to tables and figures: trains what is missing, measures what is new, writes the
rest again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from wyner.errors import OptionError
from wyner.experiments.dsae.measure import Ruler
from wyner.experiments.dsae.plan import NAME, Protocol
from wyner.experiments.dsae.runs import MEASURED, Member, members, train
from wyner.experiments.dsae.table import Results, write
from wyner.experiments.legacy.measure import measured
from wyner.runs import command, device_name


def reproduce(
    protocol: Protocol,
    *,
    rows: Sequence[str] = (),
    seeds: int | None = None,
    epochs: int | None = None,
    data: str | None = None,
    out: str | Path = "results",
    runs: str | Path = Path("runs") / "reproduce",
    figures: bool = True,
    progress: bool = True,
) -> Path:
    """Trains the models of the speech tables, seed by seed, and writes tables, numbers and figures.

    What is trained or measured already is not done again. Models that were not asked for come into
    the tables if they are there.

    Args:
        protocol: from `read`.
        rows: slugs; all by default.
        seeds: how many, from 0 up; by default as the protocol says.
        epochs: instead of the protocol's.
        data: one of the protocol's corpora by name, instead of the first whose files are there.
        out: tables go to `out/dsae/PROTOCOL.md`.
        runs: trained models go to `runs/dsae-PROTOCOL/ROW/seed-K`.
        figures: draw them.
        progress: show bars.

    Returns:
        The folder with the results.

    Raises:
        OptionError: unknown rows or corpora. DataError: no corpus. RunError: models of other
            settings.
    """
    protocol = _changed(protocol, seeds, epochs, data)
    picked = {r.slug for r in protocol.pick(list(rows))}
    corpus, source = protocol.corpus()
    print(corpus)
    how = protocol.evaluate
    ruler = Ruler(corpus, protocol.steps, how["report"], how["pairs"])
    base, folder = Path(runs) / f"{NAME}-{protocol.name}", Path(out) / NAME
    found: list[tuple[Member, dict[str, float]]] = []
    for member in members(base, protocol.rows, protocol.seeds):
        wanted = member.row.slug in picked
        if wanted:
            print(f"{member.row.slug}, seed {member.seed}: {member.folder}", flush=True)
            train(member, protocol, corpus, source, progress)
        if member.finished:
            metrics = measured(
                member.folder, MEASURED, ruler.how, ruler.measure if wanted else None
            )
            if metrics is not None:
                found.append((member, metrics))
                results = Results(protocol, corpus, found, command(), device_name())
                write(folder, results)
    if figures and found:
        from wyner.experiments.dsae.figures import draw_all

        draw_all(folder, results)
    return folder


def _changed(
    protocol: Protocol, seeds: int | None, epochs: int | None, data: str | None
) -> Protocol:
    for name, value in {"seeds": seeds, "epochs": epochs}.items():
        if value is not None and value < 1:
            raise OptionError(f"{name}: expected a positive whole number, got {value}")
    if seeds is not None:
        protocol = dataclasses.replace(protocol, seeds=seeds)
    if epochs is not None:
        protocol = dataclasses.replace(protocol, fit={**protocol.fit, "epochs": epochs})
    if data is not None:
        chosen = tuple(d for d in protocol.data if d["name"] == data)
        if not chosen:
            raise OptionError(
                f"dsae: expected data from {', '.join(d['name'] for d in protocol.data)}, got"
                f" {data!r}"
            )
        protocol = dataclasses.replace(protocol, data=chosen)
    return protocol
