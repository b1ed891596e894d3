"""A study as a file: `studies/NAME-PROTOCOL.toml`, one grammar for every table.

title, source, notes        # of the table
seeds = 10
chosen_on = "..."           # on which rows the settings of all rows were chosen; or in each row
caption, footer, digits     # of the page, where they are not the usual ones
flags                       # what flags of the command line mean here: { rows = "tasks" }
[[data]]                    # name and options; the first that can be loaded. set = "mnist": of the
                            # rows with data = "mnist"
[model], [networks], [fit]  # of all rows, as in an experiment file
[questions.NAME]            # fields of the question: wyner.experiments.questions
[probe]                     # every (epochs), part, keep; [probe.questions.NAME]: for curves
[[rows]]                    # label, slug, model, networks, fit, published = {metric = [mean, std]},
                            # chosen_on, start, extra, tags, trainer, data
[[others]]                  # label, published: rows that are not trained here
[[claims]]                  # text, left, right, metric, relation, margin
[[tables]]                  # kind and its options: wyner.experiments.table; the usual ones if none
[figures.NAME]              # rows and further options: wyner.experiments.figures
"""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

from wyner.errors import OptionError, unknown
from wyner.experiments.claims import RELATIONS, Claim
from wyner.experiments.figures import FIGURES
from wyner.experiments.questions import QUESTIONS, Question
from wyner.experiments.study import Probe, Row, Study, Value
from wyner.experiments.table import KINDS, SPECIAL, STYLES, USUAL
from wyner.experiments.trainers import TRAINERS

FOLDER = "wyner.experiments.studies"
NEEDED = ("title", "seeds", "data", "rows")
PROTOCOLS = ("short", "medium", "paper", "long")
TOP = (
    *NEEDED,
    *("source", "notes", "chosen_on", "caption", "footer", "digits", "model", "networks", "fit"),
    *("flags", "questions", "probe", "others", "claims", "tables", "figures"),
)
ROW = tuple(f.name for f in fields(Row))
PARTS = ("test", "validation")


def names() -> list[str]:
    """Studies that are shipped."""
    return sorted({n.rpartition("-")[0] for n in _files()})


def protocols(name: str) -> list[str]:
    """Protocols of a study, the shortest first."""
    return [p for p in PROTOCOLS if f"{name}-{p}" in _files()]


def _files() -> list[str]:
    return [
        p.name.removesuffix(".toml")
        for p in resources.files(FOLDER).iterdir()
        if p.name.endswith(".toml")
    ]


def read(name: str, protocol: str = "short") -> Study:
    """A shipped study by name, or one of your own by the path of its TOML file.

    Raises:
        OptionError: an unknown name or protocol.
    """
    if Path(name).suffix == ".toml" and Path(name).is_file():
        return parse(Path(name).read_text(), Path(name).stem, protocol)
    if name not in names():
        raise OptionError(unknown("experiment", name, names()))
    if protocol not in protocols(name):
        raise OptionError(unknown(f"protocol of {name}", protocol, protocols(name)))
    text = resources.files(FOLDER).joinpath(f"{name}-{protocol}.toml").read_text()
    return parse(text, name, protocol)


def parse(text: str, name: str, protocol: str = "short") -> Study:
    """A study from the text of its file.

    Raises:
        OptionError: not TOML; unknown or missing keys; an unknown question, model, row, metric,
            relation, figure or table; a row that does not say on what its settings were chosen.
    """
    where = f"{name}-{protocol}"
    try:
        return _study(tomllib.loads(text), name, protocol, where)
    except tomllib.TOMLDecodeError as e:
        raise OptionError(f"{where} is not TOML: {e}") from e
    except (AttributeError, KeyError, TypeError) as e:
        raise OptionError(f"{where}: a value is of the wrong type, or missing: {e}") from e


def _study(found: Mapping[str, Any], name: str, protocol: str, where: str) -> Study:
    known(found, TOP, where, "key")
    if missing := [k for k in NEEDED if k not in found]:
        raise OptionError(f"{where}: expected {', '.join(missing)}")
    sets: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for options in found["data"]:
        rest = {k: v for k, v in options.items() if k != "set"}
        sets[options.get("set", "")] = (*sets.get(options.get("set", ""), ()), rest)
    questions = _questions(found.get("questions", {}), where)
    columns = {k: c for q in questions.values() for k, c in q.columns.items()}
    rows = tuple(_row(r, found, columns, where) for r in found["rows"])
    slugs = [r.slug for r in rows]
    if len(set(slugs)) < len(slugs):
        raise OptionError(f"{where}: expected rows of different names, got {', '.join(slugs)}")
    for row in rows:
        _check(row, slugs[: slugs.index(row.slug)], sets, where)
    probe = dict(found.get("probe", {}))
    known(probe, [f.name for f in fields(Probe)], where, "key of [probe]")
    probe["questions"] = _questions(probe.get("questions", {}), where)
    tables = tuple(found.get("tables", USUAL))
    for options in tables:
        kind = options.get("kind", "")
        _choice(kind, options, KINDS, "table", where)
        for slug in options.get("rows", []):
            _one(slug, slugs, f"{where}: table {kind}", "row")
        shown = [*columns, *SPECIAL, *(t for r in rows for t in r.tags)]
        _one(options.get("cells", "ours"), STYLES, f"{where}: table {kind}", "cells")
        for column in options.get("columns", []):
            _one(column, shown, f"{where}: table {kind}", "column")
    for figure, options in found.get("figures", {}).items():
        _choice(figure, options, FIGURES, "figure", where)
        for slug in options.get("rows", []):
            _one(slug, slugs, f"{where}: figure {figure}", "row")
    plain = ("title", "source", "seeds", "figures", "digits", "caption", "footer", "flags")
    return Study(
        name,
        protocol,
        rows=rows,
        data=sets,
        questions=questions,
        probe=Probe(**probe),
        claims=tuple(_claim(c, slugs, columns, where) for c in found.get("claims", [])),
        tables=tables,
        notes=tuple(found.get("notes", [])),
        others=tuple((o["label"], _published(o, columns, where)) for o in found.get("others", [])),
        **{k: found[k] for k in plain if k in found},
    )


