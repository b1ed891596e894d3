"""A protocol of a retrieval experiment as a file.

title, source, seeds, notes
[scene]                     # kind = "sketchy" or "emoji", and its options
[[features]]                # of sketchy: networks in order of preference
[search]                    # k = [...], distance
[networks], [fit]           # as of an experiment file
[probe]                     # every: epochs between looks at the validation classes
[[rows]]                    # label, slug, model, fit, networks, published = { map = ...,
                            precision_100 = ... }
[[others]]                  # label, published: rows of the paper that are not trained here
[[claims]]                  # text, left, right, metric, relation, margin
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wyner.errors import OptionError
from wyner.experiments.legacy.claims import Claim, claim
from wyner.experiments.legacy.plan import Published, Row, slug_of
from wyner.experiments.protocols import (
    by_experiment,
    check_keys,
    parsed,
    picked,
    slugs_of,
    text_for,
)
from wyner.experiments.spec import Experiment

TOP = (
    "title",
    "source",
    "seeds",
    "notes",
    "scene",
    "features",
    "search",
    "networks",
    "fit",
    "probe",
    "rows",
    "others",
    "claims",
)
KEYS = ("label", "slug", "model", "fit", "networks", "published", "extra")
PACKAGE = "wyner.experiments.retrieval"
CCA = "CCA"
"""Name of the linear baseline, the one row that is no model of the library."""


@dataclass(frozen=True)
class Protocol:
    """A table to reproduce; see the head of this module for the fields."""

    experiment: str
    name: str
    title: str
    source: str
    seeds: int
    scene: dict[str, Any]
    features: tuple[dict[str, Any], ...]
    k: tuple[int, ...]
    distance: str
    networks: dict[str, Any]
    fit: dict[str, Any]
    every: int
    rows: tuple[Row, ...]
    others: tuple[tuple[str, Mapping[str, float]], ...] = ()
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)

    def experiment_of(self, row: Row, seed: int) -> Experiment:
        """A row as an experiment on the scene."""
        fit = {**self.fit, **row.fit, "seed": seed}
        return Experiment(
            {"name": self.experiment}, dict(row.model), {**self.networks, **row.networks}, fit
        )

    def pick(self, slugs: Sequence[str]) -> tuple[Row, ...]:
        """Rows by slug, in the order of the table; all if none is named.

        Raises:
            OptionError: an unknown one.
        """
        return picked(self.rows, slugs)


def metrics(k: Sequence[int]) -> dict[str, str]:
    """Columns of the table by the name of the metric."""
    at = {f"precision_{n}": f"P@{n}" for n in k}
    return {
        "map": "mAP",
        "map_interpolated": "mAP, interpolated",
        "precision_1": "P@1",
        **at,
        "map_back": "mAP, y to x",
        "precision_1_back": "P@1, y to x",
    }


def names() -> list[str]:
    """Experiments of retrieval."""
    return list(by_experiment(PACKAGE))


def read(experiment: str, protocol: str = "short") -> Protocol:
    """A shipped protocol.

    Raises:
        OptionError: an unknown experiment or protocol.
    """
    return parse(
        text_for(PACKAGE, experiment, protocol, "experiment of retrieval"), experiment, protocol
    )


def parse(text: str, experiment: str, protocol: str) -> Protocol:
    """A protocol from the text of its file.

    Raises:
        OptionError: not TOML, or unknown or missing keys.
    """
    where = f"{experiment}-{protocol}"
    found = parsed(text, where, TOP, {"title", "seeds", "scene", "search", "fit", "rows"})
    check_keys(found["search"], ("k", "distance"), f"{where}: key of [search]")
    check_keys(found.get("probe", {}), ("every",), f"{where}: key of [probe]")
    rows = tuple(_row(r, where) for r in found["rows"])
    slugs = slugs_of(rows, where)
    made = Protocol(
        experiment,
        protocol,
        found["title"],
        found.get("source", ""),
        found["seeds"],
        found["scene"],
        tuple(found.get("features", [])),
        tuple(found["search"]["k"]),
        found["search"].get("distance", "cosine"),
        found.get("networks", {}),
        found["fit"],
        found.get("probe", {}).get("every", 1),
        rows,
        tuple((o["label"], o["published"]) for o in found.get("others", [])),
        tuple(
            claim(c, slugs, metrics(found["search"]["k"]), where) for c in found.get("claims", [])
        ),
        tuple(found.get("notes", [])),
    )
    for row in rows:
        if row.model["name"] != CCA:
            made.experiment_of(row, 0)
    return made


def _row(found: dict[str, Any], where: str) -> Row:
    check_keys(found, KEYS, f"{where}: key of a row")
    if not {"label", "model"} <= set(found):
        raise OptionError(
            f"{where}: expected label and model in every row, got {', '.join(sorted(found))}"
        )
    published = Published(
        others={k: (float(v), None) for k, v in found.get("published", {}).items()}
    )
    return Row(
        found["label"],
        found.get("slug") or slug_of(found["label"]),
        found["model"],
        found.get("fit", {}),
        found.get("networks", {}),
        published,
        bool(found.get("extra", False)),
    )
