"""Rows of the old protocols."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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


def slug_of(label: str) -> str:
    """A label as the name of a folder: `Wyner VAE (lambda = 0.05)` becomes
    `wyner-vae-lambda-0.05`.
    """
    return re.sub(r"[^a-z0-9.]+", "-", label.lower()).strip("-.")
