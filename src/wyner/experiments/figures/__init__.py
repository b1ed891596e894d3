"""Figures by name, drawn from results; `[figures.NAME]` of a study gives their rows and options.

A figure is a function `figure(found, data, rows, **options)` that yields names after the protocol,
such as `-curves.png`, with the content of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from wyner.data import Dataset
from wyner.experiments.figures import (
    clouds,
    coverage,
    curves,
    estimates,
    hits,
    lambdas,
    rates,
    sheets,
)
from wyner.experiments.results import Results

FIGURES: dict[str, Callable[..., Iterator[tuple[str, bytes]]]] = {
    "curves": curves.curves,
    "coverage": coverage.coverage,
    "crowded": curves.crowded,
    "scatter": clouds.scatter,
    "completions": clouds.completions,
    "estimates": estimates.estimates,
    "hits": hits.hits,
    "lambda": lambdas.lambda_curves,
    "rates": rates.rates,
    "families": rates.families,
    "sheets": sheets.sheets,
}


def draw_all(found: Results, data: Callable[[str], Dataset]) -> Iterator[tuple[str, bytes]]:
    """The files of every figure that the study names and that there are models for."""
    for name, options in found.study.figures.items():
        rest: dict[str, Any] = {k: v for k, v in options.items() if k != "rows"}
        slugs = options.get("rows", [r.slug for r in found.rows])
        rows = [r for s in slugs for r in found.rows if r.slug == s]
        if rows:
            yield from FIGURES[name](found, data, rows, **rest)


__all__ = ["FIGURES", "draw_all"]
