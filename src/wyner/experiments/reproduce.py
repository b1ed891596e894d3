"""From a study to a table: trains what is missing, asks what is new, writes the rest again."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from wyner.errors import Diverged, OptionError, RunError
from wyner.experiments import grammar
from wyner.experiments.figures import draw_all
from wyner.experiments.results import Results, as_json, from_json
from wyner.experiments.store import Cell, Place, Store
from wyner.experiments.study import Row, Study
from wyner.experiments.sweep import page as sweep_page
from wyner.experiments.table import markdown
from wyner.files import read_json, write_bytes, write_json
from wyner.report.facts import Facts
from wyner.runs import command


def reproduce(
    study: Study,
    *,
    rows: Sequence[str] = (),
    seeds: int | None = None,
    epochs: int | None = None,
    samples: int | None = None,
    test_rows: int | None = None,
    data: str | None = None,
    on: str = "test",
    out: str | Path = "results",
    runs: str | Path = Path("runs") / "reproduce",
    figures: bool = True,
    progress: bool = True,
) -> Path:
    """Trains the rows of a table, several seeds each, and writes the table, the numbers and the
    figures.

    What is trained or measured already, by the same settings, is not done again: a second call only
    redraws. Rows that were not asked for come into the table if they are finished.

    Args:
        study: from `grammar.read(name, protocol)`.
        rows: slugs of the rows to train; all by default.
        seeds: how many, from 0 up.
        epochs, samples, test_rows, data: in place of the study's; see `Study.changed`.
        on: the part that is measured, "test" or "validation".
        out: the table goes to `out/NAME/PROTOCOL.md`, beside it the numbers and figures.
        runs: the trained models go to `runs/NAME-PROTOCOL/ROW`.
        figures: draw them.
        progress: show bars.

    Returns:
        The file of the table.

    Raises:
        OptionError: unknown rows, or options that the study does not take. RunError: a row that was
            trained with other settings. KeyboardInterrupt: after saving.
    """
    if on not in grammar.PARTS:
        raise OptionError(f"on: expected {' or '.join(grammar.PARTS)}, got {on!r}")
    study = study.changed(seeds, epochs, samples, test_rows, data)
    picked = study.pick(rows)
    store = Store(study, Path(runs) / f"{study.name}-{study.protocol}", progress)
    for name in dict.fromkeys(r.data for r in picked):
        print(store.data(name))
        for question in study.questions.values():
            question.check(store.data(name), on)
    folder, wanted = Path(out) / study.name, range(study.seeds)
    cells = {r.slug: store.cells(r, wanted, on) for r in study.rows}
    try:
        for row in picked:
            cells[row.slug] = _row(store, row, wanted, on)
            page = _write(folder, _results(store, cells, on))
    except KeyboardInterrupt:
        done = ", ".join(r.slug for r in picked if cells[r.slug]) or "none"
        raise KeyboardInterrupt(
            f"interrupted and saved (finished rows: {done}); go on with the same command:"
            f" {command()}"
        ) from None
    if not page.exists():
        raise RunError(f"no model of {study.name} finished, so there is no table")
    if figures:
        found = _results(store, cells, on)
        for name, content in draw_all(found, store.data):
            write_bytes(folder / f"{found.stem}{name}", content)
    return page


def _row(store: Store, row: Row, seeds: Sequence[int], on: str) -> list[Cell]:
    print(f"{row.label}: {len(seeds)} seeds, {store.path / row.slug}", flush=True)
    try:
        store.train(row, seeds)
    except Diverged as e:
        warnings.warn(f"{row.label} is left out of the table: {e}", stacklevel=2)
    found = store.cells(row, seeds, on, ask=True)
    for name in list(store.study.columns)[:2]:
        values = [c.metrics[name] for c in found if name in c.metrics]
        if values:
            print(f"  {name}: {sum(values) / len(values):.3f} (mean of {len(values)})", flush=True)
    return found


def _results(store: Store, cells: dict[str, list[Cell]], on: str) -> Results:
    there = [r for r in store.study.rows if cells[r.slug]]
    places = {r.slug: Place(store, r) for r in there}
    known = lambda name: {
        k: v
        for q in store.study.questions.values()
        for k, v in q.reference(store.data(name), on).items()
    }
    return Results(
        store.study,
        cells,
        {n: Facts.of(store.data(n), known(n)) for n in dict.fromkeys(r.data for r in there)},
        on,
        command(),
        ", ".join(dict.fromkeys(p.device for p in places.values())),
        {s: p.seconds for s, p in places.items()},
        {s: p.lost for s, p in places.items() if p.lost},
    )


def _write(folder: Path, found: Results) -> Path:
    """Writes `PROTOCOL.json` and `PROTOCOL.md`."""
    page = folder / f"{found.stem}.md"
    if found.rows:
        write_json(folder / f"{found.stem}.json", as_json(found))
        write_bytes(page, markdown(found).encode())
    return page


def redraw(name: str, protocol: str = "short", out: str | Path = "results") -> list[Path]:
    """Draws tables again from their JSON alone, without training or measuring.

    Args:
        name: of a study, or "all" for every table that there is.
        protocol: of the study; of all, any.
        out: the folder with the results.

    Raises:
        OptionError: an unknown study. RunError: no results.
    """
    every = [(n, p) for n in grammar.names() for p in grammar.protocols(n)]
    others = REDRAWN if name == "all" else {k: f for k, f in REDRAWN.items() if k == name}
    made = [page for draw in others.values() for page in draw(Path(out))]
    wanted = every if name == "all" else [] if others else [(name, protocol)]
    for study in (grammar.read(*one) for one in wanted):
        for path in sorted((Path(out) / study.name).glob(f"{study.protocol}*.json")):
            kept, page = read_json(path), path.with_suffix(".md")
            found = from_json(study, kept)
            write_json(path, kept | {"claims": as_json(found)["claims"]})
            write_bytes(page, markdown(found).encode())
            made.append(page)
    if not made:
        raise RunError(f"{out} has no results of {name} to draw again; train them first")
    return made


REDRAWN: dict[str, Callable[[Path], list[Path]]] = {"sweep": sweep_page.redraw}
"""Results that are no studies, by name: how their pages are drawn again below a folder."""