def known(found: Mapping[str, Any], keys: Iterable[str], where: str, what: str) -> None:
    """Raises `OptionError` for the first key that is not known, with the nearest one that is."""
    for key in found:
        _one(key, list(keys), where, what)


def _one(name: str, names: Iterable[str], where: str, what: str) -> None:
    if name not in names:
        raise OptionError(f"{where}: {unknown(what, name, names)}")


def _choice(
    name: str, options: Mapping[str, Any], choices: Mapping[str, Any], what: str, where: str
) -> None:
    """Refuses unknown figures and tables, and options that they do not take."""
    _one(name, choices, where, what)
    takes = list(inspect.signature(choices[name]).parameters)[1:]
    known(options, [*takes, "kind", "title"], where, f"option of {what} {name}")


def _questions(found: Mapping[str, Any], where: str) -> dict[str, Question]:
    known(found, QUESTIONS, where, "question")
    made = {}
    for name, kind in QUESTIONS.items():
        if name in found:
            takes = [f.name for f in fields(kind)]
            known(found[name], takes, where, f"option of [questions.{name}]")
            plain = {k: tuple(v) if isinstance(v, list) else v for k, v in found[name].items()}
            try:
                made[name] = kind(**plain)
            except TypeError as e:
                raise OptionError(f"{where}: [questions.{name}]: {e}") from e
    return made


def _row(found: Mapping[str, Any], top: Mapping[str, Any], columns: Any, where: str) -> Row:
    known(found, ROW, where, "key of a row")
    if not {"label", "model"} <= set(found):
        raise OptionError(
            f"{where}: expected label and model in every row, got {', '.join(sorted(found))}"
        )
    slug = found.get("slug") or slug_of(found["label"])
    chosen = found.get("chosen_on", top.get("chosen_on"))
    if not chosen:
        raise OptionError(
            f"{where}: {slug}: expected chosen_on, the rows that its settings were chosen on, in"
            " the row or at the top of the file"
        )
    model, shared = {**top.get("model", {}), **found["model"]}, top.get("networks", {})
    if families := {
        **top.get("model", {}).get("families", {}),
        **found["model"].get("families", {}),
    }:
        model["families"] = families
    own = found.get("networks", {})
    networks = own if own.get("kind", shared.get("kind")) != shared.get("kind") else shared | own
    rest = {k: v for k, v in found.items() if k in ("start", "extra", "tags", "trainer", "data")}
    return Row(
        found["label"],
        slug,
        model,
        dict(networks),
        {**top.get("fit", {}), **found.get("fit", {})},
        _published(found, columns, where),
        chosen,
        **rest,
    )


def _check(row: Row, before: list[str], sets: Mapping[str, Any], where: str) -> None:
    """What a row names must exist: its trainer, model, networks and settings, data and start."""
    _one(row.trainer, TRAINERS, f"{where}: {row.slug}", "trainer")
    _one(row.data, sets, f"{where}: {row.slug}", "data")
    TRAINERS[row.trainer].check(row, sets[row.data][0])
    if row.start and row.start not in before:
        raise OptionError(
            f"{where}: {row.slug}: expected start to be the slug of a row before it, got"
            f" {row.start!r}"
        )


def _published(found: Mapping[str, Any], columns: Any, where: str) -> dict[str, Value]:
    known(found.get("published", {}), columns, where, "published metric")
    made: dict[str, Value] = {}
    for name, value in found.get("published", {}).items():
        numbers = value if isinstance(value, list) else [value]
        if len(numbers) not in (1, 2):
            raise OptionError(
                f"{where}: a published value is [mean] or [mean, standard deviation], got {value!r}"
            )
        made[name] = float(numbers[0]), float(numbers[1]) if len(numbers) == 2 else None
    return made


def _claim(found: Mapping[str, Any], slugs: list[str], columns: Any, where: str) -> Claim:
    known(found, [f.name for f in fields(Claim)], where, "key of a claim")
    if missing := {"text", "left", "right", "metric", "relation"} - set(found):
        raise OptionError(f"{where}: claim: expected {', '.join(sorted(missing))}")
    right = found["right"] if isinstance(found["right"], list) else [found["right"]]
    for slug in (found["left"], *right):
        _one(slug, slugs, f"{where}: claim", "row")
    _one(found["metric"], columns, f"{where}: claim", "metric")
    _one(found["relation"], RELATIONS, f"{where}: claim", "relation")
    return Claim(**{**found, "right": tuple(right)})


def slug_of(label: str) -> str:
    """A label as the name of a folder: `Wyner VAE (lambda = 0.05)` is `wyner-vae-lambda-0.05`."""
    return re.sub(r"[^a-z0-9.]+", "-", label.lower()).strip("-.")
