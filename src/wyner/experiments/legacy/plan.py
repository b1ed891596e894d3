"""A protocol as a file: the rows of a table, how each is trained and measured, what was published,
what was claimed.

title = "..."               # of the table
source = "..."              # where it was published
seeds = 10
[[data]]                    # the first of these that can be loaded
name = "mog"
[networks]
hidden = [256, 256, 256]
[fit]                       # fields of wyner.training.Settings
[evaluate]                  # samples, rows: of the table
[probe]                     # every (epochs), samples, rows: of the curves
[families]                  # of the decoders, for all rows: x = 0.5, or x = { floor = {...} }
[judge]                     # what is asked besides likelihoods: see
                            wyner.experiments.legacy.examine
[published]                 # offset: nats a coordinate from the proper density to the published
                            scale; curves; seeds
[[rows]]                    # label, slug, model, fit, networks, extra, start; joint, conditional =
                            [mean, std], published = { metric = [mean, std] }
[[claims]]                  # text, left, right, metric, relation, margin
[figures]                   # rows by figure: curves, crowded, scatter, completions, lambda, and the
                            sheets of pictures
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wyner import data
from wyner.data import Dataset
from wyner.errors import DataError, OptionError
from wyner.experiments.legacy.claims import Claim, claim
from wyner.experiments.legacy.columns import METRICS
from wyner.experiments.legacy.examine import KEYS as JUDGE
from wyner.experiments.protocols import (
    by_experiment,
    check_keys,
    parsed,
    picked,
    slugs_of,
    text_for,
)
from wyner.experiments.spec import Experiment

PROTOCOLS = ("short", "paper")
PACKAGE = "wyner.experiments.legacy"
TOP = (
    "title",
    "source",
    "notes",
    "seeds",
    "data",
    "networks",
    "fit",
    "families",
    "evaluate",
    "probe",
    "judge",
    "published",
    "rows",
    "claims",
    "figures",
)


@dataclass(frozen=True)
class Published:
    """Published values of a row as (mean, standard deviation over runs); None where there is none.

    Attributes:
        joint, conditional: nll's, in nats on the published scale.
        others: the rest by metric, in our units: shares in [0, 1], not percent.
    """

    joint: tuple[float, float | None] | None = None
    conditional: tuple[float, float | None] | None = None
    others: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)

    def of(self, metric: str) -> tuple[float, float | None] | None:
        """The published value of a metric."""
        return {"nll_joint": self.joint, "nll_conditional": self.conditional, **self.others}.get(
            metric
        )


@dataclass(frozen=True)
class Row:
    """One row of the table: a model and how it is trained.

    Attributes:
        label: as it stands in the table.
        slug: for folders, `--rows` and claims.
        model: name and arguments, as under [model] of an experiment.
        fit, networks: what differs from the protocol's own; networks of another kind are given
            whole.
        start: slug of the row whose weights this one starts from, seed by seed; `fit` may freeze
            them.
        published: what the paper has.
        extra: whether the row goes beyond the paper.
    """

    label: str
    slug: str
    model: dict[str, Any]
    fit: dict[str, Any] = field(default_factory=dict)
    networks: dict[str, Any] = field(default_factory=dict)
    published: Published = Published()
    extra: bool = False
    start: str = ""


@dataclass(frozen=True)
class Protocol:
    """A table to reproduce; see the head of this module for the fields."""

    experiment: str
    name: str
    title: str
    source: str
    seeds: int
    data: tuple[dict[str, Any], ...]
    networks: dict[str, Any]
    fit: dict[str, Any]
    evaluate: dict[str, int]
    probe: dict[str, int]
    offset: float
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    figures: dict[str, Any]
    notes: tuple[str, ...] = ()
    judge: dict[str, Any] = field(default_factory=dict)
    families: dict[str, Any] = field(default_factory=dict)

    def load(self) -> tuple[Dataset, dict[str, Any]]:
        """The first data set of the list whose files are there, and the options that make it again.

        Raises:
            DataError: none is there; the reason is that of the last.
        """
        for k, options in enumerate(self.data):
            try:
                return data.load(**options), options
            except DataError:
                if k + 1 == len(self.data):
                    raise
        raise OptionError(
            f"{self.experiment}-{self.name}: expected at least one data set under [[data]]"
        )

    def experiment_of(self, row: Row, source: Mapping[str, Any], seed: int = 0) -> Experiment:
        """A row as an experiment."""
        model = dict(row.model)
        if self.families:
            model["families"] = {**self.families, **model.get("families", {})}
        other = "kind" in row.networks and row.networks["kind"] != self.networks.get("kind")
        networks = dict(row.networks) if other else {**self.networks, **row.networks}
        return Experiment(
            dict(source),
            model,
            networks,
            {**self.fit, **row.fit, "seed": seed},
            dict(self.evaluate),
        )

    def pick(self, slugs: Sequence[str]) -> tuple[Row, ...]:
        """Rows by slug, in the order of the table; all if none is named.

        Raises:
            OptionError: an unknown one.
        """
        return picked(self.rows, slugs)


def names() -> list[str]:
    """Experiments that can be reproduced."""
    return list(by_experiment(PACKAGE))


def protocols(experiment: str) -> list[str]:
    """Protocols that an experiment has."""
    return [p for p in PROTOCOLS if p in by_experiment(PACKAGE).get(experiment, ())]


def read(experiment: str, protocol: str = "short") -> Protocol:
    """A shipped protocol.

    Raises:
        OptionError: an unknown experiment or protocol.
    """
    return parse(text_for(PACKAGE, experiment, protocol, "reproduction"), experiment, protocol)


def parse(text: str, experiment: str, protocol: str) -> Protocol:
    """A protocol from the text of its file.

    Raises:
        OptionError: not TOML, or unknown or missing keys.
    """
    where = f"{experiment}-{protocol}"
    found = parsed(text, where, TOP, {"title", "seeds", "data", "fit", "rows"})
    check_keys(found.get("evaluate", {}), ("samples", "rows"), f"{where}: key of [evaluate]")
    check_keys(found.get("probe", {}), ("every", "samples", "rows"), f"{where}: key of [probe]")
    check_keys(found.get("judge", {}), JUDGE, f"{where}: key of [judge]")
    check_keys(found.get("published", {}), ("offset",), f"{where}: key of [published]")
    rows = tuple(_row(r, where) for r in found["rows"])
    slugs = slugs_of(rows, where)
    made = Protocol(
        experiment,
        protocol,
        found["title"],
        found.get("source", ""),
        found["seeds"],
        tuple(found["data"]),
        found.get("networks", {}),
        found["fit"],
        {"samples": 100, **found.get("evaluate", {})},
        {"every": 0, "samples": 20, "rows": 500, **found.get("probe", {})},
        float(found.get("published", {}).get("offset", 0.0)),
        rows,
        tuple(claim(c, slugs, METRICS, where) for c in found.get("claims", [])),
        found.get("figures", {}),
        tuple(found.get("notes", [])),
        found.get("judge", {}),
        found.get("families", {}),
    )
    for row in rows:
        if row.start and row.start not in slugs[: slugs.index(row.slug)]:
            raise OptionError(
                f"{where}: {row.slug}: expected start to be the slug of a row before it, got"
                f" {row.start!r}"
            )
        made.experiment_of(row, made.data[0])
    return made


def _row(found: dict[str, Any], where: str) -> Row:
    keys = (
        "label",
        "slug",
        "model",
        "fit",
        "networks",
        "joint",
        "conditional",
        "published",
        "extra",
        "start",
    )
    check_keys(found, keys, f"{where}: key of a row")
    if not {"label", "model"} <= set(found):
        raise OptionError(
            f"{where}: expected label and model in every row, got {', '.join(sorted(found))}"
        )
    others = found.get("published", {})
    check_keys(others, METRICS, f"{where}: published metric")
    known = {k: pair for k, v in others.items() if (pair := _pair(v, where)) is not None}
    published = Published(
        _pair(found.get("joint"), where), _pair(found.get("conditional"), where), known
    )
    slug = found.get("slug") or slug_of(found["label"])
    return Row(
        found["label"],
        slug,
        found["model"],
        found.get("fit", {}),
        found.get("networks", {}),
        published,
        bool(found.get("extra", False)),
        found.get("start", ""),
    )


def slug_of(label: str) -> str:
    """A label as the name of a folder: `Wyner VAE (lambda = 0.05)` becomes
    `wyner-vae-lambda-0.05`.
    """
    return re.sub(r"[^a-z0-9.]+", "-", label.lower()).strip("-.")


def _pair(value: Any, where: str) -> tuple[float, float | None] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) not in (1, 2):
        raise OptionError(
            f"{where}: a published value is [mean] or [mean, standard deviation], got {value!r}"
        )
    return float(value[0]), float(value[1]) if len(value) == 2 else None
