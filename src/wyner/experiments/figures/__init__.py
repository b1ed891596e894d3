"""Figures by name, drawn from results; `[figures.NAME]` of a study gives their rows and options.

A figure is a function `figure(found, data, rows, **options)` that yields names after the protocol,
such as `-curves.png`, with the content of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wyner.experiments.figures import clouds, coverage, curves, hits, lambdas, rates, sheets
from wyner.experiments.figures.files import Data, Files, files
from wyner.experiments.results import Results
from wyner.experiments.study import Row
from wyner.report.estimates import figure_of


def answers(found: Results, data: Data, rows: Sequence[Row]) -> Files:
    """Estimates against the truth; the page of the estimators."""
    yield from files("", figure_of(found.estimates, [r.slug for r in rows]))


FIGURES: dict[str, Callable[..., Files]] = {
    "curves": curves.curves,
    "coverage": coverage.coverage,
    "crowded": curves.crowded,
    "scatter": clouds.scatter,
    "completions": clouds.completions,
    "estimates": answers,
    "hits": hits.hits,
    "lambda": lambdas.lambda_curves,
    "rates": rates.rates,
    "families": rates.families,
    "sheets": sheets.sheets,
}


def draw_all(found: Results, data: Data) -> Files:
    """The files of every figure that the study names and that there are models for."""
    for name, options in found.study.figures.items():
        rest: dict[str, Any] = {k: v for k, v in options.items() if k != "rows"}
        slugs = options.get("rows", [r.slug for r in found.rows])
        rows = [r for s in slugs for r in found.rows if r.slug == s]
        if rows:
            yield from FIGURES[name](found, data, rows, **rest)
