"""The protocols as files: data, networks, training and measures of all rows; a row is a data set,
an objective and a gamma.

title, notes
seeds = 1
gammas = [0.3, 0.1]         # in the order of the training
[data.mnist]                # name and options of wyner.data.load; likewise data.fashion
[instead.mnist]             # what is taken where its files are not there
[model]                     # arguments of PixelCNNVAE but objective and gamma
[networks]                  # kind, and its arguments
[fit]                       # fields of wyner.training.Settings
[measure]                   # codes, each, draws: pictures of a class for AoLR and for mCAS, draws
                            of each; rows: test pictures
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from wyner import data
from wyner.data import Dataset
from wyner.errors import DataError, OptionError, unknown
from wyner.experiments.protocols import check_keys, parsed, picked, shipped, text_of
from wyner.experiments.spec import Experiment

NAME, PACKAGE = "pixelcnn", "wyner.experiments.pixelcnn"
KINDS = {"elbo": "ELBO", "beta": "beta-VAE", "mi": "MI-VAE", "cmi": "CMI-VAE"}
"""Objectives by what the table calls them."""
SETS = {"mnist": "MNIST", "fashion": "Fashion-MNIST"}
KEYS = (
    "title",
    "notes",
    "seeds",
    "gammas",
    "data",
    "instead",
    "model",
    "networks",
    "fit",
    "measure",
)


@dataclass(frozen=True)
class Row:
    """One model of the table.

    Attributes:
        data: "mnist" or "fashion".
        kind: objective, from `KINDS`.
        gamma: 0 for the ELBO.
    """

    data: str
    kind: str
    gamma: float

    @property
    def slug(self) -> str:
        """For folders and `--rows`: `mnist-cmi-0.3`."""
        return (
            f"{self.data}-elbo"
            if self.kind == "elbo"
            else f"{self.data}-{self.kind}-{self.gamma:g}"
        )

    @property
    def label(self) -> str:
        """As it stands in the table."""
        return KINDS[self.kind]

    @property
    def published(self) -> dict[str, float]:
        """The paper's numbers by the names of ours; empty if it has none for this gamma."""
        return _published().get((self.data, self.kind, round(self.gamma, 4)), {})


@dataclass(frozen=True)
class Protocol:
    """A protocol; see the head of this module for the fields."""

    name: str
    title: str
    notes: tuple[str, ...]
    seeds: int
    gammas: tuple[float, ...]
    data: Mapping[str, Mapping[str, Any]]
    instead: Mapping[str, Mapping[str, Any]]
    model: Mapping[str, Any]
    networks: Mapping[str, Any]
    fit: Mapping[str, Any]
    measure: Mapping[str, int]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows in the order of the training: the first gamma of every data set, the ELBOs, the
        other gammas.
        """
        priced = [
            [Row(d, k, g) for d in self.data for k in ("cmi", "beta", "mi")] for g in self.gammas
        ]
        return (
            *priced[0],
            *(Row(d, "elbo", 0.0) for d in self.data),
            *(r for p in priced[1:] for r in p),
        )

    def pick(self, slugs: Sequence[str]) -> tuple[Row, ...]:
        """Rows by slug; all if none is named.

        Raises:
            OptionError: an unknown one.
        """
        return picked(self.rows, slugs)

    def load(self, name: str) -> tuple[Dataset, dict[str, Any]]:
        """A data set of the protocol, or what stands in for it; and the options that make it again.

        Raises:
            DataError: neither is there.
        """
        try:
            return data.load(**self.data[name]), dict(self.data[name])
        except DataError:
            if name not in self.instead:
                raise
            return data.load(**self.instead[name]), dict(self.instead[name])

    def experiment(self, row: Row, source: Mapping[str, Any], seed: int) -> Experiment:
        """A row as an experiment."""
        model = {"name": "PixelCNNVAE", **self.model, "objective": row.kind, "gamma": row.gamma}
        return Experiment(dict(source), model, dict(self.networks), {**self.fit, "seed": seed})

    def changed(
        self, seeds: int | None = None, epochs: int | None = None, rows: int | None = None
    ) -> Protocol:
        """The same with fewer seeds, epochs or test rows.

        Raises:
            OptionError: numbers that are not positive.
        """
        for name, value in {"seeds": seeds, "epochs": epochs, "test rows": rows}.items():
            if value is not None and value < 1:
                raise OptionError(f"{name}: expected a positive whole number, got {value}")
        fit = (
            {k: v for k, v in self.fit.items() if k != "steps"} | {"epochs": epochs}
            if epochs
            else self.fit
        )
        measure = {**self.measure, "rows": rows} if rows else self.measure
        return replace(self, seeds=seeds or self.seeds, fit=fit, measure=measure)


def protocols() -> list[str]:
    """Names of the protocols."""
    return shipped(PACKAGE)


def protocol(name: str = "short") -> Protocol:
    """A shipped protocol.

    Raises:
        OptionError: an unknown one.
    """
    if name not in protocols():
        raise OptionError(unknown(f"protocol of {NAME}", name, protocols()))
    return parse(text_of(PACKAGE, name), name)


def parse(text: str, name: str) -> Protocol:
    """A protocol from the text of its file.

    Raises:
        OptionError: not TOML, or unknown or missing keys.
    """
    found = parsed(text, f"{NAME}-{name}", KEYS, {"title", "gammas", "data", "fit"})
    check_keys(found["data"], tuple(SETS), f"{NAME}-{name}: data set")
    measure = {"codes": 100, "each": 10, "draws": 10, **found.get("measure", {})}
    return Protocol(
        name,
        found["title"],
        tuple(found.get("notes", ())),
        found.get("seeds", 1),
        tuple(found["gammas"]),
        found["data"],
        found.get("instead", {}),
        found.get("model", {}),
        found.get("networks", {}),
        found["fit"],
        measure,
    )


@cache
def _published() -> dict[tuple[str, str, float], dict[str, float]]:
    """Tables 4 and 5 of the paper; its row of gamma = 0 is called beta-VAE there."""
    lines = csv.DictReader(
        resources.files(PACKAGE).joinpath("published.csv").read_text().splitlines()
    )
    found = {}
    for line in lines:
        key = line.pop("data"), line.pop("model"), float(line.pop("gamma"))
        found[key] = {k: float(v) for k, v in line.items()}
    return found
