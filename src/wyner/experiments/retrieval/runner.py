"""From a protocol to a table, numbers and a sheet of hits."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from wyner.errors import Diverged, OptionError
from wyner.experiments.retrieval.plan import CCA, Protocol
from wyner.experiments.retrieval.rows import Member, codes, member, trained_model
from wyner.experiments.retrieval.scenes import Scene, scene
from wyner.experiments.retrieval.table import Found, write_results
from wyner.files import write_bytes
from wyner.report.hits import sheet
from wyner.runs import command
from wyner.tasks.retrieval import nearest
from wyner.tasks.retrieval.search import unit_rows

QUERIES, HITS = 10, 10
"""Rows and columns of the sheet."""


def reproduce(
    protocol: Protocol,
    *,
    rows: Sequence[str] = (),
    seeds: int | None = None,
    epochs: int | None = None,
    data: str | None = None,
    out: str | Path = "results",
    runs: str | Path = "runs/reproduce",
    figures: bool = True,
    progress: bool = True,
) -> Path:
    """Trains the rows, measures them on classes that no training has seen, and writes the table and
    a sheet of hits.

    What is there is not trained again; a row that was interrupted starts anew.

    Args:
        protocol: from `read(experiment, protocol)`.
        rows: slugs of the rows to train; all by default.
        seeds: how many, from 0 up.
        epochs: instead of the protocol's; for a quick look.
        data: a folder or archive of the same layout.
        out: the table goes to `out/EXPERIMENT/PROTOCOL.md`.
        runs: the trained models go to `runs/EXPERIMENT-PROTOCOL/ROW`.
        figures: draw the sheet of hits of the first row, `out/EXPERIMENT/PROTOCOL-hits.png`; beside
            the runs if the pictures are not free.
        progress: show bars.

    Returns:
        The folder with the results.

    Raises:
        OptionError: unknown rows. RunError: other settings. DataError: files that are missing.
    """
    protocol = _changed(protocol, seeds, epochs, data)
    picked = {r.slug for r in protocol.pick(rows)}
    found = scene(protocol.scene, protocol.features)
    print("\n".join(found.notes), flush=True)
    base, folder = (
        Path(runs) / f"{protocol.experiment}-{protocol.name}",
        Path(out) / protocol.experiment,
    )
    members: dict[str, list[Member]] = {}
    for row in protocol.rows:
        count = 1 if row.model["name"] == CCA else protocol.seeds
        members[row.slug] = []
        for seed in range(count):
            try:
                made = member(protocol, row, seed, found, base, row.slug in picked, progress)
            except Diverged as e:
                warnings.warn(
                    f"{row.label}, seed {seed}, is left out of the table: {e}", stacklevel=2
                )
                continue
            if made is not None:
                members[row.slug].append(made)
                if row.slug in picked:
                    print(
                        f"{row.label}, seed {seed}: mAP {made.metrics['map']:.3f}, P@1"
                        f" {made.metrics['precision_1']:.3f}",
                        flush=True,
                    )
        write_results(folder, Found(protocol, found, members, command()))
    first = next(
        (r.slug for r in protocol.rows if r.model["name"] != CCA and members[r.slug]), None
    )
    if figures and first is not None:
        where = folder / f"{protocol.name}-hits.png" if found.free else base / "hits.png"
        write_bytes(where, hits(members[first][0], found, protocol.distance))
        print(
            f"hits: {where}"
            + ("" if found.free else " (pictures for research only: not with the results)"),
            flush=True,
        )
    return folder


def hits(of: Member, found: Scene, distance: str, seed: int = 0) -> bytes:
    """A sheet: test queries of different classes with their nearest items, right and wrong ones
    marked; Figure 3 of the paper.
    """
    import torch

    test = found.test
    a, b = (torch.from_numpy(c) for c in codes(trained_model(of), test))
    if distance == "cosine":
        a, b = unit_rows(a), unit_rows(b)
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(np.unique(test.x_labels))[:QUERIES]
    at = np.array([rng.choice(np.flatnonzero(test.x_labels == c)) for c in kinds])
    near = nearest(a[at], b, min(HITS, len(b)), distance, engine="torch").index
    right = test.y_labels[near] == test.x_labels[at][:, None]
    names = [shorten(test.classes[c].replace("_", " "), 20, placeholder="...") for c in kinds]
    return sheet(found.shown.x[at], [found.shown.y[row] for row in near], right, names, 96)


def _changed(
    protocol: Protocol, seeds: int | None, epochs: int | None, data: str | None
) -> Protocol:
    for name, value in {"seeds": seeds, "epochs": epochs}.items():
        if value is not None and value < 1:
            raise OptionError(f"{name}: expected a positive whole number, got {value}")
    changes: dict[str, Any] = {} if seeds is None else {"seeds": seeds}
    if epochs is not None:
        short = lambda fit: {k: v for k, v in fit.items() if k != "epochs"}
        changes |= {"fit": {**protocol.fit, "epochs": epochs}, "every": min(protocol.every, epochs)}
        changes["rows"] = tuple(dataclasses.replace(r, fit=short(r.fit)) for r in protocol.rows)
    if data is not None:
        changes["scene"] = {**protocol.scene, "folder": data}
    return dataclasses.replace(protocol, **changes)
