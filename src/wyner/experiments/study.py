"""What a table is: rows that are trained, questions that they are asked, claims, figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wyner import data
from wyner.data import Dataset
from wyner.errors import DataError, OptionError, refuse_unknown
from wyner.experiments.claims import Claim
from wyner.experiments.questions import Column, Question
from wyner.experiments.spec import Experiment

TASKS = "information-tasks"
"""Name of the data of rows that draw their own samples (`wyner.estimation.tasks`)."""
Value = tuple[float, float | None]
"""Mean and standard deviation over runs, None where it was not published."""


@dataclass(frozen=True)
class Row:
    """One row of a table: a model and how it is trained.

    Attributes:
        label: as it stands in the table.
        slug: for folders, `--rows` and claims.
        model, networks, fit: as in an experiment file, with what the study says for all rows.
        published: by metric, in our units: shares in [0, 1], not percent.
        chosen_on: on which rows its settings were chosen.
        start: slug of the row whose weights this one starts from, seed by seed.
        extra: whether the row goes beyond the paper.
        tags: further columns of the table, such as gamma.
        trainer: name in `trainers.TRAINERS`.
        data: name of the data set of the study that it is trained on.
    """

    label: str
    slug: str
    model: dict[str, Any]
    networks: dict[str, Any]
    fit: dict[str, Any]
    published: Mapping[str, Value] = field(default_factory=dict)
    chosen_on: str = ""
    start: str = ""
    extra: bool = False
    tags: Mapping[str, Any] = field(default_factory=dict)
    trainer: str = "fit"
    data: str = ""

    def experiment(self, source: Mapping[str, Any], seed: int = 0) -> Experiment:
        """The row as an experiment on a data set."""
        return Experiment(dict(source), self.model, self.networks, {**self.fit, "seed": seed})

    @property
    def name(self) -> str:
        """The label, with a mark where the row goes beyond the paper."""
        return self.label + (" (extra)" if self.extra else "")


@dataclass(frozen=True)
class Probe:
    """What is asked on the way through a training, for curves.

    Attributes:
        every: epochs between questions; 0 for none.
        part: "test" or "validation".
        questions: by name.
        keep: the number by which the best weights are kept, such as "map"; empty to leave the
            choice to the validation loss.
    """

    every: int = 0
    part: str = "test"
    questions: Mapping[str, Question] = field(default_factory=dict)
    keep: str = ""


@dataclass(frozen=True)
class Study:
    """A table to reproduce, as `grammar.read` finds it in a file; see there for the fields.

    Attributes:
        data: by name, the data sets of which the first is taken whose files are there; `""` is that
            of rows that name none.
        others: published rows that are not trained here, `(label, {metric: value})`.
        tables: what the page shows, in order: options by `kind` (`table.KINDS`).
        figures: options by name (`figures.FIGURES`).
        digits: of numbers that are printed otherwise than usual.
        flags: what flags of the command line mean, where they mean something else.
        caption, footer: their texts, with {source}, {data}, {questions}, and with {command},
            {device}, {minutes}, {versions}.
    """

    name: str
    protocol: str
    title: str
    rows: tuple[Row, ...]
    seeds: int
    data: Mapping[str, tuple[Mapping[str, Any], ...]]
    questions: Mapping[str, Question]
    source: str = ""
    probe: Probe = Probe()
    claims: tuple[Claim, ...] = ()
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tables: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    others: tuple[tuple[str, Mapping[str, Value]], ...] = ()
    digits: Mapping[str, int] = field(default_factory=dict)
    caption: str = ""
    footer: str = ""
    flags: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Column]:
        """Every number that the questions have, in the order of the table."""
        found = {k: c for q in self.questions.values() for k, c in q.columns.items()}
        return {
            k: dataclasses.replace(c, digits=self.digits[k]) if k in self.digits else c
            for k, c in found.items()
        }

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the rows by slug."""
        return {r.slug: r.label for r in self.rows}

    def load(self, name: str = "") -> tuple[Dataset, dict[str, Any]]:
        """The first data set of a list whose files are there, and the options that make it again.

        Raises:
            DataError: none is there; the reason is that of the last.
        """
        *others, last = self.data[name]
        if last["name"] == TASKS:
            text = f"{len(self.rows)} tasks with exact answers"
            return Dataset(TASKS, {}, {}, {}, {}, about={"text": text}), dict(last)
        for options in others:
            try:
                return data.load(**options), dict(options)
            except DataError:
                continue
        return data.load(**last), dict(last)

    def pick(self, slugs: Sequence[str]) -> tuple[Row, ...]:
        """Rows by slug, in the order of the table; all if none is named.

        Raises:
            OptionError: an unknown one.
        """
        refuse_unknown("row", slugs, [r.slug for r in self.rows])
        return tuple(r for r in self.rows if not slugs or r.slug in slugs)

    def changed(
        self,
        seeds: int | None = None,
        epochs: int | None = None,
        samples: int | None = None,
        test_rows: int | None = None,
        data: str | None = None,
    ) -> Study:
        """The same with other seeds, epochs, samples, test rows or data.

        Raises:
            OptionError: numbers that are not positive, a data set that the study does not have, or
                what none of its questions or trainings takes.
        """
        asked = dict(epochs=epochs, samples=samples, test_rows=test_rows, data=data)
        chosen = {k: v for k, v in asked.items() if v is not None}
        for name, value in {"seeds": seeds, **chosen}.items():
            if isinstance(value, int) and value < 1:
                raise OptionError(
                    f"{name.replace('_', ' ')}: expected a positive whole number, got {value}"
                )
        names = list(dict.fromkeys(d["name"] for list_ in self.data.values() for d in list_))
        own = any("sizes" in r.model for r in self.rows)  # rows that draw their own samples
        taken = {f for q in self.questions.values() for f in q.flags}
        taken |= {"epochs"} if any(r.fit for r in self.rows) else set()
        taken |= {"data"} if len(self.data) < 2 and names != [TASKS] else set()
        taken |= {"samples"} if own else set()
        if refused := [k for k in chosen if k not in taken]:
            has = ["rows", "seeds", *(k for k in asked if k in taken)]
            taken_here, left = _flags(has, self.flags), _flags(refused, {})
            raise OptionError(f"{self.name} takes {taken_here}; leave out {left}")
        changes: dict[str, Any] = {"rows": self.rows} | ({} if seeds is None else {"seeds": seeds})
        if epochs is not None:
            cut = lambda fit: {k: v for k, v in fit.items() if k != "steps"} | {"epochs": epochs}
            changes["rows"] = tuple(
                dataclasses.replace(r, fit=cut(r.fit)) if r.fit else r for r in self.rows
            )
            every = min(self.probe.every, epochs)
            changes["probe"] = dataclasses.replace(self.probe, every=every)
        if samples is not None and own:
            few = lambda r: dataclasses.replace(r, model={**r.model, "sizes": [samples]})
            changes["rows"] = tuple(few(r) if "sizes" in r.model else r for r in changes["rows"])
            tables = [{**t, "n": samples} if "n" in t else t for t in self.tables]
            titled = [{k: v for k, v in t.items() if k != "title" or "n" not in t} for t in tables]
            changes["tables"] = tuple(t for i, t in enumerate(titled) if t not in titled[:i])
        changes["questions"] = {
            name: dataclasses.replace(q, **{q.flags[k]: chosen[k] for k in chosen if k in q.flags})
            for name, q in self.questions.items()
        }
        if data is not None:
            lists = {k: tuple(d for d in v if d["name"] == data) for k, v in self.data.items()}
            if Path(data).exists() and not all(lists.values()):  # files of the first set, elsewhere
                lists = {k: ({**v[0], "folder": data},) for k, v in self.data.items()}
            if not all(lists.values()):
                raise OptionError(
                    f"{self.name}: expected data from {', '.join(names)}, got {data!r}"
                )
            changes["data"] = lists
        return dataclasses.replace(self, **changes)


def _flags(names: Sequence[str], words: Mapping[str, str]) -> str:
    shown = ["--" + n.replace("_", "-") + (f" ({words[n]})" if n in words else "") for n in names]
    *most, last = shown
    return f"{', '.join(most)} and {last}" if most else last
