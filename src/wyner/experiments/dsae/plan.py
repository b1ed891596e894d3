"""A protocol of the speech tables as a file: which corpus, which sizes, which rows, what was
published.

title, source, seeds        # of the table
[[data]]                    # corpora, the first that is there is used: name and options
[model]                     # arguments of DSAE besides the objective; variance: where the decoder's
                            starts
[networks], [prior], [critics], [fit]
[evaluate]                  # report: steps of the reporting critic; pairs, draws of VC-mCAS
[[rows]]                    # label, slug, objective, gamma, published = {elbo = [mean, se], ...}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from wyner.data.corpus import Corpus
from wyner.data.speech import CORPORA
from wyner.errors import DataError, OptionError, unknown
from wyner.experiments.protocols import parsed, picked, shipped, text_of
from wyner.families import Recurrent, StepGaussian, Trainable
from wyner.models import DSAE
from wyner.networks import SequenceCritics, Sequences
from wyner.seeds import INITIAL, mix
from wyner.variables import Sequence

NAME = "dsae"
METRICS = ("elbo", "kl_z", "kl_s", "recon", "eer_z", "eer_s", "information", "conversion")
TOP = (
    "title",
    "source",
    "seeds",
    "data",
    "steps",
    "model",
    "networks",
    "prior",
    "critics",
    "fit",
    "evaluate",
    "rows",
    "notes",
)


@dataclass(frozen=True)
class Row:
    """A row: an objective, and what [CMI] published for it on TIMIT, by metric as (mean, standard
    error).
    """

    label: str
    slug: str
    objective: str
    gamma: float
    published: dict[str, tuple[float, float | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """What is trained and how it is measured; see the head of this module."""

    name: str
    title: str
    source: str
    seeds: int
    data: tuple[dict[str, Any], ...]
    steps: int
    model: dict[str, Any]
    networks: dict[str, Any]
    prior: dict[str, Any]
    critics: dict[str, Any]
    fit: dict[str, Any]
    evaluate: dict[str, int]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def corpus(self) -> tuple[Corpus, dict[str, Any]]:
        """The first corpus of the list whose files are there, and the options that make it again.

        Raises:
            DataError: none is there; the reason is that of the last.
        """
        for k, options in enumerate(self.data):
            made = dict(options)
            name = made.pop("name")
            if name not in CORPORA:
                raise OptionError(unknown("corpus", name, CORPORA))
            try:
                return CORPORA[name](**made), dict(options)
            except DataError:
                if k + 1 == len(self.data):
                    raise
        raise OptionError(f"dsae-{self.name}: expected at least one corpus under [[data]]")

    def build(self, row: Row, bins: int, seed: int) -> DSAE:
        """A model with fresh weights, drawn from the seed."""
        options = dict(self.model)
        decoder = StepGaussian(Trainable(options.pop("variance", 1.0)))
        with torch.random.fork_rng([]):
            torch.manual_seed(mix(seed, INITIAL))
            return DSAE(
                x=Sequence(self.steps, bins),
                objective=row.objective,
                gamma=row.gamma,
                watch=False,
                families={"x": decoder},
                **options,
                networks=Sequences(**self.networks),
                prior=Recurrent(**self.prior),
                critics=SequenceCritics(**self.critics),
            )

    def settings(self, row: Row) -> dict[str, Any]:
        """What a trained model depends on besides seed and corpus."""
        return {
            "objective": row.objective,
            "gamma": row.gamma,
            "steps": self.steps,
            "model": self.model,
            "networks": self.networks,
            "prior": self.prior,
            "critics": self.critics,
            "fit": self.fit,
        }

    def pick(self, slugs: list[str]) -> tuple[Row, ...]:
        """Rows by slug; all if none is named.

        Raises:
            OptionError: an unknown one.
        """
        return picked(self.rows, slugs)


def protocols() -> list[str]:
    """Protocols that are shipped."""
    return shipped("wyner.experiments.dsae")


def read(name: str = "short") -> Protocol:
    """A shipped protocol.

    Raises:
        OptionError: an unknown one.
    """
    if name not in protocols():
        raise OptionError(unknown("protocol of dsae", name, protocols()))
    return parse(text_of("wyner.experiments.dsae", name), name)


def parse(text: str, name: str) -> Protocol:
    """A protocol from the text of its file.

    Raises:
        OptionError: not TOML, or keys that are unknown or missing.
    """
    found = parsed(text, f"dsae-{name}", TOP, {"title", "seeds", "data", "fit", "rows"})
    evaluate = {"report": 400, "pairs": 250, **found.get("evaluate", {})}
    part = lambda key: dict(found.get(key, {}))
    return Protocol(
        name,
        found["title"],
        found.get("source", ""),
        found["seeds"],
        tuple(found["data"]),
        found.get("steps", 20),
        part("model"),
        part("networks"),
        part("prior"),
        part("critics"),
        part("fit"),
        evaluate,
        tuple(_row(r, name) for r in found["rows"]),
        tuple(found.get("notes", [])),
    )


def _row(found: dict[str, Any], name: str) -> Row:
    for key in found:
        if key not in ("label", "slug", "objective", "gamma", "published"):
            raise OptionError(
                f"dsae-{name}: row:"
                f" {unknown('key', key, ('label', 'slug', 'objective', 'gamma', 'published'))}"
            )
    published = {}
    for metric, value in found.get("published", {}).items():
        if metric not in METRICS:
            raise OptionError(f"dsae-{name}: row: {unknown('metric', metric, METRICS)}")
        published[metric] = (float(value[0]), float(value[1]) if len(value) > 1 else None)
    return Row(
        found["label"], found["slug"], found["objective"], float(found.get("gamma", 0.0)), published
    )
