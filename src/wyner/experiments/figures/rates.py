"""Numbers over the rate of z, and pictures that share one z: [CMI], Figures 3 to 5."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wyner.canvas import DATA, LINES
from wyner.experiments.figures.files import Data, Files, files
from wyner.experiments.results import Results
from wyner.experiments.study import Row
from wyner.metrics import balanced
from wyner.report.charts import BROKEN, Chart, Line, charts
from wyner.report.families import families_of

STYLES = dict(elbo=(DATA, "D"), beta=(LINES[1], "o"), mi=(LINES[2], "^"), cmi=(LINES[0], "s"))
"""Colours and marks by objective."""
DRAWS = 6
"""Pictures drawn from one z."""


def rates(
    found: Results,
    data: Data,
    rows: Sequence[Row],
    x: str,
    panels: Sequence[str],
    stem: str = "rates",
    log: bool = False,
    published: bool = False,
) -> Files:
    """Numbers over the rate `x` of z, a line of panels a data set: seeds small, their means joined
    from the ELBO upwards in gamma, and the published means broken.
    """
    sets, known, shown = dict.fromkeys(r.data for r in rows), found.study.columns, []
    for name in sets:
        paths = by_objective([r for r in found.study.rows if r.data == name])
        for k, panel in enumerate(panels):
            lines = [n for p in paths.items() for n in _path(found, *p, x, panel, published)]
            title = "" if k else found.facts[name].name
            shown.append(Chart(lines, (), title, known[x].axis, known[panel].axis, log_x=log))
    yield from files(stem, charts(shown, len(panels), 3.13, 3.0))


def by_objective(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by objective, upwards in gamma; each path but the ELBO's own begins with the ELBO."""
    ordered = sorted(rows, key=lambda r: r.model["gamma"])
    own = {k: [r for r in ordered if r.model["objective"] == k] for k in STYLES}
    return {k: v if k == "elbo" else [*own["elbo"], *v] for k, v in own.items() if v}


def _path(
    found: Results, kind: str, path: Sequence[Row], x: str, panel: str, published: bool
) -> list[Line]:
    """The rows of an objective as lines; none if none of its own has numbers."""
    colour, mark = STYLES[kind]
    each = [(found.values(r.slug, x), found.values(r.slug, panel), r) for r in path]
    ours = [(a, b, r) for a, b, r in each if a and len(a) == len(b)]
    own = [(a, b) for a, b, r in ours if r.model["objective"] == kind]
    if not own:
        return []
    dots = {"marker": mark, "linestyle": "none", "markersize": 2.5, "alpha": 0.45}
    seeds = [Line(a, b, colour, style=dots) for a, b in own if len(a) > 1]
    rate, number = np.array([(np.mean(a), np.mean(b)) for a, b, _ in ours]).T
    gammas = [r.model["gamma"] for *_, r in ours if not published]
    texts = [f"{g:g}" if g else "" for g in gammas]
    label, style = path[-1].label.removeprefix("+ "), {"marker": mark, "markersize": 4}
    lines = [*seeds, Line(rate, number, colour, label, texts=texts, style=style)]
    theirs = [r.published for r in path if {x, panel} <= set(r.published)]
    if published and theirs:
        broken = {"linewidth": 0.9, "linestyle": BROKEN, "alpha": 0.6}
        rate, number = np.array([(p[x][0], p[panel][0]) for p in theirs]).T
        lines.append(Line(rate, number, colour, "published", style=broken))
    return lines


def families(found: Results, data: Data, rows: Sequence[Row]) -> Files:
    """A test picture of each class and draws from its mean code, by every row; one a data set."""
    for name in dict.fromkeys(r.data for r in rows):
        some, dataset = [r for r in rows if r.data == name], data(name)
        real = dataset.test["x"][balanced(dataset.test["label"], 1)]
        drawn = {}
        for row in some:
            model = found.cells[row.slug][0].model()
            gamma = f", gamma {row.model['gamma']:g}" if row.model["gamma"] else ""
            made = model.redraw(x=real, n=DRAWS, seed=0)["x"]
            drawn[f"{row.label}{gamma}"] = np.asarray(made)
        title = f"{found.facts[name].name}: test pictures, draws from their z"
        yield from files(f"families-{name}", families_of(real, drawn, title))
