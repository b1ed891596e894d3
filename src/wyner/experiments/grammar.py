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
from collections.abc import Mapping
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

from wyner.errors import OptionError, refuse_unknown
from wyner.experiments.claims import RELATIONS, Claim
from wyner.experiments.figures import FIGURES
from wyner.experiments.questions import QUESTIONS, Question, question_of
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
    refuse_unknown("experiment", name, names())
    refuse_unknown(f"protocol of {name}", protocol, protocols(name))
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
    refuse_unknown("key", found, TOP, where)
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
    for k, row in enumerate(rows):
        _check(row, slugs[:k], sets, f"{where}: {row.slug}")
    probe = dict(found.get("probe", {}))
    refuse_unknown("key of [probe]", probe, [f.name for f in fields(Probe)], where)
    probe["questions"] = _questions(probe.get("questions", {}), where)
    tables, figures = tuple(found.get("tables", USUAL)), found.get("figures", {})
    shown = [*columns, *SPECIAL, *(t for r in rows for t in r.tags)]
    named: list[tuple[str, str, Any, Mapping[str, Any]]] = []
    named += [("table", t.get("kind", ""), t, KINDS) for t in tables]
    named += [("figure", k, options, FIGURES) for k, options in figures.items()]
    for what, kind, options, kinds in named:
        refuse_unknown(what, kind, kinds, where)
        takes = [*list(inspect.signature(kinds[kind]).parameters)[1:], "kind", "title"]
        refuse_unknown(f"option of {what} {kind}", options, takes, where)
        refuse_unknown("row", options.get("rows", []), slugs, f"{where}: {what} {kind}")
        if what == "table":
            refuse_unknown("cells", options.get("cells", "ours"), STYLES, f"{where}: table {kind}")
            refuse_unknown("column", options.get("columns", []), shown, f"{where}: table {kind}")
    plain = ("title", "source", "seeds", "figures", "digits", "caption", "footer", "flags")
    made: dict[str, Any] = {k: found[k] for k in plain if k in found}
    made |= dict(rows=rows, data=sets, questions=questions, probe=Probe(**probe), tables=tables)
    made["claims"] = tuple(_claim(c, slugs, columns, where) for c in found.get("claims", []))
    made["notes"] = tuple(found.get("notes", []))
    published = lambda other: (other["label"], _published(other, columns, where))
    made["others"] = tuple(map(published, found.get("others", [])))
    return Study(name, protocol, **made)


def _questions(found: Mapping[str, Any], where: str) -> dict[str, Question]:
    refuse_unknown("question", found, QUESTIONS, where)
    made = {}
    for name in (k for k in QUESTIONS if k in found):
        takes = [f.name for f in fields(QUESTIONS[name])]
        refuse_unknown(f"option of [questions.{name}]", found[name], takes, where)
        try:
            made[name] = question_of(name, found[name])
        except TypeError as e:
            raise OptionError(f"{where}: [questions.{name}]: {e}") from e
    return made


def _row(found: Mapping[str, Any], top: Mapping[str, Any], columns: Any, where: str) -> Row:
    refuse_unknown("key of a row", found, ROW, where)
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
    model, fit = ({**top.get(k, {}), **found.get(k, {})} for k in ("model", "fit"))
    families = [m.get("families", {}) for m in (top.get("model", {}), found["model"])]
    if any(families):
        model["families"] = {**families[0], **families[1]}
    shared, own = (side.get("networks", {}) for side in (top, found))
    networks = own if own.get("kind", shared.get("kind")) != shared.get("kind") else shared | own
    rest = {k: v for k, v in found.items() if k in ("start", "extra", "tags", "trainer", "data")}
    published = _published(found, columns, where)
    return Row(found["label"], slug, model, dict(networks), fit, published, chosen, **rest)


def _check(row: Row, before: list[str], sets: Mapping[str, Any], where: str) -> None:
    """What a row names must exist: its trainer, model, networks and settings, data and start."""
    refuse_unknown("trainer", row.trainer, TRAINERS, where)
    refuse_unknown("data", row.data, sets, where)
    TRAINERS[row.trainer].check(row, sets[row.data][0])
    if row.start and row.start not in before:
        raise OptionError(
            f"{where}: expected start to be the slug of a row before it, got {row.start!r}"
        )


def _published(found: Mapping[str, Any], columns: Any, where: str) -> dict[str, Value]:
    refuse_unknown("published metric", found.get("published", {}), columns, where)
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
    refuse_unknown("key of a claim", found, [f.name for f in fields(Claim)], where)
    if missing := {"text", "left", "right", "metric", "relation"} - set(found):
        raise OptionError(f"{where}: claim: expected {', '.join(sorted(missing))}")
    right = found["right"] if isinstance(found["right"], list) else [found["right"]]
    refuse_unknown("row", [found["left"], *right], slugs, f"{where}: claim")
    refuse_unknown("metric", found["metric"], columns, f"{where}: claim")
    refuse_unknown("relation", found["relation"], RELATIONS, f"{where}: claim")
    return Claim(**{**found, "right": tuple(right)})


def slug_of(label: str) -> str:
    """A label as the name of a folder: `Wyner VAE (lambda = 0.05)` is `wyner-vae-lambda-0.05`."""
    return re.sub(r"[^a-z0-9.]+", "-", label.lower()).strip("-.")
