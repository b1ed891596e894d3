"""Sentences of a paper that numbers can decide, as protocol files have them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wyner.errors import OptionError, unknown
from wyner.experiments.protocols import check_keys

RELATIONS = ("below", "above", "at most")


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper that numbers can decide.

    below: mean(left) < mean(right) - margin.   above: mean(left) > mean(right) + margin.
    at most: mean(left) <= mean(right) + margin.

    Attributes:
        text: the sentence.
        left: slug of a row.
        right: slugs it is compared with; all must agree.
        metric: by name.
        relation: from `RELATIONS`.
        margin: in units of the metric.
    """

    text: str
    left: str
    right: tuple[str, ...]
    metric: str
    relation: str
    margin: float = 0.0


def claim(
    found: Mapping[str, Any], slugs: Sequence[str], metrics: Collection[str], where: str
) -> Claim:
    """A claim from its table in a protocol file.

    Args:
        found: text, left, right (one slug or several), metric, relation, margin.
        slugs: of the protocol's rows.
        metrics: that the protocol's table has.
        where: the protocol, for errors.

    Raises:
        OptionError: an unknown key, row, metric or relation.
    """
    check_keys(
        found, ("text", "left", "right", "metric", "relation", "margin"), f"{where}: key of a claim"
    )
    right = found["right"] if isinstance(found["right"], list) else [found["right"]]
    for slug in (found["left"], *right):
        if slug not in slugs:
            raise OptionError(f"{where}: claim: {unknown('row', slug, slugs)}")
    if found["metric"] not in metrics:
        raise OptionError(f"{where}: claim: {unknown('metric', found['metric'], metrics)}")
    if found["relation"] not in RELATIONS:
        raise OptionError(f"{where}: claim: {unknown('relation', found['relation'], RELATIONS)}")
    margin = float(found.get("margin", 0.0))
    return Claim(
        found["text"], found["left"], tuple(right), found["metric"], found["relation"], margin
    )
